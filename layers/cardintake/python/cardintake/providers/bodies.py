"""What is sent: small bodies in one piece, large ones block by block, their base64 text made as it is asked for.

A body is gone through twice, to be signed and to be sent, and gives the same bytes each time. Encoding again costs a
millisecond a megabyte; keeping the text would cost once and a third the image's memory, for as long as the call lasts.
"""

import base64
from collections.abc import Callable, Iterator
from typing import Protocol

_BLOCK = 192 * 1024  # bytes of an image; a multiple of 3, so that only the last block's text is padded
_SMALL = 1_000_000  # bytes up to which encoding twice would cost more than it saves


def form_base64(data: bytes) -> bytes:
    """Base64 as a form holds it. Only what base64 can hold is replaced: urllib takes twenty times as long."""
    return base64.b64encode(data).replace(b"+", b"%2B").replace(b"/", b"%2F").replace(b"=", b"%3D")


class Base64:
    """An image as base64 text, made by `encode`."""

    def __init__(self, data: bytes, encode: Callable[[bytes], bytes] = base64.b64encode) -> None:
        self.data = data
        self._encode = encode

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self.data), _BLOCK):
            yield self._encode(self.data[start : start + _BLOCK])


class LargeBody:
    """Bytes and encoded images, one after the other. Iterating gives blocks, and the same ones every time."""

    def __init__(self, parts: tuple[bytes | Base64, ...]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, Base64):
                yield from part
            else:
                yield part


type Body = bytes | LargeBody


def body_of(*parts: bytes | Base64) -> Body:
    """The parts, one after the other."""
    body = LargeBody(parts)
    large = sum(len(part.data if isinstance(part, Base64) else part) for part in parts) > _SMALL
    return body if large else b"".join(body)


def blocks(body: Body) -> Iterator[bytes]:
    """The body's blocks, in their order."""
    return iter((body,) if isinstance(body, bytes) else body)


def size(body: Body) -> int:
    """Its bytes."""
    return sum(len(block) for block in blocks(body))


class Hash(Protocol):
    """What hashlib's objects have in common."""

    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


def hex_digest(begun: Hash, body: Body, end: bytes = b"") -> str:
    """Of what `begun` has seen, the body, and `end`."""
    for block in blocks(body):
        begun.update(block)
    begun.update(end)
    return begun.hexdigest()
