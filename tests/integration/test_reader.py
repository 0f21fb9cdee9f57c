"""The reader against printed cards: it reads what stands there, however the picture was taken, and makes nothing up."""

import random
import threading
from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, ImageStat

from local.cardprinter import KINDS, SPOILS, Kind, not_a_card, print_both_sides, print_card, print_temporary_card
from local.cardprinter.canvas import Sheet, lay_on_desk
from local.sandbox.detectors import ALARM, inspect_card
from local.sandbox.reader import OtherDocumentError, ReadCard, Reader
from local.sandbox.reader.outline import straighten
from tests.integration.reader_expectations import texts_on

pytestmark = [pytest.mark.ocr, pytest.mark.xdist_group("reader")]

KEY_FIELD = {
    "cn_portrait": "id_number",
    "cn_emblem": "validity",
    "pe_dni_new_front": "id_number",
    "pe_dni_new_back": "address",
    "pe_dni_old_front": "id_number",
    "pe_dni_old_back": "address",
    "pe_foreigner_front": "id_number",
}


def spoiled(name: str) -> Callable[[Image.Image], Image.Image]:
    return lambda picture: SPOILS[name].apply(picture, random.Random(name))


CONDITIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "clean": lambda picture: picture,
    "90": lambda picture: picture.rotate(90, expand=True),
    "180": lambda picture: picture.rotate(180, expand=True),
    "270": lambda picture: picture.rotate(270, expand=True),
    "skew": spoiled("skew"),
    "perspective": spoiled("perspective"),
    "jpeg": spoiled("low_jpeg_quality"),
}


@pytest.fixture(scope="module")
def reader() -> Reader:
    reader = Reader()
    reader.warm_up()
    return reader


def only(cards: list[ReadCard]) -> ReadCard:
    assert [card.kind for card in cards] == [card.kind for card in cards[:1]], "one card expected"
    assert cards, "no card found"
    return cards[0]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_read_as_printed(reader: Reader, kind: Kind, condition: str) -> None:
    printed = print_card(kind, list(CONDITIONS).index(condition) + 10)
    read = only(reader.read(CONDITIONS[condition](printed.picture)))
    assert (read.kind, read.fields) == (kind, texts_on(printed))


@pytest.mark.parametrize("kind", KINDS)
def test_a_covered_field_is_missing_and_no_other(reader: Reader, kind: Kind) -> None:
    printed = print_card(kind, 21)
    read = only(reader.read(SPOILS["cover"].apply(printed.picture, random.Random(21))))
    expected = texts_on(printed)
    del expected[KEY_FIELD[kind]]
    assert (read.kind, read.fields) == (kind, expected)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("cn_portrait", "blur"),
        ("cn_portrait", "darkness"),
        ("cn_emblem", "overexposure"),
        ("cn_emblem", "screen_recapture"),
        ("pe_dni_new_front", "blur"),
        ("pe_dni_old_back", "darkness"),
        ("pe_dni_new_back", "photocopy"),
        ("pe_foreigner_front", "glare"),
    ],
)
def test_poor_quality_is_still_legible(reader: Reader, kind: Kind, name: str) -> None:
    printed = print_card(kind, 31)
    assert only(reader.read(SPOILS[name].apply(printed.picture, random.Random(31)))).fields == texts_on(printed)


def test_what_is_printed_is_read_also_where_it_is_wrong(reader: Reader) -> None:
    printed = print_card("cn_portrait", 41, name="欧阳样例", birth_date="1990-02-30", id_number="990101199102304444")
    assert only(reader.read(printed.picture)).fields == texts_on(printed)


@pytest.mark.parametrize("ethnicity", ["回", "壮"])
def test_ethnic_groups_that_look_like_boxes_are_read(reader: Reader, ethnicity: str) -> None:
    printed = print_card("cn_portrait", 42, ethnicity=ethnicity)
    assert only(reader.read(printed.picture)).fields["ethnicity"] == ethnicity


