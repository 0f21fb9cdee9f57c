"""Pictures from strangers: told apart by content, refused unread, measured, and fitted to what a provider takes."""

import base64
import io
import os
import struct
import subprocess
import sys
import threading
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, ImageStat

from cardintake import assessment, images, limits
from cardintake.images import (
    FittedImage,
    ImageLimits,
    ImageRefusedError,
    Measures,
    base64_size,
    fit,
    probe,
    urlencoded_base64_size,
)
from cardintake.providers import REGISTRY
from cardintake.thresholds import MEASURES
from tests import properties as _profile  # noqa: F401 - loads the profile
from tests.unit.conftest import encoded, picture

CTYUN, ACCUAUTH = REGISTRY["ctyun"].limits, REGISTRY["accuauth"].limits
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")  # as the module itself does
FORMATS = ["JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP"]
JPEG_ONLY = ImageLimits(frozenset({"JPEG"}), 10**7, 33, 4999)


def refusal(data: bytes, accepted: ImageLimits | None = None) -> str:
    with pytest.raises(ImageRefusedError) as error:
        fitted(data, accepted) if accepted else probe(data)
    return error.value.reason.value


def fitted(data: bytes, accepted: ImageLimits) -> FittedImage:
    return fit(probe(data), accepted)


def opened(image: FittedImage) -> Image.Image:
    with Image.open(io.BytesIO(image.data)) as file:
        file.load()
        return file


