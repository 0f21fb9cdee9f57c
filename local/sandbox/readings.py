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
from local.sandbox.photocopy import is_photocopy
from local.sandbox.pictures import Picture
from local.sandbox.portrait import Portrait, find_portrait
from local.sandbox.reader import ReadCard

REMEMBERED_PICTURES = 1000
CARD_MARGIN = 0.06
"""Share of the card's sides left out when its colour is measured, so that the desk below is not."""


class CardReader(Protocol):
    """What reads pictures; may be called from several threads."""

    def read(self, picture: Image.Image, /) -> list[ReadCard]:
        """The cards in `picture`; empty when there is none."""
        ...


@dataclass(frozen=True)
class SeenCard:
    """One card side in a picture, with what the providers report beside its texts."""

    kind: Kind
    fields: Mapping[str, str] = field(repr=False)
    """The texts as printed; the names are those of `local.sandbox.reader`. Absent when not read."""
    photocopied: bool
    portrait: Portrait | None


class ReadingDesk:
    """Reads pictures in a pool of its own, as wide as the machine has cores; remembers readings by their pixels.

    Keeps the finished readings of the last 1000 pictures in memory, never their pixels.
    """

    def __init__(self, reader: CardReader) -> None:
        self._reader = reader
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="reading")
        self._lock = threading.Lock()
        self._memory: OrderedDict[str, Future[tuple[SeenCard, ...]]] = OrderedDict()
        self._read = 0
        self._remembered = 0

    def read(self, picture: Picture) -> tuple[SeenCard, ...]:
        """The cards in `picture`; blocks until it was read. PictureRefused when it cannot be decoded."""
        return self._pool.submit(self._decode_and_read, picture).result()

    def counts(self) -> dict[str, int]:
        """How many pictures were `read`, and how many were `remembered` from an earlier reading."""
        with self._lock:
            return {"read": self._read, "remembered": self._remembered}

    def close(self) -> None:
        """Begin no further reading."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _decode_and_read(self, picture: Picture) -> tuple[SeenCard, ...]:
        sent = picture.decode()
        digest = hashlib.sha256(f"{sent.size}".encode() + sent.tobytes()).hexdigest()
        with self._lock:
            if known := self._memory.get(digest):
                self._memory.move_to_end(digest)
                self._remembered += 1
            else:
                reading = self._memory[digest] = Future()
                self._read += 1
                while len(self._memory) > REMEMBERED_PICTURES:
                    self._memory.popitem(last=False)
        if known:
            return known.result()
        try:
            cards = tuple(_seen(card, sent) for card in self._reader.read(sent))
        except BaseException as error:
            with self._lock:
                self._memory.pop(digest, None)
            reading.set_exception(error)
            raise
        reading.set_result(cards)
        return cards


def _seen(card: ReadCard, sent: Image.Image) -> SeenCard:
    left, top, right, bottom = card.box
    x, y = round((right - left) * CARD_MARGIN), round((bottom - top) * CARD_MARGIN)
    inside = card.upright.crop((left + x, top + y, max(right - x, left + x + 1), max(bottom - y, top + y + 1)))
    return SeenCard(card.kind, card.fields, is_photocopy(inside), find_portrait(card, sent))
