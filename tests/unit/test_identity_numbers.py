"""Identity numbers against published samples, an independent reading of the standards, and broken copies."""

from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cardintake.cards.identity_numbers import Check, ChineseNumber, chinese, peruvian_dni, split_dni

REGIONS = st.sampled_from(["990105", "110105", "810000", "820000", "830000", "932682", "000000"])
BIRTHS = st.dates(date(1900, 1, 1), date(2099, 12, 31))


def with_check(first_17: str) -> str:
    """By ISO 7064 itself, not by GB 11643's table of weights: the whole, X as 10, leaves 1 modulo 11."""
    for value, character in enumerate("0123456789X"):
        remainder = 0
        for digit in [int(digit) for digit in first_17] + [value]:
            remainder = (remainder * 2 + digit) % 11
        if remainder == 1:
            return first_17 + character
    raise AssertionError


@pytest.mark.parametrize(
    ("number", "birth_date", "sex"),
    [
        ("11010519491231002X", date(1949, 12, 31), "F"),  # widely published sample
        ("810000199003071034", date(1990, 3, 7), "M"),  # Hong Kong residence permit
        ("830000199003071054", date(1990, 3, 7), "M"),  # Taiwan residence permit
        ("110105199003070017", date(1990, 3, 7), "M"),
        ("110105199003070033", date(1990, 3, 7), "M"),
        ("11010519900307005X", date(1990, 3, 7), "M"),
        ("110105199003070076", date(1990, 3, 7), "M"),
        ("110105199003070092", date(1990, 3, 7), "M"),
        ("110105199003070199", date(1990, 3, 7), "M"),
        ("990105199003070037", date(1990, 3, 7), "M"),
    ],
)
def test_valid_chinese_numbers(number: str, birth_date: date, sex: str) -> None:
    checked = chinese(number)
    assert (checked.check, checked.birth_date, checked.sex) == (Check.PASSED, birth_date, sex)
    assert with_check(number[:17]) == number


@pytest.mark.parametrize(
    "number",
    [
        "330881198904173914",  # the right check character is 1
        "11010519900230001X",  # 30 February
        "110105199013010011", "110105199000010011", "11010519491231002x", "", "1", "1101051990030700", "9" * 17,
        "9" * 19, "A10105199003070017", "110105199003070017 ", "1101051990030700I7",
        "１１０１０５１９９００３０７００１７",
    ],
)  # fmt: skip
def test_chinese_numbers_that_fail(number: str) -> None:
    assert chinese(number) == ChineseNumber(Check.FAILED)


@pytest.mark.parametrize(
    "number",
    [
        "130503670401001",  # 15 digits, before 1999: no check character
        "990105********0037", "99010519900307003*", "99XXXX19900307003X", "XXXXXXXXXXXXXXXXXX", "9901051990030700××",
        "99010590030700*", "XXX105900307001", "*" * 15, "*" * 18,
    ],
)  # fmt: skip
def test_masked_and_old_chinese_numbers_are_not_checkable(number: str) -> None:
    assert chinese(number) == ChineseNumber(Check.NOT_CHECKABLE)


@given(REGIONS, BIRTHS, st.integers(0, 999))
def test_every_number_with_the_standards_check_character_passes(region: str, birth: date, order: int) -> None:
    checked = chinese(with_check(f"{region}{birth:%Y%m%d}{order:03d}"))
    assert checked == ChineseNumber(Check.PASSED, birth, "M" if order % 2 else "F")


@given(REGIONS, BIRTHS, st.integers(0, 999), st.integers(0, 17), st.sampled_from("0123456789X"))
def test_one_changed_character_fails_the_check(region: str, birth: date, order: int, at: int, other: str) -> None:
    number = with_check(f"{region}{birth:%Y%m%d}{order:03d}")
    assume(number[at] != other and (other != "X" or at == 17))
    assert chinese(number[:at] + other + number[at + 1 :]).check is Check.FAILED


