"""What a hostile server can do with a connection: bounded in bytes and time, followed nowhere, told by its type.

Real connections to this machine; what the documents of an answer can hold is in test_hostile_answers.
"""

import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import httpx
import pytest

from cardintake import limits
from cardintake.budget import Budget
from cardintake.images import FittedImage
from cardintake.providers import REGISTRY
from cardintake.providers.client import ProviderClient
from cardintake.providers.errors import ConfigurationError, ProviderError, RetryableError, UnreadableAnswerError
from cardintake.providers.protocol import Answer, Attempt, Call, Claim
from tests.contract.configured import _SECRETS, PROVIDERS
from tests.contract.recorded import all_recorded
from tests.contract.test_client import Acme, serving

pytestmark = pytest.mark.thorough

HUSH = "hush"
METADATA = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
OK = b"HTTP/1.1 200 OK\r\n"


def asked(url: str, seconds: float = 20.0) -> Answer:
    client = ProviderClient(sleep=lambda _: None)
    return client.recognise(Acme(), lambda _: Call(url, {}, b"x" * 10), Budget(time.monotonic() + seconds))


def failed(head: bytes, *pieces: bytes, seconds: float = 20.0) -> ProviderError:
    """What becomes of an answer of these pieces, after which the server hangs up."""

    def behave(connection: socket.socket, _: bytes) -> None:
        for piece in (head, *pieces):
            connection.sendall(piece)

    with serving(behave) as (url, _), pytest.raises(ProviderError) as error:
        asked(url, seconds)
    assert error.value.__cause__ is None
    assert HUSH not in str(error.value)
    return error.value


def no_answer(provider: str, body: bytes) -> type[ProviderError]:
    """The error for what is no JSON: waiqin365's document has plain text for a wrong address."""
    plain = provider == "waiqin365" and not body.startswith(b"{")
    return ConfigurationError if plain else UnreadableAnswerError


class Flood:
    """A server that sends what it is told to without an end; counts what was taken."""

    def __init__(self, head: bytes, piece: bytes) -> None:
        self.sent = 0
        self._head, self._piece = head, piece

    def __call__(self, connection: socket.socket, _: bytes) -> None:
        connection.sendall(self._head)
        while True:
            connection.sendall(self._piece)
            self.sent += len(self._piece)

    def error(self, seconds: float = 20.0) -> ProviderError:
        with serving(self) as (url, _), pytest.raises(ProviderError) as error:
            asked(url, seconds)
        return error.value


# redirects ------------------------------------------------------------------------------------------------------------


@contextmanager
def listening() -> Iterator[tuple[str, list[socket.socket]]]:
    """A place where nobody should come by; who came."""
    came: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            with suppress(OSError):
                while True:
                    came.append(server.accept()[0])

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hush", came
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "where",
    ["{elsewhere}", METADATA, "/hush", "//169.254.169.254/hush", "hush", "file:///etc/hush", "", "https://[hush"],
)
def test_no_redirect_is_followed_wherever_it_leads(status: int, where: str) -> None:
    with listening() as (elsewhere, came):
        location = where.format(elsewhere=elsewhere).encode()
        answer = b"HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, location)
        asked_for: list[bytes] = []

        def behave(connection: socket.socket, head: bytes) -> None:
            asked_for.append(head)
            connection.sendall(answer)

        with serving(behave) as (url, _), pytest.raises(ProviderError) as error:
            asked(url)
        assert came == []
    assert type(error.value) is ConfigurationError
    assert error.value.code == f"HTTP {status}: redirects are not followed, check base_url"
    assert len(asked_for) == 1


@pytest.mark.parametrize(
    "header",
    [f"Refresh: 0; url={METADATA}", f"Link: <{METADATA}>; rel=next", 'Alt-Svc: h2=":1"',
     f"Content-Location: {METADATA}", "Set-Cookie: hush=1", "Set-Cookie: hush=1; Domain=127.0.0.1; Path=/"],
)  # fmt: skip
def test_no_other_header_leads_anywhere(header: str) -> None:
    heads: list[bytes] = []

    def behave(connection: socket.socket, head: bytes) -> None:
        heads.append(head)
        connection.sendall(OK + header.encode() + b"\r\nContent-Length: 2\r\n\r\n{}")
        with suppress(TimeoutError):
            connection.settimeout(0.2)
            heads.append(connection.recv(65536))

    client = ProviderClient(sleep=lambda _: None)
    with serving(behave) as (url, _):
        for _ in range(2):
            client.recognise(Acme(), lambda _: Call(url, {}, b"x"), Budget(time.monotonic() + 20))
    assert b"hush" not in b"".join(heads).lower()


