"""Tokens and stale times: fetched once, kept, renewed once, and never a password tried by ten threads."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import httpx
import pytest

from cardintake.budget import Budget
from cardintake.cards.models import Country, DocumentType
from cardintake.images import FittedImage, ImageLimits
from cardintake.providers.client import ProviderClient
from cardintake.providers.errors import (
    ConfigurationError,
    ProviderError,
    RetryableError,
    StaleCredentialError,
    ThrottledError,
)
from cardintake.providers.protocol import Answer, Attempt, Call, Claim, Reading, Token, TokenSource
from cardintake.providers.tokens import TokenCache

NOW = datetime(2026, 1, 15, 8, 30, tzinfo=UTC)


class Issuer:
    """Issues `token-1`, `token-2`, ... at /tokens."""

    def __init__(self, key: str = "account", lasts: timedelta = timedelta(days=1)) -> None:
        self.key = key
        self.lasts = lasts

    def call(self) -> Call:
        return Call("http://127.0.0.1:1/tokens", {}, b"who I am")

    def token(self, answer: Answer) -> Token:
        if answer.status == 401:
            raise ConfigurationError("acme", "401")
        return Token(answer.headers["x-token"], datetime.now(UTC) + self.lasts)


class Acme:
    """Sends its token in a header; 401 is a stale one; a balance in the body."""

    name: ClassVar[str] = "acme"
    country: ClassVar[Country] = "PER"
    reads: ClassVar[frozenset[DocumentType]] = frozenset()
    limits: ClassVar[ImageLimits] = ImageLimits(frozenset(), 0, 0, 0)

    def __init__(self, tokens: TokenSource | None = None) -> None:
        self.tokens = tokens

    @classmethod
    def configured(cls, secret: object, *, allow_http: bool) -> "Acme":
        raise NotImplementedError

    def options_key(self, claim: Claim) -> str:
        raise NotImplementedError

    def call(self, image: FittedImage, claim: Claim, attempt: Attempt) -> Call:
        return self.balance_call(attempt)

    def check(self, answer: Answer) -> None:
        if answer.status == 401:
            raise StaleCredentialError("acme", "401")

    def read(self, answer: Answer) -> Reading:
        raise NotImplementedError

    def balance_call(self, attempt: Attempt) -> Call:
        return Call("http://127.0.0.1:1/ocr", {"X-Token": attempt.token or "", "X-Id": str(attempt.nonce)}, b"")

    def balance(self, answer: Answer) -> int:
        self.check(answer)
        return int(answer.body.strip(b"{}"))


class Server:
    """Scripted: statuses of the tokens' address and of the calls', the last of each for ever."""

    def __init__(self, tokens: list[int] | None = None, calls: list[int | Exception] | None = None) -> None:
        self.tokens = tokens or [201]
        self.calls: list[int | Exception] = calls or [200]
        self.issued = 0
        self.seen: list[str] = []
        self.ids: list[str] = []
        self._lock = threading.Lock()
        self.client = ProviderClient(httpx.MockTransport(self._answer), sleep=lambda _: None)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            if request.url.path == "/tokens":
                self.issued += 1
                status = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
                return httpx.Response(status, content=b"{}", headers={"X-Token": f"token-{self.issued}"})
            self.seen.append(request.headers["X-Token"])
            self.ids.append(request.headers["X-Id"])
            step = self.calls.pop(0) if len(self.calls) > 1 else self.calls[0]
            if isinstance(step, Exception):
                raise step
            return httpx.Response(step, content=b"{123}")

    def run(self, provider: Acme) -> Answer:
        image = FittedImage(b"", "JPEG", 1, 1)
        return self.client.recognise(
            provider, lambda attempt: provider.call(image, Claim(), attempt), Budget(50.0, clock=lambda: 0.0)
        )


def test_a_token_is_fetched_once_and_kept() -> None:
    server, provider = Server(), Acme(Issuer())
    for _ in range(3):
        server.run(provider)
    assert server.issued == 1
    assert server.seen == ["token-1"] * 3
    assert len(set(server.ids)) == 3, "every attempt has an id of its own"


def test_other_credentials_have_another_token() -> None:
    server = Server()
    server.run(Acme(Issuer("one")))
    server.run(Acme(Issuer("two")))
    server.run(Acme(Issuer("one")))
    assert server.seen == ["token-1", "token-2", "token-1"]


def test_a_token_is_replaced_before_it_expires() -> None:
    server, provider = Server(), Acme(Issuer(lasts=timedelta(minutes=4)))
    server.run(provider)
    server.run(provider)
    assert server.seen == ["token-1", "token-2"]


def test_a_refused_token_is_renewed_once() -> None:
    server = Server(calls=[200, 401, 200])
    provider = Acme(Issuer())
    server.run(provider)
    server.run(provider)
    assert server.seen == ["token-1", "token-1", "token-2"]


def test_a_second_refusal_is_a_matter_of_configuration() -> None:
    server = Server(calls=[401])
    with pytest.raises(ConfigurationError):
        server.run(Acme(Issuer()))
    assert server.seen == ["token-1", "token-2"]
    assert server.issued == 2


def test_a_time_that_was_refused_is_signed_anew_once() -> None:
    server = Server(calls=[401, 200])
    server.run(Acme())
    assert len(set(server.ids)) == 2
    with pytest.raises(ConfigurationError):
        Server(calls=[401]).run(Acme())


@pytest.mark.parametrize(
    ("status", "kind"), [(401, ConfigurationError), (302, ConfigurationError), (429, ThrottledError)]
)
def test_no_call_without_a_token(status: int, kind: type[ProviderError]) -> None:
    server = Server(tokens=[status])
    with pytest.raises(kind):
        server.run(Acme(Issuer()))
    assert server.seen == []
    assert server.issued == 1


def test_an_issuer_in_trouble_is_asked_again_and_nobody_is_billed() -> None:
    class Unsteady(Issuer):
        def token(self, answer: Answer) -> Token:
            if answer.status == 500:
                raise RetryableError("acme", "500", maybe_billed=True)
            return super().token(answer)

    server = Server(tokens=[500, 201])
    server.run(Acme(Unsteady()))
    assert server.seen == ["token-2"]
    with pytest.raises(RetryableError) as error:
        Server(tokens=[500]).run(Acme(Unsteady()))
    assert not error.value.maybe_billed


def test_threads_that_waited_for_a_failed_fetch_fail_with_it() -> None:
    cache, source, begun, tries = TokenCache(lambda: NOW), Issuer(), threading.Barrier(5), []
    entered = threading.Event()

    def fetch() -> Token:
        tries.append(1)
        entered.wait(0.2)  # long enough for the others to queue
        raise ConfigurationError("acme", "wrong password")

    def ask(_: int) -> bool:
        begun.wait()
        with pytest.raises(ConfigurationError):
            cache.current(source, fetch)
        return True

    with ThreadPoolExecutor(5) as pool:
        assert all(pool.map(ask, range(5)))
    assert len(tries) == 1
    with pytest.raises(ConfigurationError):
        cache.current(source, fetch)
    assert len(tries) == 2, "who comes later tries again"


def test_a_token_that_was_replaced_meanwhile_is_not_dropped() -> None:
    cache, source = TokenCache(lambda: NOW), Issuer()

    def issue(value: str) -> Callable[[], Token]:
        return lambda: Token(value, NOW + timedelta(days=1))

    assert cache.current(source, issue("first")) == "first"
    cache.drop(source, "another")
    assert cache.current(source, issue("second")) == "first"
    cache.drop(source, "first")
    assert cache.current(source, issue("second")) == "second"


def test_a_balance_is_asked_for_again_when_the_answer_was_lost() -> None:
    server = Server(calls=[httpx.ReadTimeout("lost"), 200])
    assert server.client.balance(Acme(), Budget(50.0, clock=lambda: 0.0)) == 123
    with pytest.raises(RetryableError):
        Server(calls=[httpx.ReadTimeout("lost")]).client.balance(Acme(), Budget(50.0, clock=lambda: 0.0))


def test_a_token_is_in_no_text() -> None:
    assert "hidden" not in repr(Token("hidden", NOW)) + repr(Attempt(NOW, token="hidden"))
