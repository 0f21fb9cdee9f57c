"""What the providers tell about a picture besides its texts: quality, copies, completeness, editing.

Scores run from 0 to 100, higher is worse, and 50 is an alarm. All are computed from the pixels, but for two that the
texts help with. The thresholds were measured on printed cards and on the printer's spoils; README.md has the table.
"""

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from local.kinds import Kind
from local.sandbox.photocopy import GREY_BELOW, chroma_spread
from local.sandbox.pictures import DECODER_ERRORS
from local.sandbox.reader import ReadCard
from local.sandbox.reader.frames import CARD_MM
from local.sandbox.reader.outline import Pixels, StraightCard, on_card, shrink

ALARM = 50
"""The score from which on a detector says yes."""

PICTURE_SIDE = 1000
"""The longest side, in pixels, of the copy of a whole picture that is measured."""

RIM = 0.06
"""Share of a card's sides that is left out where the colours of a desk would count."""
BURNT_LEVEL = 250
SPOT = 15
"""Pixels across, of the smallest burnt spot that counts as glare."""
EDGE_WINDOW = 13
"""Pixels over which the contrast of an edge is taken."""
SHARPEST = 0.97
"""Share of the pixels that are not looked at for sharpness, because there is less contrast around them."""
FLAT_BELOW = 10
"""Contrast, in levels of 255, below which there is nothing that could be sharp."""

TILE = 256
"""Side, in pixels, of the pieces of a card in which periodic patterns are searched for."""
MOST_TILES = 4
"""Along either side of a card."""
FINEST, COARSEST = 0.5, 0.14
"""Periods a pixel of the patterns that a screen leaves: up to seven pixels from one line to the next."""
JPEG_BLOCK = 8

NEAR_CORNER = np.array([(a, b) for a in (2.2, 2.9, 3.6) for b in (2.2, 2.9, 3.6)])
"""Places beside a corner, in mm inwards along both edges: inside its rounding, outside any cut."""
BESIDE_EDGE = np.array([(a, b) for a in (13, 15, 17, 19) for b in (1.5, 2, 2.5, 3)])
"""Places beside an edge, in mm along it and away from it: beyond any cut."""
LARGEST_CUT = 14
"""Millimetres that a cut corner takes of both edges, and the thumb that holds a card there covers unseen."""
LEAST_DISTANCE = 30
"""Between the colours of a desk and of a card that are told apart."""
COVER_SCALE = 5
"""Pixels a millimetre of the copy in which covered places are searched for."""

type Place = tuple[float, float, float, float]
"""Left, top, right, bottom in mm from the card's top left corner."""

ARTWORK: dict[Kind, Place] = {"cn_portrait": (54, 6, 83, 40), "cn_emblem": (4, 4, 26, 26)}
"""The portrait and the emblem, which may have the colour of a thumb."""
TEXTS: dict[Kind, dict[str, Place]] = {
    "cn_portrait": {
        "name": (17, 8.5, 30, 12.5),
        "birth": (17, 21, 45, 25),
        "address": (17, 27.5, 50, 40),
        "id_number": (34, 43.5, 76, 47.5),
    },
    "cn_emblem": {"issuing_authority": (38, 37.5, 65, 41.5), "validity": (38, 44, 68, 47.5)},
}
"""Where fields stand that hardly any card lacks."""

EDITOR = re.compile(
    r"photoshop|lightroom|camera raw|gimp|meitu|美图|snapseed|picsart|美易|醒图|轻颜|天天P图|光影魔术手|可牛|pixlr"
    r"|canva\b|fotor\b|photopea|paint\.net|paintshop|affinity|pixelmator|photoscape|krita|coreldraw|acdsee|facetune|beautyplus|vsco\b"
    r"|polarr|luminar|darktable|rawtherapee|capture one",
    re.IGNORECASE,
)
XMP_SOFTWARE = re.compile(rb"""(?:CreatorTool|softwareAgent|tiff:Software)(?:\s*=\s*["']|>)([^<"']+)""")
LONGEST_NAME = 100
METADATA_ERRORS = (*DECODER_ERRORS, LookupError, TypeError, AttributeError)
"""What Pillow raises on broken files and broken metadata."""


