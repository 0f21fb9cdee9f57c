"""Dates: each form read by its own rule, ranges split as a whole, and nothing ever guessed."""

import unicodedata
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardintake.cards import values
from cardintake.cards.dates import (
    CHINESE,
    COMPACT,
    DAY_MONTH_YEAR,
    SPANISH,
    YEAR_MONTH_DAY,
    NotADateError,
    is_without_end,
    read,
    split_range,
    years_between,
    zone_of,
)
from tests.properties import VALUES

ALL = (YEAR_MONTH_DAY, COMPACT, CHINESE, DAY_MONTH_YEAR, SPANISH)
DATES = st.dates(date(1000, 1, 1), date(9999, 12, 31))


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("1990-03-07", YEAR_MONTH_DAY), ("1990.03.07", YEAR_MONTH_DAY), ("1990/3/7", YEAR_MONTH_DAY),
        ("19900307", COMPACT), ("1990年3月7日", CHINESE), ("1990年03月07", CHINESE), ("07/03/1990", DAY_MONTH_YEAR),
        ("07-03-1990", DAY_MONTH_YEAR), ("7.3.1990", DAY_MONTH_YEAR), ("07 MAR 1990", SPANISH), ("7 mar 1990", SPANISH),
        ("07MAR1990", SPANISH), ("07-MAR-1990", SPANISH), ("１９９０．０３．０７", YEAR_MONTH_DAY),
        (" 1990-03-07\n", YEAR_MONTH_DAY), (19900307, COMPACT),
    ],
)  # fmt: skip
def test_every_form(written: object, form: object) -> None:
    assert read(written, *ALL) == date(1990, 3, 7)
    others = [other for other in ALL if other is not form]
    with pytest.raises(NotADateError):
        read(written, *others)


@pytest.mark.parametrize(
    ("month", "number"),
    [("ENE", 1), ("FEB", 2), ("MAR", 3), ("ABR", 4), ("MAY", 5), ("JUN", 6), ("JUL", 7), ("AGO", 8), ("SEP", 9),
     ("SET", 9), ("SEPT", 9), ("OCT", 10), ("NOV", 11), ("DIC", 12)],
)  # fmt: skip
def test_spanish_months(month: str, number: int) -> None:
    assert read(f"05 {month} 1991", SPANISH) == date(1991, number, 5)


@pytest.mark.parametrize(
    "written",
    [
        "1990-02-30", "1990-13-01", "1990-00-10", "1990-01-00", "0000-01-01", "19900230", "30/02/1990", "31 ABR 1990",
        "05 JAN 1990", "xx MAR 1991", "xx-03-1991", "1990-03.07", "1990-0307", "90-03-07", "990307", "1990年3月",
        "1990", "03/1990", "long ago", "长期", "*", "1990-03-07 12:00", "1990-03-071", "2023-02-29",
        "١٩٩٠-٠٣-٠٧", "1990年३月७日",
    ],
)  # fmt: skip
def test_what_should_be_a_date_and_is_none(written: str) -> None:
    with pytest.raises(NotADateError) as refusal:
        read(written, *ALL)
    assert str(refusal.value) == ""


@pytest.mark.parametrize("nothing", [None, "", "  ", "\n", [], {}, 1.5, True, "x" * 5000, "19\ud80090-03-07"])
def test_what_was_not_read_is_no_date_and_no_error(nothing: object) -> None:
    assert read(nothing, *ALL) is None


def test_day_and_month_are_never_guessed() -> None:
    assert read("03/07/1990", DAY_MONTH_YEAR) == date(1990, 7, 3)
    with pytest.raises(NotADateError):
        read("03/13/1990", *ALL)
    with pytest.raises(NotADateError):
        read("1990-03-07", DAY_MONTH_YEAR)


@given(DATES)
def test_every_date_in_every_form(day: date) -> None:
    year = f"{day.year:04d}"
    assert read(f"{year}-{day.month:02d}-{day.day:02d}", *ALL) == day
    assert read(f"{year}{day.month:02d}{day.day:02d}", COMPACT) == day
    assert read(f"{year}年{day.month}月{day.day}日", CHINESE) == day
    assert read(f"{day.day:02d}/{day.month:02d}/{year}", DAY_MONTH_YEAR) == day
    months = ["ENE", "FEB", "MAR", "ABR", "MAY", "JUN", "JUL", "AGO", "SEP", "OCT", "NOV", "DIC"]
    assert read(f"{day.day} {months[day.month - 1]} {year}", SPANISH) == day


