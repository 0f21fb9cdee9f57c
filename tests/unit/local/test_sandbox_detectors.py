"""What the detectors say of printed cards whose place is known, without a reading; and the editors that files name."""

import io
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, PngImagePlugin

from local.cardprinter import KINDS, SPOILS, Kind, PrintedCard, encode, print_card
from local.sandbox.detectors import ALARM, Inspection, editor_of, inspect_card, inspect_picture
from local.sandbox.reader import Point, ReadCard
from local.sandbox.reader.outline import straighten

pytestmark = pytest.mark.thorough

TEXTS = {
    "cn_portrait": ("name", "birth", "address", "id_number"),
    "cn_emblem": ("issuing_authority", "validity"),
}
ALARMS = {
    "blur": "blur",
    "glare": "glare",
    "overexposure": "overexposure",
    "darkness": "darkness",
    "photocopy": "copy",
    "screen_recapture": "reproduce",
    "cut_corner": "border",
    "cover": "cover",
}
CHINESE: tuple[Kind, ...] = ("cn_portrait", "cn_emblem")


def read(printed: PrintedCard, picture: Image.Image, missing: str = "", error: int = 0) -> ReadCard:
    """What a reader would say of `picture`, its corners wrong by up to `error` pixels."""
    with Image.open(io.BytesIO(encode(picture))) as file:
        sent = file.convert("RGB")
    left, top, right, bottom = printed.picture.info["card"]
    rng = random.Random(1)

    def near(x: int, y: int) -> Point:
        return x + rng.randint(-error, error), y + rng.randint(-error, error)

    frame = (near(left, top), near(right, top), near(right, bottom), near(left, bottom))
    fields = dict.fromkeys(set(TEXTS.get(printed.kind, ())) - {missing}, "x")
    return ReadCard(printed.kind, fields, (left, top, right, bottom), sent, frame)


def inspected(card: ReadCard) -> Inspection:
    return inspect_card(card, straighten(card))


def alarms(inspection: Inspection) -> set[str]:
    scores: dict[str, int] = dict(vars(inspection))
    assert all(0 <= score <= 100 for score in scores.values())
    return {name for name, score in scores.items() if score >= ALARM}


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_card_alarms_nobody(kind: Kind) -> None:
    printed = print_card(kind, 21)
    scores: dict[str, int] = dict(vars(inspected(read(printed, printed.picture, error=30))))
    assert max(scores.values()) < ALARM / 2, scores


@pytest.mark.parametrize("kind", CHINESE)
@pytest.mark.parametrize("spoil", ALARMS)
def test_each_spoil_is_told_and_nothing_else(kind: Kind, spoil: str) -> None:
    printed = print_card(kind, 22)
    picture = SPOILS[spoil].apply(printed.picture, random.Random(22))
    hidden = {"cn_portrait": "id_number", "cn_emblem": "validity"}[kind] if spoil == "cover" else ""
    assert alarms(inspected(read(printed, picture, missing=hidden, error=30))) == {ALARMS[spoil]}


@pytest.mark.parametrize("spoil", ["glare", "overexposure", "darkness", "photocopy", "screen_recapture", "cut_corner"])
def test_peruvian_cards_are_judged_too(spoil: str) -> None:
    printed = print_card("pe_dni_old_front", 23)
    picture = SPOILS[spoil].apply(printed.picture, random.Random(23))
    assert alarms(inspected(read(printed, picture))) == {ALARMS[spoil]}


def test_a_copy_on_a_coloured_desk_is_a_copy() -> None:
    printed = print_card("cn_portrait", 23)
    box = printed.picture.info["card"]
    on_desk = printed.picture.copy()
    shape = Image.new("L", (box[2] - box[0], box[3] - box[1]), 0)
    ImageDraw.Draw(shape).rounded_rectangle((0, 0, *shape.size), 45, fill=255)
    on_desk.paste(on_desk.crop(box).convert("L").convert("RGB"), box[:2], shape)
    assert alarms(inspected(read(printed, on_desk))) == {"copy"}


def test_a_little_softness_is_no_blur_and_much_of_it_is() -> None:
    printed = print_card("cn_portrait", 24)

    def blur(radius: float) -> int:
        return inspected(read(printed, printed.picture.filter(ImageFilter.GaussianBlur(radius)))).blur

    assert 0 <= blur(1) <= blur(1.5) < ALARM <= blur(2.6) <= blur(6) == 100


def test_noise_in_the_dark_does_not_hide_blur() -> None:
    printed = print_card("cn_emblem", 24)
    soft = printed.picture.filter(ImageFilter.GaussianBlur(2.6))
    dark = SPOILS["darkness"].apply(soft, random.Random(1))
    assert alarms(inspected(read(printed, dark))) == {"darkness", "blur"}


def test_a_card_that_runs_out_of_the_picture_is_incomplete_and_one_that_fills_it_is_not() -> None:
    printed = print_card("cn_portrait", 25)
    left, top, right, bottom = printed.picture.info["card"]

    def border(cut: float) -> int:
        end = round(right - cut * (right - left))
        frame = ((0, 0), (right - left, 0), (right - left, bottom - top), (0, bottom - top))
        sent = printed.picture.crop((left, top, end, bottom))
        return inspected(ReadCard("cn_portrait", {}, (0, 0, *sent.size), sent, frame)).border

    assert border(0) == 0
    assert border(0.08) >= ALARM


