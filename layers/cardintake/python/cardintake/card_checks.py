"""What a card's own numbers and dates prove: check characters, birth date and sex, terms, on the day of reading."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from cardintake.cards import identity_numbers
from cardintake.cards.dates import years_between, zone_of
from cardintake.cards.identity_numbers import Check
from cardintake.cards.models import (
    Card,
    ChineseIdEmblem,
    ChineseIdPortrait,
    PeruvianDniFront,
    PeruvianForeignerCardFront,
)
from cardintake.findings import Finding
from cardintake.reasons import Reason

_MASKED = re.compile("[*X×]")
# 居民身份证法, article 5: 5 years under 16, 10 from 16, 20 from 26, long-term from 46
_CHINESE_TERMS = frozenset({5, 10, 20})


@dataclass(frozen=True, slots=True)
class Ran:
    """A check that could run: what it looks for, and whether it found it."""

    reason: Reason
    found: bool
    signal: str

    @property
    def finding(self) -> Finding | None:
        """For the record, when something was found."""
        return Finding(self.reason, "card", self.signal) if self.found else None


def run(card: Card, now: datetime) -> list[Ran]:
    """Every check that could run, on the day that `now` (with a zone) is in the card's own country."""
    return list(_checks(card, now))


def not_checkable(card: Card) -> bool:
    """Whether the card's number is masked, or of the old form without check character."""
    match card:
        case ChineseIdPortrait(id_number=str(number)):
            return identity_numbers.chinese(number).check is Check.NOT_CHECKABLE
        case PeruvianDniFront(id_number=str(number)):
            return identity_numbers.peruvian_dni(number, card.check_character) is Check.NOT_CHECKABLE
        case PeruvianForeignerCardFront(id_number=str(number)):
            return _MASKED.search(number) is not None
    return False


def _checks(card: Card, now: datetime) -> Iterator[Ran]:
    today = now.astimezone(zone_of(card.country)).date()
    match card:
        case ChineseIdPortrait():
            if card.id_number is not None:
                yield from _chinese_number(card, card.id_number, today)
        case ChineseIdEmblem():
            if card.valid_from is not None:
                yield Ran(Reason.CARD_NOT_YET_VALID, card.valid_from > today, "valid_from")
            if card.valid_to is not None:
                yield Ran(Reason.CARD_EXPIRED, card.valid_to < today, "valid_to")
            if card.valid_from is not None and card.valid_to is not None:
                usual = years_between(card.valid_from, card.valid_to) in _CHINESE_TERMS
                yield Ran(Reason.VALIDITY_TERM_UNUSUAL, not usual, "term")
        case PeruvianDniFront() | PeruvianForeignerCardFront():
            if isinstance(card, PeruvianDniFront) and card.id_number is not None:
                yield from _number(identity_numbers.peruvian_dni(card.id_number, card.check_character))
            if card.issue_date is not None:
                yield Ran(Reason.CARD_NOT_YET_VALID, card.issue_date > today, "issue_date")
            if card.expiry_date is not None:
                yield Ran(Reason.CARD_EXPIRED, card.expiry_date < today, "expiry_date")
            if card.issue_date is not None and card.expiry_date is not None:
                yield Ran(Reason.VALIDITY_TERM_UNUSUAL, card.expiry_date <= card.issue_date, "term")


def _chinese_number(card: ChineseIdPortrait, id_number: str, today: date) -> Iterator[Ran]:
    number = identity_numbers.chinese(id_number)
    if number.birth_date is not None and number.birth_date > today:
        yield Ran(Reason.ID_NUMBER_INVALID, found=True, signal="birth_date")
        return
    yield from _number(number.check)
    if number.check is Check.FAILED and card.birth_date is not None and f"{card.birth_date:%Y%m%d}" == id_number[6:14]:
        # a provider that sees a mismatch here contradicts what stands there
        yield Ran(Reason.ID_NUMBER_BIRTH_MISMATCH, found=False, signal="birth_date")
    if number.birth_date is not None and card.birth_date is not None:
        yield Ran(Reason.ID_NUMBER_BIRTH_MISMATCH, number.birth_date != card.birth_date, "birth_date")
    if number.sex is not None and card.sex is not None:
        yield Ran(Reason.ID_NUMBER_SEX_MISMATCH, number.sex != card.sex, "sex")


def _number(check: Check) -> Iterator[Ran]:
    if check in (Check.PASSED, Check.FAILED):
        yield Ran(Reason.ID_NUMBER_INVALID, check is Check.FAILED, "check_character")
