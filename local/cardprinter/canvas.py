"""Paper, ink and a desk: a card of 85.6 x 54 mm, drawn in millimetres at 356 dpi.

Nothing is pure white, so that a clean card is far from overexposed, and everything has some colour, so that it is far
from a photocopy. Noise comes from a seeded `random.Random`: Pillow's own cannot be seeded.
"""

import math
import random
from functools import cache

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont
from pylopdf_fonts_zh_cn import sans_path, serif_path

type Colour = tuple[int, int, int]
type Box = tuple[int, int, int, int]

PIXELS_PER_MM = 14
CARD_MM = (85.6, 54.0)
CARD = (round(CARD_MM[0] * PIXELS_PER_MM), round(CARD_MM[1] * PIXELS_PER_MM))
DESK = (1360, 920)
CORNER_MM = 3.2

INK: Colour = (28, 28, 36)
SILHOUETTE: Colour = (150, 156, 170)


class Sheet:
    """One side of a card while it is being drawn. Positions are millimetres from its top left corner."""

    def __init__(self, rng: random.Random, start: Colour, end: Colour) -> None:
        self.picture = _paper(rng, start, end)
        self._pen = ImageDraw.Draw(self.picture)

    def text(self, x: float, y: float, text: str, size: float, colour: Colour = INK, face: str = "sans") -> Box:
        """Write `text` with its top left at (x, y), `size` mm high; its box in pixels."""
        place, font = (px(x), px(y)), _font(face, px(size))
        self._pen.text(place, text, font=font, fill=colour)
        left, top, right, bottom = self._pen.textbbox(place, text, font=font)
        return round(left), round(top), round(right), round(bottom)

    def width_of(self, text: str, size: float, face: str = "sans") -> float:
        """Millimetres that `text` takes."""
        return _font(face, px(size)).getlength(text) / PIXELS_PER_MM

    def silhouette(self, x: float, y: float, width: float) -> None:
        """A grey head and shoulders where a portrait would be, marked SPECIMEN."""
        height = width * 1.25
        self._pen.rectangle((px(x), px(y), px(x + width), px(y + height)), fill=(205, 212, 222))
        head = (px(x + width * 0.3), px(y + height * 0.14), px(x + width * 0.7), px(y + height * 0.56))
        self._pen.ellipse(head, fill=SILHOUETTE)
        shoulders = (px(x + width * 0.1), px(y + height * 0.6), px(x + width * 0.9), px(y + height * 1.4))
        self._pen.chord(shoulders, 180, 360, fill=SILHOUETTE)
        self._pen.rectangle((px(x), px(y + height), px(x + width), px(y + height * 1.01)), fill=(205, 212, 222))
        size = width * 0.11
        indent = (width - self.width_of("SPECIMEN", size)) / 2
        self.text(x + indent, y + height * 0.03, "SPECIMEN", size, (170, 60, 60))

    def ring(self, x: float, y: float, radius: float) -> None:
        """A red ring with the word SPECIMEN: where a state would put its emblem."""
        box = (px(x - radius), px(y - radius), px(x + radius), px(y + radius))
        self._pen.ellipse(box, outline=(196, 44, 52), width=px(radius * 0.14))
        size = radius * 0.3
        self.text(x - self.width_of("SPECIMEN", size) / 2, y - size * 0.7, "SPECIMEN", size, (196, 44, 52))

    def band(self, y: float, height: float, colour: Colour) -> None:
        """A coloured band across the card."""
        self._pen.rectangle((0, px(y), CARD[0], px(y + height)), fill=colour)


def px(millimetres: float) -> int:
    """Pixels on the card."""
    return round(millimetres * PIXELS_PER_MM)


def noise(rng: random.Random, size: tuple[int, int]) -> Image.Image:
    """Even grey noise from 0 to 255."""
    return Image.frombytes("L", size, rng.randbytes(size[0] * size[1]))


def lay_on_desk(card: Image.Image, rng: random.Random) -> tuple[Image.Image, tuple[int, int]]:
    """The card with round corners and a shadow on a brown desk, and where its top left corner lies."""
    desk = Image.new("RGB", DESK, (rng.randrange(126, 146), rng.randrange(98, 112), rng.randrange(72, 84)))
    grain = noise(rng, (DESK[0] // 40, DESK[1] // 4)).resize(DESK, Image.Resampling.BICUBIC)
    desk = ImageChops.subtract(desk, grain.point(lambda value: value // 9).convert("RGB"))
    free = (DESK[0] - card.width, DESK[1] - card.height)
    place = tuple(side // 2 + rng.randrange(-side // 6, side // 6 + 1) for side in free)
    shape = Image.new("L", card.size, 0)
    ImageDraw.Draw(shape).rounded_rectangle((0, 0, card.width - 1, card.height - 1), px(CORNER_MM), fill=255)
    shadow = Image.new("L", DESK, 0)
    shadow.paste(110, (place[0] + 6, place[1] + 8), shape)
    desk.paste((30, 22, 16), (0, 0), shadow.filter(ImageFilter.GaussianBlur(9)))
    desk.paste(card, (place[0], place[1]), shape)
    film = noise(rng, DESK).point(lambda value: value // 28)
    return ImageChops.subtract(desk, film.convert("RGB")), (place[0], place[1])


def _paper(rng: random.Random, start: Colour, end: Colour) -> Image.Image:
    """A two-colour gradient under fine waves."""
    across = Image.linear_gradient("L").rotate(90).resize(CARD)
    sheet = Image.composite(Image.new("RGB", CARD, end), Image.new("RGB", CARD, start), across)
    pen = ImageDraw.Draw(sheet)
    line = tuple(max(0, channel - 22) for channel in end)
    period, lift, phase = rng.uniform(130, 220), rng.uniform(14, 26), rng.uniform(0, math.tau)
    for base in range(-30, CARD[1] + 30, 13):
        wave = [
            (x, base + lift * math.sin(phase + x / period * math.tau + base / 90)) for x in range(0, CARD[0] + 8, 8)
        ]
        pen.line(wave, fill=line, width=1)
    return sheet


@cache
def _font(face: str, pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(serif_path() if face == "serif" else sans_path(), pixels)
