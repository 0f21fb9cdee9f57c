"""The Chinese resident identity card from the texts that a provider read, whatever names it gives them."""

import re
from collections.abc import Sequence
from datetime import date

from cardintake.cards import dates, values
from cardintake.cards.models import ChineseIdEmblem, ChineseIdPortrait
from cardintake.providers.protocol import CardReading


def portrait(
    *,
    name: object,
    sex: object,
    ethnicity: object,
    birth: object,
    address: object,
    number: object,
    forms: Sequence[re.Pattern[str]],
) -> CardReading | None:
    """The portrait side; None when none of it was read. `forms`: how the provider writes dates (`cards.dates`)."""
    impossible: list[str] = []
    card = ChineseIdPortrait(
        name=values.text(name),
        sex=values.sex(sex),
        ethnicity=values.ethnicity(ethnicity),
        birth_date=_date(birth, "birth_date", forms, impossible),
        address=values.text(address),
        id_number=values.code(number),
    )
    return _if_read(card, impossible)


def emblem(
    *, authority: object, valid_from: object, valid_to: object, forms: Sequence[re.Pattern[str]]
) -> CardReading | None:
    """The emblem side; None when none of it was read. 长期 in `valid_to` is a term without end."""
    impossible: list[str] = []
    without_end = dates.is_without_end(valid_to)
    card = ChineseIdEmblem(
        issuing_authority=values.text(authority),
        valid_from=_date(valid_from, "valid_from", forms, impossible),
        valid_to=None if without_end else _date(valid_to, "valid_to", forms, impossible),
        long_term=True if without_end else None,
    )
    return _if_read(card, impossible)


def emblem_with_range(*, authority: object, validity: object, forms: Sequence[re.Pattern[str]]) -> CardReading | None:
    """The emblem side where both dates come as one text, `2007.07.27-2027.07.27` or `2007.07.27-长期`."""
    try:
        valid_from, valid_to = dates.split_range(validity)
    except dates.NotADateError:
        card = ChineseIdEmblem(issuing_authority=values.text(authority))
        return _if_read(card, ["valid_from", "valid_to"])
    return emblem(authority=authority, valid_from=valid_from, valid_to=valid_to, forms=forms)


def _date(value: object, field: str, forms: Sequence[re.Pattern[str]], impossible: list[str]) -> date | None:
    """Remembers in `impossible` what was written but is no date."""
    try:
        return dates.read(value, *forms)
    except dates.NotADateError:
        impossible.append(field)
        return None


def _if_read(card: ChineseIdPortrait | ChineseIdEmblem, impossible: list[str]) -> CardReading | None:
    if not impossible and card.values().keys() <= {"country", "document_type", "side"}:
        return None
    return CardReading(card, tuple(impossible))
