"""Reads the locked requirements: which package at which version, by which hashes, on which machines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from local.environment import REPOSITORY

DEPLOYED = REPOSITORY / "layers" / "dependencies" / "requirements.txt"
# The same packages on whatever machine somebody looks.
_LINUX = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "implementation_name": "cpython",
    "python_version": "3.13",
    "python_full_version": "3.13.0",
}
_PINNED = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)(?:\s*;\s*(.*?))?$")


@dataclass(frozen=True, order=True)
class Pin:
    """One package of one locked file. name: in the normal form of PEP 503. on_linux: for Linux on x86_64, or any."""

    name: str
    version: str
    hashes: tuple[str, ...]
    marker: str

    @property
    def on_linux(self) -> bool:
        return not self.marker or Marker(self.marker).evaluate(_LINUX)


def locked_files() -> list[Path]:
    """Every locked file of the repository; the layer's comes first."""
    return [DEPLOYED, *sorted((REPOSITORY / "requirements").glob("*.txt"))]


def pins(file: Path) -> list[Pin]:
    """What a locked file pins. Raises ValueError for a line that is no pin: a range, an address, an option."""
    return [_pin(file, requirement) for requirement in _requirements(file.read_text(encoding="utf-8"))]


def _requirements(text: str) -> Iterator[list[str]]:
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield re.split(r"\s+--hash=", line.strip())


def _pin(file: Path, parts: list[str]) -> Pin:
    requirement, *hashes = parts
    found = _PINNED.fullmatch(requirement.strip())
    if found is None:
        raise ValueError(f"{file.name}: {requirement} is not pinned")
    name, version, marker = found.groups()
    return Pin(canonicalize_name(name), version, tuple(one.strip() for one in hashes), marker or "")
