"""Which pictures a provider takes: format by the first bytes, size by the header, never by name or declared type."""

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal

from PIL import Image, ImageOps

type Format = Literal["JPEG", "PNG", "BMP"]

SIGNATURES: dict[Format, bytes] = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n", "BMP": b"BM"}
DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow's decoders raise on broken files."""


class Defect(Enum):
    """Why a picture is refused."""

    FORMAT = auto()
    BYTES = auto()
    PIXELS = auto()
    UNREADABLE = auto()


class PictureRefused(Exception):  # noqa: N818  said as the providers say it
    """A picture that a provider does not take."""

    def __init__(self, defect: Defect) -> None:
        super().__init__(defect.name)
        self.defect = defect


@dataclass(frozen=True)
class Limits:
    """What one provider takes; all bounds are inclusive, sides in pixels."""

    formats: frozenset[Format]
    largest_bytes: int
    smallest_side: int
    largest_side: int


@dataclass(frozen=True)
class Picture:
    """A file whose header was found acceptable; its pixels may still turn out to be broken."""

    data: bytes = field(repr=False)
    format: Format

    @property
    def sha256(self) -> str:
        """Hex digest of the file's bytes."""
        return hashlib.sha256(self.data).hexdigest()

    def decode(self) -> Image.Image:
        """The pixels, RGB on white, turned as EXIF says. PictureRefused (UNREADABLE) for a broken file."""
        try:
            with Image.open(io.BytesIO(self.data), formats=[self.format]) as opened:
                image = ImageOps.exif_transpose(opened)
                if not image.has_transparency_data:
                    return image.convert("RGB")
                ground = Image.new("RGBA", image.size, "white")
                return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
        except DECODER_ERRORS as error:
            raise PictureRefused(Defect.UNREADABLE) from error


def admit(data: bytes, limits: Limits) -> Picture:
    """The picture in `data`; PictureRefused names the first limit that it breaks. Reads the header only."""
    kind = next((name for name, start in SIGNATURES.items() if data.startswith(start)), None)
    if kind is None or kind not in limits.formats:
        raise PictureRefused(Defect.FORMAT)
    if len(data) > limits.largest_bytes:
        raise PictureRefused(Defect.BYTES)
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            sides = image.size
    except DECODER_ERRORS as error:
        raise PictureRefused(Defect.UNREADABLE) from error
    if not all(limits.smallest_side <= side <= limits.largest_side for side in sides):
        raise PictureRefused(Defect.PIXELS)
    return Picture(data, kind)