def png_header(width: int, height: int) -> bytes:
    """A PNG of these dimensions, without the pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# what it is -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_told_by_its_content(kind: str) -> None:
    found = probe(encoded(picture(), kind))
    assert (found.format, found.width, found.height, found.upright) == (kind, 600, 400, True)


def test_two_pictures_in_one_file_are_mpo() -> None:
    data = encoded(picture(), "MPO", save_all=True, append_images=[picture(2)])
    assert probe(data).format == "MPO"
    sent = fitted(data, CTYUN)
    assert (sent.format, sent.width, sent.height) == ("JPEG", 600, 400)
    assert Image.open(io.BytesIO(sent.data)).format == "JPEG"
    assert close_to(opened(sent), picture())


@pytest.mark.parametrize(
    "data",
    [
        b"hello, I am a text", b"\x00" * 100, b"\x01" * 64, b"\n%PDF-1.7\n1 0 obj",
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"RIFF\x24\x00\x00\x00WAVEfmt ", b"%!PS-Adobe-3.0 EPSF-3.0",
        b"8BPS\x00\x01" + bytes(50), b"\x00\x00\x01\x00\x01\x00" + bytes(50), b"PK\x03\x04" + bytes(50),
        b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(50), b"<html><img src=x></html>", b"MZ" + bytes(100),
    ],
)  # fmt: skip
def test_what_we_do_not_read_is_unsupported(data: bytes) -> None:
    assert refusal(data) == "IMAGE_UNSUPPORTED"


def zip_archive(comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("Main.class", b"x" * 1000)
        archive.comment = comment
    return file.getvalue()


def empty_zip_archive() -> bytes:
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
@pytest.mark.parametrize(
    "tail", [zip_archive(), zip_archive(b"c" * 5000), empty_zip_archive()], ids=["archive", "commented", "empty"]
)
def test_a_picture_that_is_an_archive_as_well_is_refused(kind: str, tail: bytes) -> None:
    polyglot = encoded(picture(), kind) + tail
    assert zipfile.is_zipfile(io.BytesIO(polyglot))
    assert refusal(polyglot) == "IMAGE_UNSUPPORTED"


def test_a_picture_that_is_a_pdf_as_well_is_refused() -> None:
    assert refusal(encoded(picture(), comment=b"%PDF-1.7 1 0 obj")) == "IMAGE_UNSUPPORTED"
    assert refusal(encoded(picture(), "GIF")[:6] + b"%PDF-1.7" + encoded(picture())) == "IMAGE_UNSUPPORTED"


def test_a_pdf_goes_as_it_is_to_whom_it_may() -> None:
    pdf = encoded(picture(), "PDF")
    takes_pdf = ImageLimits(frozenset({"JPEG", "PDF"}), len(pdf), 256, 2048)
    seen = probe(pdf)
    assert (seen.format, seen.measures) == ("PDF", None)
    assert fitted(pdf, takes_pdf) == FittedImage(pdf, "PDF", 0, 0)
    assert refusal(pdf, JPEG_ONLY) == "IMAGE_UNSUPPORTED"
    assert refusal(pdf, replace(takes_pdf, max_bytes=len(pdf) - 1)) == "IMAGE_TOO_LARGE"
    assert refusal(pdf + zip_archive(), takes_pdf) == "IMAGE_UNSUPPORTED"


def test_what_cameras_put_behind_a_picture_is_no_reason_to_refuse_it() -> None:
    motion_photo = encoded(picture()) + b"\x00\x00\x00\x18ftypmp42" + os.urandom(5000)
    mentions_zip = encoded(picture(), comment=b"PK\x05\x06 in a comment") + b"PK\x05\x06" + b"\x09" * 30
    for data in (motion_photo, mentions_zip, encoded(picture()) + b"PK\x05\x06"):
        assert probe(data).format == "JPEG"


# refused unread -------------------------------------------------------------------------------------------------------


def test_an_empty_object_is_corrupt() -> None:
    assert refusal(b"") == "IMAGE_CORRUPT"


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.98])
@pytest.mark.parametrize("kind", [*FORMATS, "progressive JPEG", "TIFF of LZW"])
def test_a_truncated_picture_is_corrupt(kind: str, share: float) -> None:
    options: dict[str, object] = {"progressive": True} if kind.startswith("p") else {}
    options |= {"compression": "tiff_lzw"} if kind.endswith("LZW") else {}
    data = encoded(picture(), kind.removeprefix("progressive ").removesuffix(" of LZW"), **options)
    assert refusal(data[: int(len(data) * share)]) == "IMAGE_CORRUPT"


def test_headers_without_a_picture_are_corrupt() -> None:
    for start in (
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"II*\x00",
        b"MM\x00*",
        b"RIFF\x10\0\0\0WEBPVP8 ",
    ):
        assert refusal(start + bytes(20)) == "IMAGE_CORRUPT", start


@pytest.mark.parametrize("at", range(30, 4000, 450))
def test_damage_anywhere_is_refused_or_read_but_never_more(at: int) -> None:
    for kind in FORMATS:
        data = bytearray(encoded(picture(), kind))
        data[at : at + 40] = b"\xff" * 40
        with suppress(ImageRefusedError):
            assert probe(bytes(data)).format == kind


@pytest.mark.parametrize(("width", "height"), [(10_001, 10_000), (100_000, 100_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_told_by_its_dimensions(width: int, height: int) -> None:
    assert refusal(png_header(width, height)) == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "GIF", "WEBP", "TIFF"])
def test_bombs_of_other_formats(kind: str) -> None:
    data = bytearray(encoded(picture(size=(20, 20)), kind, **({"lossless": True} if kind == "WEBP" else {})))
    match kind:
        case "JPEG":
            at = data.index(b"\xff\xc0") + 5
            data[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
        case "BMP":
            data[18:26] = struct.pack("<ii", 60_000, 60_000)
        case "GIF":
            data[6:10] = struct.pack("<HH", 60_000, 60_000)
        case "WEBP":
            data[21:25] = struct.pack("<I", 16_382 | 16_382 << 14)
        case "TIFF":
            for tag in (256, 257):
                at = data.index(struct.pack("<HH", tag, 3)) if struct.pack("<HH", tag, 3) in data else -1
                at = at if at >= 0 else data.index(struct.pack("<HH", tag, 4))
                data[at : at + 12] = struct.pack("<HHII", tag, 4, 1, 60_000)
    assert refusal(bytes(data)) == "IMAGE_TOO_LARGE"


def test_an_object_above_the_limit_is_refused_before_anything_looks_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(picture())
    monkeypatch.setattr(limits, "MAX_OBJECT_BYTES", len(data))
    assert probe(data).format == "JPEG"
    assert refusal(data + b"\x00") == "IMAGE_TOO_LARGE"


def peak_megabytes(path: Path, code: str) -> int:
    """How much more memory a new process has needed at its peak than before it ran this code on the file."""
    whole = f"""
