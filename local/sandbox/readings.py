"""The reading desk: pictures in, cards out. Every picture is read once, however often and by whomever it is sent."""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image

from local.kinds import Kind
from local.sandbox.detectors import ALARM, Inspection, PictureInspection, inspect_card, inspect_picture
from local.sandbox.pictures import Picture
from local.sandbox.portrait import Cutting, as_sent, find_portrait, jpeg_of, quarter_turns
from local.sandbox.reader import OtherDocumentError, Quad, ReadCard
from local.sandbox.reader.outline import straighten

REMEMBERED_PICTURES = 1000


class CardReader(Protocol):
    """What reads pictures; may be called from several threads."""

    def read(self, picture: Image.Image, /) -> list[ReadCard]:
        """The cards in `picture`; empty when there is none. OtherDocumentError when it shows another document."""
        ...


@dataclass(frozen=True)
class SeenCard:
    """One card side in a picture, with what the providers report beside its texts."""

    kind: Kind
    fields: Mapping[str, str] = field(repr=False)
    """The texts as printed; the names are those of `local.sandbox.reader`. Absent when not read."""
    photocopied: bool
    portrait: Cutting | None
    inspection: Inspection
    crop: Cutting
    """The card itself, at most 856 pixels wide."""
    places: Mapping[str, Quad]
    """Where the text of a field stands: corners as those of `crop`. Absent where it was not found again."""
    turns: int
    """By how many quarter turns, anticlockwise, the picture as it was sent comes to stand upright."""


@dataclass(frozen=True)
class _Reading:
    cards: tuple[SeenCard, ...]
    picture: PictureInspection


class ReadingDesk:
    """Reads pictures in a pool of its own, as wide as the machine has cores; remembers readings by their pixels.

    Keeps the finished readings of the last 1000 pictures in memory, never their pixels.
    """

    def __init__(self, reader: CardReader) -> None:
        self._reader = reader
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="reading")
        self._lock = threading.Lock()
        self._memory: OrderedDict[str, Future[_Reading]] = OrderedDict()
        self._read = 0
        self._remembered = 0

    def read(self, picture: Picture) -> tuple[SeenCard, ...]:
        """The cards in `picture`; blocks until it was read. PictureRefused when it cannot be decoded."""
        return self._pool.submit(self._decode_and_read, picture, counted=True).result().cards

    def inspect(self, picture: Picture) -> PictureInspection:
        """What is wrong with `picture` as a whole; for one that was read before, this costs no reading and counts as
        none. PictureRefused when it cannot be decoded."""
        return self._pool.submit(self._decode_and_read, picture, counted=False).result().picture

    def counts(self) -> dict[str, int]:
        """How many pictures were `read`, and how many were `remembered` from an earlier reading."""
        with self._lock:
            return {"read": self._read, "remembered": self._remembered}

    def close(self) -> None:
        """Begin no further reading."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _decode_and_read(self, picture: Picture, *, counted: bool) -> _Reading:
        sent = picture.decode()
        digest = hashlib.sha256(f"{sent.size}".encode() + sent.tobytes()).hexdigest()
        with self._lock:
            if known := self._memory.get(digest):
                self._memory.move_to_end(digest)
                self._remembered += counted
            else:
                reading = self._memory[digest] = Future()
                self._read += 1
                while len(self._memory) > REMEMBERED_PICTURES:
                    self._memory.popitem(last=False)
        if known:
            return known.result()
        try:
            found = self._look_at(sent)
        except BaseException as error:
            with self._lock:
                self._memory.pop(digest, None)
            reading.set_exception(error)
            raise
        reading.set_result(found)
        return found

    def _look_at(self, sent: Image.Image) -> _Reading:
        try:
            cards = self._reader.read(sent)
        except OtherDocumentError:
            return _Reading((), inspect_picture(sent, other_document=True))
        return _Reading(tuple(_seen(card, sent) for card in cards), inspect_picture(sent, other_document=False))


def _seen(card: ReadCard, sent: Image.Image) -> SeenCard:
    turns = quarter_turns(sent, card.upright)
    straight = straighten(card)
    inspection = inspect_card(card, straight)
    return SeenCard(
        card.kind,
        card.fields,
        inspection.copy >= ALARM,
        find_portrait(card, straight, sent, turns),
        inspection,
        Cutting(jpeg_of(Image.fromarray(straight.pixels)), as_sent(straight.corners, card.upright, sent, turns)),
        {name: as_sent(place, card.upright, sent, turns) for name, place in card.places.items()},
        turns,
    )
