"""Two sides of one card: what fits together, and the nearest that does not."""

from datetime import date
from typing import Any

import pytest

from cardintake.cards.models import (
    ChineseIdEmblem,
    ChineseIdPortrait,
    PeruvianDniBack,
    PeruvianDniFront,
    PeruvianForeignerCardFront,
)
from cardintake.cards.sides import disagreements
from local.cardprinter import print_card

PORTRAIT = ChineseIdPortrait(name="张样例", address="样例省样例市城关区样例路1号", birth_date=date(1990, 3, 7))
EMBLEM = ChineseIdEmblem(
    issuing_authority="样例市公安局城关分局", valid_from=date(2019, 6, 6), valid_to=date(2039, 6, 6)
)
FRONT = PeruvianDniFront(edition="new", id_number="99000006", election_number="053999", organ_donor=False)
BACK = PeruvianDniBack(edition="new", address="CALLE DE LA MUESTRA 100")


def changed(card: Any, **fields: object) -> Any:
    return card.model_copy(update=fields)


ELSEWHERE, OTHER_AGE = ["issuing_region"], ["term_for_age"]


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("样例市公安局城关分局", []), ("城关区公安分局", []), ("样例省公安厅", []), ("样例市公安局", []),
        ("样例省样例市样例派出所", []), ("公安局", []), ("样例公安局", []),
        ("另外市公安局", ELSEWHERE), ("另外市公安局河东分局", ELSEWHERE), ("河东公安分局", ELSEWHERE),
    ],
)  # fmt: skip
def test_the_authority_issues_where_the_holder_is_registered(authority: str, expected: list[str]) -> None:
    emblem = changed(EMBLEM, issuing_authority=authority)
    assert disagreements(PORTRAIT, emblem) == disagreements(emblem, PORTRAIT) == expected


@pytest.mark.parametrize(
    ("birth", "years", "expected"),
    [
        (date(1990, 3, 7), 20, []), (date(1990, 3, 7), 10, OTHER_AGE), (date(1990, 3, 7), None, OTHER_AGE),
        (date(2000, 3, 7), 10, []), (date(2000, 3, 7), 20, OTHER_AGE), (date(2010, 1, 1), 5, []),
        (date(2010, 1, 1), 10, OTHER_AGE), (date(1960, 1, 1), None, []), (date(1960, 1, 1), 20, OTHER_AGE),
        # a year on either side of the limits
        (date(2003, 6, 7), 5, []), (date(2003, 6, 5), 5, []), (date(2002, 6, 7), 5, []), (date(2002, 6, 6), 10, []),
        (date(2004, 6, 5), 10, []), (date(2001, 6, 5), 5, OTHER_AGE), (date(1973, 6, 5), None, []),
        (date(1974, 6, 6), None, []), (date(1974, 6, 7), None, OTHER_AGE),
        (date(2019, 6, 7), 5, ["valid_before_birth"]),
        # no term at all is the emblem side's own matter
        (date(1990, 3, 7), 7, []),
    ],
)  # fmt: skip
def test_the_term_follows_from_the_age(birth: date, years: int | None, expected: list[str]) -> None:
    portrait = changed(PORTRAIT, birth_date=birth)
    until = {"valid_to": None, "long_term": True} if years is None else {"valid_to": date(2019 + years, 6, 6)}
    assert disagreements(portrait, changed(EMBLEM, **until)) == expected


@pytest.mark.parametrize(
    ("portrait", "emblem"),
    [({"address": None}, {"issuing_authority": "另外市公安局"}), ({"birth_date": None}, {"valid_to": date(2024, 6, 6)}),
     ({"address": "样例路1号"}, {"issuing_authority": "另外市公安局"}),
     ({}, {"issuing_authority": None, "valid_from": None}), ({}, {"valid_to": None})],
)  # fmt: skip
def test_what_was_not_read_is_not_compared(portrait: dict[str, object], emblem: dict[str, object]) -> None:
    assert disagreements(changed(PORTRAIT, **portrait), changed(EMBLEM, **emblem)) == []


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        ({}, []), ({"edition": "old"}, ["edition"]), ({"edition": None}, []),
        ({"election_number": "053999", "organ_donor": False}, []), ({"election_number": "0539**"}, []),
        ({"election_number": "053998", "organ_donor": True}, ["election_number", "organ_donor"]),
    ],
)  # fmt: skip
def test_peruvian_sides_are_of_one_edition(back: dict[str, object], expected: list[str]) -> None:
    assert disagreements(FRONT, changed(BACK, **back)) == disagreements(changed(BACK, **back), FRONT) == expected


def test_other_pairs_are_not_compared() -> None:
    foreigner = PeruvianForeignerCardFront(id_number="990045991")
    pairs: list[tuple[Any, Any]] = [
        (PORTRAIT, PORTRAIT),
        (EMBLEM, EMBLEM),
        (PORTRAIT, BACK),
        (FRONT, FRONT),
        (foreigner, BACK),
    ]
    assert [disagreements(one, other) for one, other in pairs] == [[]] * len(pairs)


@pytest.mark.parametrize("seed", range(60))
def test_the_printers_cards_fit_together(seed: int) -> None:
    portrait, emblem = (print_card(kind, seed).card for kind in ("cn_portrait", "cn_emblem"))
    one, other = ChineseIdPortrait(**portrait), ChineseIdEmblem(**emblem)
    assert disagreements(one, other) == []
