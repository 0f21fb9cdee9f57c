"""Spoils pictures of cards in the ways that people do, each with the reason codes it should cause in the record.

Strengths are set where local measures on an 800 px copy find the fault, yet the writing stays legible: what is wrong
with such a picture is its quality, not its content.
"""

import io
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps, ImageStat

from local.cardprinter.canvas import Colour, noise, px
from local.cardprinter.model import PrintedCard
from local.cardprinter.printing import encode
from local.kinds import Kind

KEY_FIELDS: dict[Kind, tuple[str, ...]] = {
    "cn_portrait": ("id_number",),
    "cn_emblem": ("valid_from", "valid_to", "long_term"),
    "pe_dni_new_front": ("id_number", "check_character"),
    "pe_dni_new_back": ("address",),
    "pe_dni_old_front": ("id_number", "check_character"),
    "pe_dni_old_back": ("address",),
    "pe_foreigner_front": ("id_number",),
}
"""The record's fields that come from the text at `key_field` of a printed picture."""

THUMB: Colour = (208, 160, 134)


@dataclass(frozen=True)
class Spoil:
    """One way to spoil a picture."""

    name: str
    reasons: frozenset[str]
    """Reason codes that the record of a picture so spoiled should hold; empty where it reads as well as a clean one."""
    apply: Callable[[Image.Image, random.Random], Image.Image]
    """Takes a picture as printed; gives a new one."""
    detected: bool = True
    """False where nothing finds these reasons yet."""
    hides: Literal["nothing", "key field", "everything"] = "nothing"

    def legible(self, printed: PrintedCard) -> dict[str, str | bool]:
        """What of the record's card can still be read from the spoiled picture; empty when nothing can."""
        hidden = KEY_FIELDS[printed.kind] if self.hides == "key field" else ()
        return {} if self.hides == "everything" else {k: v for k, v in printed.card.items() if k not in hidden}


