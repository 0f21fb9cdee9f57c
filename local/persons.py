"""A person's identity number as somebody writes it, and every form in which a record may have it.

    chinese     18 characters, or the 15 of cards before 1999 (born in 1900 to 1999; without check character)
    DNI         8 digits; with the check character after them, with a dash or without
    foreigners  what is printed on the carné de extranjería, with or without separators

Nothing here is ever shown: not in a representation, not in an error.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cardintake.cards import identity_numbers, values
from cardintake.cards.identity_numbers import Check
from cardintake.cards.models import COUNTRY_OF, DocumentType
from cardintake.cases import number_link

_SEPARATORS = re.compile(r"[-‐‑‒–—−._/]")
_MASK = "*×"

type Borne = tuple[DocumentType, str]


class NotANumberError(ValueError):
    """What was written names nobody. Says why, and quotes nothing."""


@dataclass(frozen=True)
class Person:
    """`forms`: kinds of document, and the number as their records have it, separators apart.

    `doubtful`: the number's own check character does not fit, so that it may be mistyped.
    """

    forms: frozenset[Borne] = field(repr=False)
    doubtful: bool

    @classmethod
    def of(cls, written: str) -> "Person":
        """Raises NotANumberError."""
        code = values.code(written)
        if code is None:
            raise NotANumberError("There is no number in it.")
        if any(sign in _MASK for sign in code):
            raise NotANumberError("A masked number names nobody.")
        forms, checks = frozenset(_forms(code)), _checks(code)
        if not forms:
            raise NotANumberError("It is no number of a card that is read here.")
        return cls(forms, doubtful=Check.FAILED in checks)

    def links(self, lookup_key: bytes) -> frozenset[str]:
        """Ids of the items that list the records with this number."""
        return frozenset(number_link(lookup_key, COUNTRY_OF[kind], kind, number) for kind, number in self.forms)

    def bears(self, item: Mapping[str, Any]) -> bool:
        """Whether a card of the record has this number."""
        return any(borne in self.forms for borne in numbers(item))

    def may_bear(self, item: Mapping[str, Any]) -> bool:
        """Whether a card of the record has a masked number that fits."""
        for kind, number in numbers(item):
            pattern = "".join("." if sign in f"{_MASK}X" else re.escape(sign) for sign in number)
            if is_masked(number) and any(kind == one and re.fullmatch(pattern, form) for one, form in self.forms):
                return True
        return False


def numbers(item: Mapping[str, Any]) -> Iterator[Borne]:
    """The numbers of a record's cards."""
    for card in (item.get("card", {}), *item.get("other_cards", ())):
        if (number := card.get("id_number")) is not None:
            kind, bare = card["document_type"], _SEPARATORS.sub("", number)
            yield kind, bare[:8] if kind == "pe_dni" and re.fullmatch("[0-9]{8}[0-9A-K]", bare) else bare


def is_masked(number: str) -> bool:
    """Whether signs of it are hidden, so that it does not tell one person from another."""
    return bool(re.search(rf"[{_MASK}]|X(?!$)", number))


def of_somebody(item: Mapping[str, Any]) -> bool:
    """Whether a card of the record has a number that names somebody: whole, and not proven to be misread."""
    return any(
        not is_masked(number)
        and not (kind == "cn_resident_id" and identity_numbers.chinese(number).check is Check.FAILED)
        for kind, number in numbers(item)
    )


def _forms(code: str) -> Iterator[Borne]:
    bare = _SEPARATORS.sub("", code)
    if re.fullmatch("[0-9]{17}[0-9X]|[0-9]{15}", bare):
        yield "cn_resident_id", bare
        if len(bare) == 15:
            passing = (f"{bare[:6]}19{bare[6:]}{character}" for character in "0123456789X")
            yield from (("cn_resident_id", one) for one in passing if _passes(one))
        elif bare[6:8] == "19":
            yield "cn_resident_id", bare[:6] + bare[8:17]
    if re.fullmatch("[0-9]{8}", bare):
        yield "pe_dni", bare
    elif re.fullmatch("[0-9]{8}[0-9A-K]", bare):
        # nine digits without a dash are a foreigner's number, unless the ninth happens to be the DNI's check
        dashed = code != bare or not bare.isdecimal()
        if dashed or identity_numbers.peruvian_dni(bare[:8], bare[8]) is Check.PASSED:
            yield "pe_dni", bare[:8]
    if re.fullmatch("(?=.*[0-9])[A-Z0-9]{6,12}", bare):
        yield "pe_foreigner_card", bare
        yield "pe_foreigner_card", code


def _checks(code: str) -> set[Check]:
    bare, (number, character) = _SEPARATORS.sub("", code), identity_numbers.split_dni(code)
    checks = set()
    if re.fullmatch("[0-9]{17}[0-9X]", bare):
        checks.add(identity_numbers.chinese(bare).check)
    if character is not None and number + character != code:  # written with its dash: no foreigner's number
        checks.add(identity_numbers.peruvian_dni(number, character))
    return checks


def _passes(number: str) -> bool:
    return identity_numbers.chinese(number).check is Check.PASSED
