"""The ledger of calls: who called, what came of it, what would be billed. Counts and hashes only, no contents."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What came of a call."""

    READ = "read"
    NO_CARD = "no_card"
    IMAGE_REFUSED = "image_refused"
    MALFORMED = "malformed"
    NOT_FOUND = "not_found"
    CREDENTIALS = "credentials"
    PERMISSION = "permission"
    QUOTA = "quota"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    REDIRECTED = "redirected"
    CLIENT_GONE = "client_gone"


BILLABLE = frozenset({Outcome.READ, Outcome.NO_CARD, Outcome.IMAGE_REFUSED})
"""A provider may bill what it read, also in vain, and a picture that it looked at and refused."""

REFUSED = frozenset(
    {
        Outcome.IMAGE_REFUSED,
        Outcome.MALFORMED,
        Outcome.NOT_FOUND,
        Outcome.CREDENTIALS,
        Outcome.PERMISSION,
        Outcome.QUOTA,
        Outcome.THROTTLED,
    }
)


@dataclass(frozen=True)
class CountedImage:
    """One picture of a call: the SHA-256 of the bytes that the client had encoded, and what came of it."""

    sha256: str
    outcome: Outcome


@dataclass
class _Account:
    received: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    images: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


class Ledger:
    """Counts calls for each provider. Safe between threads."""

    def __init__(self, providers: Iterable[str]) -> None:
        self._providers = tuple(providers)
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._accounts = {provider: _Account() for provider in self._providers}
            self._followed = 0

    def received(self, provider: str) -> None:
        """A request reached the provider."""
        with self._lock:
            self._accounts[provider].received += 1

    def answered(
        self, provider: str, outcome: Outcome, images: Iterable[CountedImage] = (), fault: str | None = None
    ) -> None:
        """The request was decided, whether or not the client gets to see the answer."""
        with self._lock:
            account = self._accounts[provider]
            account.outcomes[outcome] += 1
            if fault:
                account.faults[fault] += 1
            for image in images:
                account.images[image.sha256]["received"] += 1
                account.images[image.sha256]["billable"] += image.outcome in BILLABLE

    def redirect_followed(self) -> None:
        """A client went where a redirect had sent it."""
        with self._lock:
            self._followed += 1

    def report(self) -> dict[str, Any]:
        """All counts, as JSON values: `providers` by name, `redirects_followed`."""
        with self._lock:
            return {
                "providers": {name: _account(account) for name, account in self._accounts.items()},
                "redirects_followed": self._followed,
            }


def _account(account: _Account) -> dict[str, Any]:
    def total(outcomes: frozenset[Outcome]) -> int:
        return sum(count for outcome, count in account.outcomes.items() if outcome in outcomes)

    return {
        "received": account.received,
        "billable": total(BILLABLE),
        "refused": total(REFUSED),
        "outcomes": {str(outcome): count for outcome, count in account.outcomes.items()},
        "faults": dict(account.faults),
        "images": {digest: dict(counts) for digest, counts in account.images.items()},
    }
