"""Cuts a card that was read out of its picture, upright and without perspective.

The labels tell roughly where a card lies. Its edges are then looked for beside that frame: the straight line along
which the colour changes from desk to card. An edge that shows no such line stays where the labels put it.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from local.sandbox.reader.frames import CARD_MM
from local.sandbox.reader.model import Point, Quad, ReadCard

PIXELS_PER_MM = 10
"""Of a card that is cut out, unless the picture shows it smaller."""
STEPS_ACROSS = 600
"""Into how many steps the card's width is divided while its edges are searched for."""
REACH = 0.085
"""How far from the frame an edge may lie: a share of the card's width."""
PROFILES = 32
"""Cuts across an edge."""
PEAKS = 3
"""How many changes of colour are considered in each cut."""
BESIDE = 5
"""How many steps on either side of a change of colour are compared."""
LEAST_CHANGE = 24.0
"""Smallest change of colour, in levels of 255 summed over the channels."""
TOLERANCE = 1.6
"""How many steps an edge may deviate from a straight line."""
LEAST_SUPPORT = 0.55
"""Share of the cuts that have to agree on an edge."""

type Pixels = NDArray[np.uint8]
type Vectors = NDArray[np.floating]


@dataclass(frozen=True)
class StraightCard:
    """A card cut out upright."""

    pixels: Pixels
    """RGB: shape (height, width, 3)."""
    corners: Quad
    """In pixels of the upright picture that it was cut out of; beyond it where the card runs out of it."""
    edges: tuple[bool, bool, bool, bool]
    """Whether the top, right, bottom, left edge was seen."""
    source: Pixels
    """The whole upright picture."""


def straighten(card: ReadCard) -> StraightCard:
    """`card`, cut out of its upright picture; what lies beyond the picture is filled with the picture's edge."""
    source = np.asarray(card.upright)
    left, top, right, bottom = card.box
    frame = np.array(card.frame or ((left, top), (right, top), (right, bottom), (left, bottom)), np.float64)
    corners, edges = _fitted(source, frame) if card.frame else (frame, (False, False, False, False))
    pixels = cut_out(source, corners, round(CARD_MM[0] * PIXELS_PER_MM))
    return StraightCard(pixels, quad_of(corners), edges, source)


