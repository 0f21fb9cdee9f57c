"""The table of docs/local.md: every function, every way in which it is invoked, and what it prints."""

import json
import re
from dataclasses import dataclass
from typing import Any

from local.environment import REPOSITORY

ANYTHING = "…"
_ROW = re.compile(r"^\| `(\w+Function)` \| (.+?) \| `([\w-]+\.json)` \| `(.+)` \|$", re.MULTILINE)


@dataclass(frozen=True)
class Invocation:
    """A line of the table."""

    function: str
    invoked_by: str
    event: str
    prints: dict[str, Any]

    @property
    def removed(self) -> bool:
        """Whether the object has to be gone before."""
        return "removed" in self.invoked_by


def invocations() -> list[Invocation]:
    """The lines, from the top."""
    page = (REPOSITORY / "docs" / "local.md").read_text(encoding="utf-8")
    return [
        Invocation(function, invoked_by, event, json.loads(prints))
        for function, invoked_by, event, prints in _ROW.findall(page)
    ]


def agree(written: Any, printed: Any) -> bool:
    """Whether an answer is what the table says."""
    if isinstance(written, dict) and isinstance(printed, dict):
        return written.keys() == printed.keys() and all(agree(value, printed[name]) for name, value in written.items())
    return bool(written in (ANYTHING, printed))
