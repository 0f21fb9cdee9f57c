"""What a provider is to us: sans-I/O, from images to a signed request, from an answer to a reading."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol, Self, runtime_checkable
from uuid import UUID, uuid4

from cardintake.cards.models import Card, Country, DocumentType, Side
from cardintake.images import FittedImage, ImageLimits
from cardintake.providers.bodies import Body, blocks
from cardintake.providers.errors import UnreadableAnswerError


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP POST, signed. URL, headers and body may hold credentials and the image: kept out of repr.

    `meanwhile` is called once the request has been sent, while the answer is awaited: what it raises is ignored.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: Body = field(repr=False)
    meanwhile: Callable[[], object] | None = field(default=None, repr=False)

    @property
    def content(self) -> bytes:
        """The body in one piece."""
        return b"".join(blocks(self.body))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider sent back, as it came. `request_id` is the header X-Request-Id, where there is one."""

    status: int
    body: bytes = field(repr=False)
    answered_at: datetime
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # lower-case names; never journaled


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is new with every try: the time, an id never used before, and the token where the provider wants one."""

    now: datetime
    nonce: UUID = field(default_factory=uuid4)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """What a token call brought; `expires_at` with a zone."""

    value: str = field(repr=False)
    expires_at: datetime


class TokenSource(Protocol):
    """Where a provider's tokens come from. The client fetches one, keeps it, and fetches another when it expires."""

    @property
    def key(self) -> str:
        """The same credentials, the same text; nothing secret."""

    def call(self) -> Call:
        """The request for a token."""

    def token(self, answer: Answer) -> Token:
        """The token in the answer. Raises the typed errors."""


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


type Signal = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Region:
    """A quadrilateral in pixels of the picture as it was sent: top left, top right, bottom right, bottom left."""

    corners: tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]


type Crop = bytes | Region
"""An image file that the provider cut out, or where in the picture it found what was asked for."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A provider's answer, normalised.

    `signals`: its quality and risk verdicts under their documented names (`risk`, `card_quality.IsClear`,
    `verification_result.valid_number`); what follows from each stands in `signals.py`. Crops only when asked for.
    """

    cards: tuple[CardReading, ...]
    request_id: str | None = None
    signals: Mapping[str, Signal] = field(default_factory=dict)
    portrait: Crop | None = field(default=None, repr=False)
    card_image: Crop | None = field(default=None, repr=False)


class Provider(Protocol):
    """One configured provider. Adding one: a module that satisfies this, and a line in the registry."""

    name: ClassVar[str]
    country: ClassVar[Country]
    reads: ClassVar[frozenset[DocumentType]]
    limits: ClassVar[ImageLimits]

    @property
    def tokens(self) -> TokenSource | None:
        """Where the token of a call comes from; None when the credentials themselves sign it."""

    @classmethod
    def configured(cls, secret: object, *, allow_http: bool) -> Self:
        """From the provider's member of the secret. Raises ConfigurationError naming the field."""

    def options_key(self, claim: Claim) -> str:
        """What besides the image decides the answer: the same text, the same answer."""

    def call(self, image: FittedImage, claim: Claim, attempt: Attempt) -> Call:
        """The signed request that reads one image."""

    def check(self, answer: Answer) -> None:
        """Raises the typed error, unless the answer is final: a reading or a refusal of the image."""

    def read(self, answer: Answer) -> Reading:
        """The reading in a final answer. Raises ImageRefusedError when that is what the answer says."""


@runtime_checkable
class Prepaid(Provider, Protocol):
    """A provider that sells recognitions in advance and can be asked how many are left."""

    def balance_call(self, attempt: Attempt) -> Call:
        """The signed request for the balance."""

    def balance(self, answer: Answer) -> int:
        """How many recognitions are left. Raises the typed errors."""


def json_object(provider: str, answer: Answer) -> dict[str, Any]:
    """The body as a JSON object; raises UnreadableAnswerError. Duplicate members, NaN and deep nesting included."""
    try:
        document = json.loads(answer.body, parse_constant=_no_constant, object_pairs_hook=_unique_members)
    except (ValueError, RecursionError):
        raise UnreadableAnswerError(provider, "answer is not JSON") from None
    if not isinstance(document, dict):
        raise UnreadableAnswerError(provider, "answer is not a JSON object")
    return document


def whole_number(value: object) -> int | None:
    """A code that comes as a number and, in some answers, as digits in text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members
