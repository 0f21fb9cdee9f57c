"""Printed cards: what they say is consistent, legal, repeatable, and what the record is expected to hold."""

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from PIL import ImageChops
from pydantic import TypeAdapter

from cardintake.cards.models import Card
from local.cardprinter import (
    KINDS,
    Kind,
    encode,
    not_a_card,
    print_both_sides,
    print_card,
    print_card_with_wrong_check_digit,
    print_expired_card,
    print_temporary_card,
)
from local.cardprinter import __main__ as command
from local.cardprinter.canvas import px
from local.cardprinter.chinese import check_character as chinese_check
from local.cardprinter.chinese import emblem_side, legal_term, portrait_side
from local.cardprinter.peruvian import check_character as peruvian_check
from local.cardprinter.peruvian import dni_side

pytestmark = pytest.mark.thorough

SEEDS = range(300)


def today() -> date:
    return datetime.now(UTC).date()


def day(value: str | bool) -> date:
    return date.fromisoformat(str(value))


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_is_what_the_record_holds_word_for_word(kind: Kind) -> None:
    card = print_card(kind, 3).card
    assert TypeAdapter(Card).validate_python(card).values() == card


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_prints_the_same_pixels_again_and_another_seed_others(kind: Kind) -> None:
    first, again, other = print_card(kind, 1), print_card(kind, 1), print_card(kind, 2)
    assert first.picture.mode == "RGB"
    assert first.picture.tobytes() == again.picture.tobytes()
    assert first.card == again.card
    assert first.picture.tobytes() != other.picture.tobytes()


def test_check_characters_follow_the_published_examples() -> None:
    assert chinese_check("11010519491231002") == "X"
    assert chinese_check("44052418800101001") == "4"
    assert peruvian_check("10117410") == "2"


def test_a_chinese_number_agrees_with_birth_date_and_sex_and_with_no_real_region() -> None:
    for seed in SEEDS:
        card = portrait_side(seed, {})
        number = str(card["id_number"])
        assert number.startswith("99")
        assert number[6:14] == str(card["birth_date"]).replace("-", "")
        assert (int(number[16]) % 2 == 1) == (card["sex"] == "M")
        assert chinese_check(number[:17]) == number[17]


def test_a_chinese_card_is_valid_today_for_the_legal_term_of_its_holder() -> None:
    for seed in SEEDS:
        birth, card = day(portrait_side(seed, {})["birth_date"]), emblem_side(seed, {})
        issued = day(card["valid_from"])
        age = issued.year - birth.year - ((issued.month, issued.day) < (birth.month, birth.day))
        assert issued <= today()
        if legal_term(age) is None:
            assert card["long_term"] is True
            assert "valid_to" not in card
        else:
            assert day(card["valid_to"]) > today()
            assert day(card["valid_to"]) == issued.replace(year=issued.year + (10 if age < 26 else 20))


def test_front_and_back_of_a_dni_belong_to_one_valid_holder() -> None:
    for seed in SEEDS:
        front, back = dni_side("pe_dni_new_front", seed, {}), dni_side("pe_dni_old_back", seed, {})
        assert front["election_number"] == back["election_number"]
        assert str(front["id_number"]).startswith("99")
        assert front["check_character"] == peruvian_check(str(front["id_number"]))
        assert ("no_expiry" in front) != ("expiry_date" in front)
        assert front.get("no_expiry") or day(front["expiry_date"]) > today()
        registered = day(dni_side("pe_dni_old_front", seed, {})["registration_date"])
        assert day(front["birth_date"]) + timedelta(days=18 * 365) < registered < day(front["issue_date"]) <= today()


def test_overridden_fields_carry_the_others_with_them() -> None:
    portrait = print_card("cn_portrait", 1, birth_date=date(1990, 3, 7), sex="F").card
    assert str(portrait["id_number"])[6:14] == "19900307"
    assert int(str(portrait["id_number"])[16]) % 2 == 0
    assert "valid_to" not in print_card("cn_emblem", 1, long_term=True).card
    dni = print_card("pe_dni_old_front", 1, id_number="10117410", no_expiry=True).card
    assert (dni["check_character"], dni.get("expiry_date")) == ("2", None)
    assert print_card("pe_dni_new_front", 1, expiry_date=date(2019, 5, 2)).card["issue_date"] == "2011-05-02"