@pytest.mark.parametrize("seed", [5, 6])
def test_both_sides_in_one_picture_are_two_cards(reader: Reader, seed: int) -> None:
    page, sides = print_both_sides(seed)
    cards = reader.read(page)
    assert {card.kind: card.fields for card in cards} == {side.kind: texts_on(side) for side in sides}
    axis = (seed + 1) % 2
    for card, start in zip(sorted(cards, key=lambda card: card.box[axis]), (0, page.size[axis] // 2), strict=True):
        assert start <= card.box[axis] < card.box[axis + 2] <= start + page.size[axis] // 2


@pytest.mark.parametrize("kind", ["cn_portrait", "cn_emblem"])
def test_a_temporary_card_is_read_and_told(reader: Reader, kind: Literal["cn_portrait", "cn_emblem"]) -> None:
    printed = print_temporary_card(9, kind)
    read = only(reader.read(printed.picture))
    assert (read.kind, read.fields, read.interim) == (kind, texts_on(printed), True)


@pytest.mark.parametrize("condition", ["clean", "90", "skew"])
@pytest.mark.parametrize("kind", ["cn_portrait", "cn_emblem", "pe_dni_new_front"])
def test_every_text_has_its_place(reader: Reader, kind: Kind, condition: str) -> None:
    printed = print_card(kind, 51)
    read = only(reader.read(CONDITIONS[condition](printed.picture)))
    assert read.places.keys() == read.fields.keys()
    left, top, right, bottom = cv2.boundingRect(np.array(read.places[KEY_FIELD[kind]]))
    right, bottom = left + right, top + bottom
    if condition != "skew":
        true = printed.picture.info["key_field"]
        assert all(abs(found - edge) < 50 for found, edge in zip((left, top, right, bottom), true, strict=True))
    again = read.upright.crop((left - 12, top - 12, right + 12, bottom + 12))
    assert ImageStat.Stat(again.convert("L")).stddev[0] > 15


ALARMS: dict[str, set[str]] = {
    "clean": set(),
    "turn": set(),
    "skew": set(),
    "perspective": set(),
    "low_jpeg_quality": set(),
    "blur": {"blur"},
    "glare": {"glare"},
    "overexposure": {"overexposure"},
    "darkness": {"darkness"},
    "photocopy": {"copy"},
    "screen_recapture": {"reproduce"},
    "cut_corner": {"border"},
    "cover": {"cover"},
}


@pytest.mark.parametrize("kind", ["cn_portrait", "cn_emblem"])
@pytest.mark.parametrize("name", ALARMS)
def test_the_detectors_tell_what_is_wrong_with_a_card_that_was_read_and_nothing_else(
    reader: Reader, kind: Kind, name: str
) -> None:
    picture = print_card(kind, 61).picture
    if name in SPOILS:
        picture = SPOILS[name].apply(picture, random.Random(61))
    card = only(reader.read(picture))
    scores: dict[str, int] = dict(vars(inspect_card(card, straighten(card))))
    assert {detector for detector, score in scores.items() if score >= ALARM} == ALARMS[name], scores


@pytest.mark.parametrize("kind", ["cn_portrait", "cn_emblem", "pe_dni_old_front"])
def test_the_cards_region_is_found_in_the_upright_picture(reader: Reader, kind: Kind) -> None:
    printed = print_card(kind, 6)
    read = only(reader.read(printed.picture.rotate(90, expand=True)))
    assert read.upright.size == printed.picture.size
    true = printed.picture.info["card"]
    assert all(abs(found - edge) < 0.05 * printed.picture.width for found, edge in zip(read.box, true, strict=True))


def test_exif_orientation_is_obeyed(reader: Reader) -> None:
    printed = print_card("cn_emblem", 7)
    sideways = ImageOps.exif_transpose(printed.picture.rotate(90, expand=True))
    sideways.getexif()[0x0112] = 6
    read = only(reader.read(sideways))
    assert read.upright.size == printed.picture.size
    assert read.fields == texts_on(printed)


@pytest.mark.parametrize("seed", range(2))
def test_other_pictures_hold_no_card(reader: Reader, seed: int) -> None:
    assert reader.read(not_a_card(seed)) == []


def test_a_blank_picture_holds_no_card(reader: Reader) -> None:
    assert reader.read(Image.new("RGB", (640, 400), (210, 210, 210))) == []
    assert reader.read(Image.new("RGB", (20, 13), (210, 210, 210))) == []


def test_a_document_with_the_same_labels_is_no_card(reader: Reader) -> None:
    rng = random.Random(1)
    sheet = Sheet(rng, (205, 222, 236), (236, 216, 224))
    for line, text in enumerate(
        ("姓名 张样例", "性别 男", "出生日期 1990.03.07", "国籍 样例国", "民族 汉", "住址 样例省")
    ):
        sheet.text(8, 6 + 7 * line, text, 3.4)
    with pytest.raises(OtherDocumentError):
        reader.read(lay_on_desk(sheet.picture, rng)[0])


def test_one_reader_serves_several_threads(reader: Reader) -> None:
    printed = [print_card(kind, 8) for kind in ("cn_portrait", "pe_dni_new_back", "cn_emblem")]
    read: dict[str, dict[str, str]] = {}
    threads = [
        threading.Thread(target=lambda card=card: read.update({card.kind: only(reader.read(card.picture)).fields}))
        for card in printed
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == {card.kind: texts_on(card) for card in printed}