import sys
from pathlib import Path
from cardintake.images import ImageRefusedError, fit, probe
from cardintake.providers import REGISTRY
def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1000
data = Path(sys.argv[1]).read_bytes()
before = peak()
{code}
print(peak() - before)
"""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", whole, str(path)], env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_text_that_unpacks_to_much_is_no_way_around(tmp_path: Path) -> None:
    data = encoded(picture(size=(64, 64)), "PNG")
    path = tmp_path / "bomb.png"
    path.write_bytes(data[:33] + chunk(b"zTXt", b"k\x00\x00" + zlib.compress(bytes(80_000_000), 9)) + data[33:])
    code = (
        "try: probe(data)\nexcept ImageRefusedError as error: assert error.reason.value == 'IMAGE_CORRUPT'\nelse: 1 / 0"
    )
    assert peak_megabytes(path, code) < 30


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "bound"), [("PNG", 420), ("WEBP", 700)])
def test_memory_stays_bounded(kind: str, bound: int, tmp_path: Path) -> None:
    """As many pixels with transparency as are read at most; WebP's decoder keeps three more of the same size."""
    side = {"PNG": 5000, "WEBP": 4080}[kind]
    path = tmp_path / "large"
    large = Image.new("RGBA", (side, side), (90, 120, 150, 200))
    large.save(path, kind, **({"lossless": True, "method": 0} if kind == "WEBP" else {"compress_level": 1}))
    code = (
        f"image = fit(probe(data), REGISTRY['ctyun'].limits); assert image.width == image.height == min({side}, 4999)"
    )
    assert peak_megabytes(path, code) < bound


# measures -------------------------------------------------------------------------------------------------------------


def card(size: tuple[int, int] = (1000, 630), table: tuple[int, int, int] = (90, 84, 80)) -> Image.Image:
    """A coloured card with small writing on a table."""
    image = Image.new("RGB", size, table)
    draw = ImageDraw.Draw(image)
    width, height = size
    draw.rectangle((width * 0.1, height * 0.1, width * 0.9, height * 0.9), fill=(190, 205, 225))
    draw.rectangle((width * 0.7, height * 0.3, width * 0.85, height * 0.7), fill=(200, 150, 130))
    for line in range(12):
        for word in range(30):
            x, y = width * (0.13 + word * 0.018), height * (0.15 + line * 0.06)
            draw.rectangle((x, y, x + width * 0.008, y + height * 0.025), fill=(40, 40, 60))
    return image


def measured(data: bytes) -> Measures:
    measures = probe(data).measures
    assert measures is not None
    return measures


def said_of(image: Image.Image, kind: str = "PNG") -> set[str]:
    found = [*assessment._of_picture(measured(encoded(image, kind)), MEASURES)]
    return {finding.reason.value for finding in found}


def is_grey(image: Image.Image) -> bool:
    return bool([*assessment._of_chroma(measured(encoded(image, "PNG")), MEASURES)])


@pytest.mark.parametrize("table", [(90, 84, 80), (20, 20, 20), (250, 250, 250)], ids=["grey", "dark", "white"])
@pytest.mark.parametrize("size", [(500, 315), (1000, 630), (3000, 1890)])
def test_a_good_picture_has_nothing_wrong(size: tuple[int, int], table: tuple[int, int, int]) -> None:
    assert said_of(card(size, table)) == set()
    assert not is_grey(card(size, table))


@pytest.mark.parametrize("table", [(90, 84, 80), (20, 20, 20), (250, 250, 250)], ids=["grey", "dark", "white"])
@pytest.mark.parametrize("size", [(800, 504), (2000, 1260)])
def test_blur_is_found_on_every_table(size: tuple[int, int], table: tuple[int, int, int]) -> None:
    blurred = card(size, table).filter(ImageFilter.GaussianBlur(size[0] * 0.005))
    assert said_of(blurred) == {"IMAGE_BLURRED"}


