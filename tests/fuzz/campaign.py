"""Runs one target in a process of its own, under libFuzzer and a limit of memory: how it ended, what it reached."""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
TARGETS = ("images", "accuauth", "ctyun", "huaweicloud", "ihuyi", "waiqin365", "messages")
MEMORY_MB = 512
_SECONDS_FOR_ONE_INPUT = 25
# A process that is started straight from a large one begins with that one's peak of memory, as Linux counts it, and
# libFuzzer would take that for its own: a shell between them begins small.
_FROM_A_SMALL_PROCESS = ("/bin/sh", "-c", '"$@"; exit $?', "sh")


@dataclass(frozen=True, slots=True)
class Campaign:
    """`coverage`: places in the Python code that were reached. `output`: libFuzzer's, and the input that crashed."""

    target: str
    executions: int
    coverage: int
    peak_mb: int
    ended_well: bool
    output: str


def run(target: str, runs: int, seed: int, found: Path, seconds: int = 0) -> Campaign:
    """At most `runs` executions, or `seconds` where that is not 0. `found` gets every input that reached new code."""
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as crashes:
        command = [
            *_FROM_A_SMALL_PROCESS, sys.executable, "-m", "tests.fuzz.child", target, f"-runs={runs}", f"-seed={seed}",
            f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={_SECONDS_FOR_ONE_INPUT}",
            f"-artifact_prefix={crashes}/", "-max_len=20000", "-print_final_stats=1", str(found),
        ]  # fmt: skip
        if (CORPUS / target).is_dir():
            command.append(str(CORPUS / target))
        done = subprocess.run(command, cwd=REPOSITORY, env=_environment(), capture_output=True, check=False)
        output = (done.stdout + done.stderr).decode("utf-8", "replace")
        for crash in sorted(Path(crashes).iterdir()):
            output += f"\n{crash.name}: {crash.read_bytes()!r}"
    return Campaign(
        target,
        executions=_last(output, r"stat::number_of_executed_units:\s*(\d+)"),
        coverage=_last(output, r"\bcov: (\d+)"),
        peak_mb=_last(output, r"stat::peak_rss_mb:\s*(\d+)"),
        ended_well=done.returncode == 0,
        output=output,
    )


def _environment() -> dict[str, str]:
    paths = [str(REPOSITORY / "layers/cardintake/python"), str(REPOSITORY)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}


def _last(output: str, pattern: str) -> int:
    return int(found[-1]) if (found := re.findall(pattern, output)) else 0
