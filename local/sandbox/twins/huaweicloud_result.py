"""Puts what was seen of a Chinese identity card into the words of Huawei Cloud's `result`, switch by switch.

The choices made where the documents are silent stand in `huaweicloud`.
"""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from local.sandbox.detectors import ALARM, Inspection
from local.sandbox.readings import SeenCard

SIDES = {"cn_portrait": "front", "cn_emblem": "back"}
DETECTORS: Mapping[str, Callable[[Inspection], int]] = {
    "reproduce": lambda seen: seen.reproduce,
    "copy": lambda seen: seen.copy,
    "border_integrity": lambda seen: seen.border,
    "blocking_within_border": lambda seen: seen.cover,
    "blur": lambda seen: seen.blur,
    "interim": lambda seen: seen.interim,
    "glare": lambda seen: seen.glare,
}
"""Those that look at the card; tampering looks at the file."""
SWITCHES = (
    "return_verification",
    "return_text_location",
    "return_portrait_location",
    "return_portrait_image",
    "return_adjusted_image",
    "detect_tampering",
    *(f"detect_{name}" for name in DETECTORS),
)

MEMBERS_READ: Mapping[str, Mapping[str, str]] = {
    "cn_portrait": {
        "name": "name",
        "sex": "sex",
        "birth": "birth",
        "ethnicity": "ethnicity",
        "address": "address",
        "number": "id_number",
    },
    "cn_emblem": {"issue": "issuing_authority", "valid_from": "validity", "valid_to": "validity"},
}
"""For each side, the members of the result and the field of the reading that each comes from."""
CHECKED_ON_PORTRAIT = ("valid_number", "valid_birth", "valid_sex")
CHECKED_ON_EMBLEM = ("valid_date", "valid_validity_period")

CHECK_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"
NUMBER = re.compile(r"[0-9]{6}([0-9]{8})[0-9]{2}([0-9])[0-9X]")
PRINTED_DATE = re.compile(r"([0-9]{4})\D([0-9]{1,2})\D([0-9]{1,2})日?")
WITHOUT_END = "长期"
TERMS_IN_YEARS = (5, 10, 20)


def single_page(card: SeenCard, switches: frozenset[str], today: date, *, edited: bool) -> dict[str, Any]:
    """The `result` for one card: the other side's checks are there, and false."""
    result = _page(card, switches, today, edited=edited)
    if "return_verification" in switches:
        checks = dict.fromkeys((*CHECKED_ON_PORTRAIT, *CHECKED_ON_EMBLEM), False)
        result["verification_result"] = checks | result["verification_result"]
    if "return_portrait_image" in switches:
        result.setdefault("portrait_image", "")
    if "return_portrait_location" in switches:
        result.setdefault("portrait_location", [])
    return result


def both_pages(cards: Iterable[SeenCard], switches: frozenset[str], today: date, *, edited: bool) -> dict[str, Any]:
    """The `result` for `double_side`: `front` and `back`, whichever were seen."""
    return {SIDES[card.kind]: _page(card, switches, today, edited=edited) for card in cards}


def _page(card: SeenCard, switches: frozenset[str], today: date, *, edited: bool) -> dict[str, Any]:
    result: dict[str, Any] = _texts(card)
    if "return_verification" in switches:
        result["verification_result"] = _checks(card.kind, result, today)
    if "return_text_location" in switches:
        members = MEMBERS_READ[card.kind].items()
        result["text_location"] = {
            member: _corners(card.places[name]) for member, name in members if name in card.places
        }
    if card.kind == "cn_portrait":
        if "return_portrait_image" in switches:
            result["portrait_image"] = _encoded(card.portrait.jpeg) if card.portrait else ""
        if "return_portrait_location" in switches:
            result["portrait_location"] = _corners(card.portrait.corners) if card.portrait else []
    if "return_adjusted_image" in switches:
        result["adjusted_image"] = _encoded(card.crop.jpeg) if card.crop else ""
    scores = {name: score(card.inspection) for name, score in DETECTORS.items() if f"detect_{name}" in switches}
    if "detect_tampering" in switches:
        scores["tampering"] = 100 if edited else 0
    result |= {f"detect_{name}_result": score >= ALARM for name, score in scores.items()}
    if scores:
        result["score_info"] = {f"{name}_score": score for name, score in scores.items()}
    return result


def _texts(card: SeenCard) -> dict[str, str]:
    texts = {member: card.fields.get(name, "") for member, name in MEMBERS_READ[card.kind].items()}
    if card.kind == "cn_portrait":
        return texts | {"birth": _iso(texts["birth"])}
    begins, _, ends = texts["valid_from"].partition("-")
    return texts | {"valid_from": _iso(begins), "valid_to": _iso(ends)}


def _checks(kind: str, texts: Mapping[str, str], today: date) -> dict[str, bool]:
    if kind == "cn_portrait":
        found = _valid_number(texts["number"])
        return {
            "valid_number": found is not None,
            "valid_birth": found is not None and texts["birth"] == f"{found[1][:4]}-{found[1][4:6]}-{found[1][6:]}",
            "valid_sex": found is not None and texts["sex"] == ("男" if int(found[2]) % 2 else "女"),
        }
    begins, ends = _date(texts["valid_from"]), _date(texts["valid_to"])
    if begins is None or (ends is None and texts["valid_to"] != WITHOUT_END):
        return dict.fromkeys(CHECKED_ON_EMBLEM, False)
    return {
        "valid_date": begins <= today and (ends is None or today <= ends),
        "valid_validity_period": ends is None or _is_lawful_term(begins, ends),
    }


def _valid_number(number: str) -> re.Match[str] | None:
    """GB 11643-1999: a birth date that exists, and a check character by ISO 7064 MOD 11-2."""
    found = NUMBER.fullmatch(number)
    if not found or _date(f"{found[1][:4]}-{found[1][4:6]}-{found[1][6:]}") is None:
        return None
    total = sum(weight * int(digit) for weight, digit in zip(CHECK_WEIGHTS, number, strict=False))
    return found if CHECK_CHARACTERS[total % 11] == number[-1] else None


def _is_lawful_term(begins: date, ends: date) -> bool:
    last_days = {(2, 28), (3, 1)} if (begins.month, begins.day) == (2, 29) else {(begins.month, begins.day)}
    return ends.year - begins.year in TERMS_IN_YEARS and (ends.month, ends.day) in last_days


def _iso(printed: str) -> str:
    found = PRINTED_DATE.fullmatch(printed)
    return f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}" if found else printed


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _corners(quad: Iterable[tuple[int, int]]) -> list[list[int]]:
    return [list(corner) for corner in quad]


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
