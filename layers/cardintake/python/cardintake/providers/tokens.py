"""Tokens that a provider's calls need: fetched once for all threads, kept until shortly before they expire."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from cardintake import limits
from cardintake.providers.errors import ProviderError
from cardintake.providers.protocol import Token, TokenSource


class TokenCache:
    """One token a set of credentials, in this process's memory only. `clock` gives the time in UTC."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, Token] = {}
        self._failures: dict[str, tuple[float, ProviderError]] = {}

    def current(self, source: TokenSource, fetch: Callable[[], Token]) -> str:
        """The kept token, else a fetched one. Raises what `fetch` raises.

        Threads that waited while another one's fetch failed fail with it: a password is not tried ten times over.
        """
        began = time.monotonic()
        with self._lock:
            kept = self._tokens.get(source.key)
            if kept is not None and (kept.expires_at - self._clock()).total_seconds() > limits.TOKEN_MARGIN_SECONDS:
                return kept.value
            failed_at, failure = self._failures.get(source.key, (began, None))
            if failure is not None and failed_at > began:
                raise failure
            try:
                fetched = fetch()
            except ProviderError as error:
                self._failures[source.key] = (time.monotonic(), error)
                raise
            self._failures.pop(source.key, None)
            self._tokens[source.key] = fetched
            return fetched.value

    def drop(self, source: TokenSource, value: str | None) -> None:
        """Forgets a token that was refused, unless it has been replaced already."""
        with self._lock:
            kept = self._tokens.get(source.key)
            if kept is not None and kept.value == value:
                del self._tokens[source.key]
