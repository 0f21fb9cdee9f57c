"""The picture: what it is, whether it can be read at all, how bright and sharp it is, and fitting it to a provider.

All but the measures is done before any paid call, and all in bounded memory and time: images come from strangers. The
content decides what a file is, never its name, and a file that is something else besides is refused. A picture of more
than `LARGE_PIXELS` is decoded by one thread at a time, and no second copy of that size is ever made of it.
"""

import base64
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module

from PIL import Image, ImageFilter, ImageStat, UnidentifiedImageError

from cardintake import image_structure, limits
from cardintake.reasons import Reason

type Format = str  # Pillow's name: JPEG, PNG, BMP, TIFF, GIF, WEBP, MPO; and PDF

# decoders that a stranger's file may choose from; MPO is opened as the JPEG that it begins with
_READABLE = ("JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP")
for _format in _READABLE:
    import_module(f"PIL.{_format.capitalize() if _format != 'WEBP' else 'WebP'}ImagePlugin")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\x00", b"MM\x00*", b"GIF87a", b"GIF89a")
_ORIENTATION = 0x0112  # EXIF
_UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
PDF: Format = "PDF"
_PDF_HEADER, _PDF_HEADER_WITHIN = b"%PDF-", 1024  # bytes; where PDF readers look for it
_ZIP_END, _ZIP_END_WITHIN = b"PK\x05\x06", 22 + 0xFFFF  # the record and its longest comment
# bytes a pixel by format or mode, else the number of bands and at least two: JPEG is scaled while it is decoded, WebP
# and CIELAB take most work
_COUNTED_BYTES = {"JPEG": 1, "MPO": 1, "WEBP": 6, "LAB": 5}
LARGE_PIXELS = 4_000_000
_STRIP_PIXELS = 1_000_000
_BLOCK = 192 * 1024  # bytes encoded at a time; a multiple of 3
_MEASURED_SIDE = 800
_MIDDLE = 0.7  # of either side: half of the picture
_CELLS = 100  # along the longer side
_BURNT = 250  # mean luminance of a cell
_JPEG_QUALITIES = (92, 85, 75)
_one_large_at_a_time = threading.Lock()
# one thread for all scans: were each measured by its own, what still has to be sent would wait for what has been
_measurer = ThreadPoolExecutor(1)
Image.MAX_IMAGE_PIXELS = None  # our own, stricter limit is checked before anything is decoded
warnings.filterwarnings("ignore", module="PIL")  # about odd metadata, which decides nothing here


class ImageRefusedError(Exception):
    """The image is refused before any paid call, with its reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a provider takes. Sides in pixels, inclusive; `max_bytes` as the provider counts them: see `counted`."""

    formats: frozenset[Format]
    max_bytes: int
    min_side: int
    max_side: int
    counted: Callable[[bytes], int] = len  # bytes of the image itself, unless the provider counts an encoding

    def hold(self, data: bytes) -> bool:
        """Whether a file of these bytes is small enough."""
        return len(data) <= self.max_bytes and self.counted(data) <= self.max_bytes


