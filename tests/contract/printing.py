"""Any card as each provider's document writes it: the answer of a service that reads every field as it is printed.

Written from the documents and their examples alone; nothing here knows how the answers are read. What a document leaves
open (how CTYun writes a birthday, whether waiqin365's data is text) is a form of its own.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from cardintake.cards.models import (
    ChineseIdEmblem,
    ChineseIdPortrait,
    PeruvianDniBack,
    PeruvianDniFront,
    PeruvianForeignerCardFront,
)

type Json = dict[str, Any]
type Kind = Literal[
    "portrait", "emblem", "emblem, term as one text",
    "new front", "new back", "old front", "old back", "foreigner",
]  # fmt: skip


@dataclass(frozen=True)
class Form:
    """One documented form of an answer. `write` takes a card of each of `kinds`, and `blank`.

    `blank`: what was not read stands there as an empty text; else its member is missing.
    """

    provider: str
    name: str
    kinds: tuple[Kind, ...]
    write: Callable[..., Json]

    def __str__(self) -> str:
        return f"{self.provider}: {self.name}"


def _members(members: dict[str, str | None], *, blank: bool) -> Json:
    return {name: value or "" for name, value in members.items() if value is not None or blank}


def _written(day: date | None, form: str) -> str | None:
    return None if day is None else day.strftime(form)


def _chinese_sex(card: ChineseIdPortrait) -> str | None:
    return {"M": "男", "F": "女", None: None}[card.sex]


def _term(card: ChineseIdEmblem, form: str) -> str | None:
    """Both ends as one text; a card of this kind has both or neither."""
    if card.valid_from is None:
        return None
    return f"{_written(card.valid_from, form)}-{'长期' if card.long_term else _written(card.valid_to, form)}"


# CTYun ----------------------------------------------------------------------------------------------------------------


def _ctyun(note: str, detail: dict[str, str | None]) -> Json:
    """Always all eight members, empty where nothing was read; `note` front is the emblem side."""
    names = ("name", "sex", "nation", "birthday", "idn", "addr", "org", "validperiod")
    result = {
        "note": note,
        "detail": {name: detail.get(name) or "" for name in names},
        "idcard_face": "no face",
        "demo_image": "demo_image",
        "risk": "normal",
    }
    return {"code": 0, "message": {"success": 1, "fail": 0}, "result": [result]}


def _ctyun_portrait(birthday: Callable[[date], str]) -> Callable[..., Json]:
    def write(card: ChineseIdPortrait, *, blank: bool) -> Json:
        return _ctyun(
            "back",
            {
                "name": card.name,
                "sex": _chinese_sex(card),
                "nation": card.ethnicity,
                "birthday": None if card.birth_date is None else birthday(card.birth_date),
                "idn": card.id_number,
                "addr": card.address,
            },
        )

    return write


def _ctyun_emblem(card: ChineseIdEmblem, *, blank: bool) -> Json:
    return _ctyun("front", {"org": card.issuing_authority, "validperiod": _term(card, "%Y.%m.%d")})


# waiqin365 ------------------------------------------------------------------------------------------------------------


def _waiqin365_fields(fields: dict[str, str | None], *, blank: bool) -> Json:
    place = {"left": 267, "top": 176, "width": 152, "height": 50}
    results = {name: {"location": place, "words": words} for name, words in _members(fields, blank=blank).items()}
    return {"recognition_results": results, "result_num": len(results)}


def _waiqin365_portrait(card: ChineseIdPortrait, *, blank: bool) -> Json:
    return {"transfer_id": "3453434212", "recognition_id": 547777451, "direction": 0, "photo_status": "normal"} | (
        _waiqin365_fields(
            {
                "住址": card.address,
                "公民身份号码": card.id_number,
                "出生": _written(card.birth_date, "%Y%m%d"),
                "姓名": card.name,
                "性别": _chinese_sex(card),
                "民族": card.ethnicity,
            },
            blank=blank,
        )
    )


def _waiqin365_emblem(card: ChineseIdEmblem, *, blank: bool) -> Json:
    return {"transfer_id": "3453434212", "recognition_id": "1559208562721579328", "photo_status": "normal"} | (
        _waiqin365_fields(
            {
                "失效日期": "长期" if card.long_term else _written(card.valid_to, "%Y%m%d"),
                "签发机关": card.issuing_authority,
                "签发日期": _written(card.valid_from, "%Y%m%d"),
            },
            blank=blank,
        )
    )


def _waiqin365_text(write: Callable[..., Json]) -> Callable[..., Json]:
    """The data as text, as `<<DATA>>` in quotes has it, and the code as text."""

    def written(card: object, *, blank: bool) -> Json:
        data = json.dumps(write(card, blank=blank), ensure_ascii=False)
        return {"return_code": "0", "return_msg": "响应信息", "msg_id": "6d0f3e1c", "response_data": data}

    return written


def _waiqin365_object(write: Callable[..., Json]) -> Callable[..., Json]:
    def written(card: object, *, blank: bool) -> Json:
        data = write(card, blank=blank) | {"photo_status": "reversed_side"}
        return {"return_code": 0, "return_msg": "响应信息", "msg_id": "6d0f3e1c", "response_data": data}

    return written


# Huawei Cloud ---------------------------------------------------------------------------------------------------------

_DETECTED = {f"detect_{name}_result": False for name in ("reproduce", "copy", "border_integrity", "blur", "glare")}
_ALL_FALSE = dict.fromkeys(("valid_number", "valid_birth", "valid_sex", "valid_date", "valid_validity_period"), False)


def _huaweicloud_portrait(card: ChineseIdPortrait, *, blank: bool) -> Json:
    members: dict[str, str | None] = {
        "name": card.name,
        "sex": _chinese_sex(card),
        "ethnicity": card.ethnicity,
        "birth": _written(card.birth_date, "%Y-%m-%d"),
        "address": card.address,
        "number": card.id_number,
    }
    return _members(members, blank=blank)


def _huaweicloud_emblem(card: ChineseIdEmblem, *, blank: bool) -> Json:
    members: dict[str, str | None] = {
        "issue": card.issuing_authority,
        "valid_from": _written(card.valid_from, "%Y-%m-%d"),
        "valid_to": "长期" if card.long_term else _written(card.valid_to, "%Y-%m-%d"),
    }
    return _members(members, blank=blank)


def _huaweicloud_result(write: Callable[..., Json]) -> Callable[..., Json]:
    return lambda card, *, blank: {"result": write(card, blank=blank)}


def _huaweicloud_switches(write: Callable[..., Json]) -> Callable[..., Json]:
    """With the other side's fields empty and the detectors' and verifications' members beside."""
    nothing = _huaweicloud_portrait(ChineseIdPortrait(), blank=True) | _huaweicloud_emblem(
        ChineseIdEmblem(), blank=True
    )
    beside = {"verification_result": _ALL_FALSE, "text_location": {}, "portrait_location": [], **_DETECTED}
    return lambda card, *, blank: {"result": nothing | write(card, blank=blank) | beside}


