"""The structure of a file, walked before a decoder sees it: what would make opening it cost out of proportion.

Decoders do what a file says: a JPEG of 50 MB can hold a hundred thousand scans of the same picture, a TIFF six million
strips, and what Pillow reads in Python costs a thousand times as much a byte as what it reads in C. Who walks a file
here looks at no more than `limits.MAX_IMAGE_PARTS` parts of it. Measured: docs/decisions/0063.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from cardintake import limits
from cardintake.reasons import Reason

type Fault = Reason | None

_EXIF = b"Exif\0\0"
_START_OF_SCAN, _END_OF_IMAGE, _APP1 = 0xDA, 0xD9, 0xE1
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HUFFMAN_DCT = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive
_PROGRESSIVE = 0xC2
# markers without a length; what follows them is read byte by byte
_BARE = frozenset({0x00, 0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})
_NEXT_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_AFTER_SCAN = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
_PNG_CHANNELS = {2: 3, 4: 2, 6: 4}
_UNCOMPRESSED_BMP = (0, 3)  # BI_RGB, BI_BITFIELDS
_BMP_CORE_HEADER = 12  # bytes; it knows no compression
# none, CCITT, LZW, JPEG, Deflate (both numbers), PackBits: what scanners write
_TIFF_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32946, 32773})
_TIFF_JPEG = 7
_TIFF_OTHER_FRAMES = re.compile(rb"\xff[\xc2\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]\x00[\x08-\x14]\x08", re.DOTALL)
_TIFF_SCANS = re.compile(rb"\xff\xda\x00[\x06\x08\x0a\x0c][\x01-\x04]", re.DOTALL)
_TEXT_OR_BYTES = (1, 2, 7)  # types whose values become one object, however many
# of a value: its form where it is a whole number, its bytes
_TIFF_TYPES = {
    1: ("B", 1), 2: ("", 1), 3: ("H", 2), 4: ("I", 4), 5: ("", 8), 6: ("b", 1), 7: ("", 1), 8: ("h", 2), 9: ("i", 4),
    10: ("", 8), 11: ("", 4), 12: ("", 8), 13: ("I", 4), 16: ("Q", 8),
}  # fmt: skip
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _ROWS = 256, 257, 258, 259, 277, 278
_TILE_WIDTH, _TILE_HEIGHT, _EXIF_IFD, _GPS_IFD = 322, 323, 0x8769, 0x8825


class _TooManyPartsError(Exception):
    pass


def fault(data: bytes) -> Fault:
    """Why the file should not be opened, or None: damage beyond these rules is the decoder's to find.

    IMAGE_CORRUPT: endless parts, tags of endless values. IMAGE_TOO_LARGE: the scans of a JPEG or the canvas of a WebP
    decode to too much. IMAGE_UNSUPPORTED: kinds of JPEG, BMP and TIFF that neither cameras nor scanners write.
    """
    for start, walk in _WALKS:
        if data.startswith(start):
            try:
                return walk(data)
            except _TooManyPartsError:
                return Reason.IMAGE_CORRUPT
            except (struct.error, IndexError):
                return None  # cut off: the decoder says so
    return None


class _Parts:
    """Counts what was walked over, and stops a walk without an end."""

    def __init__(self) -> None:
        self._left = limits.MAX_IMAGE_PARTS

    def take(self, count: int = 1) -> None:
        self._left -= count
        if self._left < 0:
            raise _TooManyPartsError


# JPEG -----------------------------------------------------------------------------------------------------------------


def _jpeg(data: bytes) -> Fault:
    parts, exif, frame = _Parts(), 0, (0, 0, 0, 0)
    at = 2
    while (marker := _marker(data, at, parts)) is not None:
        code, at = marker
        if code in _BARE:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if code in _FRAMES:
            if code not in _HUFFMAN_DCT:
                return Reason.IMAGE_UNSUPPORTED
            frame = (code, *struct.unpack_from(">xHHB", data, at + 2))
        elif code == _APP1 and data.startswith(_EXIF, at + 2):
            exif += length
            if exif > limits.MAX_EXIF_BYTES:
                return Reason.IMAGE_CORRUPT
        at += length
        if code == _START_OF_SCAN:
            return _scans(data, at, frame, parts, components=data[at - length + 2])
    return None


def _marker(data: bytes, at: int, parts: _Parts) -> tuple[int, int] | None:
    """The next marker's code, and where what follows it begins; stray bytes before it count as parts."""
    found = _NEXT_MARKER.search(data, at)
    parts.take((found.end() if found else len(data)) - at - 1)
    return (found[1][0], found.end()) if found else None


def _scans(data: bytes, at: int, frame: tuple[int, int, int, int], parts: _Parts, components: int) -> Fault:
    """Each scan goes over the whole picture again, however few bytes it has."""
    code, height, width, all_components = frame
    if code != _PROGRESSIVE and components == all_components:
        return None  # the only one that is decoded
    if len(data) > limits.MAX_SLOW_BYTES:
        return Reason.IMAGE_TOO_LARGE
    scanned = width * height * all_components  # coefficients are kept, two bytes each
    while scanned <= limits.MAX_SCANNED_PIXELS:
        found = _AFTER_SCAN.search(data, at)
        if found is None or found[1][0] == _END_OF_IMAGE:
            return None
        parts.take()
        at = found.end()
        if found[1][0] in _BARE:
            continue
        scanned += width * height if found[1][0] == _START_OF_SCAN else 0
        at += struct.unpack_from(">H", data, at)[0]
    return Reason.IMAGE_TOO_LARGE


# PNG, GIF -------------------------------------------------------------------------------------------------------------


