"""Connections to real servers on this machine: slow ones are left in time, and kept ones that died cost no scan.

No clock is read: a slow server goes on for seconds and then answers well, so that a client which waited has no error.
"""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from cardintake.budget import Budget
from cardintake.providers.client import ProviderClient
from cardintake.providers.errors import ProviderError, RetryableError
from cardintake.providers.protocol import Answer, Attempt, Call
from cardintake.providers.transport import DeadlineTransport
from tests.contract.certificates import write_certificate
from tests.contract.test_client import Acme

BODY = b'{"code": 0}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + BODY
TRICKLE = 0.02  # seconds between two bytes
TOO_LONG = 250  # bytes that are trickled: five seconds
HASTE = 0.4  # seconds that the calls of these tests have

type Behaviour = Callable[["Connection"], None]


class Connection:
    """The server's end of one connection."""

    def __init__(self, talk: socket.socket, number: int) -> None:
        self.talk = talk
        self.number = number

    def request(self) -> bytes:
        """The next request, body included; empty when the client has closed."""
        head = b""
        while b"\r\n\r\n" not in head and (piece := self.talk.recv(65536)):
            head += piece
        head, _, rest = head.partition(b"\r\n\r\n")
        body = bytearray(rest)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        while len(body) < length and (piece := self.talk.recv(65536)):
            body += piece
        return head + bytes(body)

    def trickle(self, sent: bytes) -> None:
        for byte in sent:
            self.talk.sendall(bytes([byte]))
            time.sleep(TRICKLE)

    def reset(self) -> None:
        """Closes as a load balancer does that knows nothing of the connection."""
        self.talk.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.talk.close()


class Server:
    """Every connection has a thread of its own; `answered` tells on which connection each request was answered."""

    def __init__(self, behave: Behaviour, tls: ssl.SSLContext | None) -> None:
        self._behave = behave
        self._tls = tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.connections = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                talk, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(talk, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, talk: socket.socket, number: int) -> None:
        with talk, suppress(OSError):
            talk.settimeout(10)
            with self._tls.wrap_socket(talk, server_side=True) if self._tls else talk as secured:
                self._behave(Connection(secured, number))

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@contextmanager
def serving(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(behave, tls)
    try:
        yield server
    finally:
        server.close()


class Caller:
    """A client that remembers what it signed, and what it was told before it paid again."""

    def __init__(self, port: int, *, trusts: Path | None = None, body: bytes = b"x" * 10) -> None:
        scheme = "http" if trusts is None else "https"
        self.url = f"{scheme}://127.0.0.1:{port}/ocr"
        self.body = body
        self.meanwhile: Callable[[], None] | None = None
        verify = None if trusts is None else ssl.create_default_context(cafile=str(trusts))
        self.client = ProviderClient(DeadlineTransport(verify), sleep=lambda _: None)
        self.signed: list[Attempt] = []
        self.paying_again: list[bool] = []

    def call(self, seconds: float = 20.0) -> Answer:
        def make_call(attempt: Attempt) -> Call:
            self.signed.append(attempt)
            return Call(self.url, {}, self.body, self.meanwhile)

        return self.client.recognise(
            Acme(), make_call, Budget(time.monotonic() + seconds), before_paying_again=self.paying_again.append
        )

    def fails(self, seconds: float = HASTE) -> ProviderError:
        with pytest.raises(ProviderError) as error:
            self.call(seconds)
        return error.value


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture(params=["plain", "TLS"])
def trusted(request: pytest.FixtureRequest, certificate: Path) -> tuple[Path | None, ssl.SSLContext | None]:
    if request.param == "plain":
        return None, None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return certificate, context


type Trusted = tuple[Path | None, ssl.SSLContext | None]


# slow servers ---------------------------------------------------------------------------------------------------------


def head_byte_by_byte(connection: Connection) -> None:
    connection.request()
    connection.trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nX-Slow: " + b"a" * TOO_LONG + b"\r\n\r\n" + BODY)


def interim_answers(connection: Connection) -> None:
    connection.request()
    for _ in range(TOO_LONG):
        connection.talk.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
        time.sleep(TRICKLE)
    connection.talk.sendall(ANSWER)


def body_byte_by_byte(connection: Connection) -> None:
    connection.request()
    connection.talk.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % TOO_LONG)
    connection.trickle(BODY.ljust(TOO_LONG))


