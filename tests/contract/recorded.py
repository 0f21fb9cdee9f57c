"""The answers in `answers/`: the documents' own examples as real JSON, their people replaced by invented ones."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cardintake.providers.protocol import Answer

_FOLDER = Path(__file__).parent / "answers"
ANSWERED_AT = datetime(2026, 1, 15, 8, 30, 1, tzinfo=UTC)


def recorded(provider: str, name: str) -> Any:
    """One recorded answer."""
    return json.loads((_FOLDER / provider / f"{name}.json").read_text("utf-8"))


def all_recorded(provider: str) -> list[Any]:
    """Every recorded answer of a provider."""
    return [recorded(provider, path.stem) for path in sorted((_FOLDER / provider).glob("*.json"))]


def answer(document: object, status: int = 200) -> Answer:
    """A document, or bytes, as the client hands it over."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Answer(status, body, ANSWERED_AT)
