"""Initialisation, in instructions: how much work a cold start is before the first scan.

Counted by valgrind with a fixed hash seed, so that two runs of the same Python differ by less than a percent. The
interpreter's own start, 48 million instructions, is in both sides.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from local.processes import ProcessFailedError
from tests.benchmarks import init_side, sides
from tests.benchmarks.row import Row
from tests.benchmarks.sides import Side

_COUNTER = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
_MILLION = 1_000_000


def rows() -> Iterator[Row]:
    """At import, and with every client ready. Without valgrind there is no counter, and nothing is said."""
    try:
        subprocess.run(["valgrind", "--version"], check=True, capture_output=True)  # noqa: S607 - wherever it is installed
    except FileNotFoundError:
        print("  skipped: it counts instructions with valgrind, which is not installed", file=sys.stderr)
        return
    yield _row("handler imported", "import")
    yield _row("all clients ready", "clients", bar=0.65, stretch=0.50)


def _row(what: str, stage: str, bar: float | None = None, stretch: float | None = None) -> Row:
    ours, reference = (instructions(side, stage) / _MILLION for side in ("ours", "reference"))
    return Row(what, ours, "million instructions", reference, bar=bar, stretch=stretch)


def instructions(side: Side, stage: str) -> int:
    """Of one start up to that stage (`init_side`). Raises ProcessFailedError."""
    command = [*_COUNTER, str(sides.PYTHON), str(Path(init_side.__file__)), side, stage]
    done = subprocess.run(command, env=sides.environment(side), capture_output=True, text=True, check=False)
    counted = re.search(r"I\s+refs:\s+([0-9,]+)", done.stderr)
    if done.returncode or counted is None:
        raise ProcessFailedError(f"{side} did not start", done.stdout + done.stderr)
    return int(counted[1].replace(",", ""))