def test_a_missing_text_is_no_cover_unless_something_lies_there() -> None:
    printed = print_card("cn_portrait", 26)
    left, top, right, bottom = printed.picture.info["key_field"]
    paper = printed.picture.copy()
    paper.paste(paper.crop((left, bottom + 10, right, bottom * 2 - top + 10)), (left, top))
    assert inspected(read(printed, paper, missing="id_number")).cover < ALARM
    strip = printed.picture.copy()
    ImageDraw.Draw(strip).rectangle((left, top, right, bottom), fill=(20, 20, 24))
    assert inspected(read(printed, strip, missing="id_number")).cover >= ALARM


def test_a_thumb_is_seen_where_every_text_was_read() -> None:
    printed = print_card("cn_emblem", 26)
    _, top, right, _ = printed.picture.info["card"]
    held = printed.picture.copy()
    ImageDraw.Draw(held).ellipse((right - 240, top + 260, right + 60, top + 420), fill=(208, 160, 134))
    assert inspected(read(printed, held)).cover >= ALARM


def test_lines_along_a_picture_are_no_screen() -> None:
    ruled = Image.new("RGB", (600, 400), (205, 222, 236))
    for x in range(0, 600, 5):
        ImageDraw.Draw(ruled).line((x, 0, x, 400), fill=(230, 120, 90), width=2)
    assert inspected(ReadCard("cn_emblem", {}, (0, 0, 600, 400), ruled)).reproduce < ALARM


def test_only_the_title_makes_a_card_temporary() -> None:
    blank = Image.new("RGB", (600, 400), (205, 222, 236))
    scores = [
        inspected(ReadCard("cn_emblem", {}, (0, 0, 600, 400), blank, interim=told)).interim for told in (True, False)
    ]
    assert scores == [100, 0]


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (40, 30), (300, 3)])
def test_the_smallest_pictures_are_judged(size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, (200, 210, 220))
    alarms(inspected(ReadCard("cn_portrait", {}, (0, 0, *size), picture)))
    assert inspect_picture(picture, other_document=False).blur == 0


def test_the_outline_is_found_where_the_labels_are_a_little_wrong() -> None:
    printed = print_card("cn_emblem", 27)
    left, top, right, bottom = printed.picture.info["card"]
    straight = straighten(read(printed, printed.picture, error=40))
    assert straight.edges == (True, True, True, True)
    true = ((left, top), (right, top), (right, bottom), (left, bottom))
    for corner, expected in zip(straight.corners, true, strict=True):
        assert abs(corner[0] - expected[0]) <= 3
        assert abs(corner[1] - expected[1]) <= 3


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("blur", lambda picture: picture.filter(ImageFilter.GaussianBlur(12))),
        ("darkness", lambda picture: picture.point([level // 20 for level in range(256)] * 3)),
        ("overexposure", lambda picture: picture.point([min(255, level * 6) for level in range(256)] * 3)),
    ],
)
def test_a_picture_without_a_card_tells_why(name: str, spoil: Callable[[Image.Image], Image.Image]) -> None:
    clean = print_card("cn_portrait", 28).picture
    before, after = (inspect_picture(picture, other_document=False) for picture in (clean, spoil(clean)))
    assert max(before.blur, before.darkness, before.overexposure) < ALARM / 2
    told = {which for which in ("blur", "darkness", "overexposure") if getattr(after, which) >= ALARM}
    assert told == {name}


def file_of(file_format: str, **members: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30)).save(file, file_format, **members)
    return file.getvalue()


def exif(software: str, tag: int = 0x0131) -> Image.Exif:
    found = Image.Exif()
    found[tag] = software if software.isascii() else software.encode()
    return found


def png(key: str, text: str) -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt(key, text)
    return chunks


XMP = '<rdf:Description xmp:CreatorTool="Adobe Photoshop CC 2019 (Macintosh)"/>'


@pytest.mark.parametrize(
    ("data", "editor"),
    [
        (file_of("JPEG", exif=exif("Adobe Photoshop CS6 (Windows)")), "Adobe Photoshop CS6 (Windows)"),
        (file_of("TIFF", exif=exif("GIMP 2.10.36")), "GIMP 2.10.36"),
        (file_of("JPEG", exif=exif("Adobe Lightroom 9.1", tag=0x000B)), "Adobe Lightroom 9.1"),
        (file_of("JPEG", exif=exif("美图秀秀")), "美图秀秀"),
        (file_of("JPEG", comment=b"Created with GIMP"), "GIMP"),
        (file_of("JPEG", xmp=b"<xmp:CreatorTool>Snapseed 2.0</xmp:CreatorTool>"), "Snapseed 2.0"),
        (file_of("PNG", pnginfo=png("Software", "PicsArt")), "PicsArt"),
        (file_of("PNG", pnginfo=png("XML:com.adobe.xmp", XMP)), "Adobe Photoshop CC 2019 (Macintosh)"),
        (file_of("JPEG", exif=exif("HDR+ 1.0.345618096zd")), None),
        (file_of("JPEG", exif=exif("16.5.1")), None),
        (file_of("JPEG", exif=exif("Nova 11.0.0.153(C00E150R5P1)")), None),
        (file_of("JPEG"), None),
        (file_of("BMP"), None),
        (b"", None),
        (b"\xff\xd8\xff\xe1 photoshop", None),
    ],
)
def test_the_editor_that_a_file_names(data: bytes, editor: str | None) -> None:
    assert editor_of(data) == editor


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(st.integers(0, 200), st.integers(0, 255))
def test_no_broken_metadata_breaks_the_search(place: int, byte: int) -> None:
    data = bytearray(file_of("JPEG", exif=exif("Adobe Photoshop CS6"), xmp=XMP.encode()))
    data[place] = byte
    found = editor_of(bytes(data))
    assert found is None or len(found) <= 100
