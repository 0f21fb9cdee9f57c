"""Finds the holder's portrait on a card that was read: by its place on that kind of card, if something is there."""

import io
from dataclasses import dataclass, field

from PIL import Image, ImageChops, ImageStat

from local.kinds import Kind
from local.sandbox.reader import ReadCard

type Point = tuple[int, int]

PLACES: dict[Kind, tuple[float, float, float, float]] = {
    "cn_portrait": (0.65, 0.14, 0.94, 0.72),
    "pe_dni_new_front": (0.05, 0.31, 0.30, 0.78),
    "pe_dni_old_front": (0.05, 0.23, 0.30, 0.72),
    "pe_foreigner_front": (0.05, 0.21, 0.30, 0.70),
}
"""Left, top, right, bottom as shares of the card; kinds without a portrait are absent."""

FLAT_BELOW = 6.0
"""Standard deviation of the brightness, in levels of 255, below which there is nothing to see."""

THUMBNAIL = (32, 32)


@dataclass(frozen=True)
class Portrait:
    """A portrait cut out of a picture."""

    jpeg: bytes = field(repr=False)
    corners: tuple[Point, Point, Point, Point]
    """In pixels of the picture as it was sent: the upright face's top left, top right, bottom right, bottom left."""


def find_portrait(card: ReadCard, sent: Image.Image) -> Portrait | None:
    """The portrait on `card`, read in the picture `sent`; None when its kind has none or its place is blank."""
    place = PLACES.get(card.kind)
    if place is None:
        return None
    left, top, right, bottom = card.box
    width, height = right - left, bottom - top
    corner = (round(left + place[0] * width), round(top + place[1] * height))
    opposite = (round(left + place[2] * width), round(top + place[3] * height))
    crop = card.upright.crop((*corner, *opposite))
    if min(crop.size) < 1 or ImageStat.Stat(crop.convert("L")).stddev[0] < FLAT_BELOW:
        return None
    file = io.BytesIO()
    crop.save(file, "JPEG", quality=85)
    turns = quarter_turns(sent, card.upright)
    scale = (sent.width if turns % 2 == 0 else sent.height) / card.upright.width
    outline = (corner, (opposite[0], corner[1]), opposite, (corner[0], opposite[1]))
    top_left, top_right, bottom_right, bottom_left = (
        _turned_back((point[0] * scale, point[1] * scale), turns, sent.size) for point in outline
    )
    return Portrait(file.getvalue(), (top_left, top_right, bottom_right, bottom_left))


def quarter_turns(sent: Image.Image, upright: Image.Image) -> int:
    """By how many quarter turns, anticlockwise, `upright` was made from `sent`."""
    goal = upright.convert("L").resize(THUMBNAIL)
    small = sent.convert("L").resize(THUMBNAIL)

    def difference(turns: int) -> float:
        return ImageStat.Stat(ImageChops.difference(small.rotate(90 * turns), goal)).sum[0]

    return min(range(4), key=difference)


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
