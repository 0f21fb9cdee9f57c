"""The reader: one OCR engine, guarded by a lock, and the way from a picture to the cards in it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageOps

from local.kinds import Kind
from local.sandbox.reader import chinese, peruvian
from local.sandbox.reader.engine import LARGE_DETECTOR_SIDE, Engine, Line, Page, Points
from local.sandbox.reader.frames import box_of, card_frame
from local.sandbox.reader.layout import Look, Value, gap
from local.sandbox.reader.model import OtherDocumentError, Quad, ReadCard


@dataclass(frozen=True)
class Side:
    """How one family of card sides is told from the text: by how many of its own labels."""

    anchors: Callable[[list[Line]], dict[str, Line]]
    least: int
    kind: Callable[[list[Line]], Kind]
    fields: Callable[[Kind, list[Line], Look], dict[str, Value]]


SIDES = (
    Side(chinese.portrait_anchors, 3, lambda _: "cn_portrait", lambda _, *rest: chinese.portrait_fields(*rest)),
    Side(chinese.emblem_anchors, 2, lambda _: "cn_emblem", lambda _, *rest: chinese.emblem_fields(*rest)),
    Side(lambda lines: peruvian.anchors(lines, peruvian.FRONT_ANCHORS), 2, peruvian.front_kind, peruvian.fields),
    Side(lambda lines: peruvian.anchors(lines, peruvian.BACK_ANCHORS), 2, peruvian.back_kind, peruvian.fields),
    Side(
        lambda lines: peruvian.anchors(lines, peruvian.FOREIGNER_ANCHORS),
        2,
        lambda _: "pe_foreigner_front",
        peruvian.fields,
    ),
)
EXPECTED = {
    "cn_portrait": 6,
    "cn_emblem": 2,
    **{kind: len(fields) for kind, fields in peruvian.FIELDS.items()},
}
"""How many fields each side bears: with fewer, or with text but no card, the picture is read again in a larger size."""


class Reader:
    """Reads pictures one at a time; may be shared between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine = Engine()

    def warm_up(self) -> None:
        """Load the models (about a second), so that the first picture does not wait for them."""
        with self._lock:
            self._engine.warm_up()

    def read(self, picture: Image.Image) -> list[ReadCard]:
        """The identity cards in `picture`; empty when there is none. OtherDocumentError for another document."""
        picture = ImageOps.exif_transpose(picture).convert("RGB")
        with self._lock:
            page = self._engine.page(picture)
            other, cards = _is_other_document(page), self._cards(page)
            if page.lines and (not cards or any(len(card.fields) < EXPECTED[card.kind] for card in cards)):
                larger = self._engine.page(picture, LARGE_DETECTOR_SIDE)
                other |= _is_other_document(larger)
                cards = max(cards, self._cards(larger), key=lambda found: sum(len(card.fields) for card in found))
        if other and not cards:
            raise OtherDocumentError
        return cards

    def _cards(self, page: Page) -> list[ReadCard]:
        if _is_other_document(page):
            return []

        def look(points: Points) -> str:
            line = self._engine.line(page.pixels, points)
            return line.text if line else ""

        cards = []
        for side, lines in _split(page.lines):
            kind = side.kind(lines)
            values = side.fields(kind, lines, look)
            frame = card_frame(kind, page, lines)
            cards.append(
                ReadCard(
                    kind,
                    {name: value.text for name, value in values.items()},
                    box_of(frame, page.picture.size),
                    page.picture,
                    frame,
                    {name: _in_picture(value.place, page) for name, value in values.items()},
                    chinese.is_interim(lines),
                )
            )
        return cards


def _is_other_document(page: Page) -> bool:
    return chinese.is_other_document(page.lines) or peruvian.is_other_document(page.lines)


def _in_picture(place: Points, page: Page) -> Quad:
    top_left, top_right, bottom_right, bottom_left = (
        (round(x * page.scale), round(y * page.scale)) for x, y in place.tolist()
    )
    return top_left, top_right, bottom_right, bottom_left


def _split(lines: list[Line]) -> list[tuple[Side, list[Line]]]:
    """The card sides in the text, each with the lines that are nearer to its labels than to those of another."""
    found = [(side, list(side.anchors(lines).values())) for side in SIDES]
    found = [(side, anchors) for side, anchors in found if len(anchors) >= side.least]
    if len(found) < 2:
        return [(side, lines) for side, _ in found]

    shares: list[list[Line]] = [[] for _ in found]
    for line in lines:
        shares[min(range(len(found)), key=lambda i: min(gap(line, anchor) for anchor in found[i][1]))].append(line)
    return [(side, share) for (side, _), share in zip(found, shares, strict=True)]
