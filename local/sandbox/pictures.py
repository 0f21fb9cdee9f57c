"""Which pictures a provider takes: format by the first bytes, size by the header, never by name or declared type."""

import hashlib
import io
import logging
import struct
import zlib
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal

from PIL import Image, ImageOps
from pypdf import PdfReader
from pypdf.errors import PyPdfError

type Format = Literal["JPEG", "PNG", "BMP", "TIFF", "PDF"]

SIGNATURES: dict[Format, tuple[bytes, ...]] = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*"),
    "PDF": (b"%PDF-",),
}
DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow's decoders raise on broken files."""
PDF_ERRORS = (*DECODER_ERRORS, PyPdfError, LookupError, TypeError, AttributeError, RecursionError, NotImplementedError)
"""What pypdf raises on broken files and on what it cannot decode."""

# it quotes what it cannot parse
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


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
    """What one provider takes; all bounds are inclusive, sides in pixels. The sides of a PDF are not looked at."""

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
        """The pixels, RGB on white, turned as EXIF says; of a TIFF its first frame, of a PDF the first picture on its
        first page. PictureRefused (UNREADABLE) for a broken file."""
        if self.format == "PDF":
            return _first_in_pdf(self.data)
        try:
            with Image.open(io.BytesIO(self.data), formats=[self.format]) as opened:
                return _on_white(ImageOps.exif_transpose(opened))
        except DECODER_ERRORS as error:
            raise PictureRefused(Defect.UNREADABLE) from error


def admit(data: bytes, limits: Limits) -> Picture:
    """The picture in `data`; PictureRefused names the first limit that it breaks. Reads the header only."""
    kind = next((name for name, start in SIGNATURES.items() if data.startswith(start)), None)
    if kind is None or kind not in limits.formats:
        raise PictureRefused(Defect.FORMAT)
    if len(data) > limits.largest_bytes:
        raise PictureRefused(Defect.BYTES)
    if kind == "PDF":
        return Picture(data, kind)
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            sides = image.size
    except DECODER_ERRORS as error:
        raise PictureRefused(Defect.UNREADABLE) from error
    if not all(limits.smallest_side <= side <= limits.largest_side for side in sides):
        raise PictureRefused(Defect.PIXELS)
    return Picture(data, kind)


def _first_in_pdf(data: bytes) -> Image.Image:
    try:
        image = PdfReader(io.BytesIO(data)).pages[0].images[0].image
        if image is None:
            raise PictureRefused(Defect.UNREADABLE)
        return _on_white(image)
    except PDF_ERRORS as error:
        raise PictureRefused(Defect.UNREADABLE) from error


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
