"""Days for the printed cards.

Cards have to be valid on the day they are printed, and a seed has to print the same card all year: so days are counted
from the first of January of the current year.
"""

import random
from datetime import UTC, date, datetime, timedelta


def reference_day() -> date:
    """The first of January of the current year."""
    return date(datetime.now(UTC).year, 1, 1)


def some_day(rng: random.Random, first: date, last: date) -> date:
    """A day from `first` to `last`, never 29 February, so that whole years can be added."""
    day = first + timedelta(days=rng.randrange((last - first).days + 1))
    return day - timedelta(days=1) if (day.month, day.day) == (2, 29) else day


def years_after(day: date, years: int) -> date:
    """The same day `years` later; 29 February becomes the 28th."""
    return date(day.year + years, day.month, 28 if (day.month, day.day) == (2, 29) else day.day)


def years_before(day: date, years: int) -> date:
    """The same day `years` earlier; 29 February becomes the 28th."""
    return years_after(day, -years)


def age_on(birth: date, day: date) -> int:
    """Completed years."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
