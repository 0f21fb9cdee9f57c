"""Reads the arguments of a request from its body: both form types of HTTP, and JSON objects. In memory only."""

import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

import python_multipart
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

URLENCODED = b"application/x-www-form-urlencoded"
MULTIPART = b"multipart/form-data"
JSON = b"application/json"


class MalformedFormError(Exception):
    """The body is not what its content type says; the message says what it is not."""


@dataclass(frozen=True)
class Arguments:
    """What a body holds, by name; of repeated names the last."""

    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def read_arguments(content_type: str | None, body: bytes) -> Arguments:
    """The arguments in `body`; none for another content type. JSON's numbers become texts. MalformedFormError."""
    kind, options = parse_options_header(content_type)
    if kind == JSON:
        return Arguments(_json(body))
    if kind == URLENCODED:
        return Arguments(dict(urllib.parse.parse_qsl(body.decode("latin-1"), keep_blank_values=True)))
    if kind == MULTIPART:
        return _multipart(options.get(b"boundary"), body)
    return Arguments()


def _json(body: bytes) -> dict[str, str]:
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedFormError("body is not JSON") from None
    if not isinstance(members, dict):
        raise MalformedFormError("body is not a JSON object")
    return {name: str(value) for name, value in members.items() if isinstance(value, str | int)}


def _multipart(boundary: bytes | None, body: bytes) -> Arguments:
    texts: dict[str, str] = {}
    files: dict[str, bytes] = {}

    def keep_text(part: python_multipart.multipart.Field) -> None:
        texts[_name(part.field_name)] = (part.value or b"").decode("utf-8", "replace")

    def keep_file(part: python_multipart.multipart.File) -> None:
        part.file_object.seek(0)
        files[_name(part.field_name)] = part.file_object.read()
        part.close()

    try:
        parser = python_multipart.FormParser(
            MULTIPART.decode(),
            keep_text,
            keep_file,
            boundary=boundary,
            # a picture of an identity card leaves no temporary file behind, whatever its size
            config={"MAX_MEMORY_FILE_SIZE": len(body) + 1},
        )
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise MalformedFormError("body is not a form") from None
    return Arguments(texts, files)


def _name(field_name: bytes | None) -> str:
    return (field_name or b"").decode("utf-8", "replace")
