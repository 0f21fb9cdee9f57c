"""The texts of a Chinese resident identity card (居民身份证) from its lines of text.

Label and value often come as one line ("姓名张样例", "性别男民族汉"), with or without spaces inside the label.
"""

import functools
import math
import operator
import re
from collections.abc import Iterable

from local.sandbox.reader.engine import Line
from local.sandbox.reader.layout import SAME_ROW, Look, Value, Writing, below, region, right_of

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
ANYTHING = re.compile(r".+")
INTERIM = re.compile(r"临时居民身份证|临时身份证")
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


def portrait_fields(lines: list[Line], look: Look) -> dict[str, Value]:
    """The portrait side's texts as printed; what could not be read is absent."""
    anchors = portrait_anchors(lines)
    rows = {name: _row(anchors[name], PORTRAIT_LABELS[name], lines) for name in anchors if name != "id_number"}
    if "address" in rows:
        for line in _continuations(anchors["address"], lines, depth=7.0):
            rows["address"] += _writing(line)
    patterns = {"name": HAN, "sex": SEX, "ethnicity": HAN, "birth": BIRTH, "address": ANYTHING}
    found = {name: rows[name].first(pattern) for name, pattern in patterns.items() if name in rows}
    found["id_number"] = next(filter(None, (_writing(line).first(NUMBER) for line in lines)), None)
    values = {name: Value(writing.text, writing.place()) for name, writing in found.items() if writing}
    for name, pattern in (("ethnicity", HAN), ("sex", SEX)):
        # A single character that looks like a box, such as 回, is overlooked by the detector, not by the recogniser.
        if name not in values and name in anchors and not _writing(anchors[name]).after(PORTRAIT_LABELS[name]).text:
            label = anchors[name]
            place = region(label, left=label.width / label.height, top=-0.25, width=4.0, height=1.5)
            if overlooked := pattern.search(_squeezed(look(place))):
                values[name] = Value(overlooked[0], place)
    return {name: Value(_as_printed(name, value.text), value.place) for name, value in values.items()}


def emblem_fields(lines: list[Line], look: Look) -> dict[str, Value]:  # noqa: ARG001  one signature for all sides
    """The emblem side's texts as printed; what could not be read is absent."""
    anchors = emblem_anchors(lines)
    values: dict[str, Value] = {}
    if (label := anchors.get("issuing_authority")) is not None:
        rows = [_row(label, EMBLEM_LABELS["issuing_authority"], lines)]
        rows += [_writing(line) for line in _continuations(label, lines, depth=1.5)]
        if parts := [part for row in rows if (part := row.first(HAN))]:
            authority = functools.reduce(operator.add, parts)
            values["issuing_authority"] = Value(authority.text, authority.place())
    rows = [_writing(line) for line in lines]
    if "validity" in anchors:
        rows.insert(0, _row(anchors["validity"], EMBLEM_LABELS["validity"], lines))
    if term := next(filter(None, (row.first(VALIDITY) for row in rows)), None):
        values["validity"] = Value(VALIDITY.sub(r"\1-\2", term.text), term.place())
    return values


def is_interim(lines: Iterable[Line]) -> bool:
    """True when the title is that of a temporary card."""
    return any(INTERIM.search(_squeezed(line.text)) for line in lines)


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


def _writing(line: Line) -> Writing:
    return Writing.of(line, _squeezed(line.text))


def _row(line: Line, label: re.Pattern[str], lines: Iterable[Line]) -> Writing:
    """What follows the label in its row, up to the next label."""
    row = _writing(line).after(label)
    for neighbour in right_of(line, lines):
        if _is_label(neighbour):
            break
        row += _writing(neighbour)
    end = row.text.find("民族") if label is PORTRAIT_LABELS["sex"] else -1
    return row if end < 0 else row.part(0, end)


def _is_label(line: Line) -> bool:
    patterns = (*PORTRAIT_LABELS.values(), *EMBLEM_LABELS.values())
    return any(pattern.search(_squeezed(line.text)) for pattern in patterns)


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


def _as_printed(name: str, text: str) -> str:
    if name == "id_number":
        return text.upper()
    return text.translate(SIMPLIFIED) if name in {"name", "ethnicity"} else text