@given(VALUES)
def test_anything_else_is_a_date_nothing_or_not_a_date(value: object) -> None:
    try:
        day = read(value, *ALL)
    except NotADateError:
        return
    written = unicodedata.normalize("NFKC", values.text(value) or "")
    assert day is None or f"{day.year:04d}" in written


# ranges ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2007.07.27-2027.07.27", ("2007.07.27", "2027.07.27")),
        ("2007.07.27 - 2027.07.27", ("2007.07.27", "2027.07.27")),
        ("2007.07.27—2027.07.27", ("2007.07.27", "2027.07.27")),
        ("2007.07.27–2027.07.27", ("2007.07.27", "2027.07.27")),
        ("2007.07.27～2027.07.27", ("2007.07.27", "2027.07.27")),
        ("2007.07.27至2027.07.27", ("2007.07.27", "2027.07.27")),
        ("2007-07-27-2027-07-27", ("2007-07-27", "2027-07-27")),
        ("20070727-20270727", ("20070727", "20270727")),
        ("２００７．０７．２７－２０２７．０７．２７", ("2007.07.27", "2027.07.27")),
        ("2007.07.27-长期", ("2007.07.27", "长期")),
        ("2007.07.27至长期有效", ("2007.07.27", "长期有效")),
        ("2007.07.27-", ("2007.07.27", None)),
        ("长期", (None, "长期")),
        ("2007.13.45-2027.99.99", ("2007.13.45", "2027.99.99")),
    ],
)
def test_ranges(written: str, expected: tuple[str, str]) -> None:
    assert split_range(written) == expected


@pytest.mark.parametrize("nothing", [None, "", " ", [], {}, 2.5, "x" * 5000])
def test_a_range_that_was_not_read(nothing: object) -> None:
    assert split_range(nothing) == (None, None)


@pytest.mark.parametrize(
    "written",
    [
        "2007.07.27", "-2027.07.27", "2007.07.27-2027", "2007-07-27", "长期-2027.07.27",
        "2007.07-27-2027.07.27", "2007.07.27-2027.07.27-2037.07.27", "2007.07.xx-2027.07.27", "none",
        "٢٠٠٧.٠٧.٢٧-2027.07.27",
    ],
)  # fmt: skip
def test_what_should_be_a_range_and_is_none(written: str) -> None:
    with pytest.raises(NotADateError):
        split_range(written)


@given(DATES, DATES)
def test_a_range_is_split_in_its_middle(start: date, end: date) -> None:
    for form in ("{:%m.%d}", "{:%m-%d}"):
        first, last = (f"{day.year:04d}{form[4]}{form.format(day)}" for day in (start, end))
        assert split_range(f"{first}-{last}") == (first, last)


# without end, terms, zones --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written", ["长期", " 长期 ", "长期有效", "NO CADUCA", "no caduca", "NOCADUCA", "ＮＯ ＣＡＤＵＣＡ"]
)
def test_without_end(written: str) -> None:
    assert is_without_end(written)


@pytest.mark.parametrize("written", [None, "", "2027.07.27", "长", "CADUCA", "NO", [], True, 5])
def test_not_without_end(written: object) -> None:
    assert not is_without_end(written)


@pytest.mark.parametrize(
    ("start", "end", "years"),
    [
        (date(2007, 7, 27), date(2027, 7, 27), 20),
        (date(2007, 7, 27), date(2027, 7, 26), None),
        (date(2007, 7, 27), date(2027, 8, 27), None),
        (date(2016, 2, 29), date(2026, 2, 28), 10),
        (date(2016, 2, 29), date(2026, 3, 1), 10),
        (date(2016, 2, 29), date(2036, 2, 29), 20),
        (date(2016, 2, 28), date(2026, 3, 1), None),
        (date(2027, 7, 27), date(2007, 7, 27), -20),
        (date(2020, 1, 1), date(2020, 1, 1), 0),
    ],
)
def test_years_of_a_term(start: date, end: date, years: int | None) -> None:
    assert years_between(start, end) == years


def test_a_card_lives_in_its_own_country() -> None:
    midnight_in_china = datetime(2026, 1, 15, 16, 0, tzinfo=UTC)
    assert midnight_in_china.astimezone(zone_of("CHN")).isoformat() == "2026-01-16T00:00:00+08:00"
    midnight_in_peru = datetime(2026, 1, 15, 5, 0, tzinfo=UTC)
    assert midnight_in_peru.astimezone(zone_of("PER")).isoformat() == "2026-01-15T00:00:00-05:00"
