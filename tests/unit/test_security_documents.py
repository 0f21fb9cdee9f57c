"""The threat model and SECURITY.md name tests, files and commands: each of them exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [REPOSITORY / name for name in ("SECURITY.md", "docs/threat-model.md", "docs/supply-chain.md")]
THREATS = REPOSITORY / "docs" / "threat-model.md"
_TEST = re.compile(r"`([a-z0-9_/]+\.py)::(test_\w+)`")
_LINK = re.compile(r"\]\(([^)]+)\)")


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Every test of a module, those of its classes too."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = _TEST.findall(THREATS.read_text(encoding="utf-8"))
    assert len(named) >= 40
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not (path := REPOSITORY / "tests" / file).is_file() or name not in functions_of(path)
    ]
    assert missing == []


def test_every_threat_names_a_test_and_every_actor_what_remains() -> None:
    actors = THREATS.read_text(encoding="utf-8").split("## Who could do what")[1].split("## Across borders")[0]
    for section in actors.split("\n### ")[1:]:
        title, _, body = section.partition("\n")
        rows = [line for line in body.splitlines() if line.startswith("| ") and not line.startswith("| Could ")]
        assert rows, title
        assert all(_TEST.search(row) or row.endswith("| the same |") for row in rows), title
        assert "**Remains.**" in body, title


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in _LINK.findall(document.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        if file.startswith("https://"):
            continue
        path = (document.parent / file) if file else document
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings}, target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_exists(document: Path) -> None:
    commands = set(re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert commands <= targets