# lengths --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 50\r\n", b"Content-Length: 2\r\nContent-Length: 3\r\n", b"Content-Length: -1\r\n",
     b"Content-Length: 9" + b"9" * 30 + b"\r\n", b"Content-Length: 0x2\r\n", b"Content-Length: two\r\n",
     b"Transfer-Encoding: hush\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Content-Length: 2\r\n folded: hush\r\n",
     b"Content-Length: \xb2\r\n", b"no colon hush\r\n", b": hush\r\n", b"X: hush\x00\r\n"],
)  # fmt: skip
def test_a_head_that_lies_is_an_answer_that_broke_off(head: bytes) -> None:
    error = failed(OK + head + b"\r\n", b"{}")
    assert type(error) is RetryableError
    assert error.maybe_billed


def test_bytes_beyond_the_announced_length_are_no_part_of_any_answer() -> None:
    heads: list[bytes] = []

    def behave(connection: socket.socket, head: bytes) -> None:
        heads.append(head)
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}" + OK + b'Content-Length: 12\r\n\r\n{"a":"hush"}')

    client = ProviderClient(sleep=lambda _: None)
    with serving(behave) as (url, _):
        bodies = [
            client.recognise(Acme(), lambda _: Call(url, {}, b"x"), Budget(time.monotonic() + 20)).body
            for _ in range(2)
        ]
    assert bodies == [b"{}", b"{}"]
    assert len(heads) == 2


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}\r\n", b"2\r\n{}", b"2\r\n{}XX", b"f" * 17 + b"\r\n{}", b"2;" + b"h" * 200_000,
     b"2\r\n{}\r\n0\r\n" + b"A: hush\r\n" * 20_000],
    ids=["no number", "negative", "cut off", "no end", "17 digits", "endless extension", "endless trailer"],
)  # fmt: skip
def test_chunks_that_lie_are_an_answer_that_broke_off(body: bytes) -> None:
    error = failed(OK + b"Transfer-Encoding: chunked\r\n\r\n", body)
    assert type(error) is RetryableError
    assert error.maybe_billed


# endless --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 100000000\r\n\r\n", b"Connection: close\r\n\r\n"],
    ids=["announced", "until the end"],
)
def test_of_a_hundred_megabytes_no_more_than_the_limit_is_taken(head: bytes) -> None:
    flood = Flood(OK + head, b" " * 1_000_000)
    error = flood.error()
    assert type(error) is UnreadableAnswerError
    assert error.code == "answer is too large"
    assert flood.sent < limits.MAX_ANSWER_BYTES + 20_000_000  # what this machine's sockets buffer


@pytest.mark.parametrize("packed", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_a_hundred_megabytes_packed_into_a_hundred_kilobytes_are_not_unpacked(packed: Callable[[bytes], bytes]) -> None:
    body = packed(b"{" + bytes(100_000_000))
    assert len(body) < 200_000
    encoding = b"gzip" if body.startswith(b"\x1f\x8b") else b"deflate"
    error = failed(OK + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (encoding, len(body)), body)
    assert type(error) is UnreadableAnswerError
    assert error.code == "answer is too large"


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "hush", "x" * 5000])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_other_packing_is_undone(provider: str, encoding: str) -> None:
    """Without brotli and zstandard in the layer nothing unpacks them: a body of such bytes is no JSON."""
    body = b"\x28\xb5\x2f\xfd hush"
    answer = httpx.Response(200, headers={"Content-Encoding": encoding}, stream=httpx.ByteStream(body))
    client = ProviderClient(httpx.MockTransport(lambda _: answer), sleep=lambda _: None)
    with pytest.raises(no_answer(provider, body)) as error:
        client.recognise(PROVIDERS[provider], lambda _: Call("http://x/", {}, b""), Budget(time.monotonic() + 20))
    assert HUSH not in str(error.value)


def test_only_packings_that_are_bounded_are_asked_for() -> None:
    heads: list[bytes] = []

    def behave(connection: socket.socket, head: bytes) -> None:
        heads.append(head)
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")

    with serving(behave) as (url, _):
        asked(url)
    (accepted,) = [line for line in heads[0].lower().split(b"\r\n") if line.startswith(b"accept-encoding:")]
    assert {word.strip() for word in accepted.partition(b":")[2].split(b",")} <= {b"gzip", b"deflate", b"identity"}


