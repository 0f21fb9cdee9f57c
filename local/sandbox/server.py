"""Serves the sandbox on an address that nobody outside this machine reaches."""

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

NETWORK_DEVICES = Path("/sys/class/net")
STOP_WITHIN_SECONDS = 1
START_WITHIN_SECONDS = 10


class AddressRefusedError(Exception):
    """An address that the sandbox does not listen on."""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one.

    AddressRefusedError unless `host` is `localhost`, a loopback address, or the private address of a container bridge
    of this machine (for functions that run in containers). OSError when the port is taken.
    """
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise AddressRefusedError("the host has to be an IP address or localhost") from None
    if not address.is_loopback and not (address.is_private and str(address) in bridge_addresses()):
        raise AddressRefusedError(
            f"{address} is neither a loopback address nor that of a container bridge on this machine"
        )
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is named; with it, every answer takes 40 ms more
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((str(address), port))
    return listener


def bridge_addresses() -> frozenset[str]:
    """The IPv4 addresses of this machine's bridge devices; empty where the system does not tell (not Linux)."""
    addresses = set()
    for device in NETWORK_DEVICES.glob("*"):
        if (device / "bridge").is_dir() and (address := _address_of(device.name)):
            addresses.add(address)
    return frozenset(addresses)


def _address_of(device: str) -> str | None:
    import fcntl  # noqa: PLC0415  only Linux has bridge devices to ask about

    get_interface_address = 0x8915
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), get_interface_address, device.encode().ljust(256, b"\0"))
        except OSError:
            return None  # the device has no address
    return socket.inet_ntoa(answer[20:24])


class Server(uvicorn.Server):
    """A uvicorn that keeps no log of requests, stops quickly, and tells when it accepts connections."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None] = lambda: None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,
                log_config=None,
                log_level="critical",
                timeout_graceful_shutdown=STOP_WITHIN_SECONDS,
                ws="none",
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; then `on_ready`."""
        await super().startup(sockets)
        self._on_ready()


@contextmanager
def serving(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve `app` in a thread of this process, on loopback, by default on a free port; gives the base URL."""
    listener = listen("127.0.0.1", port)
    server = Server(app)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