def _png(data: bytes) -> Fault:
    if data[12:16] != b"IHDR":
        return Reason.IMAGE_CORRUPT
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    if height * -(-width * depth * _PNG_CHANNELS.get(colour, 1) // 8) > limits.MAX_DECODED_BYTES:
        return Reason.IMAGE_TOO_LARGE
    parts, at = _Parts(), 8
    while at < len(data):
        parts.take()
        length, kind = struct.unpack_from(">I4s", data, at)
        if (kind == b"IHDR" and at > 8) or (kind == b"eXIf" and length > limits.MAX_EXIF_BYTES):
            return Reason.IMAGE_CORRUPT
        if kind == b"IEND":
            return None
        at += 12 + length
    return None


def _gif(data: bytes) -> Fault:
    """Up to the first picture, which is all that is read of it; for it memory is taken as the file is opened."""
    parts, at = _Parts(), 13 + _colours(data[10])
    while data[at] not in b",;":
        parts.take()
        at += 1
        if data[at - 1] == ord("!"):
            at += 1
            while data[at]:
                parts.take()
                at += 1 + data[at]
            at += 1
    if data[at] == ord(","):
        left, top, width, height = struct.unpack_from("<4H", data, at + 1)
        if (left + width) * (top + height) > limits.MAX_PIXELS:
            return Reason.IMAGE_TOO_LARGE
    return None


def _colours(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


# BMP, WebP ------------------------------------------------------------------------------------------------------------


def _bmp(data: bytes) -> Fault:
    """Pillow unpacks run lengths in Python, pixel by pixel."""
    (header,) = struct.unpack_from("<I", data, 14)
    (compression,) = (0,) if header == _BMP_CORE_HEADER else struct.unpack_from("<I", data, 30)
    return None if compression in _UNCOMPRESSED_BMP else Reason.IMAGE_UNSUPPORTED


def _webp(data: bytes) -> Fault:
    """Its canvas is allocated when it is opened."""
    if len(data) > limits.MAX_SLOW_BYTES:
        return Reason.IMAGE_TOO_LARGE
    if data[8:16] != b"WEBPVP8X":
        return None  # a single picture, which can be no larger than the sides that Pillow tells
    width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    return Reason.IMAGE_TOO_LARGE if width * height > limits.MAX_PIXELS else None


# TIFF -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tag:
    """`first`: the tag's first value, 0 where that is no whole number."""

    kind: int
    count: int
    first: int


def _tiff(data: bytes) -> Fault:
    """The first directory, and the two of EXIF that Pillow reads with it."""
    if not data.startswith((b"II*\x00", b"MM\x00*")):
        return Reason.IMAGE_UNSUPPORTED  # for files above 4 GB, and byte orders that readers disagree on
    order = "<" if data.startswith(b"II") else ">"
    tags = _directory(data, struct.unpack_from(order + "I", data, 4)[0], order)
    beside = [_directory(data, tags[tag].first, order) for tag in (_EXIF_IFD, _GPS_IFD) if tag in tags]
    every = [tag for directory in (tags, *beside) for tag in directory.values()]
    if sum(tag.count for tag in every if tag.kind not in _TEXT_OR_BYTES) > limits.MAX_TAG_VALUES:
        return Reason.IMAGE_CORRUPT
    compression = _first(tags, _COMPRESSION, 1)
    if compression not in _TIFF_COMPRESSIONS:
        return Reason.IMAGE_UNSUPPORTED
    width, height = _first(tags, _WIDTH, 0), _first(tags, _HEIGHT, 0)
    piece_width, piece_height = _first(tags, _TILE_WIDTH, width), min(height, _first(tags, _ROWS, height))
    if _TILE_WIDTH in tags:
        piece_height = _first(tags, _TILE_HEIGHT, height)
    if min(piece_width, piece_height) <= 0:
        return Reason.IMAGE_CORRUPT
    piece = piece_width * piece_height
    bits = piece * -(-width // piece_width) * -(-height // piece_height) * _first(tags, _SAMPLES, 1)
    if bits * _first(tags, _BITS, 1) // 8 > limits.MAX_DECODED_BYTES:
        return Reason.IMAGE_TOO_LARGE
    return _jpeg_in_tiff(data, piece) if compression == _TIFF_JPEG else None


def _directory(data: bytes, at: int, order: str) -> dict[int, _Tag]:
    """As far as it goes. Of a tag that comes twice the first one counts."""
    tags: dict[int, _Tag] = {}
    entries = int.from_bytes(data[at : at + 2], "little" if order == "<" else "big")
    for entry in range(at + 2, min(at + 2 + 12 * entries, len(data) - 11), 12):
        tag, kind, count, value = struct.unpack_from(order + "HHII", data, entry)
        form, size = _TIFF_TYPES.get(kind, ("", 1))
        if count * size <= 4:
            value = entry + 8
        whole = form and value + size <= len(data)
        tags.setdefault(tag, _Tag(kind, count, struct.unpack_from(order + form, data, value)[0] if whole else 0))
    return tags


def _first(tags: dict[int, _Tag], tag: int, default: int) -> int:
    return tags[tag].first if tag in tags else default


def _jpeg_in_tiff(data: bytes, pixels: int) -> Fault:
    """Every strip or tile is a JPEG of its own; only their frames and scans are looked for."""
    if _TIFF_OTHER_FRAMES.search(data):
        return Reason.IMAGE_UNSUPPORTED
    scanned = 0
    for _ in _TIFF_SCANS.finditer(data):
        scanned += pixels
        if scanned > limits.MAX_SCANNED_PIXELS:
            return Reason.IMAGE_TOO_LARGE
    return None


_WALKS: tuple[tuple[bytes, Callable[[bytes], Fault]], ...] = (
    (b"\xff\xd8", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF8", _gif),
    (b"BM", _bmp),
    (b"RIFF", _webp),
    (b"II", _tiff),
    (b"MM", _tiff),
)