def _huaweicloud_double(portrait: ChineseIdPortrait, emblem: ChineseIdEmblem, *, blank: bool) -> Json:
    sides = {
        "front": _huaweicloud_portrait(portrait, blank=blank) | _DETECTED,
        "back": _huaweicloud_emblem(emblem, blank=blank) | _DETECTED,
    }
    return {"result": sides}


# ihuyi ----------------------------------------------------------------------------------------------------------------


def _ihuyi(content: Json, number: str = "ocrid") -> Json:
    return {"code": 2, "msg": "提交成功", number: "22101320041348318", "content": content}


def _ihuyi_front(card: ChineseIdPortrait, birth: str, *, blank: bool) -> Json:
    members: dict[str, str | None] = {
        "name": card.name,
        "id_number": card.id_number,
        "gender": _chinese_sex(card),
        "ethnicity": card.ethnicity,
        birth: _written(card.birth_date, "%Y.%m.%d"),
        "domicile": card.address,
    }
    return {"type": "front"} | _members(members, blank=blank)


def _ihuyi_back(card: ChineseIdEmblem, *, blank: bool) -> Json:
    members = {"issue_authority": card.issuing_authority, "valid_period": _term(card, "%Y.%m.%d")}
    return {"type": "back"} | _members(members, blank=blank)


