"""Where lines of text lie towards one another, whatever the angle of the picture.

Every question is asked in the frame of a label: along its writing and below it, in units of its own height. So a skewed
or foreshortened card needs no straightening.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from local.sandbox.reader.engine import Line, Points

type Look = Callable[[Points], str]
"""Reads what stands between four corners; empty when nothing is legible."""

WIDE = 1.0
NARROW = 0.55
"""Widths of characters towards one another: Chinese ones, and letters and digits."""
SAME_ROW = 0.65
WIDEST_GAP = 5.0
"""Between neighbours in one row, in heights of the label."""


@dataclass(frozen=True)
class Writing:
    """A text and where it stands: for each character its line, and where in the line it begins and ends (0 to 1)."""

    text: str
    spans: tuple[tuple[Line, float, float], ...]

    @classmethod
    def of(cls, line: Line, text: str) -> Self:
        """`text`, which is that of `line` without its spaces, spread over it by the usual widths of its characters."""
        ends = [0.0]
        for character in text:
            ends.append(ends[-1] + (WIDE if unicodedata.east_asian_width(character) in "WF" else NARROW))
        return cls(text, tuple((line, ends[i] / ends[-1], ends[i + 1] / ends[-1]) for i in range(len(text))))

    def first(self, pattern: re.Pattern[str]) -> Self | None:
        """The part that matches first."""
        found = pattern.search(self.text)
        return self.part(*found.span()) if found else None

    def part(self, start: int, end: int | None = None) -> Self:
        """The characters from `start` to before `end`."""
        return type(self)(self.text[start:end], self.spans[start:end])

    def after(self, label: re.Pattern[str]) -> Self:
        """What follows `label`, with which the text may begin."""
        found = label.match(self.text)
        return self.part(found.end()) if found else self

    def __add__(self, other: Self) -> Self:
        return type(self)(self.text + other.text, self.spans + other.spans)

    def place(self) -> Points:
        """The corners of the rectangle around the text, at the angle of its first line; the text must not be empty."""
        tl, tr, _, _ = self.spans[0][0].points
        along = (tr - tl) / max(float(np.hypot(*(tr - tl))), 1.0)
        axes = np.array([along, (-along[1], along[0])], np.float32)
        corners = []
        for line, start, end in self.spans:
            tl, tr, br, bl = line.points
            corners += [tl + (tr - tl) * start, tl + (tr - tl) * end, bl + (br - bl) * start, bl + (br - bl) * end]
        inside = np.array(corners) @ axes.T
        (left, top), (right, bottom) = inside.min(axis=0), inside.max(axis=0)
        place: Points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32) @ axes
        return place


@dataclass(frozen=True)
class Value:
    """A field's text as printed, and the corners of its place."""

    text: str
    place: Points


def right_of(label: Line, lines: Iterable[Line]) -> list[Line]:
    """The lines that continue the row of `label`, from left to right, up to the first wide gap."""
    row = []
    for line in lines:
        along, below = label.place_of((line.points[0] + line.points[3]) / 2)
        if line is not label and abs(below - label.height / 2) < SAME_ROW * label.height and along > label.width * 0.8:
            row.append((along, line))
    chain, end = [], label.width
    for along, line in sorted(row, key=lambda item: item[0]):
        if along - end > WIDEST_GAP * label.height:
            break
        chain.append(line)
        end = along + line.width
    return chain


def below(label: Line, lines: Iterable[Line], *, left: float, right: float, depth: float) -> list[Line]:
    """The lines that begin between `left` and `right` of the label's left edge and lie at most `depth` below it, from
    the top; all three in heights of the label."""
    found = []
    for line in lines:
        along, down = label.place_of((line.points[0] + line.points[3]) / 2)
        under = left * label.height < along < right * label.height
        if line is not label and under and 1.15 * label.height < down < (1 + depth) * label.height:
            found.append((down, abs(along), line))
    return [line for _, _, line in sorted(found, key=lambda item: item[:2])]


def region(label: Line, *, left: float, top: float, width: float, height: float) -> Points:
    """The corners of a place beside `label`: offsets from its top left corner and sizes, in heights of the label."""
    tl, tr, _, _ = label.points
    along = (tr - tl) / max(float(np.hypot(*(tr - tl))), 1.0) * label.height
    down = np.array([-along[1], along[0]], np.float32)
    start = tl + left * along + top * down
    return np.array(
        [start, start + width * along, start + width * along + height * down, start + height * down], np.float32
    )


def gap(one: Line, other: Line) -> float:
    """Pixels between the upright rectangles around two lines; 0 when they touch."""
    left, top, right, bottom = hull([one])
    other_left, other_top, other_right, other_bottom = hull([other])
    return math.hypot(
        max(0.0, left - other_right, other_left - right), max(0.0, top - other_bottom, other_top - bottom)
    )


def hull(lines: Iterable[Line]) -> tuple[float, float, float, float]:
    """The upright rectangle around lines: left, top, right, bottom."""
    corners = np.concatenate([line.points for line in lines])
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return float(left), float(top), float(right), float(bottom)
