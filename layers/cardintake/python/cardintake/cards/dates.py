"""Dates as cards and providers write them, each form by its own rule: no form is ever guessed.

A form is a compiled pattern with groups `y`, `m`, `d`. `read` raises `NotADateError` for a text that should be a date
and is not one: 30 February, a masked digit, another form.
"""

import re
import unicodedata
from datetime import date, timedelta, timezone

from cardintake.cards.models import Country
from cardintake.cards.values import text

YEAR_MONTH_DAY = re.compile(r"(?P<y>\d{4})(?P<sep>[-./])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})", re.ASCII)
COMPACT = re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})", re.ASCII)
CHINESE = re.compile(r"(?P<y>\d{4})年(?P<m>\d{1,2})月(?P<d>\d{1,2})日?", re.ASCII)
DAY_MONTH_YEAR = re.compile(r"(?P<d>\d{1,2})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<y>\d{4})", re.ASCII)
SPANISH = re.compile(r"(?P<d>\d{1,2})[ ./-]?(?P<m>[A-Z]{3,4})\.?[ ./-]?(?P<y>\d{4})", re.ASCII)

_SPANISH_MONTHS = {
    "ENE": 1, "FEB": 2, "MAR": 3, "ABR": 4, "MAY": 5, "JUN": 6, "JUL": 7, "AGO": 8, "SEP": 9, "SET": 9, "SEPT": 9,
    "OCT": 10, "NOV": 11, "DIC": 12,
}  # fmt: skip

# 长期 on Chinese cards, NO CADUCA on Peruvian ones: valid without end.
_WITHOUT_END = {"长期", "长期有效", "NO CADUCA", "NOCADUCA", "INDEFINIDO"}

# the whole pattern first, then split: a date may hold the same dash as the range
_RANGE = re.compile(
    r"(?P<from>\d{4}([-./])\d{1,2}\2\d{1,2}|\d{8})[-–—~至到](?P<to>\d{4}([-./])\d{1,2}\4\d{1,2}|\d{8}|长期(?:有效)?)",
    re.ASCII,  # digits are 0 to 9
)

_OPEN_RANGE = re.compile(r"(?P<from>\d{4}([-./])\d{1,2}\2\d{1,2}|\d{8})[-–—~至到]", re.ASCII)

# Neither country observes daylight saving time, and the runtime need not bring a time-zone database.
_CLOCK: dict[Country, timezone] = {"CHN": timezone(timedelta(hours=8)), "PER": timezone(timedelta(hours=-5))}


class NotADateError(ValueError):
    """A text that should be a date and is not one. Carries no text: what was read is identity data."""


def read(value: object, *forms: re.Pattern[str]) -> date | None:
    """The date that `value` writes in one of `forms`; None when nothing was read."""
    written = text(value)
    if written is None:
        return None
    written = unicodedata.normalize("NFKC", written).upper()
    for form in forms:
        if match := form.fullmatch(written):
            month = match["m"]
            try:
                return date(int(match["y"]), int(month) if month.isdigit() else _SPANISH_MONTHS[month], int(match["d"]))
            except (ValueError, KeyError):
                break
    raise NotADateError


def is_without_end(value: object) -> bool:
    """True for 长期 and NO CADUCA."""
    written = text(value)
    return written is not None and unicodedata.normalize("NFKC", written).upper() in _WITHOUT_END


def split_range(value: object) -> tuple[str | None, str | None]:
    """Both halves of `2007.07.27-2027.07.27` or `2007.07.27-长期`; raises NotADateError for another form."""
    written = text(value)
    if written is None:
        return None, None
    written = unicodedata.normalize("NFKC", written).replace(" ", "")
    if written in _WITHOUT_END:
        return None, written  # the end alone was read
    if match := _RANGE.fullmatch(written):
        return match["from"], match["to"]
    if match := _OPEN_RANGE.fullmatch(written):
        return match["from"], None
    raise NotADateError


def zone_of(country: Country) -> timezone:
    """The zone in which a card of `country` becomes valid and expires."""
    return _CLOCK[country]


def years_between(start: date, end: date) -> int | None:
    """Whole years; None when the term is not whole. 29 February may end on 28 February or 1 March."""
    years = end.year - start.year
    if (end.month, end.day) == (start.month, start.day):
        return years
    if (start.month, start.day) == (2, 29) and (end.month, end.day) in ((2, 28), (3, 1)):
        return years
    return None