# AccuAuth -------------------------------------------------------------------------------------------------------------

_MONTHS = ("ENE", "FEB", "MAR", "ABR", "MAY", "JUN", "JUL", "AGO", "SET", "OCT", "NOV", "DIC")
_MARRIAGE_WORDS = {"single": "Soltero", "married": "Casado", "divorced": "Divorciado", "widowed": "Viudo", None: None}
_MARRIAGE_LETTERS = {"single": "S", "married": "C", "divorced": "D", "widowed": "V", None: None}
_ORGANS = {True: "SI", False: "No", None: None}


def _accuauth(*results: Json) -> Json:
    return {"request_id": "TID8bf47ab6eda64476973cc5f5b6ebf57e", "status": "OK", "results": list(results)}


def _dni_number(card: PeruvianDniFront) -> str | None:
    """As printed, with its character behind a dash; both stand masked in the document's example."""
    if card.id_number is None:
        return None
    masked = "X" in card.id_number
    character = card.check_character or ("x" if masked else None)
    number = card.id_number.lower() if masked else card.id_number
    return number if character is None else f"{number}-{character}"


def _common_front(card: PeruvianDniFront) -> dict[str, str | None]:
    return {
        "id_number": _dni_number(card),
        "father_name": card.paternal_surname,
        "mother_name": card.maternal_surname,
        "name": card.given_names,
        "birthday": _written(card.birth_date, "%d/%m/%Y"),
        "birth_place": card.birth_place,
        "issue_date": _written(card.issue_date, "%d/%m/%Y"),
        "expiry_date": "NO CADUCA" if card.no_expiry else _written(card.expiry_date, "%d/%m/%Y"),
    }


def _new_front(card: PeruvianDniFront, *, blank: bool) -> Json:
    info = _common_front(card) | {
        "gender": {"M": "MASCULINO", "F": "FEMENINO", None: None}[card.sex],
        "gender_s": card.sex,
        "marriage": _MARRIAGE_WORDS[card.marital_status],
        "election_number": card.election_number,
        "organ_donation": _ORGANS[card.organ_donor],
    }
    return {"card_type": "new", "card_side": "front", "card_info": _members(info, blank=blank)}


def _new_back(card: PeruvianDniBack, *, blank: bool) -> Json:
    """A card of this kind has department, province and district, or none of them."""
    parts = (card.department, card.province, card.district)
    info = {"region": None if None in parts else "/".join(map(str, parts)), "address": card.address}
    return {"card_type": "new", "card_side": "back", "card_info": _members(info, blank=blank)}


def _old_front(card: PeruvianDniFront, *, blank: bool) -> Json:
    """Without `gender_s`, as in the document's example."""
    info = _common_front(card) | {
        "gender": card.sex,
        "marriage": _MARRIAGE_LETTERS[card.marital_status],
        "registration_date": _written(card.registration_date, "%d/%m/%Y"),
    }
    return {"card_type": "old", "card_side": "front", "card_info": _members(info, blank=blank)}


def _old_back(card: PeruvianDniBack, *, blank: bool) -> Json:
    info = {
        "address": card.address,
        "department": card.department,
        "district": card.district,
        "election_number": card.election_number,
        "organ_donation": _ORGANS[card.organ_donor],
        "province": card.province,
    }
    return {"card_type": "old", "card_side": "back", "card_info": _members(info, blank=blank)}


def _foreigner(card: PeruvianForeignerCardFront, *, blank: bool, formatted: bool) -> Json:
    dates = {"birthday": card.birth_date, "issue_date": card.issue_date, "expiry_date": card.expiry_date}
    info: dict[str, str | None] = {
        "id_number": card.id_number,
        "document_number": card.document_number,
        "surname": card.surname,
        "given_name": card.given_names,
        "gender": card.sex,
        "marriage": _MARRIAGE_LETTERS[card.marital_status],
        "nationality": card.nationality,
        "migratory_quality": card.migratory_quality,
    }
    for name, day in dates.items():
        info[name] = None if day is None else f"{day:%d} {_MONTHS[day.month - 1]} {day:%Y}"
        if formatted:
            info[f"{name}_s"] = _written(day, "%d-%m-%Y")
    if formatted:
        info["gender_s"] = card.sex
    return {"card_type": "ALIEN", "card_side": "front", "card_info": _members(info, blank=blank)}