def blur(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Out of focus."""
    return picture.filter(ImageFilter.GaussianBlur(picture.width * rng.uniform(0.00185, 0.00198)))


def glare(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A lamp's reflection, where the least is written: it costs quality only."""
    width, height = picture.size
    spot = (round(width * rng.uniform(0.17, 0.2)), round(height * rng.uniform(0.2, 0.24)))
    x, y = _emptiest_place(picture, spot)
    mask = Image.new("L", picture.size, 0)
    ImageDraw.Draw(mask).ellipse((x, y, x + spot[0], y + spot[1]), fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(width * 0.008))
    return Image.composite(Image.new("RGB", picture.size, (255, 255, 253)), picture, mask)


def darkness(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Taken in a dim room: dark, with the sensor's coloured noise."""
    gain = rng.uniform(51, 55) / _brightness_at(picture, 0.5)
    dim = picture.point([round(level * gain) for level in range(256)] * 3)
    grain = [noise(rng, picture.size).point(lambda value: value // 15) for _ in dim.getbands()]
    return ImageChops.add(dim, Image.merge("RGB", grain), offset=-8)


def overexposure(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Exposed too long: most of the card is burnt out, the ink stays."""
    gain = rng.uniform(290, 310) / _brightness_at(picture, 0.3)
    return picture.point([min(255, round(level * gain)) for level in range(256)] * 3)


def turn(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Turned by 90, 180 or 270 degrees."""
    return picture.rotate(rng.choice((90, 180, 270)), expand=True)


def skew(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Held a few degrees askew."""
    angle = rng.uniform(3, 7) * rng.choice((-1, 1))
    return picture.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=_desk_colour(picture))


def perspective(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Taken from one side: one edge of the card is farther away and so shorter."""
    quarter = rng.randrange(4) * 90
    turned = picture.rotate(quarter, expand=True)
    width, height = turned.size
    reach, lift = rng.uniform(0.05, 0.09) * width, rng.uniform(0, 0.03) * height
    seen = ((-reach, -lift), (width + reach, -lift), (float(width), float(height)), (0.0, float(height)))
    tilted = turned.transform(
        turned.size,
        Image.Transform.PERSPECTIVE,
        _perspective_coefficients(seen, turned.size),
        Image.Resampling.BICUBIC,
        fillcolor=_desk_colour(picture),
    )
    return tilted.rotate(-quarter, expand=True)


def low_jpeg_quality(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Sent through a messenger that compresses hard."""
    with Image.open(io.BytesIO(encode(picture, quality=rng.randrange(15, 20)))) as file:
        return file.convert("RGB")


def cut_corner(picture: Image.Image, rng: random.Random) -> Image.Image:
    """The bottom right corner, where no side bears a text, is cut off."""
    _, _, right, bottom = picture.info["card"]
    cut = picture.copy()
    along, up = px(rng.uniform(8, 10)), px(rng.uniform(9, 11))
    ImageDraw.Draw(cut).polygon(
        [(right - along, bottom), (right, bottom - up), (right + px(0.6), bottom + px(0.6))], fill=_desk_colour(picture)
    )
    return cut


def cover(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A thumb lies on the one text that the side is worthless without."""
    left, top, right, bottom = picture.info["key_field"]
    covered = picture.copy()
    over, above = px(rng.uniform(0.4, 0.7)), px(rng.uniform(0.2, 0.4))
    thumb = (left - over, top - above, right + over, bottom + above)
    ImageDraw.Draw(covered).rounded_rectangle(thumb, (bottom - top) // 2, fill=THUMB)
    return covered


def photocopy(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A black-and-white copy."""
    grey = ImageOps.autocontrast(picture.convert("L"), cutoff=1).point(
        [50 + level * 186 // 255 for level in range(256)]
    )
    specks = noise(rng, picture.size).point(lambda value: value // 20)
    return ImageChops.subtract(grey, specks).convert("RGB")


def screen_recapture(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Photographed from a screen: two fine gratings interfere."""
    pattern = picture
    for period in (rng.uniform(3.3, 3.9), rng.uniform(4.2, 4.9)):
        pattern = ImageChops.multiply(pattern, _grating(picture.size, period, rng.uniform(2, 12)).convert("RGB"))
    return pattern


def tiny(picture: Image.Image, rng: random.Random) -> Image.Image:
    """A thumbnail instead of the picture: smaller than any provider takes."""
    return picture.resize((rng.randrange(18, 22), 13), Image.Resampling.LANCZOS)


SPOILS: Mapping[str, Spoil] = {
    spoil.name: spoil
    for spoil in (
        Spoil("blur", frozenset({"IMAGE_BLURRED"}), blur),
        Spoil("glare", frozenset({"IMAGE_GLARE"}), glare),
        Spoil("darkness", frozenset({"IMAGE_UNDEREXPOSED"}), darkness),
        Spoil("overexposure", frozenset({"IMAGE_OVEREXPOSED"}), overexposure),
        Spoil("turn", frozenset(), turn),
        Spoil("skew", frozenset(), skew),
        Spoil("perspective", frozenset(), perspective),
        Spoil("low_jpeg_quality", frozenset(), low_jpeg_quality),
        Spoil("cut_corner", frozenset({"CARD_INCOMPLETE"}), cut_corner, detected=False),
        Spoil("cover", frozenset({"FIELD_MISSING"}), cover, hides="key field"),
        Spoil("photocopy", frozenset({"PHOTOCOPY"}), photocopy),
        Spoil("screen_recapture", frozenset({"SCREEN_RECAPTURE"}), screen_recapture, detected=False),
        Spoil("tiny", frozenset({"IMAGE_TOO_SMALL"}), tiny, hides="everything"),
    )
}


def _brightness_at(picture: Image.Image, share: float) -> float:
    """The luminance that `share` of the pixels do not exceed."""
    seen = 0
    for level, count in enumerate(picture.convert("L").histogram()):
        seen += count
        if seen >= share * picture.width * picture.height:
            return max(level, 1)
    return 255


def _emptiest_place(picture: Image.Image, spot: tuple[int, int]) -> tuple[int, int]:
    """The top left corner, on the card, of the place of that size with the fewest edges."""
    left, top, right, bottom = picture.info["card"]
    edges = picture.convert("L").filter(ImageFilter.GaussianBlur(2)).filter(ImageFilter.FIND_EDGES)
    places = [
        (x, y) for x in range(left, right - spot[0], spot[0] // 6) for y in range(top, bottom - spot[1], spot[1] // 6)
    ]
    return min(places, key=lambda at: ImageStat.Stat(edges.crop((*at, at[0] + spot[0], at[1] + spot[1]))).sum2[0])


def _desk_colour(picture: Image.Image) -> Colour:
    """The mean colour along the picture's top edge."""
    red, green, blue = ImageStat.Stat(picture.crop((0, 0, picture.width, 8))).mean
    return round(red), round(green), round(blue)


def _perspective_coefficients(
    seen: tuple[tuple[float, float], ...], size: tuple[int, int]
) -> tuple[float, float, float, float, float, float, float, float]:
    """Pillow's eight numbers for showing the quadrilateral `seen` (from top left, clockwise) as a whole picture.

    The mapping of a unit square to a quadrilateral, after Heckbert, Fundamentals of Texture Mapping (1989), 2.2.3.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = seen
    dx1, dx2, sx = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, sy = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    determinant = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / determinant, (dx1 * sy - sx * dy1) / determinant
    width, height = size
    return (
        *((x1 - x0 + g * x1) / width, (x3 - x0 + h * x3) / height, x0),
        *((y1 - y0 + g * y1) / width, (y3 - y0 + h * y3) / height, y0),
        *(g / width, h / height),
    )


def _grating(size: tuple[int, int], period: float, angle: float) -> Image.Image:
    """Dark lines at an angle, in shares of full brightness."""
    width, height = size
    diagonal = math.ceil(math.hypot(width, height))
    wave = bytes(round(232 + 22 * math.sin(x / period * math.tau)) for x in range(diagonal))
    stripes = Image.frombytes("L", (diagonal, 1), wave).resize((diagonal, diagonal))
    turned = stripes.rotate(angle, Image.Resampling.BILINEAR)
    left, top = (diagonal - width) // 2, (diagonal - height) // 2
    return turned.crop((left, top, left + width, top + height))