@dataclass(frozen=True)
class Inspection:
    """What is wrong with one card in a picture: 0 to 100, higher is worse, an alarm from `ALARM` on."""

    blur: int = 0
    glare: int = 0
    overexposure: int = 0
    darkness: int = 0
    copy: int = 0
    """A photocopy."""
    reproduce: int = 0
    """A picture taken of a screen."""
    border: int = 0
    """A corner is cut off, or the card runs out of the picture."""
    cover: int = 0
    """Something lies on the card."""
    interim: int = 0
    """A temporary card (临时居民身份证)."""


@dataclass(frozen=True)
class PictureInspection:
    """What is wrong with a whole picture, on the scale of `Inspection`, whether or not a card was read in it."""

    blur: int = 0
    overexposure: int = 0
    darkness: int = 0
    other_document: bool = False
    """Whether the text of another document than an identity card was seen."""


def inspect_card(card: ReadCard, straight: StraightCard) -> Inspection:
    """The scores of `card`, which was cut out as `straight`."""
    grey = _grey(straight.pixels)
    overexposure = _overexposure(grey)
    return Inspection(
        blur=_blur(grey),
        glare=0 if overexposure >= ALARM else _glare(grey),
        overexposure=overexposure,
        darkness=_darkness(grey),
        copy=_copy(straight.pixels),
        reproduce=_reproduce(_grey(straight.source[slice(*card.box[1::2]), slice(*card.box[::2])])),
        border=max(_runs_out(straight), _cut_corner(straight)),
        cover=_cover(card, straight),
        interim=100 if card.interim else 0,
    )


def inspect_picture(picture: Image.Image, *, other_document: bool) -> PictureInspection:
    """The scores of a whole picture."""
    grey = np.asarray(picture.convert("L"))
    factor = PICTURE_SIDE / max(grey.shape)
    if factor < 1:
        grey = shrink(grey, factor)
    return PictureInspection(_blur(grey), _overexposure(grey), _darkness(grey), other_document)


def editor_of(data: bytes) -> str | None:
    """The picture editor that the metadata of the file `data` name, in their own words, such as "Adobe Photoshop CS6";
    None where they name none. The software of a camera or a telephone is no editor."""
    return next((name for text in _software_named_in(data) if EDITOR.search(name := text.strip()[:LONGEST_NAME])), None)


def _software_named_in(data: bytes) -> Iterator[str]:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG", "PNG", "TIFF"]) as image:
            info = image.info
            exif = image.getexif()
    except METADATA_ERRORS:
        return
    for tag in (ExifTags.Base.Software, ExifTags.Base.ProcessingSoftware):
        if isinstance(text := exif.get(tag), str):
            # Pillow takes the bytes of these tags for Latin-1; Chinese editors write UTF-8
            yield text.encode("latin-1", "replace").decode("utf-8", "replace")
    for key in ("Software", "Comment", "comment"):
        text = info.get(key, "")
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        yield str(text).removeprefix("Created with ")
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
    for found in XMP_SOFTWARE.finditer(xmp.encode() if isinstance(xmp, str) else xmp):
        yield found[1].decode("utf-8", "replace")


def _score(measure: float, good: float, alarm: float) -> int:
    """0 at `good` and 50 at `alarm`, straight on from there to 100."""
    return round(min(100.0, max(0.0, (measure - good) / (alarm - good) * ALARM)))


def _pixels(array: NDArray[Any]) -> Pixels:
    return array.astype(np.uint8, copy=False)


def _grey(pixels: Pixels) -> Pixels:
    return _pixels(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))


def _blur(grey: Pixels) -> int:
    """How slowly the sharpest edges rise: the steepest step beside them as a share of their contrast."""
    light = _pixels(cv2.GaussianBlur(grey, (0, 0), 0.8))
    steepness = []
    for along, window in (((1, 0), (1, EDGE_WINDOW)), ((0, 1), (EDGE_WINDOW, 1))):
        kernel = np.ones(window, np.uint8)
        contrast = _pixels(cv2.dilate(light, kernel) - cv2.erode(light, kernel))
        counts = np.bincount(contrast.ravel(), minlength=256).cumsum()
        least = int(np.searchsorted(counts, SHARPEST * contrast.size))
        if least < FLAT_BELOW:
            return 0
        rows, columns = np.nonzero(contrast >= least)
        slopes = cv2.dilate(np.abs(cv2.Sobel(light, cv2.CV_16S, *along)), kernel)
        steepness.append(float(np.median(slopes[rows, columns] / contrast[rows, columns])) / 8)
    return _score(min(steepness), 0.32, 0.237)