# all ------------------------------------------------------------------------------------------------------------------

FORMS: tuple[Form, ...] = (
    Form("ctyun", "birthday 1990-03-07", ("portrait",), _ctyun_portrait(lambda day: f"{day:%Y-%m-%d}")),
    Form("ctyun", "birthday 1990.03.07", ("portrait",), _ctyun_portrait(lambda day: f"{day:%Y.%m.%d}")),
    Form("ctyun", "birthday 19900307", ("portrait",), _ctyun_portrait(lambda day: f"{day:%Y%m%d}")),
    Form(
        "ctyun", "birthday 1990年3月7日", ("portrait",),
        _ctyun_portrait(lambda day: f"{day.year}年{day.month}月{day.day}日"),
    ),
    Form("ctyun", "emblem side", ("emblem, term as one text",), _ctyun_emblem),
    Form("waiqin365", "portrait side, data as text", ("portrait",), _waiqin365_text(_waiqin365_portrait)),
    Form("waiqin365", "portrait side, data as object", ("portrait",), _waiqin365_object(_waiqin365_portrait)),
    Form("waiqin365", "emblem side, data as text", ("emblem",), _waiqin365_text(_waiqin365_emblem)),
    Form("waiqin365", "emblem side, data as object", ("emblem",), _waiqin365_object(_waiqin365_emblem)),
    Form("huaweicloud", "portrait side", ("portrait",), _huaweicloud_result(_huaweicloud_portrait)),
    Form("huaweicloud", "portrait side, switches on", ("portrait",), _huaweicloud_switches(_huaweicloud_portrait)),
    Form("huaweicloud", "emblem side", ("emblem",), _huaweicloud_result(_huaweicloud_emblem)),
    Form("huaweicloud", "emblem side, switches on", ("emblem",), _huaweicloud_switches(_huaweicloud_emblem)),
    Form("huaweicloud", "double_side", ("portrait", "emblem"), _huaweicloud_double),
    Form(
        "ihuyi", "data_of_birth", ("portrait",),
        lambda card, *, blank: _ihuyi(_ihuyi_front(card, "data_of_birth", blank=blank)),
    ),
    Form(
        "ihuyi", "birth, msgid", ("portrait",),
        lambda card, *, blank: _ihuyi(_ihuyi_front(card, "birth", blank=blank), "msgid"),
    ),
    Form(
        "ihuyi", "inner code", ("portrait",),
        lambda card, *, blank: _ihuyi({"code": 2} | _ihuyi_front(card, "data_of_birth", blank=blank)),
    ),
    Form(
        "ihuyi", "emblem side", ("emblem, term as one text",),
        lambda card, *, blank: _ihuyi(_ihuyi_back(card, blank=blank)),
    ),
    Form("accuauth", "new front", ("new front",), lambda card, *, blank: _accuauth(_new_front(card, blank=blank))),
    Form("accuauth", "new back", ("new back",), lambda card, *, blank: _accuauth(_new_back(card, blank=blank))),
    Form("accuauth", "old front", ("old front",), lambda card, *, blank: _accuauth(_old_front(card, blank=blank))),
    Form("accuauth", "old back", ("old back",), lambda card, *, blank: _accuauth(_old_back(card, blank=blank))),
    Form(
        "accuauth", "foreigner, formatted dates beside", ("foreigner",),
        lambda card, *, blank: _accuauth(_foreigner(card, blank=blank, formatted=True)),
    ),
    Form(
        "accuauth", "foreigner, dates as printed", ("foreigner",),
        lambda card, *, blank: _accuauth(_foreigner(card, blank=blank, formatted=False)),
    ),
    Form(
        "accuauth", "three cards in one picture", ("old front", "foreigner", "new back"),
        lambda front, foreigner, back, *, blank: _accuauth(
            _old_front(front, blank=blank), _foreigner(foreigner, blank=blank, formatted=True),
            _new_back(back, blank=blank),
        ),
    ),
)  # fmt: skip
"""Every documented form of every provider."""
