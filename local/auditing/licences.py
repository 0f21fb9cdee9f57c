"""Writes THIRD-PARTY-LICENSES.md: every locked package and its licence, by what the installed packages say themselves.

    python -m local.auditing.licences

Licences are written as SPDX expressions. Those outside of the lists below stop the writing: somebody has to read them.
"""

import importlib.metadata
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from local.auditing.locks import DEPLOYED, locked_files, pins
from local.environment import REPOSITORY, VENVS

LIST = REPOSITORY / "THIRD-PARTY-LICENSES.md"
# Whoever deploys the functions passes these on: nothing that reaches further than the package's own files.
PERMISSIVE = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0"),
        *("MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib"),
    }
)
# Tools on a developer's machine, passed on to nobody.
FOR_TOOLS = PERMISSIVE | {"AFL-2.1", "Artistic-1.0", "GPL-2.0-or-later", "LGPL-2.1-or-later", "OFL-1.1"}

_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "SIL Open Font License 1.1 (OFL-1.1)": "OFL-1.1",
}
# Classifiers that say nothing more than the ones beside them.
_VAGUE = {"DFSG approved", "Freely Distributable", "GNU General Public License (GPL)", "OSI Approved"}
# Packages whose metadata are silent or vague: what their own licence files say.
_READ_BY_HAND = {
    "atheris": "Apache-2.0",
    "axe-playwright-python": "MIT AND MPL-2.0",  # with axe-core in it
    "cookiecutter": "BSD-3-Clause",
    "python-stdnum": "LGPL-2.1-or-later",
    "text-unidecode": "Artistic-1.0 OR GPL-2.0-or-later",
}
_HEAD = """\
# Licences of third-party packages

Written by `make licences` from the metadata of the installed packages; a test keeps it current. `BSD` stands where a
package does not say which of its variants. Each package carries the text of its licence with it, in the layer too.
"""


@dataclass(frozen=True, order=True)
class Row:
    """A package of a locked file. licence: an SPDX expression; files: names of the locked files, for example `dev`."""

    name: str
    version: str
    licence: str
    files: str


def licence(metadata: importlib.metadata.PackageMetadata) -> str:
    """The SPDX expression of a package. Raises ValueError when the package does not say it in a form known here."""
    name = canonicalize_name(metadata["Name"])
    if name in _READ_BY_HAND:
        return _READ_BY_HAND[name]
    if expression := metadata.get("License-Expression"):
        return " ".join(expression.split())
    last = [one.rpartition(" :: ")[2] for one in metadata.get_all("Classifier") or [] if one.startswith("License ::")]
    told = [one for one in last if one not in _VAGUE] or [(metadata.get("License") or "").strip()]
    known = {_SPDX.get(one, one) for one in told}
    if not all(re.fullmatch(r"[A-Za-z0-9.+-]+( (AND|OR) [A-Za-z0-9.+-]+)*", one) for one in known):
        raise ValueError(f"{name} does not say its licence: {sorted(known)}")
    # Whether one may choose is not said: what is meant as a choice is read by hand.
    return " AND ".join(sorted(known))


def allowed(expression: str, licences: Iterable[str]) -> bool:
    """Whether an SPDX expression can be kept with these licences: all of what AND joins, one of what OR joins."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression)
    permitted = set(licences)

    def either() -> bool:
        result = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            other = both()
            result = result or other
        return result

    def both() -> bool:
        result = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            other = one()
            result = result and other
        return result

    def one() -> bool:
        name = tokens.pop(0)
        if name != "(":
            return name in permitted
        result = either()
        tokens.pop(0)
        return result

    return either()


def rows() -> tuple[list[Row], list[Row]]:
    """The packages that are deployed, and those on developers' machines only. Needs every virtual environment.

    What is for Linux only, and so is not installed on a Mac, keeps the licence that the file has for it.
    """
    ours, tools = read() if LIST.exists() else ([], [])
    listed = {(row.name, row.version): row.licence for row in [*ours, *tools]}
    deployed = {(pin.name, pin.version) for pin in pins(DEPLOYED)}
    files: dict[tuple[str, str], list[str]] = {}
    licences: dict[tuple[str, str], str] = {}
    for file in locked_files()[1:]:
        installed = listed | installed_licences(file.stem)
        for pin in pins(file):
            if pin.on_linux:
                package = (pin.name, pin.version)
                if package not in installed:
                    raise ValueError(f".venvs/{file.stem} lacks {pin.name} {pin.version}")
                files.setdefault(package, []).append(file.stem)
                licences[package] = installed[package]
    if missing := deployed - files.keys():
        raise ValueError(f"not installed for development: {sorted(missing)}")
    everything = [Row(*package, licences[package], ", ".join(names)) for package, names in sorted(files.items())]
    ours = [row for row in everything if (row.name, row.version) in deployed]
    tools = [row for row in everything if (row.name, row.version) not in deployed]
    return ours, tools


def installed_licences(environment: str) -> dict[tuple[str, str], str]:
    """Name and version: licence, of what is installed in that virtual environment."""
    folders = [str(folder) for folder in (VENVS / environment).glob("lib/python3*/site-packages")]
    found = importlib.metadata.distributions(path=folders)
    return {(canonicalize_name(one.metadata["Name"]), one.version): licence(one.metadata) for one in found}


def write(ours: list[Row], tools: list[Row]) -> str:
    """The whole file. Raises ValueError for licences that nobody has allowed."""
    for listed, permitted in ((ours, PERMISSIVE), (tools, FOR_TOOLS)):
        refused = [f"{row.name} {row.licence}" for row in listed if not allowed(row.licence, permitted)]
        if refused:
            raise ValueError(f"licences that are not on the list: {refused}")
    lines = [_HEAD, "## Deployed with the functions", "", "| Package | Version | Licence |", "|---|---|---|"]
    lines += [f"| {row.name} | {row.version} | {row.licence} |" for row in ours]
    lines += ["", "## On developers' machines only", "", "| Package | Version | Licence | Where |", "|---|---|---|---|"]
    lines += [f"| {row.name} | {row.version} | {row.licence} | {row.files} |" for row in tools]
    return "\n".join(lines) + "\n"


def read(path: Path = LIST) -> tuple[list[Row], list[Row]]:
    """The two tables of the file."""
    tables: tuple[list[Row], list[Row]] = ([], [])
    table = -1
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("## "):
            table += 1
        elif line.startswith("| ") and cells[0] != "Package":
            tables[table].append(Row(*(*cells, "")[:4]))
    return tables


if __name__ == "__main__":
    try:
        LIST.write_text(write(*rows()), encoding="utf-8")
    except ValueError as error:
        sys.exit(f"THIRD-PARTY-LICENSES.md was not written: {error}")