def says_nothing(connection: Connection) -> None:
    connection.request()
    time.sleep(TRICKLE * TOO_LONG)
    connection.talk.sendall(ANSWER)


@pytest.mark.thorough
@pytest.mark.parametrize("behave", [head_byte_by_byte, interim_answers, body_byte_by_byte, says_nothing])
def test_a_slow_answer_is_left_in_time_and_may_be_billed(behave: Behaviour, trusted: Trusted) -> None:
    trusts, tls = trusted
    with serving(behave, tls) as server:
        error = Caller(server.port, trusts=trusts).fails()
    assert isinstance(error, RetryableError)
    assert (error.code, error.maybe_billed) == ("ReadTimeout", True)


def test_a_request_that_is_read_slowly_is_left_in_time(trusted: Trusted) -> None:
    trusts, tls = trusted

    def read_slowly(connection: Connection) -> None:
        connection.talk.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(TOO_LONG):
            connection.talk.recv(4096)
            time.sleep(TRICKLE)
        connection.request()
        connection.talk.sendall(ANSWER)

    with serving(read_slowly, tls) as server:
        error = Caller(server.port, trusts=trusts, body=b"x" * 20_000_000).fails()
    assert isinstance(error, RetryableError)
    assert (error.code, error.maybe_billed) == ("WriteTimeout", True)


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x03\x40\x00" + b"\x00" * TOO_LONG], ids=["none", "byte by byte"])
def test_a_handshake_that_does_not_end_is_left_in_time_and_not_billed(hello: bytes, certificate: Path) -> None:
    def shake_slowly(connection: Connection) -> None:
        connection.trickle(hello)
        time.sleep(TRICKLE * (TOO_LONG - len(hello)))

    with serving(shake_slowly) as server:
        error = Caller(server.port, trusts=certificate).fails()
    assert isinstance(error, RetryableError)
    assert (error.code, error.maybe_billed) == ("ConnectTimeout", False)


def test_a_name_that_is_not_found_out_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    left = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: left.wait(10) and [])
    error = Caller(9).fails()
    left.set()
    assert isinstance(error, RetryableError)
    assert (error.code, error.maybe_billed) == ("ConnectTimeout", False)


def test_no_call_is_begun_after_the_deadline() -> None:
    def answer(connection: Connection) -> None:
        connection.request()
        connection.talk.sendall(ANSWER)

    with serving(answer) as server:
        error = Caller(server.port).fails(seconds=0.0)
        assert server.connections == 0
    assert error.code == "ConnectTimeout"


# while an answer is awaited -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [None, ValueError("hush")])
def test_what_can_be_done_meanwhile_is_done_before_the_answer_and_its_trouble_loses_none(
    trouble: Exception | None,
) -> None:
    done = threading.Event()

    def answer_when_done(connection: Connection) -> None:
        connection.request()
        if done.wait(5):
            connection.talk.sendall(ANSWER)

    def meanwhile() -> None:
        done.set()
        if trouble is not None:
            raise trouble

    with serving(answer_when_done) as server:
        caller = Caller(server.port)
        caller.meanwhile = meanwhile
        assert caller.call().body == BODY


# addresses ------------------------------------------------------------------------------------------------------------


