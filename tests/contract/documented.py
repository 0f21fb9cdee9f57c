"""What `docs/providers/` says of a provider, to be held against its module: names, and the error table as classes."""

import re
from pathlib import Path

from cardintake.providers.errors import (
    ConfigurationError,
    ImageRefusedError,
    ProviderError,
    QuotaError,
    RequestRefusedError,
    RetriedOnceError,
    RetryableError,
    ThrottledError,
    UnreadableAnswerError,
)

_FOLDER = Path(__file__).parents[2] / "docs" / "providers"
_CLASSES: dict[str, type[ProviderError]] = {
    "our bug": RequestRefusedError,
    "image": ImageRefusedError,
    "configuration": ConfigurationError,
    "quota": QuotaError,
    "throttled": ThrottledError,
    "retried": RetryableError,
    "once more, then image": RetriedOnceError,
    "unreadable": UnreadableAnswerError,
}


def names_in(provider: str) -> set[str]:
    """Everything that stands in the first column of the page's tables, by name."""
    return {name for cells in _rows(_page(provider)) for name in re.findall(r"`([^`]+)`", cells[0])}


def error_classes(provider: str) -> dict[str, type[ProviderError]]:
    """Code to class, by the page's error table. A code in two rows is an error of the page."""
    table = _page(provider).partition("## Errors")[2]
    classes: dict[str, type[ProviderError]] = {}
    for cells in _rows(table):
        for code in re.findall(r"`([^`]+)`", cells[0]):
            assert code not in classes, f"{code} stands in two rows"
            classes[code] = _CLASSES[cells[1]]
    return classes


def _page(provider: str) -> str:
    return (_FOLDER / f"{provider}.md").read_text("utf-8")


def _rows(page: str) -> list[list[str]]:
    """The cells of every line of a table; those of headings and rulers hold no names."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
