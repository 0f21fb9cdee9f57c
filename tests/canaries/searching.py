"""Finds known texts in whatever was written, however they were encoded, and encoded again.

Not the texts are encoded but the haystack is decoded, layer below layer: URL, JSON and Python escapes, base64 at every
alignment (also in lines, also URL-safe), hexadecimal digits, HTML entities. Upper and lower case do not matter.
"""

import base64
import html
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import unquote, unquote_plus

_DEPTH = 4  # base64 of a URL of JSON in JSON
_ESCAPES = re.compile(
    r"(?P<bytes>(?:\\x[0-9a-fA-F]{2})+)|(?P<units>(?:\\u[0-9a-fA-F]{4})+)|\\U(?P<point>[0-9a-fA-F]{8})"
    r"""|\\(?P<itself>["'\\/])"""
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{10,}")
_HEX = re.compile(r"[0-9a-fA-F]{12,}")


def found(haystack: str | bytes, needles: Iterable[str]) -> set[str]:
    """Those of the needles that stand in the haystack."""
    wanted = {needle.casefold(): needle for needle in needles}
    return {wanted[folded] for layer in _layers(_text(haystack)) for folded in wanted if folded in layer.casefold()}


def _layers(text: str) -> Iterator[str]:
    """The text, and everything that it decodes to."""
    seen, layers = {text}, [text]
    yield text
    for _ in range(_DEPTH):
        deeper = {decoded for layer in layers for decode in _DECODERS for decoded in decode(layer)} - seen
        seen |= deeper
        layers = sorted(deeper)
        yield from layers


def _of_url(text: str) -> Iterator[str]:
    if "%" in text:
        yield unquote(text, errors="replace")
    if "%" in text or "+" in text:
        yield unquote_plus(text, errors="replace")


def _of_escapes(text: str) -> Iterator[str]:
    r"""`\xe9` is a byte in the representation of bytes, and a character in that of a text."""
    if "\\" in text:
        yield _ESCAPES.sub(lambda escape: _unescaped(escape, "utf-8"), text)
        yield _ESCAPES.sub(lambda escape: _unescaped(escape, "latin-1"), text)


def _unescaped(escape: re.Match[str], encoding: str) -> str:
    if escape["bytes"]:
        return bytes.fromhex(escape["bytes"].replace("\\x", "")).decode(encoding, "replace")
    if escape["units"]:
        return bytes.fromhex(escape["units"].replace("\\u", "")).decode("utf-16-be", "replace")
    if escape["point"]:
        return _text(bytes.fromhex(escape["point"]).decode("utf-32-be", "replace"))
    return escape["itself"]


def _of_base64(text: str) -> Iterator[str]:
    for joined in {text, re.sub(r"\\[rn]|\s", "", text)}:
        for skipped in range(4):
            runs = (run[skipped:].replace("-", "+").replace("_", "/") for run in _BASE64.findall(joined))
            decoded = [_text(base64.b64decode(run[: len(run) - len(run) % 4])) for run in runs]
            # what is left over at the end of a run are one or two bytes
            yield "\n".join(decoded)


def _of_hex(text: str) -> Iterator[str]:
    for skipped in range(2):
        runs = (run[skipped:] for run in _HEX.findall(text))
        yield "\n".join(_text(bytes.fromhex(run[: len(run) - len(run) % 2])) for run in runs)


def _of_html(text: str) -> Iterator[str]:
    if "&" in text:
        yield html.unescape(text)


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "replace")


_DECODERS: tuple[Callable[[str], Iterator[str]], ...] = (_of_url, _of_escapes, _of_base64, _of_hex, _of_html)
