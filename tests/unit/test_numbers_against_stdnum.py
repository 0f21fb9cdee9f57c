"""Our rules for identity numbers against python-stdnum, an independent reading of the same standards.

It is an oracle here and no part of what runs: the second half shows the numbers that it gets wrong.
"""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric
from stdnum.exceptions import InvalidChecksum, InvalidComponent, InvalidLength, ValidationError
from stdnum.iso7064 import mod_11_2
from stdnum.pe import cui

import tests.properties  # noqa: F401 - loads the profile
from cardintake.cards import values
from cardintake.cards.identity_numbers import Check, chinese, peruvian_dni, split_dni

BIRTHS = st.dates(date(1900, 1, 1), date(2199, 12, 31))
REGIONS = st.sampled_from(["110105", "650000", "810000", "820000", "830000", "932682", "990105"])
DNI = st.text("0123456789", min_size=8, max_size=8)


def chinese_number(region: str, birth: str, order: int) -> str:
    first_17 = f"{region}{birth}{order:03d}"
    return first_17 + mod_11_2.calc_check_digit(first_17)


# where they agree -----------------------------------------------------------------------------------------------------


@given(REGIONS, BIRTHS, st.integers(0, 999), st.sampled_from("0123456789X"))
def test_the_same_check_characters_pass(region: str, birth: date, order: int, character: str) -> None:
    number = f"{region}{birth:%Y%m%d}{order:03d}{character}"
    assert (chinese(number).check is Check.PASSED) == mod_11_2.is_valid(number)


@given(REGIONS, st.integers(0, 99_999_999), st.integers(0, 999))
def test_the_same_birth_dates_exist(region: str, digits: int, order: int) -> None:
    number = chinese_number(region, f"{digits:08d}", order)
    try:
        born = ric.get_birth_date(number)
    except InvalidComponent:
        assert chinese(number).check is Check.FAILED
    else:
        assert chinese(number).birth_date == born


@given(BIRTHS.filter(lambda day: day.year < 2000), st.integers(0, 999))
def test_a_number_that_the_library_accepts_whole_passes(birth: date, order: int) -> None:
    number = chinese_number("110105", f"{birth:%Y%m%d}", order)
    assert ric.is_valid(number)
    assert chinese(number).check is Check.PASSED


@given(DNI, st.sampled_from("0123456789ABCDEFGHIJK"))
def test_the_same_digits_and_letters_of_a_dni_pass(number: str, character: str) -> None:
    assert (peruvian_dni(number, character) is Check.PASSED) == (character in cui.calc_check_digits(number))
    assert (peruvian_dni(number, character) is Check.PASSED) == cui.is_valid(f"{number}-{character}")


@given(DNI, st.data())
def test_a_printed_dni_is_taken_apart_and_passes(number: str, data: st.DataObject) -> None:
    character = data.draw(st.sampled_from(cui.calc_check_digits(number)))
    for printed in (f"{number}-{character}", f"{number}{character}"):
        assert split_dni(printed) == (number, character)
        assert cui.validate(printed) == f"{number}{character}"


def test_full_width_digits_are_folded_alike() -> None:
    written = "１１０１０５１９９００３０７００１７"
    assert ric.validate(written) == values.code(written) == "110105199003070017"


# why it is not what runs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", ["810000", "820000", "830000", "911124", "932682"])
def test_residence_permits_and_foreigners_are_refused_by_the_library(region: str) -> None:
    number = chinese_number(region, "19900307", 3)
    with pytest.raises(InvalidComponent):
        ric.validate(number)
    assert chinese(number).check is Check.PASSED


@pytest.mark.parametrize(
    ("number", "refusal"),
    [
        ("130503670401001", InvalidLength),
        ("99010519900307003*", InvalidChecksum),
        ("990105********0037", ValidationError),
    ],
)
def test_old_and_masked_numbers_are_wrong_to_the_library(number: str, refusal: type[ValidationError]) -> None:
    with pytest.raises(refusal):
        ric.validate(number)
    assert chinese(number).check is Check.NOT_CHECKABLE


def test_the_library_finds_nothing_wrong_with_eight_digits() -> None:
    assert cui.is_valid("10117411")
    assert peruvian_dni("10117411", None) is Check.NONE


def test_the_library_takes_one_foreigners_card_in_ten_for_a_dni() -> None:
    """A carné de extranjería has 9 digits and no check digit; ours is never asked about one."""
    taken = [number for number in range(4_599_000, 4_600_000) if cui.is_valid(f"{number:09d}")]
    assert 90 <= len(taken) <= 110
    assert 4_599_123 in taken
