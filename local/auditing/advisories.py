"""Asks the advisory databases about every locked version: `make advisories`. Needs the internet; no test runs it.

pip-audit carries no advisories with it, and says "No known vulnerabilities found" also of packages that nobody knew.
So what counts here is how many versions were really looked up, in one of its two sources; the rest is named as not
checked, with an exit code of its own.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.auditing.locks import locked_files, pins
from local.environment import REPOSITORY, VENVS

SOURCES = ("pypi", "osv")
SECONDS = 600
FOUND, NOT_CHECKED = 1, 2
type Ask = Callable[[Path, str], Mapping[str, Any] | None]
"""Locked file and source: pip-audit's answer, or None when it broke off."""


@dataclass(frozen=True)
class Report:
    """About one locked file. vulnerable: package and version, with the ids of the advisories."""

    file: Path
    checked: frozenset[str]
    unchecked: frozenset[str]
    vulnerable: Mapping[str, Sequence[str]]


def ask_pip_audit(file: Path, source: str) -> Mapping[str, Any] | None:
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run(
        [str(VENVS / "audit" / "bin" / "pip-audit"), *options, "--vulnerability-service", source, "-r", str(file)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    try:
        answer: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError:
        return None
    return answer


def look_up(file: Path, ask: Ask = ask_pip_audit) -> Report:
    """Every version that the file pins, at one source after the other until all have been found there."""
    unchecked = {f"{pin.name}=={pin.version}" for pin in pins(file) if pin.on_linux}
    checked: set[str] = set()
    vulnerable: dict[str, list[str]] = {}
    for source in SOURCES:
        answer = ask(file, source) if unchecked else None
        for one in answer["dependencies"] if answer else []:
            if "skip_reason" not in one:
                package = f"{one['name']}=={one['version']}"
                checked.add(package)
                if one["vulns"]:
                    vulnerable[package] = sorted(vulnerability["id"] for vulnerability in one["vulns"])
        unchecked -= checked
    return Report(file, frozenset(checked), frozenset(unchecked), vulnerable)


def main(ask: Ask = ask_pip_audit) -> int:
    reports = [look_up(file, ask) for file in locked_files()]
    for report in reports:
        name, total = report.file.relative_to(REPOSITORY), len(report.checked) + len(report.unchecked)
        print(
            f"  {name}: {len(report.checked)} of {total} versions looked up, {len(report.vulnerable)} with advisories"
        )
        for package, advisories in sorted(report.vulnerable.items()):
            print(f"    {package}: {', '.join(advisories)}")
        if report.checked and report.unchecked:
            print(f"    not looked up: {', '.join(sorted(report.unchecked))}")
    if any(report.unchecked for report in reports):
        print("NOT CHECKED: the advisory databases could not be asked about every version. This is no clean bill.")
    if any(report.vulnerable for report in reports):
        return FOUND
    return NOT_CHECKED if any(report.unchecked for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
