"""Pictures made to cost: each is decided, with the work bounded by what is counted before a decoder sees the file.

What the limits leave over was measured in instructions: docs/decisions/0063. Here the counts are tested.
"""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

import pytest
from PIL import Image, TiffImagePlugin

from cardintake import image_structure, limits
from cardintake.images import ImageLimits, ImageRefusedError, Picture, fit, probe
from tests.unit.conftest import encoded, picture
from tests.unit.test_images import chunk, close_to, opened, peak_megabytes

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")  # as the module itself does
JPEG_ONLY = ImageLimits(frozenset({"JPEG"}), 10**7, 9, 4999)
PARTS = limits.MAX_IMAGE_PARTS
SMALL = (64, 48)


def small(kind: str = "JPEG", **options: object) -> bytes:
    return encoded(picture(size=SMALL), kind, **options)


def refusal(data: bytes) -> str:
    with pytest.raises(ImageRefusedError) as error:
        probe(data)
    assert error.value.__cause__ is None
    return error.value.reason.value


def accepted(data: bytes, size: tuple[int, int] = SMALL) -> Picture:
    found = probe(data)
    assert (found.width, found.height) == size
    sent = fit(found, JPEG_ONLY)
    assert opened(sent).size == (sent.width, sent.height)
    return found


# JPEG -----------------------------------------------------------------------------------------------------------------


def segment(marker: int, body: bytes = b"") -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def before(data: bytes, more: bytes) -> bytes:
    """Behind the start of the picture, before everything else."""
    return data[:2] + more + data[2:]


@pytest.mark.parametrize(
    "part",
    [segment(0xE5), segment(0xFE), segment(0xE2, b"ICC_PROFILE\0\1\1"), segment(0xDB, b"\0" + bytes(range(1, 65))),
     segment(0xC4), b"\xff\xd0", b"\xff\xd8", b"\xff\xd9", b"\xff\x01", b"\xff"],
    ids=["APP", "COM", "ICC", "DQT", "DHT", "RST", "SOI", "EOI", "TEM", "fill"],
)  # fmt: skip
def test_endless_markers_are_corrupt(part: bytes) -> None:
    assert refusal(before(small(), part * (PARTS + 1))) == "IMAGE_CORRUPT"


def test_endless_bytes_between_markers_are_corrupt() -> None:
    data = small()
    assert refusal(data[:20] + bytes(PARTS + 1) + data[20:]) == "IMAGE_CORRUPT"


def test_what_cameras_write_before_the_picture_is_far_from_the_limit() -> None:
    """A depth map in extended XMP: 10 MB in segments of 64 KB."""
    extended = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(65_000)) * 160
    profile = segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(3000))
    accepted(before(small(), extended + profile + b"\xff" * 16))


def test_both_sides_of_the_limit_of_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = before(small(), segment(0xE5) * 10)
    for most, fault in ((100, False), (5, True)):
        monkeypatch.setattr(limits, "MAX_IMAGE_PARTS", most)
        assert bool(image_structure.fault(data)) == fault


def scans_of(data: bytes) -> int:
    """Of a progressive JPEG that holds no other pictures."""
    return data.count(b"\xff\xda")


def with_scans(count: int, size: tuple[int, int] = SMALL) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    data = encoded(picture(size=size), "JPEG", progressive=True)
    last = data[data.rfind(b"\xff\xc4", 0, data.rfind(b"\xff\xda")) : -2]
    data = data[:-2] + last * (count - scans_of(data)) + b"\xff\xd9"
    assert scans_of(data) == count
    return data


def test_the_scans_of_a_picture_are_counted_in_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = SMALL[0] * SMALL[1]
    accepted(with_scans(30))
    for scans, most, reason in ((30, 32, None), (30, 31, "IMAGE_TOO_LARGE"), (11, 12, "IMAGE_TOO_LARGE")):
        # all three components are kept, then each further scan goes over them
        monkeypatch.setattr(limits, "MAX_SCANNED_PIXELS", most * pixels)
        found = image_structure.fault(with_scans(scans))
        assert (found and found.value) == reason


def test_scans_behind_one_another_cannot_be_hidden() -> None:
    """In a comment, behind a restart, behind a false end: the decoder goes on, and so does the count."""
    hidden = with_scans(40)
    at = hidden.rfind(b"\xff\xc4")
    for cover in (segment(0xFE, b"\xff\xd9"), b"\xff\xd3", segment(0xE1, b"\xff\xda\xff\xd9"), b"junk\xff\xff\xff"):
        assert counted_scans(hidden[:at] + cover + hidden[at:]) == 40


