"""What waiqin365 tells of a picture: the members of `response_data`, computed from what was read and measured."""

import base64
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.kinds import Kind
from local.sandbox.detectors import ALARM, Inspection, PictureInspection, editor_of
from local.sandbox.reader import Point, Quad
from local.sandbox.readings import SeenCard

SIDES: dict[str, Kind] = {"front": "cn_portrait", "back": "cn_emblem"}
PORTRAIT_FIELDS = {
    "住址": "address",
    "公民身份号码": "id_number",
    "出生": "birth",
    "姓名": "name",
    "性别": "sex",
    "民族": "ethnicity",
}
PRINTED_DATE = re.compile(r"(\d{4})\D+(\d{1,2})\D+(\d{1,2})\D*")
PRINTED_TERM = re.compile(r"(\d{4}\D\d{2}\D\d{2})(\D+?)(\d{4}\D\d{2}\D\d{2}|长期)")
NUMBER = re.compile(r"[0-9]{17}[0-9X]")
CHECK_CHARACTERS = "10X98765432"

CERTAIN_BLUR = 80
"""Where no card was read. Sharp pictures with few edges score up to 60, cards blurred past reading 100."""


@dataclass(frozen=True)
class Question:
    """What is asked about one picture."""

    transfer_id: int
    side: str
    """A key of `SIDES`."""
    switches: frozenset[str]
    """The names of those that are on."""
    file: bytes = field(repr=False)


def about_card(question: Question, card: SeenCard) -> dict[str, Any]:
    """The answer about one of the kinds in `SIDES`."""
    results = _results(card)
    numbered: dict[str, Any] = {}
    if card.kind == "cn_portrait":
        numbered["ID_number_type"] = _id_number_type(card.fields)
        if numbered["ID_number_type"] == 0:
            results.pop("公民身份号码", None)
    data = _heading(question, card.kind, -card.turns % 4, _status_of_card(card, SIDES[question.side])) | numbered
    if "photo_detection" in question.switches and card.portrait:
        data["ID_photo"] = base64.b64encode(card.portrait.jpeg).decode()
        data["photo_location"] = _rectangle(card.portrait.corners)
    if "card_cropping" in question.switches:
        data["card"] = base64.b64encode(card.crop.jpeg).decode()
        data["card_location"] = _rectangle(card.crop.corners)
    data |= _risk(question, _risk_type(card.inspection))
    if "quality_detection" in question.switches:
        data["card_quality"] = json.dumps(_card_quality(card.inspection))
    return data | {"recognition_results": results, "result_num": len(results)}


def about_picture(question: Question, inspection: PictureInspection, others: Sequence[SeenCard]) -> dict[str, Any]:
    """The answer about a picture without such a card; `others` are cards of other kinds in it."""
    kind = SIDES[question.side]
    data = _heading(question, kind, -1, _status_of_picture(inspection, others))
    if kind == "cn_portrait":
        data["ID_number_type"] = -1
    return data | _risk(question, "unknown") | {"recognition_results": {}, "result_num": 0}


def _heading(question: Question, kind: Kind, direction: int, photo_status: str) -> dict[str, Any]:
    number = secrets.randbits(60) | 1 << 60
    return {
        "transfer_id": str(question.transfer_id),
        "recognition_id": number if kind == "cn_portrait" else str(number),
        "direction": direction,
        "photo_status": photo_status,
    }


def _risk(question: Question, risk_type: str) -> dict[str, str]:
    if "risk_detection" not in question.switches:
        return {}
    tool = editor_of(question.file)
    return {"risk_type": risk_type} | ({"edit_tool": tool} if tool else {})


def _results(card: SeenCard) -> dict[str, dict[str, Any]]:
    if card.kind == "cn_portrait":
        told = {label: (card.fields.get(name, ""), card.places.get(name)) for label, name in PORTRAIT_FIELDS.items()}
        told["出生"] = _digits(told["出生"][0]), told["出生"][1]
    else:
        begin, end = _term(card)
        told = {
            "失效日期": end,
            "签发机关": (card.fields.get("issuing_authority", ""), card.places.get("issuing_authority")),
            "签发日期": begin,
        }
    return {
        label: {"words": words} | ({"location": _rectangle(place)} if place else {})
        for label, (words, place) in told.items()
        if words
    }


