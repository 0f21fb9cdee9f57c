"""The printed samples: every kind of specimen card, as it is, spoiled on its way, or with something wrong on it."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from local.cardprinter import (
    KINDS,
    SPOILS,
    Kind,
    PrintedCard,
    encode,
    not_a_card,
    print_card,
    print_card_with_wrong_check_digit,
    print_expired_card,
    print_temporary_card,
)
from local.cardprinter.printing import DOCUMENTS

AS_IT_IS = "none"
NOT_A_CARD = "not_a_card"
_TEMPORARY: tuple[Kind, ...] = ("cn_portrait", "cn_emblem")
_EXPIRING: tuple[Kind, ...] = ("cn_emblem", "pe_dni_new_front", "pe_dni_old_front", "pe_foreigner_front")
_NUMBERED: tuple[Kind, ...] = ("cn_portrait", "pe_dni_new_front", "pe_dni_old_front")
_FLAWS: Mapping[str, tuple[tuple[Kind, ...], Callable[[Kind, int], PrintedCard]]] = {
    "expired": (_EXPIRING, print_expired_card),
    "wrong_check_digit": (_NUMBERED, print_card_with_wrong_check_digit),
    "temporary": (
        _TEMPORARY,
        lambda kind, seed: print_temporary_card(seed, "cn_emblem" if kind == "cn_emblem" else "cn_portrait"),
    ),
}
LARGEST_SEED = 999_999


class UnknownSampleError(ValueError):
    """Nothing of that name can be printed."""


def catalogue() -> dict[str, Any]:
    """What can be printed, as JSON values: kinds with their claims and what may be wrong with each, and spoils."""
    kinds: list[dict[str, Any]] = []
    for kind in KINDS:
        country, document_type, side = DOCUMENTS[kind]
        flaws = [name for name, (possible, _) in _FLAWS.items() if kind in possible]
        kinds.append({"name": kind, "country": country, "document_type": document_type, "side": side, "flaws": flaws})
    kinds.append({"name": NOT_A_CARD, "flaws": []})
    return {"kinds": kinds, "spoils": list(SPOILS), "largest_seed": LARGEST_SEED}


def printed(kind: str, change: str, seed: int) -> bytes:
    """A JPEG file of a sample; `change` is a spoil, a flaw or `none`. Raises UnknownSampleError."""
    if not 0 <= seed <= LARGEST_SEED:
        raise UnknownSampleError("the seed is out of range")
    if kind == NOT_A_CARD:
        if change != AS_IT_IS:
            raise UnknownSampleError("a picture without a card is printed as it is")
        return encode(not_a_card(seed))
    known = next((each for each in KINDS if each == kind), None)
    if known is None:
        raise UnknownSampleError("no such kind of card")
    if change in _FLAWS:
        possible, print_flawed = _FLAWS[change]
        if known not in possible:
            raise UnknownSampleError("this side cannot have that flaw")
        return encode(print_flawed(known, seed).picture)
    picture = print_card(known, seed).picture
    if change == AS_IT_IS:
        return encode(picture)
    if change not in SPOILS:
        raise UnknownSampleError("no such way to spoil a picture")
    return encode(SPOILS[change].apply(picture, random.Random(seed)))
