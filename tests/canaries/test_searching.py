"""The searcher finds every form in which a text can leak, and one in another; and nothing where there is nothing."""

import base64
import html
import json
import os
import re
import textwrap
import urllib.parse
from collections.abc import Callable
from itertools import product

import pytest

from tests.canaries.searching import found
from tests.canaries.texts import ADDRESS, EVERYTHING, NAME

type Form = Callable[[str], str]


def at(alignment: int) -> Form:
    return lambda text: base64.b64encode(b"x" * alignment + text.encode() + b"yz").decode()


FORMS: dict[str, Form] = {
    "plain": str,
    "upper case": str.upper,
    "URL": urllib.parse.quote,
    "URL in lower case": lambda text: re.sub("%..", lambda escape: escape[0].lower(), urllib.parse.quote(text)),
    "form": urllib.parse.quote_plus,
    "URL twice": lambda text: urllib.parse.quote(urllib.parse.quote(text)),
    "base64": at(0),
    "base64, one byte on": at(1),
    "base64, two bytes on": at(2),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode() * 3).decode(),
    "base64 in lines": lambda text: textwrap.fill(at(1)(text), 7),
    "base64 in escaped lines": lambda text: json.dumps(textwrap.fill(at(1)(text), 7)),
    "base64 glued to a word": lambda text: "word" + at(1)(text),
    "JSON": json.dumps,
    "JSON with its characters": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"name": text})),
    "hex": lambda text: text.encode().hex(),
    "hex, half a byte on": lambda text: "f" + text.encode().hex().upper(),
    "bytes' repr": lambda text: repr(text.encode()),
    "str's repr": repr,
    "ascii": ascii,
    "HTML": html.escape,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_found(form: str) -> None:
    for text in EVERYTHING:
        written = f'{{"before": 1}} {FORMS[form](text)} after'
        assert text in found(written, EVERYTHING)
        assert text in found(written.encode(), EVERYTHING)


@pytest.mark.parametrize("outer", [form for form in FORMS if form != "upper case"])  # which spoils other forms
def test_every_form_in_a_form_is_found(outer: str) -> None:
    for text, (inner, form) in product((NAME, ADDRESS), FORMS.items()):
        assert text in found(f"before {FORMS[outer](f'{{{form(text)}}}')} after", EVERYTHING), (text, inner)


def test_where_there_is_nothing_nothing_is_found() -> None:
    innocent = f"scan_0f 2026-01-15T08:30:00Z RECOGNIZED 金丝 CANARY 7f3a {os.urandom(500).hex()} 张样例"
    for form in FORMS.values():
        assert found(form(innocent), EVERYTHING) == set()