def _term(card: SeenCard) -> tuple[tuple[str, Quad | None], tuple[str, Quad | None]]:
    """The first and the last day, each with its part of the printed line."""
    found = PRINTED_TERM.fullmatch(card.fields.get("validity", ""))
    if not found:
        return ("", None), ("", None)
    begin, between, end = (_width(part) for part in found.groups())
    whole = begin + between + end
    line = card.places.get("validity")
    return (
        (_digits(found[1]), _part(line, 0, begin / whole) if line else None),
        (_digits(found[3]), _part(line, (begin + between) / whole, 1) if line else None),
    )


def _width(text: str) -> int:
    """In halves of a Chinese character."""
    return sum(1 if character.isascii() else 2 for character in text)


def _part(line: Quad, start: float, end: float) -> Quad:
    def along(first: Point, last: Point, share: float) -> Point:
        return round(first[0] + (last[0] - first[0]) * share), round(first[1] + (last[1] - first[1]) * share)

    top_left, top_right, bottom_right, bottom_left = line
    return (
        along(top_left, top_right, start),
        along(top_left, top_right, end),
        along(bottom_left, bottom_right, end),
        along(bottom_left, bottom_right, start),
    )


def _digits(printed: str) -> str:
    found = PRINTED_DATE.fullmatch(printed)
    return f"{found[1]}{found[2]:0>2}{found[3]:0>2}" if found else printed


def _status_of_card(card: SeenCard, asked: Kind) -> str:
    inspection = card.inspection
    if not any(card.fields.values()):
        return "unknown"
    if inspection.blur >= ALARM:
        return "blurred"
    return _exposure(inspection, inspection.glare) or ("normal" if card.kind == asked else "reversed_side")


def _status_of_picture(inspection: PictureInspection, others: Sequence[SeenCard]) -> str:
    if others or inspection.other_document:
        return "other_type_card"
    if inspection.blur >= CERTAIN_BLUR:
        return "blurred"
    return _exposure(inspection) or "no_IDcard"


def _exposure(inspection: Inspection | PictureInspection, glare: int = 0) -> str | None:
    if max(inspection.overexposure, glare) >= ALARM:
        return "over_exposure"
    return "over_dark" if inspection.darkness >= ALARM else None


def _risk_type(inspection: Inspection) -> str:
    alarms = {"copy": inspection.copy, "temporary": inspection.interim, "screen": inspection.reproduce}
    worst = max(alarms, key=lambda name: alarms[name])
    return worst if alarms[worst] >= ALARM else "normal"


def _card_quality(inspection: Inspection) -> dict[str, float]:
    quality: dict[str, float] = {}
    for name, score in (
        ("IsClear", inspection.blur),
        ("IsComplete", inspection.border),
        ("IsNoCover", inspection.cover),
    ):
        quality |= {name: int(score < ALARM), f"{name}_propobility": (100 - score) / 100}
    return quality


def _id_number_type(texts: Mapping[str, str]) -> int:
    if not any(texts.get(name) for name in PORTRAIT_FIELDS.values()):
        return -1
    number = texts.get("id_number", "")
    if not _is_legal(number):
        return 0
    birth, sex = _digits(texts.get("birth", "")), texts.get("sex", "")
    birth_differs = bool(birth) and birth != number[6:14]
    sex_differs = bool(sex) and sex != ("男" if int(number[16]) % 2 else "女")
    return {(False, False): 1, (True, True): 2, (True, False): 3, (False, True): 4}[birth_differs, sex_differs]


def _is_legal(number: str) -> bool:
    """Whether it has 18 characters, a day that exists and the check character of GB 11643 (ISO 7064 MOD 11-2)."""
    if not NUMBER.fullmatch(number):
        return False
    try:
        datetime.strptime(number[6:14], "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return False
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(number[:17]))
    return number[17] == CHECK_CHARACTERS[total % 11]


def _rectangle(corners: Quad) -> dict[str, int]:
    """The upright rectangle around `corners`; what lies outside of the picture is left out at the top and the left."""
    across, down = [max(0, x) for x, _ in corners], [max(0, y) for _, y in corners]
    left, top = min(across), min(down)
    return {"top": top, "left": left, "width": max(across) - left, "height": max(down) - top}
