"""Prints cards: who is on it, drawn, laid on a desk."""

import io
import random
from datetime import date, timedelta
from typing import Literal

from PIL import Image

from local.cardprinter import chinese, chinese_layout, peruvian, peruvian_layout
from local.cardprinter.calendar import reference_day
from local.cardprinter.canvas import Box, Sheet, lay_on_desk
from local.cardprinter.model import PrintedCard
from local.kinds import Kind

DOCUMENTS: dict[Kind, tuple[str, str, str]] = {
    "cn_portrait": ("CHN", "cn_resident_id", "portrait"),
    "cn_emblem": ("CHN", "cn_resident_id", "emblem"),
    "pe_dni_new_front": ("PER", "pe_dni", "front"),
    "pe_dni_new_back": ("PER", "pe_dni", "back"),
    "pe_dni_old_front": ("PER", "pe_dni", "front"),
    "pe_dni_old_back": ("PER", "pe_dni", "back"),
    "pe_foreigner_front": ("PER", "pe_foreigner_card", "front"),
}
"""Country, document type and side of the record."""

FIELDS: dict[Kind, tuple[str, ...]] = {
    "cn_portrait": chinese.PORTRAIT_FIELDS,
    "cn_emblem": chinese.EMBLEM_FIELDS,
    **peruvian.FIELDS,
}
"""What may be overridden on each side."""


def print_card(kind: Kind, seed: int, **overrides: str | bool | date) -> PrintedCard:
    """A specimen; the same `kind`, `seed` and `overrides` print the same pixels all year.

    `overrides` sets fields of the record by name (dates as `date` or ISO text). The others follow where they depend on
    it: a number on birth date and sex, an issue date on an expiry date, a check character on a number. ValueError names
    fields that this side does not bear.
    """
    if unknown := overrides.keys() - set(FIELDS[kind]):
        raise ValueError(f"{kind} bears no {', '.join(sorted(unknown))}; it has {', '.join(FIELDS[kind])}")
    fields = _fields(kind, seed, {name: _text(value) for name, value in overrides.items()})
    rng = random.Random(f"{kind} {seed}")
    return _laid_on_desk(kind, fields, _draw(kind, fields, rng), rng)


def print_temporary_card(seed: int, kind: Literal["cn_portrait", "cn_emblem"] = "cn_portrait") -> PrintedCard:
    """A temporary card (临时居民身份证): that of `print_card`, its term too, with a title that says so."""
    fields = _fields(kind, seed, {})
    rng = random.Random(f"{kind} {seed}")
    draw = chinese_layout.draw_portrait_side if kind == "cn_portrait" else chinese_layout.draw_emblem_side
    card = _laid_on_desk(kind, fields, draw(fields, rng, temporary=True), rng)
    return PrintedCard(kind, card.card, card.picture, frozenset({"TEMPORARY_CARD"}))


def print_both_sides(seed: int) -> tuple[Image.Image, tuple[PrintedCard, PrintedCard]]:
    """One picture of both sides of a card, side by side (odd seeds) or one above the other (even seeds); and the two
    sides, the one with the portrait first."""
    sides = print_card("cn_portrait", seed), print_card("cn_emblem", seed)
    width, height = sides[0].picture.size
    step = (width, 0) if seed % 2 else (0, height)
    page = Image.new("RGB", (width + step[0], height + step[1]))
    page.paste(sides[0].picture, (0, 0))
    page.paste(sides[1].picture, step)
    return page, sides


def _laid_on_desk(
    kind: Kind, fields: dict[str, str | bool], drawn: tuple[Sheet, Box], rng: random.Random
) -> PrintedCard:
    sheet, key_field = drawn
    picture, (x, y) = lay_on_desk(sheet.picture, rng)
    left, top, right, bottom = key_field
    picture.info["key_field"] = (left + x, top + y, right + x, bottom + y)
    picture.info["card"] = (x, y, x + sheet.picture.width, y + sheet.picture.height)
    country, document_type, side = DOCUMENTS[kind]
    card: dict[str, str | bool] = {"country": country, "document_type": document_type, "side": side}
    return PrintedCard(kind, card | fields, picture)


def print_expired_card(kind: Kind, seed: int) -> PrintedCard:
    """A card whose validity ended before this year began. ValueError for a side that bears no end of validity."""
    ended = reference_day() - timedelta(days=random.Random(f"expired {seed}").randrange(30, 700))
    card = print_card(kind, seed, **{"valid_to" if kind == "cn_emblem" else "expiry_date": ended})
    return PrintedCard(kind, card.card, card.picture, frozenset({"CARD_EXPIRED"}))


def print_card_with_wrong_check_digit(kind: Kind, seed: int) -> PrintedCard:
    """A card whose number contradicts its check character. ValueError for a side that bears none."""
    right = print_card(kind, seed)
    if kind == "cn_portrait":
        card = print_card(kind, seed, id_number=chinese.wrong_check_character(str(right.card["id_number"])))
    else:
        wrong = peruvian.wrong_check_character(str(right.card.get("id_number", "")).zfill(8)[:8])
        card = print_card(kind, seed, check_character=wrong)
    return PrintedCard(kind, card.card, card.picture, frozenset({"ID_NUMBER_INVALID"}))


def encode(picture: Image.Image, format: str = "JPEG", quality: int = 90) -> bytes:  # noqa: A002  Pillow's own name
    """The bytes of a file; `quality` counts for JPEG and WebP."""
    file = io.BytesIO()
    picture.save(file, format, quality=quality)
    return file.getvalue()


def _text(value: str | bool | date) -> str | bool:
    return value.isoformat() if isinstance(value, date) else value


def _fields(kind: Kind, seed: int, overrides: dict[str, str | bool]) -> dict[str, str | bool]:
    match kind:
        case "cn_portrait":
            return chinese.portrait_side(seed, overrides)
        case "cn_emblem":
            return chinese.emblem_side(seed, overrides)
        case "pe_foreigner_front":
            return peruvian.foreigner_side(seed, overrides)
        case _:
            return peruvian.dni_side(kind, seed, overrides)


def _draw(kind: Kind, fields: dict[str, str | bool], rng: random.Random) -> tuple[Sheet, Box]:
    match kind:
        case "cn_portrait":
            return chinese_layout.draw_portrait_side(fields, rng)
        case "cn_emblem":
            return chinese_layout.draw_emblem_side(fields, rng)
        case _:
            return peruvian_layout.draw_side(kind, fields, rng)
