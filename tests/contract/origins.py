"""Where in an answer the fields of a card can have come from: by the documents' own names, and by no other way.

Nothing here knows how an answer is read. For each card that came out it is asked whether one place of the answer that
went in holds every one of its fields, in a spelling that the documents (or the pages in `docs/providers/`) know.
"""

import base64
import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from cardintake.providers.protocol import Reading, Region

_LONGEST = 1200  # characters; a longer text is no reading, whatever it holds
_LONGEST_JSON = 20_000_000
_MONTHS = ("ENE", "FEB", "MAR", "ABR", "MAY", "JUN", "JUL", "AGO", "SE(P|T|PT)", "OCT", "NOV", "DIC")
_DASH = "[-–—~至到]"
_IDENTITY = {"country", "document_type", "side"}
_SPELLED: dict[tuple[str, Any], set[str]] = {
    ("sex", "M"): {"男", "M", "MASCULINO"},
    ("sex", "F"): {"女", "F", "FEMENINO"},
    ("marital_status", "single"): {"S", "SOLTERO", "SOLTERA"},
    ("marital_status", "married"): {"C", "CASADO", "CASADA"},
    ("marital_status", "divorced"): {"D", "DIVORCIADO", "DIVORCIADA"},
    ("marital_status", "widowed"): {"V", "VIUDO", "VIUDA"},
    ("organ_donor", True): {"SI", "SÍ"},
    ("organ_donor", False): {"NO"},
}
_WITHOUT_END = {"长期", "长期有效", "NOCADUCA", "INDEFINIDO"}
_CODES = {"id_number", "document_number"}
_HUAWEI_PLACES = ["result", "result.front", "result.back"]
_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "ctyun": {
        "name": ("name",), "sex": ("sex",), "ethnicity": ("nation",), "birth_date": ("birthday",), "address": ("addr",),
        "id_number": ("idn",), "issuing_authority": ("org",), "valid_from": ("validperiod",),
        "valid_to": ("validperiod",), "long_term": ("validperiod",),
    },
    "waiqin365": {
        "name": ("姓名",), "sex": ("性别",), "ethnicity": ("民族",), "birth_date": ("出生",), "address": ("住址",),
        "id_number": ("公民身份号码",), "issuing_authority": ("签发机关",), "valid_from": ("签发日期",),
        "valid_to": ("失效日期",), "long_term": ("失效日期",),
    },
    "huaweicloud": {
        "name": ("name",), "sex": ("sex",), "ethnicity": ("ethnicity",), "birth_date": ("birth",),
        "address": ("address",), "id_number": ("number",), "issuing_authority": ("issue",),
        "valid_from": ("valid_from",), "valid_to": ("valid_to",), "long_term": ("valid_to",),
    },
    "ihuyi": {
        "name": ("name",), "sex": ("gender",), "ethnicity": ("ethnicity",), "address": ("domicile",),
        "birth_date": ("data_of_birth", "date_of_birth", "birth"), "id_number": ("id_number",),
        "issuing_authority": ("issue_authority",), "valid_from": ("valid_period",), "valid_to": ("valid_period",),
        "long_term": ("valid_period",),
    },
    "accuauth": {
        "id_number": ("id_number",), "check_character": ("id_number",), "given_names": ("name", "given_name"),
        "paternal_surname": ("father_name",), "maternal_surname": ("mother_name",), "surname": ("surname",),
        "sex": ("gender_s", "gender"), "marital_status": ("marriage",), "birth_date": ("birthday_s", "birthday"),
        "birth_place": ("birth_place",), "issue_date": ("issue_date_s", "issue_date"),
        "expiry_date": ("expiry_date_s", "expiry_date"), "no_expiry": ("expiry_date_s", "expiry_date"),
        "registration_date": ("registration_date",), "election_number": ("election_number",),
        "organ_donor": ("organ_donation",), "address": ("address",), "department": ("department", "region"),
        "province": ("province", "region"), "district": ("district", "region"), "edition": ("card_type",),
        "document_number": ("document_number",), "nationality": ("nationality",),
        "migratory_quality": ("migratory_quality",),
    },
}  # fmt: skip


