"""The texts of a Chinese resident identity card (居民身份证) from its lines of text.

Label and value often come as one line ("姓名张样例", "性别男民族汉"), with or without spaces inside the label.
"""

import math
import re
from collections.abc import Iterable

from local.sandbox.reader.engine import Line
from local.sandbox.reader.layout import SAME_ROW, Look, below, region, right_of

PORTRAIT_LABELS = {
    "name": re.compile(r"^姓名"),
    "sex": re.compile(r"^性别"),
    "ethnicity": re.compile(r"^(?:性别[男女]?)?民族"),
    "birth": re.compile(r"^出生(?!日期)"),
    "address": re.compile(r"^[住佳往任][址扯]"),
    "id_number": re.compile(r"^公民身份证?号码"),
}
EMBLEM_LABELS = {
    "country": re.compile(r"^中华人民共和国"),
    "title": re.compile(r"居民身份证$"),
    "issuing_authority": re.compile(r"^签发机关"),
    "validity": re.compile(r"^有效期限"),
}
OTHER_DOCUMENT = re.compile(r"国籍|Nationality|居留|通行证|PASSPORT|护照|驾驶证|行驶证|户口", re.IGNORECASE)
"""Words of documents that bear the same labels: 国籍 (nationality), 居留 (residence), 通行证 (travel permit), ..."""

HAN = re.compile(r"[㐀-鿿·]+")
SEX = re.compile("[男女]")
NUMBER = re.compile(r"(?<![\d*])(?:[\d*]{17}[\dX*]|[\d*]{15})(?![\d*])", re.IGNORECASE)
BIRTH = re.compile(r"\d{4}年\d{1,2}月\d{1,2}日")
VALIDITY = re.compile(r"(\d{4}\.\d{2}\.\d{2})[-–—一至~]*(\d{4}\.\d{2}\.\d{2}|长期)")
SIMPLIFIED = str.maketrans("漢滿壯維爾東鄉納錫達黃張趙陳劉楊吳", "汉满壮维尔东乡纳锡达黄张赵陈刘杨吴")
"""Traditional forms that the engine sometimes sees in ethnic groups and surnames; these cards print simplified ones."""
ADDRESS_PART = re.compile(r"^(?=.*[㐀-鿿\d])")


def portrait_anchors(lines: Iterable[Line]) -> dict[str, Line]:
    """The labels of the portrait side that were found, by field; a complete number counts as its own label."""
    anchors = labels(lines)
    for line in lines:
        if "id_number" not in anchors and NUMBER.search(_squeezed(line.text)):
            anchors["id_number"] = line
    return anchors


def labels(lines: Iterable[Line]) -> dict[str, Line]:
    """The lines in which the labels of the portrait side stand, by field."""
    return _anchors(lines, PORTRAIT_LABELS)


def emblem_anchors(lines: Iterable[Line]) -> dict[str, Line]:
    """The labels and headings of the emblem side that were found."""
    return _anchors(lines, EMBLEM_LABELS)


def portrait_fields(lines: list[Line], look: Look) -> dict[str, str]:
    """The portrait side's texts as printed; what could not be read is absent."""
    anchors = portrait_anchors(lines)
    rows = {name: _row(anchors[name], PORTRAIT_LABELS[name], lines) for name in anchors if name != "id_number"}
    fields = {
        "name": _first(HAN, rows.get("name", "")).translate(SIMPLIFIED),
        "sex": _first(SEX, rows.get("sex", "")),
        "ethnicity": _first(HAN, rows.get("ethnicity", "")).translate(SIMPLIFIED),
        "birth": _first(BIRTH, rows.get("birth", "")),
        "address": _address(anchors, rows, lines),
        "id_number": next((found[0].upper() for line in lines if (found := NUMBER.search(_squeezed(line.text)))), ""),
    }
    for name, pattern in (("ethnicity", HAN), ("sex", SEX)):
        # A single character that looks like a box, such as 回, is overlooked by the detector, not by the recogniser.
        if not fields[name] and name in anchors and PORTRAIT_LABELS[name].sub("", _squeezed(anchors[name].text)) == "":
            label = anchors[name]
            place = region(label, left=label.width / label.height, top=-0.25, width=4.0, height=1.5)
            fields[name] = _first(pattern, _squeezed(look(place))).translate(SIMPLIFIED)
    return {name: text for name, text in fields.items() if text}


