"""What a twin is: it owns paths, answers calls, and can refuse or lie when asked to."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from local.sandbox.faults import Fault
from local.sandbox.ledger import CountedImage, Outcome
from local.sandbox.readings import ReadingDesk

type Clock = Callable[[], float]
"""Seconds since the epoch."""


class CredentialsError(Exception):
    """A provider's member of the credentials is missing something; the message names fields, never values."""


@dataclass(frozen=True)
class Call:
    """A request as it arrived."""

    method: str
    path: str
    """As on the wire: still percent-encoded, no query."""
    headers: Mapping[str, str] = field(repr=False)
    """Looked up whatever the case of the name."""
    body: bytes = field(repr=False)
    query: str = field(default="", repr=False)
    """As on the wire, without the question mark."""


@dataclass(frozen=True)
class Answer:
    """What the provider says, and what the ledger notes."""

    status: int
    content: Mapping[str, Any] = field(repr=False)
    outcome: Outcome | None
    """None: all went well, and no picture was asked about (a token, a balance)."""
    images: tuple[CountedImage, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What is sent beside the content's own headers."""
    text: str | None = field(default=None, repr=False)
    """Said instead of the content by a provider that does not answer in JSON; `headers` then name its type."""

    def body(self) -> bytes:
        """The text, or else the content as JSON; UTF-8."""
        return (json.dumps(self.content, ensure_ascii=False) if self.text is None else self.text).encode()


class Twin(Protocol):
    """Plays one provider. Its methods block and are called from several threads."""

    name: ClassVar[str]

    def owns(self, path: str) -> bool:
        """Whether the provider's host would answer for `path`."""
        ...

    def answer(self, call: Call) -> Answer:
        """What the provider answers when nothing is amiss on its side."""
        ...

    def refuse(self, fault: Fault) -> Answer:
        """The provider's own form of a fault that it has words for. KeyError for the others."""
        ...

    def lie(self, answer: Answer) -> Answer:
        """`answer`, which is about pictures, made to claim success in one place and to deny it in another."""
        ...


class TwinMaker(Protocol):
    """A twin's class."""

    @property
    def name(self) -> str:
        """The provider's name, and its member in the credentials."""
        ...

    def open(self, credentials: Mapping[str, Any], desk: ReadingDesk, clock: Clock) -> Twin:
        """The twin that accepts these credentials. CredentialsError names what is wrong with them."""
        ...


class Credentials(BaseModel):
    """Base of the providers' credentials; members that the sandbox has no use for are ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, frozen=True, str_min_length=1)

    @classmethod
    def of(cls, provider: str, members: Mapping[str, Any]) -> Self:
        """The checked credentials of `provider`. CredentialsError names the fields that are missing or bad."""
        try:
            return cls.model_validate(members)
        except ValidationError as error:
            fields = sorted(
                {f"{provider}.{problem['loc'][0]}" if problem["loc"] else provider for problem in error.errors()}
            )
            raise CredentialsError(f"missing or bad in the credentials: {', '.join(fields)}") from None