def parsed(body: bytes) -> Any:
    """The body where it is JSON that every reader reads alike: no member twice in an object, no NaN. Else None."""
    try:
        return json.loads(body, object_pairs_hook=_told_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def _told_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in members}) < len(members):
        raise ValueError
    return dict(members)


def _no_number(name: str) -> None:
    raise ValueError(name)


def without_origin(provider: str, reading: Reading, document: Any) -> list[str]:
    """What of the reading stands nowhere in the document: fields, signals, crops."""
    found: list[str] = []
    for read in reading.cards:
        values = read.card.values()
        absent = [_absent(provider, values, place) for place in _places(provider, document)]
        closest: list[str] = min(absent, key=len) if absent else ["card"]
        found += closest
    found += [name for name, value in reading.signals.items() if not _signalled(provider, name, value, document)]
    crops = {"portrait": reading.portrait, "card_image": reading.card_image}
    return found + [name for name, crop in crops.items() if crop is not None and not _cropped(crop, document)]


def _absent(provider: str, values: dict[str, Any], place: dict[str, Any]) -> list[str]:
    """Fields of one card that this place of the answer does not hold."""
    names = _NAMES[provider]
    return [
        field
        for field, value in values.items()
        if field not in _IDENTITY
        and not any(_written(provider, field, value, place.get(name)) for name in names.get(field, ()))
    ]


def _places(provider: str, document: Any) -> Iterator[dict[str, Any]]:
    """The objects whose members are fields."""
    for path in {
        "ctyun": ["result.0.detail"],
        "waiqin365": ["response_data.recognition_results"],
        "huaweicloud": _HUAWEI_PLACES,
        "ihuyi": ["content"],
        "accuauth": [f"results.{at}" for at in range(20)],
    }[provider]:
        place = _at(document, path)
        if not isinstance(place, dict):
            continue
        if provider == "waiqin365":
            yield {name: entry.get("words") for name, entry in place.items() if isinstance(entry, dict)}
        elif provider == "accuauth":
            info = place.get("card_info")
            yield {"card_type": place.get("card_type")} | (info if isinstance(info, dict) else {})
        else:
            yield place


