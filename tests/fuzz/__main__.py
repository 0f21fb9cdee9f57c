"""Fuzzes every target, or one: `python -m tests.fuzz --runs 100000 --seed 1 [--target images] [--found FOLDER]`."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.campaign import TARGETS, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="executions of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=TARGETS, action="append", help="one target, or several; else all")
    parser.add_argument("--found", type=Path, help="where inputs that reached new code are kept")
    chosen = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as forgotten:
        for target in chosen.target or TARGETS:
            done = run(target, chosen.runs, chosen.seed, (chosen.found or Path(forgotten)) / target)
            print(  # noqa: T201 - a terminal tool
                f"{target:12} {done.executions:>9} executions, {done.coverage:>5} places reached, "
                f"{done.peak_mb:>4} MB at most, {'well' if done.ended_well else 'CRASHED'}",
                flush=True,
            )
            if not done.ended_well:
                failed = True
                print(done.output[-8000:])  # noqa: T201
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
