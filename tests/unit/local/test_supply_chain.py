"""Packages: pinned by hashes wherever they are named, under licences that somebody allowed, and looked up or not."""

import importlib.metadata
import re
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import Any, cast

import pytest

from local.auditing import advisories, licences, locks
from local.auditing.licences import FOR_TOOLS, PERMISSIVE, Row, allowed
from local.bootstrap import NAMES
from local.environment import REPOSITORY, VENVS

LOCKED = locks.locked_files()
LAYER = locks.DEPLOYED


# ── locks ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("file", LOCKED, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_every_package_is_pinned_by_hashes(file: Path) -> None:
    found = locks.pins(file)
    assert found
    assert all(pin.hashes for pin in found)
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for pin in found for value in pin.hashes)
    assert "://" not in re.sub(r"#.*", "", file.read_text(encoding="utf-8")), "names where packages come from"


@pytest.mark.parametrize("file", LOCKED, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_what_is_asked_for_is_locked(file: Path) -> None:
    asked = [line for line in file.with_suffix(".in").read_text(encoding="utf-8").splitlines() if line[:1].isalpha()]
    locked = {pin.name: pin.version for pin in locks.pins(file)}
    assert asked
    for line in asked:
        name, _, version = re.sub(r"\[.*?\]|[;#].*", "", line).strip().partition("==")
        assert name in locked
        assert version in {"", locked[name]}


def test_every_environment_has_a_lock_and_every_lock_an_environment() -> None:
    assert {file.stem for file in LOCKED if file != LAYER} == set(NAMES)


def test_development_runs_on_what_is_deployed() -> None:
    developed = {(pin.name, pin.version) for pin in locks.pins(REPOSITORY / "requirements" / "dev.txt")}
    assert {(pin.name, pin.version) for pin in locks.pins(LAYER)} <= developed


def test_every_installation_demands_hashes() -> None:
    """The makefile of our own layer installs nothing; test_layers.py looks at the options of the other."""
    installing = {
        path.relative_to(REPOSITORY).as_posix()
        for path in [REPOSITORY / "Makefile", *REPOSITORY.glob("layers/*/Makefile"), *REPOSITORY.glob("local/**/*.py")]
        if re.search(r'pip install|"install", \*options', path.read_text(encoding="utf-8"))
    }
    assert installing == {"layers/dependencies/Makefile", "local/bootstrap.py"}
    for path in installing:
        assert "--require-hashes" in (REPOSITORY / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("line", ["cheese", "cheese>=1", "cheese @ file:///tmp/cheese", "-r other.txt", "--pre"])
def test_what_is_no_pin_is_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "some.txt"
    file.write_text(f"{line}\n")
    with pytest.raises(ValueError, match="not pinned"):
        locks.pins(file)


def test_a_pin_is_read_with_its_hashes_and_marker(tmp_path: Path) -> None:
    file = tmp_path / "some.txt"
    file.write_text(
        "Big_Cheese[mild]==1.2 ; sys_platform == 'win32' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    )
    (pin,) = locks.pins(file)
    assert (pin.name, pin.version, pin.hashes) == ("big-cheese", "1.2", ("sha256:aa", "sha256:bb"))
    assert not pin.on_linux


# ── licences ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_has_every_locked_package_and_no_other() -> None:
    """Fails after `make lock`, until `make licences`."""
    ours, tools = licences.read()
    locked: dict[tuple[str, str], set[str]] = {}
    for file in LOCKED[1:]:
        for pin in locks.pins(file):
            if pin.on_linux:
                locked.setdefault((pin.name, pin.version), set()).add(file.stem)
    deployed = {(pin.name, pin.version) for pin in locks.pins(LAYER) if pin.on_linux}
    assert {(row.name, row.version) for row in ours} == deployed
    assert {(row.name, row.version): set(row.files.split(", ")) for row in tools} == {
        package: files for package, files in locked.items() if package not in deployed
    }


def test_the_list_holds_allowed_licences_only() -> None:
    ours, tools = licences.read()
    assert [row for row in ours if not allowed(row.licence, PERMISSIVE)] == []
    assert [row for row in tools if not allowed(row.licence, FOR_TOOLS)] == []


@pytest.mark.parametrize("environment", NAMES)
def test_the_list_says_what_the_packages_say(environment: str) -> None:
    """Looks at the environments that have been made here; `dev`, with all that is deployed, always is one."""
    ours, tools = licences.read()
    listed = {(row.name, row.version): row.licence for row in [*ours, *tools]}
    installed = licences.installed_licences(environment) if (VENVS / environment).is_dir() else {}
    assert installed or environment != "dev"
    assert {package: name for package, name in installed.items() if listed.get(package, name) != name} == {}


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("MIT", True),
        ("MIT AND Apache-2.0", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("MPL-2.0 AND (GPL-3.0-only OR MIT)", True),
        ("(GPL-3.0-only OR AGPL-3.0-only) AND MIT", False),
        ("GPL-3.0-only AND MIT OR MIT", True),
    ],
)
def test_expressions_are_allowed_by_their_meaning(expression: str, verdict: bool) -> None:
    assert allowed(expression, PERMISSIVE) is verdict


def test_a_licence_outside_of_the_lists_stops_the_writing() -> None:
    copyleft = Row("cheese", "1", "LGPL-2.1-or-later", "dev")
    assert "| cheese | 1 | LGPL-2.1-or-later | dev |" in licences.write([], [copyleft])
    with pytest.raises(ValueError, match="cheese LGPL"):
        licences.write([copyleft], [])
    with pytest.raises(ValueError, match="cheese AGPL"):
        licences.write([], [Row("cheese", "1", "AGPL-3.0-only", "dev")])


@pytest.mark.parametrize(
    ("headers", "licence"),
    [
        ({"License-Expression": "MIT OR  Apache-2.0", "License": "whatever"}, "MIT OR Apache-2.0"),
        ({"Classifier": "License :: OSI Approved :: BSD License", "License": "a long text of it"}, "BSD"),
        ({"Classifier": "License :: OSI Approved", "License": "Apache-2.0"}, "Apache-2.0"),
        ({"License": "MIT"}, "MIT"),
    ],
)
def test_a_licence_is_read_from_what_the_package_says(headers: dict[str, str], licence: str) -> None:
    assert licences.licence(metadata(headers)) == licence


def test_a_package_that_says_nothing_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="cheese does not say"):
        licences.licence(metadata({"License": ""}))


def metadata(headers: Mapping[str, str]) -> importlib.metadata.PackageMetadata:
    message = Message()
    for name, value in {"Name": "Cheese", **headers}.items():
        message[name] = value
    return cast("importlib.metadata.PackageMetadata", message)


# ── advisories ───────────────────────────────────────────────────────────────────────────────────────────────────────


def every_version(vulnerable: str = "") -> advisories.Ask:
    def ask(file: Path, source: str) -> Mapping[str, Any]:
        found = [{"name": pin.name, "version": pin.version, "vulns": []} for pin in locks.pins(file)]
        return {
            "dependencies": [
                one | {"vulns": [{"id": "PYSEC-1"}]} if one["name"] == vulnerable else one for one in found
            ]
        }

    return ask


def nobody_knows(file: Path, source: str) -> Mapping[str, Any]:
    return {"dependencies": [{"name": pin.name, "skip_reason": "not found"} for pin in locks.pins(file)]}


def test_versions_that_were_looked_up_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert advisories.main(every_version()) == 0
    assert "NOT CHECKED" not in capsys.readouterr().out


def test_an_advisory_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert advisories.main(every_version(vulnerable="pillow")) == advisories.FOUND
    assert re.search(r"pillow==\S+: PYSEC-1", capsys.readouterr().out)


@pytest.mark.parametrize("ask", [nobody_knows, lambda *_: None], ids=["unknown packages", "no answer"])
def test_what_could_not_be_looked_up_is_not_called_clean(
    ask: advisories.Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    assert advisories.main(ask) == advisories.NOT_CHECKED
    said = capsys.readouterr().out
    assert "NOT CHECKED" in said
    assert re.search(r"requirements\.txt: 0 of [1-9]", said)


def test_the_second_source_is_asked_for_what_the_first_does_not_know() -> None:
    def ask(file: Path, source: str) -> Mapping[str, Any] | None:
        return every_version()(file, source) if source == advisories.SOURCES[1] else nobody_knows(file, source)

    report = advisories.look_up(LAYER, ask)
    assert not report.unchecked
    assert len(report.checked) == len(locks.pins(LAYER))