def counted_scans(data: bytes) -> int:
    """At which number of scans the count stops: the smallest limit that lets the picture pass, less its components."""
    pixels, patch = SMALL[0] * SMALL[1], pytest.MonkeyPatch()
    with patch.context() as context:
        for scans in range(1, 200):
            context.setattr(limits, "MAX_SCANNED_PIXELS", (scans - 1 + 3) * pixels)
            if image_structure.fault(data) is None:
                return scans
    raise AssertionError("no limit lets it pass")


def test_a_progressive_picture_of_an_ordinary_camera_is_read() -> None:
    """24 megapixels in the ten scans of libjpeg."""
    data = with_scans(10)
    at = data.index(b"\xff\xc2") + 5
    for height, reason in ((4000, None), (5000, "IMAGE_TOO_LARGE")):
        found = image_structure.fault(data[:at] + struct.pack(">HH", height, 6000) + data[at + 4 :])
        assert (found and found.value) == reason


def test_what_stands_behind_a_single_scan_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A motion photo: random bytes of a video hold the marker of a scan every 64 KB."""
    monkeypatch.setattr(limits, "MAX_SCANNED_PIXELS", 1)
    accepted(small() + os.urandom(1000) + b"\xff\xda" * 5000)


def test_several_scans_of_many_bytes_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    data = with_scans(12)
    monkeypatch.setattr(limits, "MAX_SLOW_BYTES", len(data))
    accepted(data)
    monkeypatch.setattr(limits, "MAX_SLOW_BYTES", len(data) - 1)
    assert refusal(data) == "IMAGE_TOO_LARGE"
    assert probe(small(quality=100)).format == "JPEG"


@pytest.mark.parametrize("frame", [0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF])
def test_arithmetic_lossless_and_hierarchical_jpeg_is_unsupported(frame: int) -> None:
    assert refusal(small().replace(b"\xff\xc0", bytes((0xFF, frame)), 1)) == "IMAGE_UNSUPPORTED"


@pytest.mark.parametrize("adobe", [0, 2], ids=["CMYK", "YCCK"])
def test_four_colours_are_read(adobe: int) -> None:
    data = encoded(picture(size=SMALL).convert("CMYK"), "JPEG")
    at = data.index(b"Adobe") + 11
    accepted(data[:at] + bytes((adobe,)) + data[at + 1 :])


@pytest.mark.parametrize(
    "options",
    [{"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 1}, {"optimize": True}, {"dpi": (300, 300)},
     {"quality": 1}, {"quality": 100}],
    ids=str,
)  # fmt: skip
def test_every_ordinary_jpeg_is_read(options: dict[str, object]) -> None:
    accepted(small("JPEG", **options))


# EXIF, ICC ------------------------------------------------------------------------------------------------------------


def directory(*entries: tuple[int, int, int, int], behind: bytes = b"", following: int = 0) -> bytes:
    """A little-endian TIFF of one directory; what is behind it begins at 8 + 2 + 12 * entries + 4."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + packed + struct.pack("<I", following) + behind


ORIENTED = (0x0112, 3, 1, 6)
MALFORMED = {
    "refers to itself": directory(ORIENTED, (0x8769, 4, 1, 8), following=8),
    "counts 65,535 entries": b"II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHII", *ORIENTED),
    "values beyond the end": directory((0x010F, 2, 2**32 - 1, 2**32 - 1), ORIENTED),
    "four billion orientations": directory((0x0112, 3, 2**32 - 1, 8)),
    "tag twice": directory(ORIENTED, ORIENTED, (0x0112, 3, 1, 3)),
    "unknown types": directory((0x0112, 99, 1, 6), (0x0112, 0, 0, 0)),
    "text for a number": directory((0x0112, 2, 2, 0x4141)),
    "a fraction of nothing": directory((0x011A, 5, 1, 38), behind=bytes(8)),
    "no directory": b"II*\0\xff\xff\xff\xff", "nothing": b"", "no TIFF": b"\xff" * 300,
    "big-endian lie": b"MM*\0\x08\0\0\0",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", MALFORMED.values(), ids=MALFORMED)
def test_malformed_exif_is_no_reason_to_refuse(exif: bytes, kind: str) -> None:
    found = accepted(small(kind, exif=b"Exif\0\0" + exif))
    assert found.upright or exif in (MALFORMED["refers to itself"], MALFORMED["tag twice"]) or len(exif) > 20


