"""The one HTTP client: what is sent, what the transport's troubles become, what is tried again, and what is bounded."""

import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from cardintake import limits
from cardintake.budget import Budget
from cardintake.cards.models import Country, DocumentType
from cardintake.images import FittedImage, ImageLimits
from cardintake.providers import REGISTRY
from cardintake.providers.client import ProviderClient
from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    QuotaError,
    RequestRefusedError,
    RetriedOnceError,
    RetryableError,
    ThrottledError,
    UnreadableAnswerError,
)
from cardintake.providers.protocol import Answer, Attempt, Call, Claim, Reading, TokenSource

URL = "http://127.0.0.1:1/ocr"
FINAL = b'{"code": 0}'


class Acme:
    """A provider whose `check` does what the test wants."""

    name: ClassVar[str] = "acme"
    country: ClassVar[Country] = "PER"
    reads: ClassVar[frozenset[DocumentType]] = frozenset()
    limits: ClassVar[ImageLimits] = ImageLimits(frozenset(), 0, 0, 0)
    tokens: TokenSource | None = None

    def __init__(self, *outcomes: ProviderError) -> None:
        self.outcomes = list(outcomes)

    @classmethod
    def configured(cls, secret: object, *, allow_http: bool) -> "Acme":
        raise NotImplementedError

    def options_key(self, claim: Claim) -> str:
        raise NotImplementedError

    def call(self, image: FittedImage, claim: Claim, attempt: Attempt) -> Call:
        raise NotImplementedError

    def check(self, answer: Answer) -> None:
        if self.outcomes:
            raise self.outcomes.pop(0)

    def read(self, answer: Answer) -> Reading:
        raise NotImplementedError