def test_what_lies_around_the_card_neither_hides_nor_feigns_blur() -> None:
    sharp, blurred = card(), card().filter(ImageFilter.GaussianBlur(5))
    chequered = Image.new("L", sharp.size)
    chequered.putdata([255 * ((x // 4 + y // 4) % 2) for y in range(sharp.height) for x in range(sharp.width)])
    rim = Image.new("L", sharp.size, 255)
    rim.paste(0, (120, 80, sharp.width - 120, sharp.height - 80))
    for table in (chequered, chequered.filter(ImageFilter.GaussianBlur(8))):
        assert said_of(Image.composite(table.convert("RGB"), sharp, rim)) == set()
        assert said_of(Image.composite(table.convert("RGB"), blurred, rim)) == {"IMAGE_BLURRED"}


def test_a_light_card_on_a_large_dark_table_is_not_dark() -> None:
    table = Image.new("RGB", (1000, 750), (12, 12, 12))
    table.paste(card((660, 416)), (170, 167))
    assert said_of(table) == set()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_a_picture_that_has_no_colours_is_a_grey_copy(kind: str) -> None:
    measures = measured(encoded(card().convert("L"), kind))
    assert measures.chroma == 0
    assert measures.sharpness > 200


def test_a_picture_without_any_detail_has_no_sharpness() -> None:
    for colour in ("white", "black", "grey"):
        assert measured(encoded(Image.new("RGB", (700, 500), colour), "PNG")).sharpness == 0


def test_darkness() -> None:
    dim = card().point([level // 5 for level in range(256)] * 3)
    assert said_of(dim) == {"IMAGE_UNDEREXPOSED"}
    assert said_of(card().point([level // 2 for level in range(256)] * 3)) == set()


def test_overexposure() -> None:
    burnt = card(table=(60, 60, 60)).point([min(255, level * 6) for level in range(256)] * 3)
    assert said_of(burnt) == {"IMAGE_OVEREXPOSED"}


def test_a_scanners_white_ground_burns_nothing() -> None:
    ground = Image.new("RGB", (1600, 1200), "white")
    ground.paste(card((600, 378)), (500, 300))
    assert measured(encoded(ground, "PNG")).burnt_share > 0.5
    assert said_of(ground) == set()


def test_glare_is_a_burnt_spot_inside_and_not_a_white_table() -> None:
    with_lamp = card()
    ImageDraw.Draw(with_lamp).ellipse((400, 250, 600, 400), fill="white")
    assert said_of(with_lamp) == {"IMAGE_GLARE"}
    with_highlight = card()
    ImageDraw.Draw(with_highlight).ellipse((400, 250, 430, 275), fill="white")
    assert said_of(with_highlight) == set()
    from_the_edge = card()
    ImageDraw.Draw(from_the_edge).rectangle((400, 0, 600, 150), fill="white")
    assert said_of(from_the_edge) == set()


def test_grey_copies_also_under_coloured_light() -> None:
    grey = card().convert("L").convert("RGB")
    assert is_grey(grey)
    assert not is_grey(card())
    warm = Image.merge("RGB", [band.point([int(v * by) for v in range(256)]) for band, by in
                               zip(grey.split(), (1.0, 0.85, 0.7), strict=True)])  # fmt: skip
    assert is_grey(warm)
    assert not is_grey(Image.blend(card(), grey, 0.6))


def test_measures_hardly_depend_on_camera_and_format() -> None:
    small = measured(encoded(card((1600, 1008)), "PNG"))
    for kind in ("JPEG", "PNG", "WEBP"):
        large = measured(encoded(card((4000, 2520)), kind, quality=95))
        assert large.brightness == pytest.approx(small.brightness, abs=3), kind
        assert large.burnt_share == small.burnt_share == 0, kind
        assert large.chroma == pytest.approx(small.chroma, rel=0.15), kind


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 900), (900, 3), (7, 7)])
def test_the_smallest_pictures_can_be_measured(size: tuple[int, int]) -> None:
    assert probe(encoded(picture(size=size), "PNG")).width == size[0]


# fitting --------------------------------------------------------------------------------------------------------------


def close_to(one: Image.Image, other: Image.Image, mean_difference: float = 6.0) -> bool:
    """Whether two pictures show the same, colours included."""
    size = (60, 40)
    bands = zip(one.convert("RGB").resize(size).split(), other.convert("RGB").resize(size).split(), strict=True)
    differences = [abs(a - b) for left, right in bands for a, b in zip(left.tobytes(), right.tobytes(), strict=True)]
    return sum(differences) / len(differences) < mean_difference


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("provider", REGISTRY)
def test_a_format_that_the_provider_takes_goes_as_it_is_and_another_as_jpeg(provider: str, kind: str) -> None:
    accepted, data = REGISTRY[provider].limits, encoded(picture(), kind)
    sent = fitted(data, accepted)
    if kind in accepted.formats:
        assert (sent.data, sent.format) == (data, kind)
    else:
        assert sent.format == Image.open(io.BytesIO(sent.data)).format == "JPEG"
        assert close_to(opened(sent), picture(), 12 if kind == "GIF" else 6)
    assert (sent.width, sent.height) == (600, 400)


def test_documented_limits() -> None:
    assert (limits.MAX_OBJECT_BYTES, limits.MAX_PIXELS) == (50_000_000, 100_000_000)
    assert ImageLimits(frozenset({"JPEG", "PNG", "BMP"}), 10_000_000, 33, 4999) == CTYUN
    assert ImageLimits(frozenset({"JPEG", "PNG"}), 5_000_000, 128, 6000) == ACCUAUTH


@pytest.mark.parametrize(
    ("accepted", "smallest", "largest"), [(CTYUN, 33, 4999), (ACCUAUTH, 128, 6000)], ids=["ctyun", "accuauth"]
)
def test_both_sides_of_every_limit_of_pixels(accepted: ImageLimits, smallest: int, largest: int) -> None:
    def pale(*size: int) -> bytes:
        return encoded(Image.new("L", (size[0], size[1]), 200), "PNG")

    at_least, at_most = pale(smallest, smallest), pale(largest, smallest)
    assert fitted(at_least, accepted).data == at_least
    assert fitted(at_most, accepted).data == at_most
    assert refusal(pale(smallest - 1, 500), accepted) == refusal(pale(500, smallest - 1), accepted) == "IMAGE_TOO_SMALL"
    over = fitted(pale(largest + 1, 2000), accepted)
    assert (over.format, over.width) == ("JPEG", largest)
    assert opened(over).size == (over.width, over.height)
    assert refusal(pale(largest * 2, smallest * 2 - 2), accepted) == "IMAGE_TOO_SMALL"


@given(st.binary(max_size=2000))
def test_bytes_are_counted_as_the_provider_counts_them(data: bytes) -> None:
    encoded_data = base64.b64encode(data)
    assert base64_size(data) == len(encoded_data)
    assert urlencoded_base64_size(data) == len(quote_plus(encoded_data))


def test_both_sides_of_a_limit_on_an_encoding() -> None:
    data = encoded(picture())
    for counted in (base64_size, urlencoded_base64_size):
        just = ImageLimits(frozenset({"JPEG"}), counted(data), 33, 4999, counted)
        assert fitted(data, just).data == data
        over = fitted(data, replace(just, max_bytes=counted(data) - 1))
        assert counted(over.data) < counted(data)


def test_too_many_bytes_are_encoded_again_and_then_scaled_down() -> None:
    noise = Image.effect_noise((1500, 1000), 90).convert("RGB")
    data = encoded(noise, "PNG")
    for share in (1.0, 0.5, 0.1, 0.02):
        accepted = ImageLimits(frozenset({"PNG", "JPEG"}), int(len(data) * share), 100, 4999)
        sent = fitted(data, accepted)
        assert len(sent.data) <= accepted.max_bytes
        assert (sent.data == data) == (share == 1.0)
    assert refusal(data, ImageLimits(frozenset({"PNG"}), 3000, 800, 4999)) == "IMAGE_TOO_SMALL"


def marked() -> Image.Image:
    """Wider than high, its upper left quarter red."""
    image = Image.new("RGB", (300, 200), (240, 240, 240))
    ImageDraw.Draw(image).rectangle((0, 0, 150, 100), fill=(220, 20, 20))
    return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_every_orientation_arrives_upright(kind: str, orientation: int) -> None:
    turned = marked()
    for step in {
        2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180], 4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]:  # fmt: skip
        turned = turned.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = probe(encoded(turned, kind, exif=exif))
    assert not found.upright
    sent = fit(found, CTYUN)
    assert (sent.format, sent.width, sent.height) == ("JPEG", 300, 200)
    assert close_to(opened(sent), marked(), 8)
    assert opened(sent).getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("orientation", [0, 1, 9, 65535])
def test_an_orientation_that_means_nothing_changes_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(), exif=exif)
    assert fitted(data, CTYUN).data == data


@pytest.mark.parametrize(
    "exif",
    [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0II*\0\xff\xff\xff\xff",
     b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x05\0\0\0\x01\0\0\xff\xff\0\0\0\0",
     b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02AB\0\0\0\0\0\0"],
)  # fmt: skip
def test_broken_exif_is_no_reason_to_refuse(exif: bytes) -> None:
    data = encoded(picture(), exif=exif)
    assert fitted(data, CTYUN).data == data
    assert fitted(data, ImageLimits(frozenset({"JPEG"}), 10**7, 33, 300)).width == 300


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("L", "JPEG"), ("LA", "PNG"), ("RGBA", "PNG"), ("RGBA", "WEBP"), ("P", "GIF"),
     ("P", "PNG"), ("1", "PNG"), ("I;16", "PNG"), ("I;16", "TIFF"), ("I;16B", "TIFF"), ("YCbCr", "TIFF"),
     ("LAB", "TIFF")],
)  # fmt: skip
def test_every_kind_of_pixel_shows_the_same_as_jpeg(mode: str, kind: str) -> None:
    flat = Image.new("RGB", (300, 200), (200, 60, 60)).filter(ImageFilter.GaussianBlur(1))
    ImageDraw.Draw(flat).rectangle((100, 50, 200, 150), fill=(60, 60, 200))
    if mode.startswith("I;16"):
        grey = flat.convert("L")
        data = Image.frombytes("I;16", grey.size, b"".join(bytes((0, value)) for value in grey.tobytes()))
        image, expected = (data if mode == "I;16" else data.convert("I").convert("I;16B")), grey
    else:
        image = flat.convert(mode)
        expected = flat.convert("L") if mode in ("L", "LA") else flat.convert("1") if mode == "1" else flat
    sent = fitted(encoded(image, kind), ImageLimits(frozenset({"BMP"}), 10**7, 33, 4999))
    assert opened(sent).mode == "RGB"
    assert close_to(opened(sent), expected.convert("RGB"), 12)


def test_what_is_transparent_becomes_white() -> None:
    clear = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    for data in (
        encoded(clear, "PNG"), encoded(clear, "WEBP", lossless=True),
        encoded(Image.new("P", (200, 200), 3), "GIF", transparency=3),
        encoded(Image.new("LA", (200, 200), (0, 0)), "PNG"),
    ):  # fmt: skip
        sent = opened(fitted(data, JPEG_ONLY))
        assert min(ImageStat.Stat(sent).mean) > 250


def test_of_a_moving_picture_the_first_frame_is_read() -> None:
    frames = [Image.new("RGB", (200, 200), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        sent = opened(fitted(encoded(frames[0], kind, save_all=True, append_images=frames[1:]), JPEG_ONLY))
        red, _, blue = ImageStat.Stat(sent.convert("RGB")).mean
        assert red > 200, kind
        assert blue < 60, kind


@pytest.mark.thorough
def test_scaling_down_keeps_the_whole_picture() -> None:
    large = card((5500, 3465))
    for kind in ("PNG", "JPEG"):
        sent = fitted(encoded(large, kind), JPEG_ONLY)
        assert (sent.width, sent.height) == (4999, 3149), kind
        assert close_to(opened(sent), large), kind
        assert said_of(opened(sent)) == set(), kind


SIDES = st.integers(1, 400)


@given(
    st.tuples(SIDES, SIDES), st.sampled_from(FORMATS), st.sampled_from(["RGB", "L", "RGBA", "P"]), st.integers(0, 9),
    st.builds(
        ImageLimits,
        formats=st.sets(st.sampled_from(["JPEG", "PNG", "BMP"])).map(lambda formats: frozenset({"JPEG", *formats})),
        max_bytes=st.integers(700, 50_000), min_side=st.integers(1, 100), max_side=st.integers(100, 500),
    ),
)  # fmt: skip
def test_what_is_sent_obeys_the_limits(
    size: tuple[int, int], kind: str, mode: str, orientation: int, accepted: ImageLimits
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    mode = "RGB" if (kind, mode) in {("JPEG", "RGBA"), ("JPEG", "P")} else mode
    image = Image.effect_noise(size, 80).convert(mode)
    data = encoded(image, kind, **({} if kind in ("BMP", "GIF") else {"exif": exif}))
    try:
        sent = fitted(data, accepted)
    except ImageRefusedError as error:
        if error.reason.value != "IMAGE_TOO_SMALL":
            raise
        return
    shown = Image.open(io.BytesIO(sent.data))
    assert shown.format == sent.format
    assert sent.format in accepted.formats
    assert shown.size == (sent.width, sent.height)
    assert len(sent.data) <= accepted.max_bytes
    assert accepted.min_side <= min(shown.size) <= max(shown.size) <= accepted.max_side
    assert shown.getexif().get(0x0112, 1) not in range(2, 9)
    assert (sent.data == data) or sent.format == "JPEG"


@pytest.mark.thorough
def test_many_threads_at_once_see_what_one_sees() -> None:
    files = [encoded(picture(n, (300 + n * 37, 200 + n * 11)), kind) for n, kind in enumerate([*FORMATS, *FORMATS])] + [
        encoded(card((2600, 1700)), "PNG"),
        encoded(card((2600, 1700)), "WEBP"),
        b"no picture",
        encoded(picture())[:900],
    ]

    def all_of_it(data: bytes) -> object:
        try:
            found = probe(data)
            return found, fit(found, ImageLimits(frozenset({"JPEG"}), 200_000, 33, 1000))
        except ImageRefusedError as error:
            return error.reason

    alone = [all_of_it(data) for data in files]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(all_of_it, files * 3))
    assert together == alone * 3


def test_large_pictures_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    large = encoded(card((2600, 1700)), "PNG")
    assert images.LARGE_PIXELS < 2600 * 1700
    at_once, seen = [0], [0]
    decode = images._flat

    def counted(image: Image.Image, longest: int) -> Image.Image:
        at_once[0] += 1
        seen[0] = max(seen[0], at_once[0])
        try:
            return decode(image, longest)
        finally:
            at_once[0] -= 1

    monkeypatch.setattr(images, "_flat", counted)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(probe, [large] * 4))
    assert seen == [1]


def test_one_thread_measures_what_was_begun_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [encoded(picture(number)) for number in range(5)]
    alone = [measured(data).sharpness for data in files]
    threads: list[int] = []
    measure = images._of_luminance

    def noted(image: Image.Image) -> dict[str, float]:
        threads.append(threading.get_ident())
        return measure(image)

    monkeypatch.setattr(images, "_of_luminance", noted)
    with ThreadPoolExecutor(5) as pool:
        begun = list(pool.map(measured, files))
        list(pool.map(lambda one: (one.begin(), one.begin()), begun))
    assert [one.sharpness for one in begun] == alone
    assert len(threads) == len(files)
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


def test_what_goes_wrong_while_it_is_measured_is_heard_of_by_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Image.Image) -> dict[str, float]:
        raise MemoryError

    monkeypatch.setattr(images, "_of_luminance", broken)
    found = measured(encoded(picture()))
    found.begin()
    with pytest.raises(MemoryError):
        found.brightness  # noqa: B018 - asks


def test_a_picture_keeps_its_bytes_out_of_logs() -> None:
    found = probe(encoded(picture()))
    assert "\\xff\\xd8" not in repr(found)
    assert "\\xff\\xd8" not in repr(fit(found, CTYUN))