def cut_out(source: Pixels, corners: Vectors, largest_width: int) -> Pixels:
    """What lies between four corners, upright, in as many pixels as the picture has there but for `largest_width`."""
    tl, tr, br, bl = corners
    width, height = (math.dist(tl, tr) + math.dist(bl, br)) / 2, (math.dist(tl, bl) + math.dist(tr, br)) / 2
    scale = min(1.0, largest_width / max(width, 1.0))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # a large picture is made smaller first, because warping skips the pixels that it does not need
    shrunk = max(1, int(1 / scale))
    if shrunk > 1:
        source = shrink(source, 1 / shrunk)
    target = np.array([[0, 0], [size[0], 0], size, [0, size[1]]], np.float32)
    matrix = cv2.getPerspectiveTransform((corners / shrunk).astype(np.float32), target)
    cut = cv2.warpPerspective(source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cut.astype(np.uint8, copy=False)


def shrink(pixels: Pixels, factor: float) -> Pixels:
    """A copy of `pixels` with its sides made smaller by `factor`, to one pixel at least."""
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def on_card(corners: Quad, places: Vectors) -> Vectors:
    """`places`, in mm from the top left corner of a card with these corners, in pixels: shape (n, 2)."""
    width, height = CARD_MM
    card = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(card, np.array(corners, np.float32))
    found: Vectors = cv2.perspectiveTransform(places[None].astype(np.float32), matrix)[0]
    return found


def quad_of(corners: Vectors) -> Quad:
    """The corners in whole pixels."""
    points: list[Point] = [(round(x), round(y)) for x, y in corners.tolist()]
    return points[0], points[1], points[2], points[3]


def _fitted(source: Pixels, frame: Vectors) -> tuple[Vectors, tuple[bool, bool, bool, bool]]:
    """The corners where the edges that were seen, or else those of the frame, meet; and which edges were seen."""
    found = [_edge(source, frame[number], frame[(number + 1) % 4]) for number in range(4)]
    lines = [edge or (frame[number], frame[(number + 1) % 4]) for number, edge in enumerate(found)]
    corners = [_crossing(lines[number - 1], lines[number]) for number in range(4)]
    if any(corner is None for corner in corners):
        return frame, (False, False, False, False)
    top, right, bottom, left = (edge is not None for edge in found)
    return np.array(corners), (top, right, bottom, left)


def _edge(source: Pixels, start: Vectors, end: Vectors) -> tuple[Vectors, Vectors] | None:
    """Two points of the card's edge beside the line from `start` to `end`; None when no straight edge is seen."""
    length = max(math.dist(start, end), 1.0)
    along = (end - start) / length
    outwards = np.array([along[1], -along[0]])
    step = max(length if abs(along[0]) > abs(along[1]) else length * CARD_MM[0] / CARD_MM[1], 1.0) / STEPS_ACROSS
    reach = round(REACH * STEPS_ACROSS)
    places, offsets = np.linspace(0.08, 0.92, PROFILES) * length, np.arange(-reach, reach + 1)
    grid = start + places[:, None, None] * along + offsets[None, :, None] * step * outwards
    x, y = grid[..., 0].astype(np.float32), grid[..., 1].astype(np.float32)
    cuts = cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    sums = np.cumsum(np.pad(cuts, ((0, 0), (1, 0), (0, 0))), axis=1)
    means = (sums[:, BESIDE:] - sums[:, :-BESIDE]) / BESIDE
    changes = np.abs(means[:, BESIDE:] - means[:, :-BESIDE]).sum(axis=2)
    in_picture = (x >= 0) & (x <= source.shape[1] - 1) & (y >= 0) & (y <= source.shape[0] - 1)
    count = changes.shape[1]
    peaks = changes >= np.maximum(cv2.dilate(changes, np.ones((1, 2 * BESIDE + 1), np.uint8)), LEAST_CHANGE)
    strengths = np.where(peaks & in_picture[:, :count] & in_picture[:, -count:], changes, 0.0)
    best = np.argsort(-strengths, axis=1)[:, :PEAKS]
    at = offsets[BESIDE : BESIDE + count][best] - 0.5
    line = _straight_line(places, at, np.take_along_axis(strengths, best, axis=1))
    if line is None:
        return None
    at_start, slope = line
    first = start + outwards * at_start * step
    return first, first + along * length + outwards * slope * length * step


def _straight_line(places: Vectors, offset: Vectors, strength: Vectors) -> tuple[float, float] | None:
    """Where the line begins and how it rises on which most of the peaks lie; one row of peaks for each place."""
    third = len(places) // 3
    known = strength > 0
    near, far = np.argwhere(known[:third]), np.argwhere(known[-third:])
    if not len(near) or not len(far):
        return None
    far[:, 0] += len(places) - third
    one, other = (np.repeat(near, len(far), axis=0), np.tile(far, (len(near), 1)))
    slope = (offset[*other.T] - offset[*one.T]) / (places[other[:, 0]] - places[one[:, 0]])
    at_start = offset[*one.T] - slope * places[one[:, 0]]
    expected = at_start[:, None] + slope[:, None] * places
    on_line = (np.abs(offset[None] - expected[:, :, None]) <= TOLERANCE) & known[None]
    votes = np.where(on_line, np.minimum(strength, 4 * LEAST_CHANGE)[None], 0.0).max(axis=2).sum(axis=1)
    best = int(votes.argmax())
    chosen = on_line[best]
    if chosen.any(axis=1).sum() < LEAST_SUPPORT * len(places):
        return None
    rows, columns = np.nonzero(chosen)
    rise, begin = np.polyfit(places[rows], offset[rows, columns], 1)
    return float(begin), float(rise)


def _crossing(one: tuple[Vectors, Vectors], other: tuple[Vectors, Vectors]) -> Vectors | None:
    (a, b), (c, d) = one, other
    across = np.array([b - a, c - d]).T
    if abs(np.linalg.det(across)) < 1e-6:
        return None
    crossing: Vectors = a + np.linalg.solve(across, c - a)[0] * (b - a)
    return crossing
