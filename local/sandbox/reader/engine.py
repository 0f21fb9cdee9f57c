"""The OCR engine: from a picture to lines of text in an upright picture, in one pass of the detector.

Facts about rapidocr 3.10 that shape this module: it keeps the flags of a call for all later calls, so every call names
all three; it loads its models at the first use; only the bundled models are offline, so nothing else is ever asked for.

Which way up a picture is follows from its text: tall boxes mean that it lies on its side, and the direction classifier,
asked about the longest lines, says whether it stands on its head. The classifier is never asked line by line, because
it turns short words round ("SI" into "IS").
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rapidocr import RapidOCR

SMALLEST_WORKING_SIDE = 1000
LARGEST_WORKING_SIDE = 1600
DETECTOR_SIDE = 960
LARGE_DETECTOR_SIDE = 1280
"""Longest side, in pixels, that the detector sees: normally, and when a second look is needed."""
THREADS = 1
"""More of them wait for work by spinning: twice the processor time for a picture, and slower on a busy machine."""
LINES_ASKED_FOR_DIRECTION = 5
MIN_SCORE = 0.5

type Points = NDArray[np.float32]
"""Four corners, clockwise from the top left one: shape (4, 2)."""


@dataclass(frozen=True)
class Line:
    """A piece of text and its four corners in the upright picture."""

    text: str
    points: Points
    score: float

    @property
    def height(self) -> float:
        """Mean height across the writing, in pixels."""
        tl, tr, br, bl = self.points
        return float(np.hypot(*(bl - tl)) + np.hypot(*(br - tr))) / 2

    @property
    def width(self) -> float:
        """Mean length along the writing, in pixels."""
        tl, tr, br, bl = self.points
        return float(np.hypot(*(tr - tl)) + np.hypot(*(br - bl))) / 2

    def place_of(self, point: NDArray[np.float32]) -> tuple[float, float]:
        """`point` seen from this line's top left corner: how far along the writing, and how far below it."""
        tl, tr, _, _ = self.points
        along = (tr - tl) / max(float(np.hypot(*(tr - tl))), 1.0)
        offset = point - tl
        return float(offset @ along), float(offset @ np.array([-along[1], along[0]]))


@dataclass(frozen=True)
class Page:
    """A picture turned upright and the text found in it."""

    picture: Image.Image
    scale: float
    """Pixels of `picture` for one pixel of `pixels`."""
    pixels: NDArray[np.uint8]
    """The working copy (RGB) in which the lines' corners are counted."""
    lines: list[Line]


class Engine:
    """One OCR engine. Not safe to share between threads."""

    def __init__(self) -> None:
        self._ocr = RapidOCR(
            params={
                "Global.log_level": "error",
                "Det.limit_type": "max",
                "Det.limit_side_len": LARGE_DETECTOR_SIDE,
                "Rec.rec_batch_num": 1,
                "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def warm_up(self) -> None:
        """Load all three models, which otherwise happens at the first picture."""
        blank = np.full((64, 320, 3), 200, np.uint8)
        strip = np.array([[0, 0], [320, 0], [320, 64], [0, 64]], np.float32)
        self._boxes(blank, DETECTOR_SIDE)
        self._stands_on_its_head(blank, [strip])
        self.line(blank, strip)

    def page(self, picture: Image.Image, detector_side: int = DETECTOR_SIDE) -> Page:
        """Read all text in `picture` (RGB)."""
        longest = max(picture.size)
        factor = min(max(longest, SMALLEST_WORKING_SIDE), LARGEST_WORKING_SIDE) / longest
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        pixels = np.asarray(picture.resize(size, Image.Resampling.BICUBIC) if size != picture.size else picture)
        boxes = self._boxes(pixels, detector_side)
        turns = 0
        if _lies_on_its_side(boxes):
            turns, boxes = 1, [_turned(box, pixels.shape[0]) for box in boxes]
            pixels = np.rot90(pixels, -1)
        boxes = [_clockwise(box) for box in boxes]
        if self._stands_on_its_head(pixels, boxes):
            turns += 2
            height, width = pixels.shape[:2]
            boxes = [_clockwise(np.array([width, height], np.float32) - box) for box in boxes]
            pixels = np.rot90(pixels, 2)
        pixels = np.ascontiguousarray(pixels)
        lines = [line for box in boxes if (line := self.line(pixels, box)) is not None]
        upright = picture.rotate(-90 * turns, expand=True) if turns else picture
        return Page(upright, 1 / factor, pixels, lines)

    def line(self, pixels: NDArray[np.uint8], points: Points) -> Line | None:
        """Read the text between four corners, without looking for text first; None when nothing is legible there."""
        crop = _crop(pixels, points)
        if min(crop.shape[:2]) < 4:
            return None
        found: Any = self._ocr(crop, use_det=False, use_cls=False, use_rec=True)
        if not found.txts or not found.txts[0].strip() or found.scores[0] < MIN_SCORE:
            return None
        return Line(found.txts[0].strip(), points, float(found.scores[0]))

    def _boxes(self, pixels: NDArray[np.uint8], detector_side: int) -> list[Points]:
        height, width = pixels.shape[:2]
        factor = min(1.0, detector_side / max(height, width))
        small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) if factor < 1 else pixels
        found: Any = self._ocr(np.ascontiguousarray(small[:, :, ::-1]), use_det=True, use_cls=False, use_rec=False)
        return [] if found.boxes is None else [np.asarray(box, np.float32) / factor for box in found.boxes]

    def _stands_on_its_head(self, pixels: NDArray[np.uint8], boxes: list[Points]) -> bool:
        votes = 0.0
        for box in sorted(boxes, key=lambda box: -float(np.hypot(*(box[1] - box[0]))))[:LINES_ASKED_FOR_DIRECTION]:
            found: Any = self._ocr(_crop(pixels, box), use_det=False, use_cls=True, use_rec=False)
            label, score = found.cls_res[0]
            votes += score if label == "180" else -score
        return votes > 0


def _crop(pixels: NDArray[np.uint8], points: Points) -> NDArray[np.uint8]:
    """The text between four corners, straightened; BGR, as the engine expects arrays."""
    tl, tr, br, bl = points
    width = max(1, round(max(math.dist(tl, tr), math.dist(bl, br))))
    height = max(1, round(max(math.dist(tl, bl), math.dist(tr, br))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(points.astype(np.float32), target)
    crop = cv2.warpPerspective(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(crop[:, :, ::-1]).astype(np.uint8, copy=False)


def _lies_on_its_side(boxes: list[Points]) -> bool:
    """True when most of the writing, by length, runs up or down."""
    tall = wide = 0.0
    for box in boxes:
        width, height = np.ptp(box, axis=0)
        if height > 1.5 * width:
            tall += float(height)
        elif width > 1.5 * height:
            wide += float(width)
    return tall > wide


def _turned(box: Points, height: int) -> Points:
    """The corners after a quarter turn clockwise of a picture `height` pixels high."""
    return np.stack([height - box[:, 1], box[:, 0]], axis=1)


def _clockwise(box: Points) -> Points:
    """The corners clockwise from the top left one, for text that runs from left to right."""
    by_x = box[np.argsort(box[:, 0], kind="stable")]
    left, right = (half[np.argsort(half[:, 1], kind="stable")] for half in (by_x[:2], by_x[2:]))
    return np.array([left[0], right[0], right[1], left[1]], np.float32)