def _at(document: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(document, str) and len(document) < _LONGEST_JSON:  # waiqin365: JSON in a text
            document = parsed(document.encode("utf-8", "surrogatepass"))
        if isinstance(document, list) and step.isdecimal():
            document = document[int(step)] if int(step) < len(document) else None
        elif isinstance(document, dict):
            document = document.get(step)
        else:
            return None
    return document


def stands_in(text: str, document: Any) -> bool:
    """Whether a value of the document is this text, or this number."""
    return any(_essence(leaf) == text for leaf in _leaves(document))


# values ---------------------------------------------------------------------------------------------------------------


def _essence(value: object) -> str | None:
    """What of a text can be seen, without white space; None for what is neither text nor a whole number."""
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > _LONGEST:
        return None
    seen = (c for c in str(value) if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf"))
    return unicodedata.normalize("NFC", "".join(seen))


def _folded(value: object) -> str | None:
    essence = _essence(value)
    return None if essence is None else "".join(unicodedata.normalize("NFKC", essence).split()).upper()


def _written(provider: str, field: str, value: str | bool, source: object) -> bool:
    """Whether `source` is a spelling of the field's value."""
    seen, folded = _essence(source), _folded(source)
    if not seen or folded is None:
        return False
    if (field, value) in _SPELLED:
        return folded in _SPELLED[field, value]
    if field in ("long_term", "no_expiry"):
        return folded in _WITHOUT_END or bool(re.fullmatch(f"[-0-9./]{{8,10}}{_DASH}长期(有效)?", folded))
    value = str(value)
    if field.endswith("_date") or field in ("valid_from", "valid_to"):
        return _dated(provider, field, value, folded)
    if field in ("id_number", "check_character") and provider == "accuauth":
        return value == folded or bool(
            re.fullmatch(rf"{re.escape(value)}-?[0-9A-KX*×]|[^-]{{8}}-?{re.escape(value)}", folded)
        )
    if field in _CODES:
        return _folded(value) == folded
    if field == "ethnicity":
        return _essence(value) in (seen, seen.removesuffix("族"))
    if field in ("department", "province", "district") and "/" in seen and seen.count("/") == 2:
        part = seen.split("/")[("department", "province", "district").index(field)]
        return _essence(value) in (seen, part)
    return _essence(value) == seen


def _dated(provider: str, field: str, value: str, folded: str) -> bool:
    one = f"({'|'.join(_spellings(provider, value))})"
    if provider in ("ctyun", "ihuyi") and field == "valid_from":
        return bool(re.fullmatch(f"{one}{_DASH}([-0-9./]{{8,10}}|长期(有效)?)?", folded))
    if provider in ("ctyun", "ihuyi") and field == "valid_to":
        return bool(re.fullmatch(f"[-0-9./]{{8,10}}{_DASH}{one}", folded))
    return bool(re.fullmatch(one, folded))


def _spellings(provider: str, value: str) -> Iterator[str]:
    """Patterns of every spelling of a date that the provider's page names."""
    year, month, day = value.split("-")
    if provider == "accuauth":
        yield from (f"{_number(day)}{mark}{_number(month)}{mark}{year}" for mark in ("-", "/", "[.]"))
        yield f"{_number(day)}[-/.]?{_MONTHS[int(month) - 1]}[.]?[-/.]?{year}"
    elif provider == "huaweicloud":
        yield f"{year}-{month}-{day}"
    else:
        yield from (f"{year}{mark}{_number(month)}{mark}{_number(day)}" for mark in ("-", "/", "[.]"))
        yield f"{year}{month}{day}"
        yield f"{year}年{_number(month)}月{_number(day)}日?"


def _number(two_digits: str) -> str:
    return f"0?{two_digits[1]}" if two_digits[0] == "0" else two_digits


# verdicts and crops ---------------------------------------------------------------------------------------------------


def _signalled(provider: str, name: str, value: Any, document: Any) -> bool:
    at = {
        "ctyun": ["result.0"],
        "waiqin365": ["response_data"],
        "huaweicloud": _HUAWEI_PLACES,
    }
    sources = [_at(document, f"{place}.{name}") for place in at[provider]]
    if name == "edit_tool":
        return value is True and any(bool(source) for source in sources)
    if value == "other":
        return any(source not in (None, "") for source in sources)
    return any(source is not None and _same(value, source) for source in sources)


def _same(value: Any, source: object) -> bool:
    if isinstance(value, bool) or isinstance(source, bool):
        return value is source
    if isinstance(value, int | float):
        try:
            return float(value) == float(source)  # type: ignore[arg-type]
        except (ValueError, TypeError, OverflowError):
            return False
    return str(source).strip() == value or _essence(source) == _essence(value)


def _cropped(crop: bytes | Region, document: Any) -> bool:
    if isinstance(crop, Region):
        regions = (_at(document, f"results.{at}.face_region") for at in range(20))
        return crop.corners in map(_corners, regions)
    return any(isinstance(leaf, str) and _decoded(leaf) == crop for leaf in _leaves(document))


def _decoded(text: str) -> bytes | None:
    """Of either base64 alphabet, behind a `data:` prefix or not."""
    encoded = "".join(text.rpartition("base64,")[2].split()).translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(encoded)
    except ValueError:
        return None


def _corners(region: Any) -> tuple[tuple[int, int], ...] | None:
    try:
        return tuple((round(x), round(y)) for x, y in region)
    except (TypeError, ValueError, OverflowError):
        return None


def _leaves(document: Any) -> Iterator[Any]:
    """All values but objects and lists, those in JSON texts included; without recursion: nesting may be deep."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        else:
            yield value
            if isinstance(value, str) and len(value) < _LONGEST_JSON and value.lstrip().startswith("{"):
                waiting.append(parsed(value.encode("utf-8", "surrogatepass")))