def test_every_address_of_a_host_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(connection: Connection) -> None:
        connection.request()
        connection.talk.sendall(ANSWER)

    real: Any = socket.getaddrinfo

    def two(host: str, port: int, *rest: Any, **more: Any) -> Any:
        hosts = ["127.0.0.2", "127.0.0.1"] if host == "provider.test" else [host]
        return [entry for each in hosts for entry in real(each, port, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with serving(answer) as server:
        caller = Caller(server.port)
        caller.url = f"http://provider.test:{server.port}/ocr"
        assert caller.call().body == BODY


# kept connections -----------------------------------------------------------------------------------------------------


def answer_for_ever(connection: Connection) -> None:
    while connection.request():
        connection.talk.sendall(ANSWER)


def test_one_connection_serves_call_after_call(trusted: Trusted) -> None:
    trusts, tls = trusted
    with serving(answer_for_ever, tls) as server:
        caller = Caller(server.port, trusts=trusts)
        assert [caller.call().body for _ in range(3)] == [BODY] * 3
        assert server.connections == 1


@pytest.mark.parametrize("how", ["closes", "half closes", "resets"])
def test_a_connection_that_was_closed_while_idle_is_replaced_silently(how: str, trusted: Trusted) -> None:
    trusts, tls = trusted
    answer_read, closed = threading.Semaphore(0), threading.Semaphore(0)

    def answer_once(connection: Connection) -> None:
        connection.request()
        connection.talk.sendall(ANSWER)
        answer_read.acquire(timeout=5)  # a reset would discard what has not been read
        if how == "half closes":
            connection.talk.shutdown(socket.SHUT_WR)
        elif how == "resets":
            connection.reset()
        else:
            connection.talk.close()
        closed.release()
        if how == "half closes":
            connection.talk.recv(1)

    with serving(answer_once, tls) as server:
        caller = Caller(server.port, trusts=trusts)
        for _ in range(3):
            assert caller.call().body == BODY
            answer_read.release()
            assert closed.acquire(timeout=5)
        assert server.connections == 3
    assert (len(caller.signed), caller.paying_again) == (3, [])


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_one_that_dies_under_the_next_request_costs_a_reconnect_and_is_counted(how: str, trusted: Trusted) -> None:
    trusts, tls = trusted

    def die_second(connection: Connection) -> None:
        if connection.number > 1:
            return answer_for_ever(connection)
        connection.request()
        connection.talk.sendall(ANSWER)
        connection.request()
        return connection.reset() if how == "resets" else connection.talk.close()

    with serving(die_second, tls) as server:
        caller = Caller(server.port, trusts=trusts)
        assert [caller.call().body for _ in range(3)] == [BODY] * 3
        assert server.connections == 2
    assert caller.paying_again == [False], "whether the first was seen, nobody can tell"
    assert len({attempt.nonce for attempt in caller.signed}) == len(caller.signed) == 4, "signed anew"


def test_one_that_dies_before_the_request_was_sent_is_not_counted(trusted: Trusted) -> None:
    trusts, tls = trusted

    def die_early(connection: Connection) -> None:
        if connection.number > 1:
            return answer_for_ever(connection)
        connection.request()
        connection.talk.sendall(ANSWER)
        connection.talk.recv(1000)
        return connection.reset()

    with serving(die_early, tls) as server:
        caller = Caller(server.port, trusts=trusts)
        assert caller.call().body == BODY
        caller.body = b"x" * 16_000_000  # more than waits in the sockets' buffers
        assert caller.call().body == BODY
        assert server.connections == 2
    assert caller.paying_again == []


def test_where_one_has_died_the_others_of_its_age_are_not_tried() -> None:
    at_once = threading.Barrier(3)
    asked_again: list[int] = []

    def die_second(connection: Connection) -> None:
        if connection.number > 3:
            return answer_for_ever(connection)
        connection.request()
        at_once.wait(5)
        connection.talk.sendall(ANSWER)
        if connection.request():
            asked_again.append(connection.number)
        return connection.talk.close()

    with serving(die_second) as server:
        caller = Caller(server.port)
        threads = [threading.Thread(target=caller.call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert [caller.call().body for _ in range(3)] == [BODY] * 3
        assert server.connections == 4
    assert len(asked_again) == 1


def test_one_that_never_answered_is_not_asked_twice() -> None:
    def close(connection: Connection) -> None:
        connection.request()

    with serving(close) as server:
        error = Caller(server.port).fails(seconds=20.0)
        assert server.connections == 1
    assert isinstance(error, RetryableError)
    assert error.maybe_billed


def test_an_answer_that_breaks_off_is_not_asked_for_again() -> None:
    def break_off_second(connection: Connection) -> None:
        connection.request()
        connection.talk.sendall(ANSWER)
        connection.request()
        connection.talk.sendall(ANSWER[:-5])

    with serving(break_off_second) as server:
        caller = Caller(server.port)
        caller.call()
        error = caller.fails(seconds=20.0)
        assert server.connections == 1
    assert isinstance(error, RetryableError)
    assert error.maybe_billed
    assert caller.paying_again == []
