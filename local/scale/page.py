"""docs/scale.md and docs/cost.md: their tables stand between `<!-- NAME -->` and `<!-- end -->`."""

import re
from collections.abc import Mapping
from pathlib import Path

_DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = (_DOCS / "scale.md", _DOCS / "cost.md")

_BLOCK = re.compile(r"(?<=<!-- )(?P<name>[a-z-]+) -->\n(?P<table>.*?)\n<!-- end(?= -->)", re.DOTALL)


def tables_of(page: str) -> dict[str, str]:
    """The tables as they stand in the page."""
    return {block["name"]: block["table"] for block in _BLOCK.finditer(page)}


def written(page: str, tables: Mapping[str, str]) -> str:
    """The page with these tables. Raises KeyError for a block that no table is for."""
    return _BLOCK.sub(lambda block: f"{block['name']} -->\n{tables[block['name']]}\n<!-- end", page)
