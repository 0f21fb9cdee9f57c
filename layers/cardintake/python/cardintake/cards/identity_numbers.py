"""Identity numbers: what their own digits prove.

Chinese numbers by GB 11643-1999: 6 digits region, 8 birth date, 3 order (its last odd for men), check character by
ISO 7064 MOD 11-2. Region codes are not looked up: residence permits (810000, 820000, 830000) and foreigners (9...) are
valid and lists age. Peruvian DNI: modulus 11 over 8 digits with a check digit, or a letter on older cards.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import Enum

from cardintake.cards.models import Sex

_CN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CN_CHECK = "10X98765432"
_DASH = "[-‐‑‒–—−]"  # whichever of them a reader takes the printed one for
_DNI_WEIGHTS = (3, 2, 7, 6, 5, 4, 3, 2)
_DNI_DIGITS = "67890112345"
_DNI_LETTERS = "KABCDEFGHIJ"


class Check(Enum):
    """What the number's own check says."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKABLE = "not checkable"  # masked, or of the old form without check character
    NONE = "none"  # there is nothing to check


@dataclass(frozen=True, slots=True)
class ChineseNumber:
    """Birth date and sex are set only when the check passed."""

    check: Check
    birth_date: date | None = None
    sex: Sex | None = None


def chinese(number: str) -> ChineseNumber:
    """Checks a number as `values.code` normalises it (ASCII, upper-case)."""
    if re.fullmatch(r"[0-9]{15}", number):
        return ChineseNumber(Check.NOT_CHECKABLE)
    if not re.fullmatch(r"[0-9]{17}[0-9X]", number):
        masked = re.fullmatch(r"[0-9*X×]{15}|[0-9*X×]{18}", number)
        return ChineseNumber(Check.NOT_CHECKABLE if masked else Check.FAILED)
    total = sum(int(digit) * weight for digit, weight in zip(number, _CN_WEIGHTS, strict=False))
    if _CN_CHECK[total % 11] != number[17]:
        return ChineseNumber(Check.FAILED)
    try:
        birth_date = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return ChineseNumber(Check.FAILED)
    return ChineseNumber(Check.PASSED, birth_date, "M" if int(number[16]) % 2 else "F")


def peruvian_dni(number: str, check_character: str | None) -> Check:
    """Checks the 8 digits of a DNI against the character printed after the dash, digit or letter."""
    if not re.fullmatch(r"[0-9]{8}", number):
        masked = re.fullmatch(r"[0-9*X×]{8}", number)
        return Check.NOT_CHECKABLE if masked else Check.FAILED
    if check_character is None:
        return Check.NONE
    remainder = (11 - sum(int(digit) * weight for digit, weight in zip(number, _DNI_WEIGHTS, strict=True)) % 11) % 11
    return Check.PASSED if check_character in (_DNI_DIGITS[remainder], _DNI_LETTERS[remainder]) else Check.FAILED


def split_dni(printed: str) -> tuple[str, str | None]:
    """`10117410-2` or `101174102` as number and check character, which is None when masked; else kept as read."""
    if match := re.fullmatch(rf"([0-9]{{8}}){_DASH}?([0-9A-K])", printed):
        return match[1], match[2]
    if match := re.fullmatch(rf"([0-9*X×]{{8}}){_DASH}(?:([0-9A-K])|[*X×])", printed):
        return match[1], match[2]
    return printed, None
