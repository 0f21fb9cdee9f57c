"""What the demo and the report talk about: uploads, what is expected of them, and what came of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.demo import contract

NOT_COMPARED = ("country", "document_type", "side")
"""Members of a card that say what it is; the others were read from it."""


@dataclass(frozen=True)
class Expected:
    """What has to come of a picture; known when it was printed."""

    status: str
    reasons: frozenset[str]
    card: Mapping[str, str | bool] | None = None
    """The normalised card as the record holds it; None unless RECOGNIZED."""

    @property
    def quality(self) -> str:
        return contract.quality(self.status, self.reasons)

    @property
    def risk(self) -> str:
        return contract.risk(self.status, self.reasons)

    @property
    def events(self) -> frozenset[str]:
        return contract.events(self.status, self.quality, self.risk)

    def as_json(self) -> dict[str, Any]:
        """For the file beside the picture."""
        return {
            "status": self.status,
            "quality": self.quality,
            "risk": self.risk,
            "reasons": sorted(self.reasons),
            "events": sorted(self.events),
            "card": dict(self.card) if self.card is not None else None,
        }


@dataclass(frozen=True)
class Upload:
    """A file on its way into the scans bucket."""

    name: str
    """What people call it: its key, or their own file's name."""
    key: str
    data: bytes = field(repr=False)
    metadata: Mapping[str, str]
    title: str = ""
    """One sentence about what it shows."""
    expected: Expected | None = None


@dataclass(frozen=True)
class Result:
    """What came of an upload."""

    upload: Upload
    record: Mapping[str, Any] | None
    """The record as plain Python values; None when there is none (yet)."""
    milliseconds: int | None
    """From the upload's begin until the record was seen in its final status; None when it was not."""
    events: tuple[Mapping[str, Any], ...] = ()
    """What arrived on the subscriber's queue about it, in order of arrival."""

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute of the record."""
        return (self.record or {}).get(name, default)

    @property
    def is_final(self) -> bool:
        return self.record is not None and self.record["status"] != contract.PROCESSING

    def announced(self) -> list[str]:
        """The detail types of its events, in order of arrival."""
        return [event["detail-type"] for event in self.events]


@dataclass(frozen=True)
class Phase:
    """A part of a run, and how long it took."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Run:
    """Everything that the report shows."""

    title: str
    began: str
    """When, for people."""
    results: tuple[Result, ...]
    phases: tuple[Phase, ...] = ()
    billable: Mapping[str, int] | None = None
    """Billable calls by provider, as the provider sandbox itself has counted them; None when it was not asked."""
    remark: str = ""

    @property
    def paid_calls(self) -> int:
        """Of all records."""
        return sum(result.get("paid_calls", 0) for result in self.results)
