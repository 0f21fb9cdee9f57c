"""The one HTTP client: time bounded by the budget, answers bounded in size, redirects off, nothing logged.

Errors of the transport become typed errors here; what an answer says is the provider's module to judge.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import httpx

from cardintake import limits
from cardintake.budget import Budget
from cardintake.providers.errors import (
    ConfigurationError,
    RequestRefusedError,
    RetriedOnceError,
    RetryableError,
    ThrottledError,
    UnreadableAnswerError,
)
from cardintake.providers.protocol import Answer, Call, Provider


class ProviderClient:
    """Sends calls. `transport` and `sleep` are there for tests."""

    def __init__(
        self, transport: httpx.BaseTransport | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._http = httpx.Client(
            transport=transport,
            follow_redirects=False,
            trust_env=False,  # no proxy or credentials file of the environment sees an identity card
            limits=httpx.Limits(max_connections=limits.WORKERS, max_keepalive_connections=limits.WORKERS),
        )
        self._sleep = sleep

    def recognise(self, provider: Provider, make_call: Callable[[datetime], Call], budget: Budget) -> Answer:
        """A final answer, checked by the provider. Calls again, newly signed, what was certainly not billed.

        Raises the typed errors of `errors`; a RetryableError only when the tries or the budget are used up.
        """
        for attempt in range(1, limits.TRIES_IN_INVOCATION + 1):
            try:
                answer = self._send(provider.name, make_call(datetime.now(UTC)), budget)
                provider.check(answer)
            except RetriedOnceError:
                if attempt > 1:
                    return answer
                if budget.remaining < limits.RETRY_ONCE_SECONDS + limits.MIN_SECONDS_TO_BEGIN:
                    raise
                self._sleep(limits.RETRY_ONCE_SECONDS)
            except RetryableError as error:
                pause = random.uniform(0.5, 1.0) * 0.4 * 2**attempt  # noqa: S311 - jitter, no secret
                last = attempt == limits.TRIES_IN_INVOCATION
                if error.maybe_billed or last or budget.remaining < pause + limits.MIN_SECONDS_TO_BEGIN:
                    raise
                self._sleep(pause)
            else:
                return answer
        raise AssertionError("unreachable: the last try returns or raises")

    def _send(self, provider: str, call: Call, budget: Budget) -> Answer:
        # the time-out holds for each of sending and receiving: half of what is left bounds both
        seconds = min(budget.remaining / 2, limits.PROVIDER_SECONDS)
        deadline = time.monotonic() + seconds
        timeout = httpx.Timeout(seconds, connect=min(seconds, limits.CONNECT_SECONDS))
        body = bytearray()
        try:
            with self._http.stream(
                "POST", call.url, headers=dict(call.headers), content=call.content, timeout=timeout
            ) as response:
                if "," in response.headers.get("Content-Encoding", ""):
                    # each layer multiplies what one read may unpack to, by a thousand
                    raise UnreadableAnswerError(provider, "answer is compressed more than once")
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > limits.MAX_ANSWER_BYTES:
                        raise UnreadableAnswerError(provider, "answer is too large")
                    if time.monotonic() > deadline:
                        raise RetryableError(provider, "answer is too slow", maybe_billed=True)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise RetryableError(provider, type(error).__name__) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise ConfigurationError(
                provider, f"base_url or credentials cannot be sent ({type(error).__name__})"
            ) from None
        except httpx.DecodingError:
            raise UnreadableAnswerError(provider, "answer cannot be decompressed") from None
        except httpx.TransportError as error:
            raise RetryableError(provider, type(error).__name__, maybe_billed=True) from None
        return self._judged(provider, response, bytes(body))

    def _judged(self, provider: str, response: httpx.Response, body: bytes) -> Answer:
        """What the HTTP status alone decides, whoever the provider is."""
        status = response.status_code
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise ThrottledError(provider, "HTTP 429", retry_after=_seconds(response.headers.get("Retry-After")))
        if 300 <= status < 400:
            raise ConfigurationError(provider, f"HTTP {status}: redirects are not followed, check base_url")
        if not body.lstrip().startswith(b"{"):
            if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
                raise RetryableError(provider, f"HTTP {status}")
            if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
                raise RequestRefusedError(provider, "HTTP 413")  # this picture's trouble, not the deployment's
            if status >= 400:
                raise ConfigurationError(provider, f"HTTP {status} without the provider's error document")
        return Answer(status, body, datetime.now(UTC), request_id=response.headers.get("X-Request-Id"))


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after is not None and retry_after.isascii() and retry_after.isdigit() else None