def _glare(grey: Pixels) -> int:
    """The share of the card in the largest burnt spot."""
    burnt = (grey >= BURNT_LEVEL).astype(np.uint8)
    spots = cv2.morphologyEx(burnt, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (SPOT, SPOT)))
    return _score(_largest_piece(_pixels(spots)), 0, 0.015)


def _overexposure(grey: Pixels) -> int:
    return _score(float((grey >= BURNT_LEVEL).mean()), 0.1, 0.5)


def _darkness(grey: Pixels) -> int:
    return _score(float(np.median(grey)), 150, 85)


def _copy(pixels: Pixels) -> int:
    """How little colour there is, apart from the card's rim, where the desk shows."""
    height, width = pixels.shape[:2]
    x, y = round(width * RIM), round(height * RIM)
    inside = pixels[y : max(height - y, y + 1), x : max(width - x, x + 1)]
    return _score(chroma_spread(Image.fromarray(np.ascontiguousarray(inside))), 2 * GREY_BELOW, GREY_BELOW)


def _reproduce(grey: Pixels) -> int:
    """How far two peaks stand out of the spectrum: the grid of a screen is two gratings, neither quite upright.

    Looked for in the picture's own pixels, where the blocks of a JPEG file are known to lie.
    """
    height, width = grey.shape
    if min(height, width) < TILE:
        return 0
    window = np.outer(np.hanning(TILE), np.hanning(TILE)).astype(np.float32)
    # from the start the power of a faint noise, so that nothing stands out of a drawing that has none
    power = np.full((TILE, TILE // 2 + 1), float((window**2).sum()) * 4)
    for y in np.linspace(0, height - TILE, min(height // TILE + 1, MOST_TILES)).astype(int):
        for x in np.linspace(0, width - TILE, min(width // TILE + 1, MOST_TILES)).astype(int):
            tile = grey[y : y + TILE, x : x + TILE].astype(np.float32)
            power += np.abs(np.fft.rfft2((tile - tile.mean()) * window)) ** 2
    level = np.fft.fftshift(np.log10(power), axes=0).astype(np.float32)
    around = (17**2 * cv2.blur(level, (17, 17)) - 5**2 * cv2.blur(level, (5, 5))) / (17**2 - 5**2)
    height_of_peaks = np.where(SEARCHED, level - around, 0)
    y, x = np.unravel_index(height_of_peaks.argmax(), height_of_peaks.shape)
    height_of_peaks[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4] = 0
    return _score(float(height_of_peaks.max()), 1.6, 2.2)


def _searched_frequencies() -> NDArray[np.bool_]:
    """Fine patterns at an angle: not the printed lines that run along the card, nor what JPEG's blocks leave."""
    down, across = np.fft.fftshift(np.fft.fftfreq(TILE))[:, None], np.fft.rfftfreq(TILE)[None, :]
    fine = (np.hypot(down, across) > COARSEST) & (np.hypot(down, across) < FINEST)
    askew = (np.abs(down) > 1.5 / TILE) & (np.abs(across) > 1.5 / TILE)
    blocks = [
        np.abs(axis * JPEG_BLOCK - np.round(axis * JPEG_BLOCK)) < 1.6 * JPEG_BLOCK / TILE for axis in (down, across)
    ]
    return fine & askew & ~(blocks[0] & blocks[1])


SEARCHED = _searched_frequencies()


def _runs_out(straight: StraightCard) -> int:
    """How far a corner lies beyond the picture, as a share of the card's width."""
    height, width = straight.source.shape[:2]
    beyond = max(max(-x, x - width, -y, y - height) for x, y in straight.corners)
    return _score(beyond / max(math.dist(*straight.corners[:2]), 1), 0.01, 0.04)


def _cut_corner(straight: StraightCard) -> int:
    """Whether a corner looks like the desk beyond one of its edges, and like the card inside neither of them."""
    if not all(straight.edges):
        return 0
    width, height = CARD_MM
    return max(
        _corner_looks_like_desk(straight, np.array(corner), np.array(inwards))
        for corner, inwards in (
            ((0.0, 0.0), (1, 1)),
            ((width, 0.0), (-1, 1)),
            ((width, height), (-1, -1)),
            ((0.0, height), (1, -1)),
        )
    )


def _corner_looks_like_desk(straight: StraightCard, corner: NDArray[Any], inwards: NDArray[Any]) -> int:
    seen = _colour(straight, corner + inwards * NEAR_CORNER)
    likeness = []
    for flip in (1, -1):
        card = _colour(straight, corner + inwards * (BESIDE_EDGE * (1, 1))[:, ::flip])
        desk = _colour(straight, corner + inwards * (BESIDE_EDGE * (1, -1))[:, ::flip])
        distance = float((desk - card) @ (desk - card))
        likeness.append(float((seen - card) @ (desk - card)) / distance if distance > LEAST_DISTANCE**2 else 0.0)
    return _score(min(likeness), 0, 0.5)


def _colour(straight: StraightCard, places: NDArray[Any]) -> NDArray[np.float64]:
    """The median colour at `places`, in mm on or beside the card."""
    points = on_card(straight.corners, places).round().astype(int)
    limits = np.array(straight.source.shape[1::-1]) - 1
    columns, rows = np.clip(points, 0, limits).T
    colour: NDArray[np.float64] = np.median(straight.source[rows, columns], axis=0)
    return colour


def _cover(card: ReadCard, straight: StraightCard) -> int:
    """A patch with the colour of a thumb, or one of any colour where a text should be that was not read."""
    size = (round(CARD_MM[0] * COVER_SCALE), round(CARD_MM[1] * COVER_SCALE))
    small = _pixels(cv2.resize(straight.pixels, size, interpolation=cv2.INTER_AREA))
    light, red, blue = (channel.astype(np.int16) for channel in cv2.split(cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb)))
    redder, bluer = red - np.median(red), blue - np.median(blue)
    skin = ((redder > 10) & (redder < 45) & (bluer < -8) & (bluer > -50) & (light > 40)).astype(np.uint8)
    if card.kind in ARTWORK:
        left, top, right, bottom = (round(edge * COVER_SCALE) for edge in ARTWORK[card.kind])
        skin[top:bottom, left:right] = 0
    skin[_corners(size)] = 0
    skin = _pixels(cv2.morphologyEx(skin, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8)))
    scores = [_score(_largest_piece(skin, straight.edges), 0, 0.009)]
    texts = TEXTS.get(card.kind, {})
    missing = texts.keys() - card.fields.keys()
    if len(missing) < len(texts):
        scores += [_score(_difference_from_around(small, texts[name]), 8, 25) for name in missing]
    return max(scores)


@cache
def _corners(size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a cut corner shows the desk, which may have the colour of a thumb."""
    width, height = size
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    return np.minimum(x, width - 1 - x) + np.minimum(y, height - 1 - y) < LARGEST_CUT * COVER_SCALE


def _difference_from_around(small: Pixels, place: Place) -> float:
    """How far the colour of `place` is from that of a frame around it, in levels of 255; 0 for a burnt one."""
    left, top, right, bottom = (round(edge * COVER_SCALE) for edge in place)
    inside = np.median(small[top:bottom, left:right].reshape(-1, 3), axis=0)
    margin = round(2.5 * COVER_SCALE)
    framed = small[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin].astype(np.float32)
    framed[margin : margin + bottom - top, margin : margin + right - left] = np.nan
    if inside.min() >= BURNT_LEVEL:
        return 0.0
    return float(np.abs(inside - np.nanmedian(framed.reshape(-1, 3), axis=0)).max())


def _largest_piece(mask: Pixels, edges: tuple[bool, bool, bool, bool] = (True, True, True, True)) -> float:
    """The share of the picture that the largest connected part of `mask` takes. A part that touches the top, right,
    bottom or left does not count where that edge was not seen: it may be the desk."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    height, width = mask.shape
    largest = 0
    for left, top, across, down, area in stats[1:].tolist():
        touches = (top <= 2, left + across >= width - 2, top + down >= height - 2, left <= 2)
        if not any(touched and not seen for touched, seen in zip(touches, edges, strict=True)):
            largest = max(largest, area)
    return float(largest / mask.size)