def test_exif_of_megabytes_is_corrupt_or_says_nothing() -> None:
    piece = segment(0xE1, b"Exif\0\0" + bytes(65_000))
    accepted(before(small(), piece * 15))
    assert refusal(before(small(), piece * 16)) == "IMAGE_CORRUPT"
    png = small("PNG")
    assert refusal(png[:33] + chunk(b"eXIf", bytes(limits.MAX_EXIF_BYTES + 1)) + png[33:]) == "IMAGE_CORRUPT"
    millions = directory((0x0112, 3, 2_000_000, 26), behind=bytes(4_000_000))
    assert probe(small("WEBP", exif=b"Exif\0\0" + millions)).upright


@pytest.mark.parametrize(
    "profile", [b"", b"\0" * 128, b"\xff" * 200_000, b"acsp" * 40], ids=["none", "nul", "large", "acsp"]
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_colour_profile_decides_nothing(profile: bytes, kind: str) -> None:
    plain = accepted(small(kind))
    assert accepted(small(kind, icc_profile=profile)).measures == plain.measures


# PNG, GIF -------------------------------------------------------------------------------------------------------------


def with_chunks(*chunks: bytes) -> bytes:
    data = small("PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def test_endless_chunks_are_corrupt() -> None:
    for kind in (b"prIv", b"tEXt", b"IDAT", b"fcTL", b"iCCP"):
        assert refusal(with_chunks(chunk(kind, b"") * (PARTS + 1))) == "IMAGE_CORRUPT", kind
    behind = small("PNG")
    assert refusal(behind[:-12] + chunk(b"prIv", b"") * (PARTS + 1) + behind[-12:]) == "IMAGE_CORRUPT"


def test_a_second_header_or_a_late_one_is_corrupt() -> None:
    data = small("PNG")
    assert refusal(with_chunks(data[8:33])) == "IMAGE_CORRUPT"
    assert refusal(data[:8] + chunk(b"prIv", b"x") + data[8:]) == "IMAGE_CORRUPT"


@pytest.mark.parametrize(
    ("depth", "colour", "channels"),
    [(1, 3, 1), (8, 0, 1), (16, 0, 1), (8, 2, 3), (16, 2, 3), (8, 6, 4), (16, 6, 4), (16, 4, 2)],
)
def test_png_is_counted_in_the_bytes_that_it_unpacks_to(depth: int, colour: int, channels: int) -> None:
    bits = max(16, 8 * channels) if depth < 16 else depth * channels
    side = int((limits.MAX_DECODED_BYTES * 8 / bits) ** 0.5)
    for size, reason in ((side - 50, "IMAGE_CORRUPT"), (side + 50, "IMAGE_TOO_LARGE")):
        header = struct.pack(">IIBBBBB", size, size, depth, colour, 0, 0, 0)
        palette = chunk(b"PLTE", bytes(6)) if colour == 3 else b""
        data = (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + palette
            + chunk(b"IDAT", zlib.compress(b""))
            + chunk(b"IEND", b"")
        )
        assert refusal(data) == reason


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_ordinary_png_is_read(mode: str) -> None:
    source = picture(size=SMALL).convert("L") if mode == "I;16" else picture(size=SMALL)
    accepted(encoded(source.convert(mode), "PNG"))


def interlaced(width: int, height: int, colour: bytes) -> bytes:
    """An Adam7 PNG of one colour."""
    rows = b""
    for left, top, right, down in (
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
    ):  # fmt: skip
        columns, lines = -(-(width - left) // right), -(-(height - top) // down)
        rows += (b"\0" + colour * columns) * (lines if columns > 0 else 0)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_an_interlaced_png_is_read() -> None:
    sent = fit(accepted(interlaced(50, 40, b"\xc8\x1e\x1e"), (50, 40)), JPEG_ONLY)
    assert close_to(opened(sent), Image.new("RGB", (50, 40), (200, 30, 30)))


def test_a_moving_picture_is_its_first_frame() -> None:
    frames = [picture(number, SMALL) for number in range(1, 6)]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        sent = fit(accepted(encoded(frames[0], kind, save_all=True, append_images=frames[1:])), JPEG_ONLY)
        assert close_to(opened(sent), frames[0], 12), kind


GIF = b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0)


@pytest.mark.parametrize(
    "endless",
    [b"!\xfe" + b"\1a" * (PARTS + 1) + b"\0", b"!\x01\0" * (PARTS + 1), b"\x11" * (PARTS + 1), b"!\xfe\1a\0" * PARTS],
    ids=["sub-blocks", "extensions", "stray bytes", "comments"],
)
def test_endless_blocks_before_a_gif_are_corrupt(endless: bytes) -> None:
    whole = encoded(picture(size=(9, 9)), "GIF")
    assert refusal(GIF + endless + whole[whole.index(b",") :]) == "IMAGE_CORRUPT"


@pytest.mark.parametrize("place", [(0, 0, 65535, 65535), (65535, 65535, 1, 1), (0, 60000, 9, 9), (60000, 0, 60000, 9)])
@pytest.mark.parametrize("disposal", [0, 2, 3])
def test_a_gif_whose_frame_is_larger_than_its_screen_is_measured_by_its_frame(
    place: tuple[int, int, int, int], disposal: int
) -> None:
    """Found by fuzzing: Pillow takes four gigabytes as it opens such a file, before anybody has seen its size."""
    control = b"!\xf9\x04" + bytes((disposal << 2, 0, 0, 0, 0))
    data = GIF + control + b"," + struct.pack("<4HB", *place, 0) + b"\x08\x01\x00\x00;"
    large = (place[0] + place[2]) * (place[1] + place[3]) > limits.MAX_PIXELS
    assert refusal(data) == ("IMAGE_TOO_LARGE" if large else "IMAGE_CORRUPT")


# BMP, WebP, TIFF ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [1, 2, 4, 5, 6, 11, 2**32 - 1])
def test_packed_bitmaps_are_unsupported(compression: int) -> None:
    data = encoded(picture(size=SMALL).convert("P"), "BMP")
    assert refusal(data[:30] + struct.pack("<I", compression) + data[34:]) == "IMAGE_UNSUPPORTED"


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_every_ordinary_bitmap_is_read(mode: str) -> None:
    accepted(encoded(picture(size=SMALL).convert(mode), "BMP"))


def webp_canvas(width: int, height: int) -> bytes:
    canvas = (
        b"VP8X" + struct.pack("<II", 10, 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )
    body = b"WEBP" + canvas + small("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_the_canvas_of_a_webp_is_measured_before_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(webp_canvas(2**24, 200)) == refusal(webp_canvas(16_000, 16_000)) == "IMAGE_TOO_LARGE"
    data = small("WEBP")
    monkeypatch.setattr(limits, "MAX_SLOW_BYTES", len(data) - 1)
    assert refusal(data) == "IMAGE_TOO_LARGE"


def tiff(**tags: int) -> bytes:
    """An uncompressed grey picture of 40 by 30 pixels."""
    numbers = {
        "width": 256, "height": 257, "bits": 258, "compression": 259, "photometric": 262, "strip": 273, "samples": 277,
        "rows": 278, "bytes": 279, "tile_width": 322, "tile_height": 323,
    }  # fmt: skip
    values = {
        "width": 40, "height": 30, "bits": 8, "compression": 1, "photometric": 1, "strip": 8, "samples": 1, "rows": 30,
        "bytes": 1200,
    }  # fmt: skip
    entries = sorted((numbers[name], 4, 1, value) for name, value in (values | tags).items())
    data = directory(*entries, behind=bytes(1200))
    return data.replace(struct.pack("<HHII", 273, 4, 1, 8), struct.pack("<HHII", 273, 4, 1, len(data) - 1200))


def test_the_tiff_of_these_tests_is_read() -> None:
    accepted(tiff(), (40, 30))


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"tile_width": 60_000, "tile_height": 60_000}, "IMAGE_TOO_LARGE"), ({"rows": 0}, "IMAGE_CORRUPT"),
        ({"width": 2**32 - 1}, "IMAGE_TOO_LARGE"), ({"width": 20_000, "height": 20_000}, "IMAGE_TOO_LARGE"),
        ({"width": 0}, "IMAGE_CORRUPT"), ({"bits": 2**31, "samples": 2}, "IMAGE_TOO_LARGE"),
        ({"samples": 2**31}, "IMAGE_TOO_LARGE"), ({"compression": 50000}, "IMAGE_UNSUPPORTED"),
        ({"compression": 6}, "IMAGE_UNSUPPORTED"), ({"compression": 34925}, "IMAGE_UNSUPPORTED"),
        ({"tile_width": 0, "tile_height": 16}, "IMAGE_CORRUPT"),
    ],
    ids=str,
)  # fmt: skip
def test_a_tiff_is_measured_by_its_directory(tags: dict[str, int], reason: str) -> None:
    assert refusal(tiff(**tags)) == reason