def test_a_field_that_the_side_does_not_bear_is_refused() -> None:
    with pytest.raises(ValueError, match="cn_emblem bears no name"):
        print_card("cn_emblem", 1, name="张样例")
    with pytest.raises(ValueError, match="bears no expiry_date"):
        print_expired_card("cn_portrait", 1)


@pytest.mark.parametrize("kind", ["cn_emblem", "pe_dni_new_front", "pe_dni_old_front", "pe_foreigner_front"])
def test_an_expired_card_ended_before_today_and_says_so(kind: Kind) -> None:
    printed = print_expired_card(kind, 4)
    assert printed.reasons == {"CARD_EXPIRED"}
    issued = day(printed.card.get("valid_from") or printed.card["issue_date"])
    assert day(printed.card.get("registration_date", "1900-01-01")) < issued
    assert day(printed.card.get("valid_to") or printed.card["expiry_date"]) < today()


def test_a_wrong_check_digit_is_all_that_is_wrong() -> None:
    right, wrong = print_card("cn_portrait", 4).card, print_card_with_wrong_check_digit("cn_portrait", 4)
    assert wrong.reasons == {"ID_NUMBER_INVALID"}
    assert {name for name in right if right[name] != wrong.card[name]} == {"id_number"}
    assert str(wrong.card["id_number"])[:17] == str(right["id_number"])[:17]
    dni = print_card_with_wrong_check_digit("pe_dni_new_front", 4).card
    assert dni["check_character"] != peruvian_check(str(dni["id_number"]))


@pytest.mark.parametrize("kind", ["cn_portrait", "cn_emblem"])
def test_a_temporary_card_differs_by_its_title_alone(kind: Literal["cn_portrait", "cn_emblem"]) -> None:
    ordinary, temporary = print_card(kind, 6), print_temporary_card(6, kind)
    assert temporary.reasons == {"TEMPORARY_CARD"}
    assert (temporary.kind, temporary.card) == (kind, ordinary.card)
    assert temporary.picture.info == ordinary.picture.info
    _, top, _, _ = ordinary.picture.info["card"]
    changed = ImageChops.difference(ordinary.picture, temporary.picture).getbbox()
    assert changed is not None
    assert top < changed[1] < changed[3] < top + px(23)


@pytest.mark.parametrize(("seed", "size"), [(1, (2720, 920)), (2, (1360, 1840))])
def test_both_sides_are_those_of_one_holder(seed: int, size: tuple[int, int]) -> None:
    picture, sides = print_both_sides(seed)
    assert picture.size == size
    assert [side.card for side in sides] == [print_card(kind, seed).card for kind in ("cn_portrait", "cn_emblem")]
    second = picture.crop((size[0] - 1360, size[1] - 920, *size))
    assert second.tobytes() == sides[1].picture.tobytes()


def test_strays_differ_and_are_no_cards() -> None:
    assert not_a_card(0).tobytes() != not_a_card(1).tobytes()
    assert "key_field" not in not_a_card(0).info


def test_the_command_writes_a_picture_and_its_expectations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--out", str(tmp_path), "--kind", "cn_emblem", "--seed", "5", "--spoil", "glare", "--flaw", "expired"]
    monkeypatch.setattr(sys, "argv", ["cardprinter", *arguments])
    command.main()
    picture = tmp_path / "cn_emblem-5-expired-glare.jpg"
    assert capsys.readouterr().out.split() == [str(picture)]
    assert picture.read_bytes().startswith(b"\xff\xd8")
    expected = json.loads(picture.with_suffix(".json").read_text(encoding="utf-8"))
    assert expected["card"] == print_expired_card("cn_emblem", 5).card
    assert expected["reasons"] == ["CARD_EXPIRED", "IMAGE_GLARE"]


@pytest.mark.parametrize(("format_name", "magic"), [("JPEG", b"\xff\xd8"), ("PNG", b"\x89PNG"), ("BMP", b"BM")])
def test_pictures_are_encoded_as_asked(format_name: str, magic: bytes) -> None:
    assert encode(print_card("cn_emblem", 1).picture, format_name).startswith(magic)
