"""Serves the lightbox beside a running laptop, on loopback, until the `with` ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from local.emulator import LOOPBACK, free_port
from local.laptop import Laptop
from local.lightbox.app import Lightbox
from local.lightbox.archive import Archive
from local.sandbox.server import serving
from local.subscriber import Subscriber

DOCUMENTED_PORT = 4580
"""Where `make up` puts it when the port is free."""
SUBSCRIBER = "lightbox"


@contextmanager
def running_lightbox(laptop: Laptop, routes: str, preferred_port: int | None = None) -> Iterator[str]:
    """Its address. It runs in threads of this process, and so ends with it in whatever way.

    routes: who reads which keys, as the template was told.
    """
    with Subscriber(laptop.stack, SUBSCRIBER) as subscriber:
        lightbox = Lightbox(Archive(laptop.stack, subscriber), laptop.sandbox, routes)
        with serving(lightbox.app, free_port([LOOPBACK], preferred_port)) as address:
            yield address
