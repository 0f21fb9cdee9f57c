"""The one HTTP client: time bounded by the budget, answers bounded in size, redirects off, nothing logged.

Requests go straight to httpx's transport. What httpx's Client would add is what must not be: proxies and credentials of
the environment, redirects, cookies of one answer in the next request.
Errors of the transport become typed errors here; what an answer says is the provider's module to judge.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from cardintake import limits
from cardintake.budget import Budget
from cardintake.providers.bodies import blocks, size
from cardintake.providers.errors import (
    ConfigurationError,
    ProviderError,
    QuotaError,
    RequestRefusedError,
    RetriedOnceError,
    RetryableError,
    StaleCredentialError,
    ThrottledError,
    UnreadableAnswerError,
)
from cardintake.providers.protocol import Answer, Attempt, Call, Prepaid, Provider, Token, TokenSource
from cardintake.providers.tokens import TokenCache
from cardintake.providers.transport import DeadConnectionError, DeadlineTransport

_HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "cardintake"}


class _DeadConnectionError(RetryableError):
    """A kept connection was closed without a byte of an answer."""


class ProviderClient:
    """Sends calls. `transport` and `sleep` are there for tests."""

    def __init__(
        self, transport: httpx.BaseTransport | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._transport = transport or DeadlineTransport()
        self._sleep = sleep
        self._tokens = TokenCache()

    def recognise(
        self,
        provider: Provider,
        make_call: Callable[[Attempt], Call],
        budget: Budget,
        before_paying_again: Callable[[bool], None] = lambda _: None,
    ) -> Answer:
        """A final answer, checked by the provider. Calls again, newly signed, what was certainly not billed.

        A picture that the provider had trouble with is sent once more, and so is a request on a kept connection that
        was closed without a byte of an answer. Where both calls may be billed, `before_paying_again` is told, and
        whether the first was answered. Raises the typed errors of `errors`; a RetryableError only when the tries or
        the budget are used up.
        """
        answers: list[Answer] = []

        def checked(answer: Answer) -> Answer:
            answers.append(answer)
            provider.check(answer)
            return answer

        failed, doubted = 0, False
        while True:
            try:
                return self._asked(provider, make_call, checked, budget, before_paying_again)
            except RetriedOnceError:
                if doubted:
                    return answers[-1]
                if not self._paused(limits.RETRY_ONCE_SECONDS, budget):
                    raise
                doubted = True
                before_paying_again(True)
            except RetryableError as error:
                failed += 1
                last = failed == limits.TRIES_IN_INVOCATION
                if error.maybe_billed or last or not self._paused(_backoff(failed), budget):
                    raise

    def balance(self, provider: Prepaid, budget: Budget) -> int:
        """How many recognitions are left at a provider that sells them in advance. Raises like `recognise`."""
        for number in range(1, limits.TRIES_IN_INVOCATION + 1):
            try:
                return self._asked(provider, provider.balance_call, provider.balance, budget)
            except RetryableError:  # asking costs nothing, whether it was seen or not
                if number == limits.TRIES_IN_INVOCATION or not self._paused(_backoff(number), budget):
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def _paused(self, seconds: float, budget: Budget) -> bool:
        """Waits; False, at once, when the budget does not bear another call after it."""
        if budget.remaining < seconds + limits.MIN_SECONDS_TO_BEGIN:
            return False
        self._sleep(seconds)
        return True

    def _asked[T](
        self,
        provider: Provider,
        make_call: Callable[[Attempt], Call],
        judge: Callable[[Answer], T],
        budget: Budget,
        before_paying_again: Callable[[bool], None] = lambda _: None,
    ) -> T:
        """One try; what was refused for a time or token that had expired is signed anew, once."""
        attempt, answer = self._answered(provider, make_call, budget, before_paying_again)
        try:
            return _judged(provider.name, answer, judge)
        except StaleCredentialError:
            if provider.tokens is not None:
                self._tokens.drop(provider.tokens, attempt.token)
        _, answer = self._answered(provider, make_call, budget, before_paying_again)
        return _judged(provider.name, answer, judge)

    def _answered(
        self,
        provider: Provider,
        make_call: Callable[[Attempt], Call],
        budget: Budget,
        before_paying_again: Callable[[bool], None],
    ) -> tuple[Attempt, Answer]:
        """Signed, sent, and answered; signed and sent anew, once, when the connection had died while nobody used it."""
        attempt = self._attempt(provider, budget)
        try:
            return attempt, self._send(provider.name, make_call(attempt), budget)
        except _DeadConnectionError as dead:
            if budget.remaining < limits.MIN_SECONDS_TO_BEGIN:
                raise
            if dead.maybe_billed:
                before_paying_again(False)
        attempt = self._attempt(provider, budget)
        return attempt, self._send(provider.name, make_call(attempt), budget)

    def _attempt(self, provider: Provider, budget: Budget) -> Attempt:
        source = provider.tokens
        if source is None:
            return Attempt(datetime.now(UTC))
        token = self._tokens.current(source, lambda: self._fetched(provider.name, source, budget))
        return Attempt(datetime.now(UTC), token=token)

    def _fetched(self, provider: str, source: TokenSource, budget: Budget) -> Token:
        try:
            return _judged(provider, self._send(provider, source.call(), budget), source.token)
        except RetryableError as error:  # nobody bills a token
            raise RetryableError(provider, error.code, request_id=error.request_id) from None

    def _send(self, provider: str, call: Call, budget: Budget) -> Answer:
        seconds = min(budget.remaining, limits.PROVIDER_SECONDS)
        timeout = httpx.Timeout(seconds, connect=min(seconds, limits.CONNECT_SECONDS))
        body = bytearray()
        try:
            request = httpx.Request(
                "POST",
                call.url,
                headers={**_HEADERS, **call.headers, "Content-Length": str(size(call.body))},
                content=_sent(call),
                extensions={"timeout": timeout.as_dict(), "deadline": time.monotonic() + seconds},
            )
            with closing(self._transport.handle_request(request)) as response:
                if "," in response.headers.get("Content-Encoding", ""):
                    # each layer multiplies what one read may unpack to, by a thousand
                    raise UnreadableAnswerError(provider, "answer is compressed more than once")
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > limits.MAX_ANSWER_BYTES:
                        raise UnreadableAnswerError(provider, "answer is too large")
        except DeadConnectionError as dead:
            raise _DeadConnectionError(provider, "kept connection was closed", maybe_billed=dead.whole) from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise RetryableError(provider, type(error).__name__) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeEncodeError) as error:
            raise ConfigurationError(
                provider, f"base_url or credentials cannot be sent ({type(error).__name__})"
            ) from None
        except httpx.DecodingError:
            raise UnreadableAnswerError(provider, "answer cannot be decompressed") from None
        except httpx.TransportError as error:
            raise RetryableError(provider, type(error).__name__, maybe_billed=True) from None
        return self._answer(provider, response, bytes(body))

    def _answer(self, provider: str, response: httpx.Response, body: bytes) -> Answer:
        """What the HTTP status alone decides, whoever the provider is."""
        status = response.status_code
        if 300 <= status < 400:
            raise ConfigurationError(provider, f"HTTP {status}: redirects are not followed, check base_url")
        if not body.lstrip().startswith(b"{"):
            if status == httpx.codes.TOO_MANY_REQUESTS:
                raise _throttled(provider, response.headers)
            if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
                raise RetryableError(provider, f"HTTP {status}")
            if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
                raise RequestRefusedError(provider, "HTTP 413")  # this picture's trouble, not the deployment's
            if status >= 400:
                raise ConfigurationError(provider, f"HTTP {status} without the provider's error document")
        return Answer(
            status,
            body,
            datetime.now(UTC),
            request_id=response.headers.get("X-Request-Id"),
            headers=dict(response.headers),
        )


def _sent(call: Call) -> Iterator[bytes]:
    yield from blocks(call.body)
    if call.meanwhile is not None:
        with suppress(Exception):  # whoever needs it finds out; an answer that may be billed is not to be lost over it
            call.meanwhile()


def _judged[T](provider: str, answer: Answer, judge: Callable[[Answer], T]) -> T:
    """What the answer says. Too many requests are too many, unless the document tells that nothing is left."""
    if answer.status != httpx.codes.TOO_MANY_REQUESTS:
        try:
            return judge(answer)
        except ThrottledError as error:
            error.retry_after = _seconds(answer.headers.get("retry-after"))
            raise
    try:
        judge(answer)
    except QuotaError:
        raise
    except ProviderError:
        pass
    raise _throttled(provider, answer.headers)


def _throttled(provider: str, headers: Mapping[str, str]) -> ThrottledError:
    return ThrottledError(provider, "HTTP 429", retry_after=_seconds(headers.get("retry-after")))


def _backoff(number: int) -> float:
    """Seconds before the next try."""
    return random.uniform(0.5, 1.0) * 0.4 * 2.0**number  # noqa: S311 - jitter, no secret


def _seconds(retry_after: str | None) -> float | None:
    """Seconds, written as such or as an HTTP date; None for anything else."""
    if retry_after is None or not retry_after.isascii():
        return None
    if retry_after.isdigit():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
