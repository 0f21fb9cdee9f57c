"""What a provider is to us: sans-I/O, from images to a signed request, from an answer to a reading."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol, Self

from cardintake.cards.models import Card, Country, DocumentType, Side
from cardintake.images import FittedImage, ImageLimits
from cardintake.providers.errors import UnreadableAnswerError


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP POST, signed. URL, headers and content may hold credentials and the image: kept out of repr."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider sent back, as it came. `request_id` is the header X-Request-Id, where there is one."""

    status: int
    body: bytes = field(repr=False)
    answered_at: datetime
    request_id: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What the uploader says of the scan (object metadata); None: nothing said."""

    document_type: DocumentType | None = None
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class CardReading:
    """One card in the picture, and the names of its dates that were written but are no dates."""

    card: Card
    impossible_dates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """A provider's answer, normalised. `signals` are its quality and risk verdicts by name, e.g. risk: copy."""

    cards: tuple[CardReading, ...]
    request_id: str | None = None
    signals: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """One configured provider. Adding one: a module that satisfies this, and a line in the registry."""

    name: ClassVar[str]
    country: ClassVar[Country]
    reads: ClassVar[frozenset[DocumentType]]
    limits: ClassVar[ImageLimits]

    @classmethod
    def configured(cls, secret: object, *, allow_http: bool) -> Self:
        """From the provider's member of the secret. Raises ConfigurationError naming the field."""

    def options_key(self, claim: Claim) -> str:
        """What besides the image decides the answer: the same text, the same answer."""

    def call(self, image: FittedImage, claim: Claim, *, now: datetime) -> Call:
        """The signed request that reads one image."""

    def check(self, answer: Answer) -> None:
        """Raises the typed error, unless the answer is final: a reading or a refusal of the image."""

    def read(self, answer: Answer) -> Reading:
        """The reading in a final answer. Raises ImageRefusedError when that is what the answer says."""


def json_object(provider: str, answer: Answer) -> dict[str, Any]:
    """The body as a JSON object; raises UnreadableAnswerError. Duplicate members, NaN and deep nesting included."""
    try:
        document = json.loads(answer.body, parse_constant=_no_constant, object_pairs_hook=_unique_members)
    except (ValueError, RecursionError):
        raise UnreadableAnswerError(provider, "answer is not JSON") from None
    if not isinstance(document, dict):
        raise UnreadableAnswerError(provider, "answer is not a JSON object")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members
