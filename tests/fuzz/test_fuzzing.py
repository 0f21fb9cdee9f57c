"""A minute of fuzzing: no crash, and memory below the limit. What was found before, in `corpus/`, is tried first."""

import platform
import sys
from pathlib import Path

import pytest

from tests.fuzz.campaign import CORPUS, MEMORY_MB, TARGETS, run

SECONDS = {"images": 15}  # of fuzzing; the rest is starting
EACH_OTHER = 3
CORPUS_BYTES = 300_000

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(
        (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="atheris has wheels for Linux on x86-64 only"
    ),
]


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_crashes(target: str, tmp_path: Path) -> None:
    done = run(target, -1, 1, tmp_path / "found", SECONDS.get(target, EACH_OTHER))
    assert done.ended_well, done.output[-8000:]
    assert done.executions > 100
    assert done.coverage > 40
    assert done.peak_mb < MEMORY_MB


def test_the_corpus_stays_small() -> None:
    kept = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in kept} == set(TARGETS)
    assert sum(path.stat().st_size for path in kept) < CORPUS_BYTES
