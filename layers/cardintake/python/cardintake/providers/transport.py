"""Connections to the providers: every wait ends by the call's deadline; one that died idle is known as such.

httpx bounds each read and each write, so that a peer that sends a byte now and then keeps a call for as long as it
likes. Here httpcore's connection pool, the one that httpx uses, gets a network of its own, as its documentation
provides for: name look-up, connecting, TLS, sending and receiving all end by the request's extension `deadline`.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import httpcore
import httpx

from cardintake import limits
from cardintake.providers.roots import public_roots

_HTTPX_ERRORS: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ReadError: httpx.ReadError,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
    httpcore.WriteError: httpx.WriteError,
    httpcore.WriteTimeout: httpx.WriteTimeout,
}


class DeadConnectionError(httpx.TransportError):
    """A kept connection turned out to be closed: no byte of an answer came. `whole`: all of the request was sent."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__("a kept connection was closed")
        self.whole = whole


class DeadlineTransport(httpx.BaseTransport):
    """Keeps up to `limits.WORKERS` connections. `verify`: whose certificates to trust, instead of the public ones.

    A request's extension `deadline`, on `time.monotonic`, bounds all of it up to the last byte of its answer, which the
    thread that sent it has to read. Raises what httpx raises, and DeadConnectionError.
    """

    def __init__(self, verify: ssl.SSLContext | None = None) -> None:
        self._until = _Until()
        self._pool = httpcore.ConnectionPool(
            ssl_context=verify or public_roots(),
            max_connections=limits.WORKERS,
            max_keepalive_connections=limits.WORKERS,
            keepalive_expiry=limits.KEEP_ALIVE_SECONDS,
            network_backend=_Network(self._until),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends it; the answer's body is read from the network as it is asked for."""
        if not request.url.host:
            raise httpx.UnsupportedProtocol("a URL without a host")
        self._until.deadline = request.extensions["deadline"]
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        with _as_httpx():
            response = self._pool.handle_request(
                httpcore.Request(
                    request.method,
                    url,
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))

    def close(self) -> None:
        """Closes every connection."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


@contextmanager
def _as_httpx() -> Iterator[None]:
    try:
        yield
    except _DiedIdleError as died:
        raise DeadConnectionError(whole=died.whole) from None
    except tuple(_HTTPX_ERRORS) as error:
        raise _HTTPX_ERRORS[type(error)]("") from None  # its text may name the host


class _DiedIdleError(httpcore.ReadError):
    def __init__(self, *, whole: bool) -> None:
        super().__init__()
        self.whole = whole


class _Until(threading.local):
    """The deadline of the call that this thread makes."""

    deadline: float

    def left(self, timeout: float | None, overdue: type[Exception]) -> float:
        """Seconds to wait at most; raises `overdue` when there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise overdue
        return left if timeout is None else min(left, timeout)


class _Network(httpcore.NetworkBackend):
    """Makes connections. `died_at`: when one was last found dead; what was idle by then is not used again."""

    def __init__(self, until: _Until) -> None:
        self.until = until
        self.died_at = float("-inf")

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - never asked for
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        failure: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError()
        for address in _resolved(host, port, self.until.left(timeout, httpcore.ConnectTimeout)):
            seconds = self.until.left(timeout, httpcore.ConnectTimeout)
            try:
                connected = socket.create_connection((address, port), seconds)
            except TimeoutError:
                failure = httpcore.ConnectTimeout()
            except OSError:
                failure = httpcore.ConnectError()
            else:
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return _Stream(connected, self)
        raise failure


def _resolved(host: str, port: int, seconds: float) -> list[str]:
    """The host's addresses. The system's look-up cannot be told how long it may take: it is left behind in a thread."""
    found: Future[list[str]] = Future()

    def look_up() -> None:
        try:
            found.set_result([str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError) as error:
            found.set_exception(error)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        return found.result(seconds)
    except TimeoutError:
        raise httpcore.ConnectTimeout from None
    except OSError:
        raise httpcore.ConnectError from None
    except UnicodeError:
        raise httpcore.LocalProtocolError from None  # no name at all


class _Stream(httpcore.NetworkStream):
    """One connection. Knows whether anything came back since something was last sent, and whether anything ever did."""

    def __init__(self, connection: socket.socket, network: _Network) -> None:
        self._socket = connection
        self._network = network
        self._kept = False  # an earlier request was answered on it
        self._answering = False
        self._whole = True
        self._used_at = time.monotonic()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._answering:
            self._kept, self._answering = True, False
        rest = memoryview(buffer)
        while rest:
            try:
                self._socket.settimeout(self._network.until.left(timeout, httpcore.WriteTimeout))
                rest = rest[self._socket.send(rest) :]
            except TimeoutError:
                raise httpcore.WriteTimeout from None
            except OSError:
                self._whole = False
                raise httpcore.WriteError from None  # the pool looks whether an answer came all the same

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._socket.settimeout(self._network.until.left(timeout, httpcore.ReadTimeout))
            received = self._socket.recv(max_bytes)
        except TimeoutError:
            raise httpcore.ReadTimeout from None
        except OSError:
            self._fail_if_died_idle()
            raise httpcore.ReadError from None
        if not received:
            self._fail_if_died_idle()
        self._answering = True
        self._used_at = time.monotonic()
        return received

    def _fail_if_died_idle(self) -> None:
        if self._kept and not self._answering:
            self._network.died_at = time.monotonic()
            raise _DiedIdleError(whole=self._whole)

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            self._socket.settimeout(self._network.until.left(timeout, httpcore.ConnectTimeout))
            return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._network)
        except TimeoutError:
            self.close()
            raise httpcore.ConnectTimeout from None
        except OSError:
            self.close()
            raise httpcore.ConnectError from None

    def get_extra_info(self, info: str) -> object:
        """`is_readable` is what the pool asks of an idle connection: whether it is of no use any more."""
        if info != "is_readable":
            return None
        if self._used_at <= self._network.died_at or self._socket.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))
