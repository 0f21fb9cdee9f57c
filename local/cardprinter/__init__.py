"""Prints fictional SPECIMEN identity cards, spoils them on request, and says what a reading of them should give."""

from local.cardprinter.model import PrintedCard
from local.cardprinter.printing import (
    encode,
    print_both_sides,
    print_card,
    print_card_with_wrong_check_digit,
    print_expired_card,
    print_temporary_card,
)
from local.cardprinter.spoiling import SPOILS, Spoil
from local.cardprinter.strays import not_a_card
from local.kinds import KINDS, Kind

__all__ = [
    "KINDS",
    "SPOILS",
    "Kind",
    "PrintedCard",
    "Spoil",
    "encode",
    "not_a_card",
    "print_both_sides",
    "print_card",
    "print_card_with_wrong_check_digit",
    "print_expired_card",
    "print_temporary_card",
]