class Trial:
    """A client over a scripted transport; its budget's clock stands still but for the pauses."""

    def __init__(self, *steps: object, seconds: float = 50.0) -> None:
        self.steps = list(steps)
        self.requests: list[httpx.Request] = []
        self.signed: list[datetime] = []
        self.pauses: list[float] = []
        self.now = 0.0
        self.budget = Budget(seconds, clock=lambda: self.now)
        self.client = ProviderClient(httpx.MockTransport(self._answer), sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        assert isinstance(step, httpx.Response)
        return step

    def run(self, *outcomes: ProviderError, call: Call | None = None) -> Answer:
        def make_call(attempt: Attempt) -> Call:
            self.signed.append(attempt.now)
            return call or Call(URL, {"X-Sign": str(len(self.signed))}, b"\x00body\xff")

        return self.client.recognise(Acme(*outcomes), make_call, self.budget)

    def fails(self, *outcomes: ProviderError, call: Call | None = None) -> ProviderError:
        with pytest.raises(ProviderError) as error:
            self.run(*outcomes, call=call)
        assert error.value.provider == "acme"
        assert error.value.__cause__ is None
        return error.value


def ok(body: bytes = FINAL, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, content=body, headers={name.replace("_", "-"): v for name, v in headers.items()})


class Streamed(httpx.SyncByteStream):
    """A body in pieces, so that the client reads it as it would from the network; counts what was read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.read = 0
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.read += len(piece)
            yield piece


# sending --------------------------------------------------------------------------------------------------------------


def test_what_was_signed_is_sent_and_what_came_is_returned() -> None:
    trial = Trial(ok(b' {"a": 1}', X_Request_Id="r-1"))
    before = datetime.now(UTC)
    answer = trial.run()
    (request,) = trial.requests
    assert (request.method, str(request.url), request.content) == ("POST", URL, b"\x00body\xff")
    assert request.headers["X-Sign"] == "1"
    assert not request.headers.keys() & {"cookie", "authorization", "transfer-encoding"}
    assert (answer.status, answer.body, answer.request_id) == (200, b' {"a": 1}', "r-1")
    assert before <= answer.answered_at <= datetime.now(UTC)
    assert before <= trial.signed[0] <= answer.answered_at
    assert trial.pauses == []


@pytest.mark.parametrize(
    ("seconds", "connect", "other"), [(50.0, 3.0, 30.0), (20.0, 3.0, 20.0), (8.0, 3.0, 8.0), (2.0, 2.0, 2.0)]
)
def test_what_is_left_bounds_every_part_of_the_call(seconds: float, connect: float, other: float) -> None:
    trial = Trial(ok(), seconds=seconds)
    trial.run()
    timeout = trial.requests[0].extensions["timeout"]
    assert timeout == {"connect": connect, "read": other, "write": other, "pool": other}


def test_every_providers_request_passes() -> None:
    secrets = {
        "ctyun": {"base_url": "https://x.example", "service_code": "s", "app_key": "k", "app_secret": "h"},
        "waiqin365": {"base_url": "https://x.example", "openid": "1", "app_key": "h"},
        "huaweicloud": {"base_url": "https://x.example", "project_id": "p", "access_key": "a", "secret_key": "h"},
        "ihuyi": {"base_url": "https://x.example", "account": "a", "api_key": "h"},
        "accuauth": {"base_url": "https://x.example", "api_id": "i", "api_secret": "h"},
    }
    for name, provider in REGISTRY.items():
        trial = Trial(ok())
        configured = provider.configured(secrets[name], allow_http=False)
        trial.run(call=configured.call(FittedImage(b"\xff\xd8", "JPEG", 99, 99), Claim(), Attempt(datetime.now(UTC))))
        assert int(trial.requests[0].headers["Content-Length"]) == len(trial.requests[0].content)


# troubles of the transport --------------------------------------------------------------------------------------------

SECRETS = "张样例 hush"


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_what_was_never_sent_is_tried_again_and_never_billed(kind: type[httpx.TransportError]) -> None:
    trial = Trial(kind(SECRETS))
    error = trial.fails()
    assert type(error) is RetryableError
    assert not error.maybe_billed
    assert (len(trial.requests), len(trial.signed), len(trial.pauses)) == (3, 3, 2)
    assert [request.headers["X-Sign"] for request in trial.requests] == ["1", "2", "3"]
    assert "hush" not in str(error)
    assert Trial(kind(SECRETS), ok()).run().body == FINAL


@pytest.mark.parametrize(
    "kind",
    [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.CloseError,
     httpx.RemoteProtocolError],
)  # fmt: skip
def test_what_was_sent_without_an_answer_is_not_repeated(kind: type[httpx.TransportError]) -> None:
    trial = Trial(kind(SECRETS), ok())
    error = trial.fails()
    assert isinstance(error, RetryableError)
    assert error.maybe_billed
    assert (len(trial.requests), trial.pauses) == (1, [])
    assert "hush" not in str(error)


@pytest.mark.parametrize("kind", [httpx.LocalProtocolError, httpx.UnsupportedProtocol])
def test_what_cannot_be_sent_is_a_matter_of_configuration(kind: type[httpx.TransportError]) -> None:
    trial = Trial(kind(SECRETS))
    assert type(trial.fails()) is ConfigurationError
    assert len(trial.requests) == 1


@pytest.mark.parametrize("url", ["", "hush", "//hush", "ftp://hush/", "http://", "http://hush:port/"])
def test_a_url_that_is_none_is_a_matter_of_configuration(url: str) -> None:
    client = ProviderClient(sleep=lambda _: None)
    with pytest.raises(ConfigurationError) as error:
        client.recognise(Acme(), lambda _: Call(url, {}, b""), Budget(time.monotonic() + 20))
    assert "hush" not in str(error.value)


# what the HTTP status alone decides -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("120", 120.0), ("0", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None), ("-5", None),
     ("1.5", None), ("", None), ("²", None), ("9" * 400, float("inf"))],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b'{"status": "OK"}', b"<html>slow down</html>"])
def test_too_many_requests(body: bytes, header: str | None, seconds: float | None) -> None:
    headers = [] if header is None else [(b"Retry-After", header.encode("utf-8"))]
    trial = Trial(httpx.Response(429, content=body, headers=headers))
    error = trial.fails()
    assert isinstance(error, ThrottledError)
    assert error.retry_after == seconds
    assert (len(trial.requests), trial.pauses) == (1, [])


def test_too_many_requests_may_mean_that_nothing_is_left() -> None:
    trial = Trial(ok(b'{"daily": "quota"}', 429, Retry_After="9"))
    assert isinstance(trial.fails(QuotaError("acme", "used up")), QuotaError)
    assert isinstance(trial.fails(ConfigurationError("acme", "401")), ThrottledError)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_redirects_are_refused(status: int) -> None:
    trial = Trial(ok(b"{}", status, Location="https://elsewhere.example/hush"))
    error = trial.fails()
    assert type(error) is ConfigurationError
    assert "redirect" in error.code
    assert "hush" not in error.code
    assert [str(request.url) for request in trial.requests] == [URL]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599, 408])
@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>"])
def test_a_gateways_page_about_trouble_is_tried_again(status: int, body: bytes) -> None:
    trial = Trial(ok(body, status))
    error = trial.fails()
    assert type(error) is RetryableError
    assert not error.maybe_billed
    assert error.code == f"HTTP {status}"
    assert len(trial.requests) == 3
    assert Trial(ok(body, status), ok()).run().body == FINAL


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 407, 410, 421, 451])
def test_a_gateways_page_about_us_is_a_matter_of_configuration(status: int) -> None:
    trial = Trial(ok(b"<html>hush</html>", status))
    error = trial.fails()
    assert type(error) is ConfigurationError
    assert str(status) in error.code
    assert "hush" not in error.code
    assert len(trial.requests) == 1


def test_one_picture_that_is_too_large_for_a_gateway_does_not_stop_the_others() -> None:
    assert type(Trial(ok(b"<html>Request Entity Too Large</html>", 413)).fails()) is RequestRefusedError


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 413, 500, 503])
def test_an_error_document_is_for_the_provider_to_judge(status: int) -> None:
    answer = Trial(ok(b'\n {"code": 5000}', status)).run()
    assert (answer.status, answer.body) == (status, b'\n {"code": 5000}')


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]"])
def test_a_success_that_is_no_document_is_for_the_provider_to_judge_too(body: bytes) -> None:
    assert Trial(ok(body)).run().body == body


# trying again ---------------------------------------------------------------------------------------------------------


def test_what_the_provider_has_not_billed_is_tried_three_times_newly_signed() -> None:
    trial = Trial(ok())
    error = trial.fails(*[RetryableError("acme", "5000")] * 3)
    assert error.code == "5000"
    assert len(trial.signed) == 3
    assert trial.signed == sorted(set(trial.signed))
    assert len(trial.pauses) == 2
    assert 0.4 <= trial.pauses[0] <= 0.8 <= trial.pauses[1] <= 1.6


def test_the_second_try_may_succeed() -> None:
    trial = Trial(ok())
    assert trial.run(RetryableError("acme", "5000")).body == FINAL
    assert len(trial.requests) == 2


@pytest.mark.parametrize(
    "error",
    [
        RetryableError("acme", "x", maybe_billed=True), UnreadableAnswerError("acme", "x"), ThrottledError("acme", "x"),
        ConfigurationError("acme", "x"), QuotaError("acme", "x"), RequestRefusedError("acme", "x"),
        ImageRefusedError("acme", "x"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_everything_else_is_said_at_once(error: ProviderError) -> None:
    trial = Trial(ok())
    assert trial.fails(error) is error
    assert (len(trial.requests), trial.pauses) == (1, [])


def test_trouble_with_one_picture_is_tried_once_more_and_then_final() -> None:
    trouble = RetriedOnceError("acme", "4007")
    trial = Trial(ok(b'{"first": 1}'), ok(b'{"second": 1}'))
    assert trial.run(trouble).body == b'{"second": 1}'
    trial = Trial(ok(b'{"first": 1}'), ok(b'{"second": 1}'))
    assert trial.run(trouble, trouble).body == b'{"second": 1}'
    assert (len(trial.requests), trial.pauses) == (2, [limits.RETRY_ONCE_SECONDS])
    assert len(trial.signed) == len(set(trial.signed))
    in_haste = Trial(ok(), seconds=6.2)
    assert in_haste.fails(trouble) is trouble
    assert len(in_haste.requests) == 1


@pytest.mark.parametrize("failures", [1, 2])
def test_a_call_that_failed_before_is_no_word_about_the_picture(failures: int) -> None:
    trouble, down = RetriedOnceError("acme", "4007"), RetryableError("acme", "5000")
    trial = Trial(ok())
    assert trial.run(*[down] * failures, trouble).body == FINAL
    assert len(trial.requests) == failures + 2
    trial = Trial(ok())
    assert trial.run(*[down] * failures, trouble, trouble).body == FINAL
    assert len(trial.requests) == failures + 2
    trial = Trial(ok())
    trial.fails(trouble, *[down] * 3)
    assert len(trial.requests) == 4


@pytest.mark.parametrize(("seconds", "tries"), [(6.0, 1), (7.0, 2), (8.5, 3), (50.0, 3)])
def test_no_try_is_begun_that_does_not_fit_the_budget(
    seconds: float, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda _, high: high)  # pauses of 0.8 and 1.6 seconds
    trial = Trial(ok(), seconds=seconds)
    trial.fails(*[RetryableError("acme", "5000")] * 3)
    assert len(trial.requests) == tries
    assert trial.budget.remaining >= min(seconds, limits.MIN_SECONDS_TO_BEGIN)


# bounds ---------------------------------------------------------------------------------------------------------------


def test_an_answer_is_read_up_to_its_limit_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ANSWER_BYTES", 1_000_000)
    exact = Streamed(iter([b"{" + b" " * 999_998 + b"}"]))
    assert len(Trial(httpx.Response(200, stream=exact)).run().body) == 1_000_000
    endless = Streamed(b" " * 50_000 for _ in range(10**9))
    error = Trial(httpx.Response(200, stream=endless)).fails()
    assert type(error) is UnreadableAnswerError
    assert error.maybe_billed
    assert endless.read <= 1_050_000


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
def test_a_compressed_answer_is_unpacked(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    body = Streamed(iter([compress(FINAL)]))
    assert Trial(httpx.Response(200, stream=body, headers={"Content-Encoding": encoding})).run().body == FINAL


def test_a_bomb_is_unpacked_up_to_the_limit_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ANSWER_BYTES", 1_000_000)
    packed = gzip.compress(bytes(50_000_000))
    body = Streamed(packed[start : start + 1000] for start in range(0, len(packed), 1000))
    error = Trial(httpx.Response(200, stream=body, headers={"Content-Encoding": "gzip"})).fails()
    assert type(error) is UnreadableAnswerError
    assert body.read <= 3000


def test_a_bomb_in_a_bomb_is_not_even_begun() -> None:
    body = Streamed(iter([gzip.compress(gzip.compress(FINAL))]))
    error = Trial(httpx.Response(200, stream=body, headers={"Content-Encoding": "gzip, gzip"})).fails()
    assert type(error) is UnreadableAnswerError
    assert body.read == 0


def test_what_cannot_be_unpacked_is_unreadable() -> None:
    body = Streamed(iter([b"not gzip at all"]))
    error = Trial(httpx.Response(200, stream=body, headers={"Content-Encoding": "gzip"})).fails()
    assert type(error) is UnreadableAnswerError
    assert error.maybe_billed


# over a real connection -----------------------------------------------------------------------------------------------


@contextmanager
def serving(
    behave: Callable[[socket.socket, bytes], None], tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[bytes]]]:
    """A server on this machine that reads a request's head and then behaves as told."""
    heads: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def run() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.settimeout(5)
                    talk = tls.wrap_socket(connection, server_side=True) if tls else connection
                    head = b""
                    while b"\r\n\r\n" not in head and (piece := talk.recv(65536)):
                        head += piece
                    heads.append(head)
                    behave(talk, head)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/ocr", heads
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def answer_of(url: str, seconds: float = 20.0) -> Answer:
    client = ProviderClient(sleep=lambda _: None)
    return client.recognise(Acme(), lambda _: Call(url, {}, b"x" * 10), Budget(time.monotonic() + seconds))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n"


def test_proxies_and_credentials_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login hush password hush\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with serving(lambda connection, _: connection.sendall(HEAD % (len(FINAL), b"") + FINAL)) as (url, heads):
        assert answer_of(url).body == FINAL
    assert len(heads) == 1
    assert b"authorization" not in heads[0].lower()


@pytest.mark.thorough
@pytest.mark.parametrize("pieces", [1000, 0], ids=["trickles", "says nothing"])
def test_a_server_that_takes_its_time_is_left_in_time(pieces: int) -> None:
    left = threading.Event()

    def dawdle(connection: socket.socket, _: bytes) -> None:
        if pieces:
            connection.sendall(HEAD % (pieces, b""))
        while not left.wait(0.02):
            connection.sendall(b" " if pieces else b"")

    with serving(dawdle) as (url, heads):
        started = time.monotonic()
        with pytest.raises(RetryableError) as error:
            answer_of(url, seconds=0.8)
        took = time.monotonic() - started
        left.set()
    assert error.value.maybe_billed
    assert 0.3 < took < 2  # a thousand pieces would take twenty seconds
    assert len(heads) == 1


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", b"nonsense\r\n\r\n", HEAD % (5, b"X: \x00\r\n")]
)
def test_a_connection_that_breaks_off_may_have_been_billed(sent: bytes) -> None:
    with serving(lambda connection, _: connection.sendall(sent)) as (url, heads):
        with pytest.raises(RetryableError) as error:
            answer_of(url)
        assert error.value.maybe_billed
    assert len(heads) == 1


def test_nobody_there_is_not_billed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(RetryableError) as error:
        answer_of(f"http://127.0.0.1:{port}/ocr")
    assert not error.value.maybe_billed


def test_a_server_that_cannot_prove_its_name_gets_nothing(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path / "server.pem")
    with serving(lambda connection, _: connection.sendall(HEAD % (2, b"") + b"{}"), certificate) as (url, heads):
        with pytest.raises(RetryableError) as error:
            answer_of(url.replace("http://", "https://"))
        assert not error.value.maybe_billed
    assert heads == []


def self_signed(path: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    pem = serialization.Encoding.PEM
    plain, form = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(pem, form, plain) + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
