"""What makes the virtual environments: which Python it takes, and when it has nothing to do."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import bootstrap

REAL_PYTHON = os.path.realpath(sys.executable)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one locked file, and an environment made from it."""
    monkeypatch.setattr(bootstrap, "REPOSITORY", tmp_path)
    monkeypatch.setattr(bootstrap, "VENVS", tmp_path / ".venvs")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "dev.txt").write_text("cheese==1\n")
    made = tmp_path / ".venvs" / "dev"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "python").symlink_to(sys.executable)
    (made / "cardintake-stamp").write_text(bootstrap._stamp("dev"))
    return tmp_path


def shim(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_it_runs_under_an_old_python() -> None:
    ast.parse(Path(bootstrap.__file__).read_text(encoding="utf-8"), feature_version=(3, 9))


def test_an_environment_is_current_until_something_changes(repository: Path) -> None:
    assert bootstrap._is_current("dev")
    (repository / "requirements" / "dev.txt").write_text("cheese==2\n")
    assert not bootstrap._is_current("dev")


def test_an_interrupted_environment_is_not_current(repository: Path) -> None:
    (repository / ".venvs" / "dev" / "cardintake-stamp").unlink()
    assert not bootstrap._is_current("dev")


def test_an_environment_whose_python_is_gone_is_not_current(repository: Path) -> None:
    python = repository / ".venvs" / "dev" / "bin" / "python"
    python.unlink()
    python.symlink_to(repository / "removed")
    assert not bootstrap._is_current("dev")


def test_nothing_is_started_when_there_is_nothing_to_do(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", "dev"])
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("something was started"))
    assert bootstrap.main() == 0


def test_a_shim_that_stands_for_nothing_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shims = tmp_path / "shims"
    shim(shims, "python3.13", "echo 'python3.13: command not found' >&2; exit 127")
    shim(shims, "python3", "echo not a Python")
    versions = tmp_path / "pyenv" / "versions" / "3.13.0" / "bin"
    versions.mkdir(parents=True)
    (versions / "python3").symlink_to(REAL_PYTHON)
    monkeypatch.setenv("PATH", str(shims))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(sys, "executable", str(shims / "python3"))
    assert os.path.realpath(bootstrap.find_python()) == REAL_PYTHON


def test_a_named_python_is_taken_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim(tmp_path, "mine", 'echo "$0"')
    monkeypatch.setenv("PYTHON313", str(tmp_path / "mine"))
    assert bootstrap.find_python() == str(tmp_path / "mine")


def test_without_any_python_the_user_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise bootstrap._CannotMakeError("no network")

    monkeypatch.setattr(bootstrap, "_candidates", lambda: iter(()))
    monkeypatch.setattr(bootstrap, "_make", refuse)
    monkeypatch.setattr(bootstrap, "_is_current", lambda _: False)
    with pytest.raises(bootstrap._CannotMakeError, match=r"needs Python 3\.13(.|\n)*no network(.|\n)*pyenv install"):
        bootstrap.find_python()
