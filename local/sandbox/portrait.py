"""Finds the holder's portrait on a card that was read: by its place on that kind of card, if something is there."""

import io
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageChops, ImageStat

from local.kinds import Kind
from local.sandbox.reader import Point, Quad, ReadCard
from local.sandbox.reader.frames import CARD_MM
from local.sandbox.reader.outline import StraightCard, cut_out, on_card, quad_of

__all__ = ["Cutting", "Point", "as_sent", "find_portrait", "jpeg_of", "quarter_turns"]

PLACES: dict[Kind, tuple[float, float, float, float]] = {
    "cn_portrait": (0.65, 0.14, 0.94, 0.72),
    "pe_dni_new_front": (0.05, 0.31, 0.30, 0.78),
    "pe_dni_old_front": (0.05, 0.23, 0.30, 0.72),
    "pe_foreigner_front": (0.05, 0.21, 0.30, 0.70),
}
"""Left, top, right, bottom as shares of the card; kinds without a portrait are absent."""

FLAT_BELOW = 6.0
"""Standard deviation of the brightness, in levels of 255, below which there is nothing to see."""

LARGEST_WIDTH = 800
"""Of a portrait that is cut out, in pixels."""

THUMBNAIL = (32, 32)


@dataclass(frozen=True)
class Cutting:
    """A portrait or a card, cut out of a picture and upright."""

    jpeg: bytes = field(repr=False)
    corners: tuple[Point, Point, Point, Point]
    """In pixels of the picture as it was sent: what is top left, top right, bottom right, bottom left when upright."""


def find_portrait(card: ReadCard, straight: StraightCard, sent: Image.Image, turns: int) -> Cutting | None:
    """The portrait on `card`, read in the picture `sent` and cut out as `straight`; None when its kind has none or its
    place is blank."""
    place = PLACES.get(card.kind)
    if place is None:
        return None
    left, top, right, bottom = place
    shares = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    corners = on_card(straight.corners, shares * CARD_MM)
    crop = Image.fromarray(cut_out(straight.source, corners, LARGEST_WIDTH))
    if ImageStat.Stat(crop.convert("L")).stddev[0] < FLAT_BELOW:
        return None
    return Cutting(jpeg_of(crop), as_sent(quad_of(corners), card.upright, sent, turns))


def jpeg_of(picture: Image.Image) -> bytes:
    """`picture` as a JPEG file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def quarter_turns(sent: Image.Image, upright: Image.Image) -> int:
    """By how many quarter turns, anticlockwise, `upright` was made from `sent`."""
    goal, small = (picture.resize(THUMBNAIL, reducing_gap=2.0).convert("L") for picture in (upright, sent))

    def difference(turns: int) -> float:
        return ImageStat.Stat(ImageChops.difference(small.rotate(90 * turns), goal)).sum[0]

    return min(range(4), key=difference)


def as_sent(outline: Quad, upright: Image.Image, sent: Image.Image, turns: int) -> tuple[Point, Point, Point, Point]:
    """`outline`, in pixels of `upright`, in pixels of the picture `sent` that it was made from by `turns`."""
    scale = (sent.width if turns % 2 == 0 else sent.height) / upright.width
    top_left, top_right, bottom_right, bottom_left = (
        _turned_back((x * scale, y * scale), turns, sent.size) for x, y in outline
    )
    return top_left, top_right, bottom_right, bottom_left


def _turned_back(point: tuple[float, float], turns: int, sent: tuple[int, int]) -> Point:
    x, y = point
    width, height = sent
    match turns:
        case 0:
            back = (x, y)
        case 1:
            back = (width - y, x)
        case 2:
            back = (width - x, height - y)
        case _:
            back = (y, height - x)
    return round(back[0]), round(back[1])