def test_strips_without_number_are_corrupt() -> None:
    """Pillow makes a tuple, and a decoder in Python, of every one."""
    many = limits.MAX_TAG_VALUES + 1
    entries = [(256, 4, 1, 1), (257, 4, 1, many), (273, 4, many, 200), (278, 4, 1, 1)]
    assert refusal(directory(*entries, behind=bytes(4 * many + 200))) == "IMAGE_CORRUPT"
    hidden = [(256, 4, 1, 9), (257, 4, 1, 9), (0x8769, 4, 1, 50)]
    within = struct.pack("<HHHII", 1, 0x9000, 3, many, 200)
    assert refusal(directory(*hidden, behind=within + bytes(2 * many + 200))) == "IMAGE_CORRUPT"


def test_endless_directories_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = bytearray(tiff())
    end_of_entries = 10 + 12 * int.from_bytes(chain[8:10], "little")
    chain[end_of_entries : end_of_entries + 4] = struct.pack("<I", len(chain))
    for number in range(3000):
        chain += struct.pack("<HHHIII", 1, 256, 4, 1, 9, len(chain) + 18 if number < 2999 else 8)
    read = []
    load = TiffImagePlugin.ImageFileDirectory_v2.load

    def counted(directory_read: TiffImagePlugin.ImageFileDirectory_v2, file: IO[bytes]) -> None:
        read.append(file.tell())
        load(directory_read, file)

    monkeypatch.setattr(TiffImagePlugin.ImageFileDirectory_v2, "load", counted)
    accepted(bytes(chain), (40, 30))
    assert set(read) == {8}