@pytest.mark.parametrize(
    ("head", "piece"),
    [(OK, b"X-Hush: 1\r\n" * 1000), (OK + b"X-Hush: ", b"h" * 10_000), (b"", b"h" * 10_000)],
    ids=["headers", "one header", "status"],
)
def test_a_head_without_an_end_is_given_up(head: bytes, piece: bytes) -> None:
    flood = Flood(head, piece)
    error = flood.error()
    assert type(error) is RetryableError
    assert error.maybe_billed
    assert flood.sent < 20_000_000


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (OK + b"Content-Length: 1000000\r\n\r\n", b" "),
    ],
    ids=["early hints", "chunks", "bytes"],
)
def test_what_trickles_without_an_end_is_left_within_the_budget(head: bytes, piece: bytes) -> None:
    left = threading.Event()

    def dawdle(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head)
        while not left.wait(0.02):
            connection.sendall(piece)

    with serving(dawdle) as (url, heads):
        with pytest.raises(RetryableError) as error:
            asked(url, seconds=1.0)
        left.set()
    assert error.value.maybe_billed
    assert len(heads) == 1


# what the bytes are ---------------------------------------------------------------------------------------------------


def spelled() -> list[bytes]:
    """JSON that readers read differently, or not as UTF-8."""
    text = '{"code": 0, "name": "张样例"}'
    return [
        text.encode("gbk"), text.encode("utf-16")[:-1], b"\xef\xbb\xbf\xef\xbb\xbf{}", b"+AHs-",
        b"[" * 100_000, b'{"a":' * 100_000, b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": 1, "a": 2}',
        b'{"a": ' + b"9" * 10_000 + b"}", b'{"a": 1e400, "b": }',
        text.encode() + b"\x00", text.encode() * 2, b"\xff" * 99,
    ]  # fmt: skip


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("at", range(len(spelled())))
def test_what_is_no_plain_json_is_unreadable_whatever_its_head_says(provider: str, at: int) -> None:
    for kind in ("application/json; charset=utf-16", "text/html; charset=gbk", "hush/hush; charset=hush"):
        answer = httpx.Response(200, headers={"Content-Type": kind}, content=spelled()[at])
        client = ProviderClient(httpx.MockTransport(lambda _, answer=answer: answer), sleep=lambda _: None)
        with pytest.raises(no_answer(provider, spelled()[at])) as error:
            client.recognise(PROVIDERS[provider], lambda _: Call("http://x/", {}, b""), Budget(time.monotonic() + 20))
        assert error.value.__cause__ is None


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_wrong_charset_changes_nothing_of_what_is_read(provider: str) -> None:
    for document in all_recorded(provider):
        body = json.dumps(document, ensure_ascii=False).encode()
        outcomes = []
        for kind in ("application/json", "text/plain; charset=latin-1", "application/json; charset=utf-16"):
            answer = httpx.Response(200, headers={"Content-Type": kind}, content=body)
            client = ProviderClient(httpx.MockTransport(lambda _, answer=answer: answer), sleep=lambda _: None)
            try:
                final = client.recognise(
                    PROVIDERS[provider], lambda _: Call("http://x/", {}, b""), Budget(time.monotonic() + 20)
                )
                outcomes.append((final.body, repr(PROVIDERS[provider].read(final))))
            except ProviderError as error:
                outcomes.append((b"", f"{type(error)} {error}"))
        assert outcomes[0] == outcomes[1] == outcomes[2]


# what we send ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a\r\nHost: hush", "a\nX: hush", "a\x00", "密", "a\u2028b", " a", "\ud800"])
def test_a_header_that_is_none_is_never_sent(value: str) -> None:
    """Credentials are checked when they are configured; this is the second line."""
    heads: list[bytes] = []

    def behave(connection: socket.socket, head: bytes) -> None:
        heads.append(head)
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")

    client = ProviderClient(sleep=lambda _: None)
    with serving(behave) as (url, _), suppress(ConfigurationError):
        client.recognise(Acme(), lambda _: Call(url, {"X-Sign": value}, b"x"), Budget(time.monotonic() + 20))
    assert b"\nhost: hush" not in b"".join(heads).lower()
    assert b"\nx: hush" not in b"".join(heads).lower()


@pytest.mark.parametrize("provider", REGISTRY)
def test_every_providers_request_names_its_own_host_and_no_other(provider: str) -> None:
    call = PROVIDERS[provider].call(FittedImage(b"\xff\xd8", "JPEG", 99, 99), Claim(), Attempt(datetime.now(UTC)))
    assert call.url.startswith(_SECRETS[provider]["base_url"] + "/")
    names = {name.lower() for name in call.headers}
    assert not names & {"location", "cookie", "transfer-encoding", "connection", "x-forwarded-host"}
    assert all(value.isprintable() and value.isascii() for value in call.headers.values())