@given(REGIONS, BIRTHS, st.integers(0, 999), st.integers(0, 16))
def test_two_neighbours_swapped_fail_the_check(region: str, birth: date, order: int, at: int) -> None:
    number = with_check(f"{region}{birth:%Y%m%d}{order:03d}")
    swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    assume(swapped != number and "X" not in swapped[:17])
    assert chinese(swapped).check is Check.FAILED


@given(st.text(max_size=40))
def test_any_text_has_a_result_and_only_a_passed_one_a_birth(text: str) -> None:
    checked = chinese(text)
    assert (checked.check is Check.PASSED) == (checked.birth_date is not None) == (checked.sex is not None)


# Peru -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "digit", "letter"), [("10117410", "2", "G"), ("12345678", "1", "E"), ("00000000", "6", "K")]
)
def test_a_dni_passes_with_its_digit_or_its_letter_only(number: str, digit: str, letter: str) -> None:
    passing = [c for c in "0123456789ABCDEFGHIJK" if peruvian_dni(number, c) is Check.PASSED]
    assert passing == sorted([digit, letter])
    assert peruvian_dni(number, "Z") is peruvian_dni(number, "") is Check.FAILED
    assert peruvian_dni(number, None) is Check.NONE


@given(st.integers(0, 10**8 - 1))
def test_every_dni_has_exactly_one_digit_and_one_letter(value: int) -> None:
    number = f"{value:08d}"
    assert [peruvian_dni(number, c) for c in "0123456789"].count(Check.PASSED) == 1
    assert [peruvian_dni(number, c) for c in "ABCDEFGHIJK"].count(Check.PASSED) == 1


@given(st.integers(0, 10**8 - 1), st.integers(0, 7), st.integers(1, 9))
def test_one_changed_digit_of_a_dni_fails_by_its_letter(value: int, at: int, by: int) -> None:
    number = f"{value:08d}"
    (letter,) = [c for c in "ABCDEFGHIJK" if peruvian_dni(number, c) is Check.PASSED]
    changed = number[:at] + str((int(number[at]) + by) % 10) + number[at + 1 :]
    assert peruvian_dni(changed, letter) is Check.FAILED


@pytest.mark.parametrize("number", ["1075XXXX", "********", "9900000*", "×9000006"])
def test_a_masked_dni_is_not_checkable(number: str) -> None:
    assert peruvian_dni(number, "2") is peruvian_dni(number, None) is Check.NOT_CHECKABLE


@pytest.mark.parametrize("number", ["", "1", "1234567", "123456789", "1234567A", "１２３４５６７８", "12345678 "])
def test_what_is_no_dni_fails(number: str) -> None:
    assert peruvian_dni(number, "1") is peruvian_dni(number, None) is Check.FAILED


@pytest.mark.parametrize(
    ("printed", "number", "check_character"),
    [
        ("10117410-2", "10117410", "2"), ("101174102", "10117410", "2"), ("10117410-G", "10117410", "G"),
        ("10117410G", "10117410", "G"), ("10117410", "10117410", None), ("1075XXXX-X", "1075XXXX", None),
        ("1075XXXX-2", "1075XXXX", "2"), ("10117410-*", "10117410", None), ("********-*", "********", None),
        ("10117410-Z", "10117410-Z", None), ("1011741-2", "1011741-2", None), ("10117410--2", "10117410--2", None),
        ("004599123456", "004599123456", None), ("-", "-", None),
    ],
)  # fmt: skip
def test_the_printed_form_is_taken_apart_or_kept(printed: str, number: str, check_character: str | None) -> None:
    assert split_dni(printed) == (number, check_character)


@given(st.text("0123456789ABCDEFGHIJK*X×-", max_size=12))
def test_taking_apart_invents_nothing(printed: str) -> None:
    number, check_character = split_dni(printed)
    assert printed.startswith(number)
    assert check_character is None or printed.endswith(check_character)