@pytest.mark.parametrize("magic", [b"II+\0", b"MM\0+", b"MM*\0", b"II\0*"])
def test_big_and_wrongly_ordered_tiff_is_unsupported(magic: bytes) -> None:
    assert refusal(magic + tiff()[4:]) == "IMAGE_UNSUPPORTED"


def test_the_jpegs_in_a_tiff_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    data = small("TIFF", compression="jpeg")
    accepted(data)
    assert refusal(data.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc2\0\x11\x08")) == "IMAGE_UNSUPPORTED"
    monkeypatch.setattr(limits, "MAX_SCANNED_PIXELS", SMALL[0] * SMALL[1] - 1)
    assert refusal(data) == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize(
    "compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "group3", "group4"]
)
def test_every_ordinary_tiff_is_read(compression: str | None) -> None:
    mode = "1" if compression and compression.startswith("group") else "RGB"
    accepted(encoded(picture(size=SMALL).convert(mode), "TIFF", compression=compression))


# two files in one -----------------------------------------------------------------------------------------------------


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened_archive:
        opened_archive.writestr("x.js", "hush")
    return file.getvalue()


MARKUP = b"<!DOCTYPE html><html><script>alert(1)</script></html>"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_picture_that_is_something_else_as_well(kind: str) -> None:
    """An archive behind it is refused, and anything before it; markup behind it goes no further than our own copy."""
    assert refusal(small(kind) + archive()) == "IMAGE_UNSUPPORTED"
    found = probe(small(kind) + MARKUP)
    sent = fit(found, ImageLimits(frozenset({"JPEG"}), 10**7, 9, 40))
    assert b"script" not in sent.data
    for start in (MARKUP, b"#!/bin/sh\n", b"MZ", b"\x7fELF", archive()):
        assert refusal(start + small(kind)) == "IMAGE_UNSUPPORTED"


# memory ---------------------------------------------------------------------------------------------------------------


def webp_bomb() -> bytes:
    return webp_canvas(16_383, 16_383)


def tile_bomb() -> bytes:
    return tiff(compression=5, tile_width=60_000, tile_height=60_000)


def gif_bomb() -> bytes:
    return GIF + b"!\xf9\x04\x08\0\0\0\0," + struct.pack("<4HB", 0, 0, 65535, 65535, 0) + b"\x08\x01\x00\x00;"


def strip_bomb() -> bytes:
    many = 3_000_000
    entries = [(256, 4, 1, 1), (257, 4, 1, many), (258, 4, 1, 8), (262, 4, 1, 1), (273, 4, many, 98), (278, 4, 1, 1)]
    return directory(*entries, behind=bytes(4 * many + 100))


def marker_bomb() -> bytes:
    return before(small(), segment(0xE5) * 2_000_000)


def test_bombs_take_no_memory(tmp_path: Path) -> None:
    for bomb in (webp_bomb, tile_bomb, gif_bomb, strip_bomb, marker_bomb):
        (tmp_path / bomb.__name__).write_bytes(bomb())
    code = """
for bomb in Path(sys.argv[1]).parent.iterdir():
    try: probe(bomb.read_bytes())
    except ImageRefusedError: pass
    else: sys.exit(1)
"""
    assert peak_megabytes(tmp_path / "strip_bomb", code) < 30