def emblem_fields(lines: list[Line], look: Look) -> dict[str, str]:  # noqa: ARG001  one signature for all sides
    """The emblem side's texts as printed; what could not be read is absent."""
    anchors = emblem_anchors(lines)
    fields: dict[str, str] = {}
    if (label := anchors.get("issuing_authority")) is not None:
        texts = [_row(label, EMBLEM_LABELS["issuing_authority"], lines)]
        texts += [_squeezed(line.text) for line in _continuations(label, lines, depth=1.5)]
        fields["issuing_authority"] = "".join(_first(HAN, text) for text in texts)
    rows = [_squeezed(line.text) for line in lines]
    if "validity" in anchors:
        rows.insert(0, _row(anchors["validity"], EMBLEM_LABELS["validity"], lines))
    if found := next(filter(None, map(VALIDITY.search, rows)), None):
        fields["validity"] = f"{found[1]}-{found[2]}"
    return {name: text for name, text in fields.items() if text}


def is_other_document(lines: Iterable[Line]) -> bool:
    """True when a word on the picture belongs to another document with the same labels."""
    return any(OTHER_DOCUMENT.search(_squeezed(line.text)) for line in lines)


def _anchors(lines: Iterable[Line], patterns: dict[str, re.Pattern[str]]) -> dict[str, Line]:
    anchors: dict[str, Line] = {}
    for line in lines:
        for name, pattern in patterns.items():
            if pattern.search(_squeezed(line.text)):
                anchors.setdefault(name, line)
    return anchors


def _squeezed(text: str) -> str:
    return re.sub(r"\s", "", text).replace("：", "").replace(":", "")


def _row(line: Line, label: re.Pattern[str], lines: Iterable[Line]) -> str:
    """What follows the label in its row, up to the next label."""
    text = label.sub("", _squeezed(line.text))
    for neighbour in right_of(line, lines):
        if _is_label(neighbour):
            break
        text += _squeezed(neighbour.text)
    return text.partition("民族")[0] if label is PORTRAIT_LABELS["sex"] else text


def _is_label(line: Line) -> bool:
    patterns = (*PORTRAIT_LABELS.values(), *EMBLEM_LABELS.values())
    return any(pattern.search(_squeezed(line.text)) for pattern in patterns)


def _address(anchors: dict[str, Line], rows: dict[str, str], lines: list[Line]) -> str:
    if "address" not in anchors:
        return ""
    following = _continuations(anchors["address"], lines, depth=7.0)
    return rows["address"] + "".join(_squeezed(line.text) for line in following)


def _continuations(label: Line, lines: list[Line], depth: float) -> list[Line]:
    """The lines below a label's row that go on with its value: evenly spaced, above the next label and the number."""

    def down(line: Line) -> float:
        return label.place_of((line.points[0] + line.points[3]) / 2)[1]

    ends = [down(line) for line in lines if _is_label(line) or NUMBER.search(_squeezed(line.text))]
    end = min((place for place in ends if place > label.height), default=math.inf) - label.height * SAME_ROW
    found: list[Line] = []
    last = label.height / 2
    for line in below(label, lines, left=0.8, right=8.0, depth=depth):
        if down(line) > end or down(line) - last > 2.4 * label.height:
            break
        if ADDRESS_PART.match(_squeezed(line.text)):
            found.append(line)
            last = down(line)
    return found


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[0] if found else ""