def base64_size(data: bytes) -> int:
    """Characters of the image in base64."""
    return -(-len(data) // 3) * 4


def urlencoded_base64_size(data: bytes) -> int:
    """Characters of the image in base64 and then percent-encoded: `+`, `/` and `=` take three each."""
    blocks = (base64.b64encode(data[start : start + _BLOCK]) for start in range(0, len(data), _BLOCK))
    return sum(len(block) + 2 * sum(block.count(character) for character in b"+/=") for block in blocks)


@dataclass(frozen=True, slots=True)
class Measures:
    """Taken as on a copy of at most 800 pixels, so that they do not depend on the camera.

    Of the picture's middle, where the card lies and not the table around it: `sharpness`, variance of the Laplacian of
    luminance; `brightness`, median luminance, 0-255. Of all: `burnt_share`, share of cells of 8x8 pixels with mean
    luminance of at least 250; `glare_share`, the same, only spots that do not reach the picture's edge (a white table
    does); `chroma`, standard deviations of Cb and Cr added up, after grey-world balance.
    """

    sharpness: float
    brightness: float
    burnt_share: float
    glare_share: float
    chroma: float

    def begin(self) -> None:
        """Has what everybody asks for taken in the background, where that has not been done."""


class _MeasuredLater(Measures):
    """Taken when it is asked for, if not begun before; colours only then, as only some providers look for copies."""

    def __init__(self, decoded: Image.Image, colours: Callable[[], Image.Image]) -> None:
        self.__dict__.update(_decoded=decoded, _colours=colours)

    def begin(self) -> None:
        if self._begun is None:
            self.__dict__["_begun"] = _measurer.submit(_of_luminance, self._decoded)

    def __getattr__(self, name: str) -> float:
        """Called for what has not been set yet."""
        if name == "chroma":
            taken = {name: round(_chroma(_thumbnail(self._colours())), 2)}
        elif name in Measures.__slots__:
            taken = _of_luminance(self._decoded) if self._begun is None else self._begun.result()
        else:
            raise AttributeError(name)
        for measure, value in taken.items():
            object.__setattr__(self, measure, value)
        return taken[name]

    _decoded: Image.Image
    _colours: Callable[[], Image.Image]
    _begun: Future[dict[str, float]] | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that can be read: its bytes as they came, and what was found out about it.

    A PDF is passed on and never opened here: it has no measures, and its sides are 0.
    """

    data: bytes = field(repr=False)
    format: Format
    width: int
    height: int
    upright: bool  # no EXIF orientation to apply
    measures: Measures | None


@dataclass(frozen=True, slots=True)
class FittedImage:
    """What is sent: the original bytes, or a JPEG made from them."""

    data: bytes = field(repr=False)
    format: Format
    width: int
    height: int


def probe(data: bytes) -> Picture:
    """Decodes the picture once, as small as its format allows. Its measures are taken when they are asked for.

    Raises ImageRefusedError: IMAGE_UNSUPPORTED (no image, HEIC, an image that is a PDF or ZIP archive as well),
    IMAGE_TOO_LARGE (by bytes or pixels), IMAGE_CORRUPT (truncated, malformed, empty).
    """
    if not data:
        raise ImageRefusedError(Reason.IMAGE_CORRUPT)
    if len(data) > limits.MAX_OBJECT_BYTES:
        raise ImageRefusedError(Reason.IMAGE_TOO_LARGE)
    if _is_archive(data):
        raise ImageRefusedError(Reason.IMAGE_UNSUPPORTED)
    if data.startswith(_PDF_HEADER):
        return Picture(data, PDF, 0, 0, upright=True, measures=None)
    if _PDF_HEADER in data[:_PDF_HEADER_WITHIN]:
        raise ImageRefusedError(Reason.IMAGE_UNSUPPORTED)
    if reason := image_structure.fault(data):
        raise ImageRefusedError(reason)
    with _opened(data) as image:
        width, height = image.size
        upright = _orientation(image) not in _UPRIGHT_BY
        with _memory_for(width, height):
            measures = _measured(data, image)
        return Picture(data, str(image.format), width, height, upright, measures)


def fit(picture: Picture, accepted: ImageLimits) -> FittedImage:
    """The picture as this provider takes it: untouched where it fits, else upright, scaled down, as JPEG.

    Raises ImageRefusedError: IMAGE_TOO_SMALL when a side is below, or would be scaled below, the provider's smallest;
    for a PDF, which cannot be fitted, IMAGE_UNSUPPORTED and IMAGE_TOO_LARGE.
    """
    if picture.format == PDF:
        return _pdf(picture.data, accepted)
    if min(picture.width, picture.height) < accepted.min_side:
        raise ImageRefusedError(Reason.IMAGE_TOO_SMALL)
    if (
        picture.upright
        and picture.format in accepted.formats
        and accepted.hold(picture.data)
        and max(picture.width, picture.height) <= accepted.max_side
    ):
        return FittedImage(picture.data, picture.format, picture.width, picture.height)
    longest = min(accepted.max_side, max(picture.width, picture.height))
    with _memory_for(picture.width, picture.height):
        return _encoded_within(_upright(picture.data, longest), longest, accepted)


def _pdf(data: bytes, accepted: ImageLimits) -> FittedImage:
    if PDF not in accepted.formats:
        raise ImageRefusedError(Reason.IMAGE_UNSUPPORTED)
    if not accepted.hold(data):
        raise ImageRefusedError(Reason.IMAGE_TOO_LARGE)
    return FittedImage(data, PDF, 0, 0)


def _upright(data: bytes, longest: int) -> Image.Image:
    with _opened(data) as image:
        image.draft("RGB", _scaled(image.size, longest))
        flat = _flat(image, longest)
        turn = _UPRIGHT_BY.get(_orientation(image))  # after decoding: Pillow turns a TIFF by itself
        return flat if turn is None else flat.transpose(turn)


def _encoded_within(image: Image.Image, longest: int, accepted: ImageLimits) -> FittedImage:
    while True:
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        if min(image.size) < accepted.min_side:
            raise ImageRefusedError(Reason.IMAGE_TOO_SMALL)
        for quality in _JPEG_QUALITIES:
            encoded = io.BytesIO()
            image.save(encoded, "JPEG", quality=quality)
            if accepted.hold(encoded.getvalue()):
                return FittedImage(encoded.getvalue(), "JPEG", *image.size)
        longest = max(image.size) * 3 // 4


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """Pillow's lazily opened image; everything that Pillow raises about a bad file becomes ImageRefusedError."""
    try:
        with Image.open(io.BytesIO(data), formats=_READABLE) as image:
            _refuse_too_large(image)
            yield image
    except ImageRefusedError:
        raise
    except Exception as error:  # noqa: BLE001 - decoders raise whatever a malformed file makes them raise
        raise ImageRefusedError(_why_not_opened(data, error)) from None


def _refuse_too_large(image: Image.Image) -> None:
    pixels = image.width * image.height
    if pixels > limits.MAX_PIXELS:
        raise ImageRefusedError(Reason.IMAGE_TOO_LARGE)
    counted = _COUNTED_BYTES.get(str(image.format)) or _COUNTED_BYTES.get(image.mode, max(2, len(image.getbands())))
    if pixels * counted > limits.MAX_DECODED_BYTES:
        raise ImageRefusedError(Reason.IMAGE_TOO_LARGE)


def _is_archive(data: bytes) -> bool:
    """Whether other programs take the file for a ZIP archive, which is read from its end."""
    end = data.rfind(_ZIP_END, -_ZIP_END_WITHIN)
    if end < 0 or len(data) < end + 22:
        return False
    directory = end - int.from_bytes(data[end + 12 : end + 16], "little")
    return directory >= 0 and data.startswith((b"PK\x01\x02", _ZIP_END), directory)


def _why_not_opened(data: bytes, error: Exception) -> Reason:
    known = data.startswith(_MAGIC) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
    if isinstance(error, UnidentifiedImageError) and not known:
        return Reason.IMAGE_UNSUPPORTED
    return Reason.IMAGE_CORRUPT


@contextmanager
def _memory_for(width: int, height: int) -> Iterator[None]:
    if width * height > LARGE_PIXELS:
        with _one_large_at_a_time:
            yield
    else:
        yield


def _orientation(image: Image.Image) -> int:
    if len(image.info.get("exif", b"")) > limits.MAX_EXIF_BYTES:
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - malformed EXIF says nothing; the picture may be fine
        return 1


def _scaled(size: tuple[int, int], longest: int) -> tuple[int, int]:
    ratio = longest / max(size)
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _measured(data: bytes, image: Image.Image) -> Measures:
    """Of a JPEG only the luminance is decoded, which takes a third of the time that its colours take as well."""
    if _decode_reduced(image, "L") and image.mode == "L":
        return _MeasuredLater(_reduced(image), lambda: _in_colour(data))
    small = _thumbnail(_reduced(image))
    return _MeasuredLater(small, lambda: small.convert("RGB"))


def _in_colour(data: bytes) -> Image.Image:
    with _opened(data) as image, _memory_for(*image.size):
        _decode_reduced(image, "RGB")
        return _reduced(image).convert("RGB")


def _decode_reduced(image: Image.Image, mode: str) -> bool:
    """Whether the decoder can: a JPEG's scales by 1/2, 1/4, 1/8 for less work; no side gets shorter than measured."""
    return image.draft(mode, _scaled(image.size, min(_MEASURED_SIDE, max(image.size)))) is not None


def _reduced(image: Image.Image) -> Image.Image:
    """Decoded, and hardly more than is measured; L where it is L, else RGB."""
    if image.mode == "L":
        return image.reduce(max(1, max(image.size) // (2 * _MEASURED_SIDE)))
    return _flat(image, 2 * _MEASURED_SIDE)


def _thumbnail(image: Image.Image) -> Image.Image:
    """The copy whose colours are measured, in the image's place."""
    image.thumbnail((_MEASURED_SIDE, _MEASURED_SIDE), Image.Resampling.BOX)
    return image


def _flat(image: Image.Image, longest: int) -> Image.Image:
    """As RGB, and reduced by a whole factor as long as it stays no shorter than `longest`.

    Decodes the picture, so a truncated one raises here. Strip by strip: what lies beside the decoded picture is small.
    """
    image.load()
    width, height = image.size
    factor = max(1, max(width, height) // longest)
    rows = factor * max(1, _STRIP_PIXELS // (width * factor))
    flat = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        strip = _rgb(image.crop((0, top, width, min(top + rows, height))))
        flat.paste(strip.reduce(factor), (0, top // factor))
    return flat


def _rgb(image: Image.Image) -> Image.Image:
    """As RGB, transparent parts on white."""
    if image.mode in ("RGBA", "LA", "PA") or (image.mode == "P" and "transparency" in image.info):
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if image.mode.startswith("I"):  # 16-bit greys: convert() would clip, not scale
        image = image.convert("I").point(lambda value: value / 256, "L")
    return image.convert("RGB")


def _of_luminance(image: Image.Image) -> dict[str, float]:
    """Every measure but `chroma`."""
    if image.mode != "L":
        image = image.convert("L")
    middle = _middle(image)
    laplacian = middle.filter(ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128))
    if min(middle.size) > 2:  # the filter leaves the outermost pixels as they are: bright edges would count as sharp
        laplacian = laplacian.crop((1, 1, middle.width - 1, middle.height - 1))
    cells = image.reduce(max(_MEASURED_SIDE // _CELLS, round(max(image.size) / _CELLS)))
    burnt, enclosed = _burnt_cells(cells)
    total = cells.width * cells.height
    return {
        "sharpness": round(ImageStat.Stat(laplacian).var[0], 1),
        "brightness": round(ImageStat.Stat(middle).median[0], 1),
        "burnt_share": round(burnt / total, 4),
        "glare_share": round(enclosed / total, 4),
    }


def _middle(image: Image.Image) -> Image.Image:
    """What lies around the centre of the copy that is measured. Shrunk by means: noise does not count as sharp."""
    left, top = (round(side * (1 - _MIDDLE) / 2) for side in image.size)
    box = (left, top, image.width - left, image.height - top)
    scale = min(1, _MEASURED_SIDE / max(image.size))
    size = (max(1, round((box[2] - box[0]) * scale)), max(1, round((box[3] - box[1]) * scale)))
    return image.resize(size, Image.Resampling.BOX, box)


def _burnt_cells(cells: Image.Image) -> tuple[int, int]:
    """How many cells are burnt out, and how many of them lie in spots that do not reach the edge."""
    means = cells.tobytes()
    if max(means) < _BURNT:  # as in most pictures
        return 0, 0
    width, height = cells.size
    burnt = {index for index, value in enumerate(means) if value >= _BURNT}
    edge = {i for i in burnt if i % width in (0, width - 1) or i // width in (0, height - 1)}
    reached, frontier = set(edge), list(edge)
    while frontier:
        index = frontier.pop()
        for neighbour in (index - width, index + width, index - 1, index + 1):
            if neighbour in burnt and neighbour not in reached:
                reached.add(neighbour)
                frontier.append(neighbour)
    return len(burnt), len(burnt) - len(reached)


def _chroma(image: Image.Image) -> float:
    """A grey copy under coloured light has a cast but no variation: balance first, then measure the spread."""
    means = ImageStat.Stat(image).mean
    grey = sum(means) / 3
    balanced = Image.merge(
        "RGB",
        [
            band.point([min(255, round(value * grey / mean)) if mean else value for value in range(256)])
            for band, mean in zip(image.split(), means, strict=True)
        ],
    )
    _, blue, red = ImageStat.Stat(balanced.convert("YCbCr")).stddev
    return blue + red
