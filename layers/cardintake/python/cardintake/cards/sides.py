"""Two sides of one card against each other: what both tell, directly or by what the one implies of the other.

Chinese resident identity cards: the authority issues where the holder is registered, and the term follows from the
age (居民身份证法, article 5: 5 years under 16, 10 from 16, 20 from 26, long-term from 46). Peruvian DNI: both sides are
of one edition, and bear the same election number and wish on organs where both bear them.
"""

import re
from datetime import date

from cardintake.cards.dates import years_between
from cardintake.cards.models import (
    Card,
    ChineseIdEmblem,
    ChineseIdPortrait,
    PeruvianDniBack,
    PeruvianDniFront,
    Side,
)

SAME_SIDE: dict[Side, Side] = {"portrait": "front", "emblem": "back", "front": "portrait", "back": "emblem"}
"""The same side in the words for another country's cards."""

OTHER_SIDE: dict[Side, Side] = {"portrait": "emblem", "emblem": "portrait", "front": "back", "back": "front"}

TERM_FOR_AGE = "term_for_age"

_OFFICES = re.compile("公安厅|公安分局|公安局|分局|派出所")
_PLACES = re.compile("(.+?)(?:特别行政区|自治区|自治州|自治县|自治旗|地区|[省市县区旗盟州]|$)")
_RANKED = re.compile("..[省市县区旗盟州]")  # an address that names no place cannot be compared
_LONG_TERM = None
_TERMS = ((46, _LONG_TERM), (26, 20), (16, 10), (0, 5))  # from this age on, years
_YEARS_OF_GRACE = 1  # between the application, which decides, and the day that is printed


def disagreements(one: Card, other: Card) -> list[str]:
    """What does not fit together on two sides of one kind of card; empty when all does, or nothing can be compared."""
    match (one, other):
        case (ChineseIdPortrait(), ChineseIdEmblem()):
            return _chinese(one, other)
        case (ChineseIdEmblem(), ChineseIdPortrait()):
            return _chinese(other, one)
        case (PeruvianDniFront(), PeruvianDniBack()) | (PeruvianDniBack(), PeruvianDniFront()):
            names = ("edition", "election_number", "organ_donor")
            return [name for name in names if _differ(getattr(one, name), getattr(other, name))]
    return []


def _differ(one: object, other: object) -> bool:
    masked = any(isinstance(value, str) and re.search("[*×]", value) for value in (one, other))
    return one is not None and other is not None and not masked and one != other


def _chinese(portrait: ChineseIdPortrait, emblem: ChineseIdEmblem) -> list[str]:
    found = []
    if portrait.address is not None and emblem.issuing_authority is not None:
        places = _places(emblem.issuing_authority)
        named = _RANKED.search(portrait.address) is not None
        if places and named and not any(place in portrait.address for place in places):
            found.append("issuing_region")
    if portrait.birth_date is not None and emblem.valid_from is not None:
        if emblem.valid_from < portrait.birth_date:
            found.append("valid_before_birth")
        elif not _term_fits(portrait.birth_date, emblem):
            found.append(TERM_FOR_AGE)
    return found


def _places(authority: str) -> list[str]:
    """Names of two characters and more, without their rank: 上海市公安局徐汇分局 gives 上海 and 徐汇."""
    parts = [part for part in _OFFICES.split(authority.replace(" ", "")) if part]
    return [place for part in parts for place in _PLACES.findall(part) if len(place) > 1]


def _term_fits(birth_date: date, emblem: ChineseIdEmblem) -> bool:
    if emblem.valid_from is None or (emblem.valid_to is None and not emblem.long_term):
        return True
    term = None if emblem.valid_to is None else years_between(emblem.valid_from, emblem.valid_to)
    if emblem.valid_to is not None and term not in {years for _, years in _TERMS}:
        return True  # no term at all: said of the emblem side by itself
    age = _age(birth_date, emblem.valid_from)
    return any(_usual_term(age + grace) == term for grace in range(-_YEARS_OF_GRACE, _YEARS_OF_GRACE + 1))


def _usual_term(age: int) -> int | None:
    return next(years for least, years in _TERMS if max(age, 0) >= least)


def _age(birth_date: date, day: date) -> int:
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))
