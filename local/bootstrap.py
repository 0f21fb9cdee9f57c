"""Makes the virtual environments that the project runs in. Runs under any Python from 3.9 on, with nothing installed.

    python3 local/bootstrap.py dev sam emulator runtime

Each is a folder of `.venvs/`, installed by pip from its locked file in `requirements/`, with hashes, with whatever
index the user's pip is set up for. A stamp, written last, says what a folder was made from: a folder without the right
stamp is made anew. So an interrupted run is repaired by the next one, and a run with nothing to do costs milliseconds.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parent.parent
VENVS = REPOSITORY / ".venvs"
VERSION = (3, 13)
NAMES = ("dev", "sam", "emulator", "runtime", "bench", "audit", "uv")
# Runs on a machine's Python of any version: it is what fetches another Python, and what locks the requirements.
ANY_PYTHON = "uv"
# Some unpack while others download; measured, 2 and 4 are slower on two processors.
PARALLEL = 3

_PROBE = f"""
import ssl, sys, venv
if sys.version_info[:2] != {VERSION} or sys.implementation.name != "cpython":
    sys.exit(1)
print(getattr(sys, "_base_executable", None) or sys.executable)
"""
_NOTHING_FOUND = """\
cardintake needs Python {version} (with venv and ssl), the version that its Lambda functions run on.
None was found here, and uv could not fetch one: {reason}
Install it in any of these ways, then run this again:
    pyenv install {version}            (it need not be selected)
    uv python install {version}
    apt install python{version} python{version}-venv      (where the distribution has it)
    brew install python@{version}
or name one that you have:  make PYTHON{nodot}=/path/to/python{version} ...
"""


def main() -> int:
    names = sys.argv[1:]
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        print(f"usage: bootstrap.py NAME ...   names: {' '.join(NAMES)}", file=sys.stderr)
        return 2
    if all(_is_current(name) for name in names):
        return 0
    VENVS.mkdir(exist_ok=True)
    with (VENVS / "lock").open("w") as lock:
        # Another one may be at work already: then its folders are taken as it leaves them.
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [name for name in names if not _is_current(name)]
        try:
            return _make_all(missing)
        except _CannotMakeError as error:
            print(f"\n{error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nInterrupted; the next run goes on from here.", file=sys.stderr)
            return 130


class _CannotMakeError(Exception):
    """The message says what the user can do about it."""


def _make_all(names: list[str]) -> int:
    if ANY_PYTHON in names:
        _make(ANY_PYTHON, sys.executable)
    rest = [name for name in names if name != ANY_PYTHON]
    if not rest:
        return 0
    python = find_python()
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        for made in [pool.submit(_make, name, python) for name in rest]:
            made.result()
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"  {line}\n")  # in one piece: several threads say something
    sys.stdout.flush()


# ── Which folder is current ───────────────────────────────────────────────────────────────────────────────────────────


def _is_current(name: str) -> bool:
    folder = VENVS / name
    stamp = folder / "cardintake-stamp"
    # The second condition fails when the Python that it was made with has been removed.
    return stamp.is_file() and (folder / "bin" / "python").exists() and stamp.read_text() == _stamp(name)


def _stamp(name: str) -> str:
    locked = (REPOSITORY / "requirements" / f"{name}.txt").read_bytes()
    # Scripts in the folder name it by its full path, so a repository that was moved needs new ones.
    return hashlib.sha256(f"{VERSION} {VENVS}\n".encode() + locked).hexdigest()


def _make(name: str, python: str) -> None:
    started = time.monotonic()
    folder = VENVS / name
    _say(f".venvs/{name}: installing ...")
    shutil.rmtree(folder, ignore_errors=True)
    locked = str(REPOSITORY / "requirements" / f"{name}.txt")
    # Compiled below: pip does that with one processor only, while nothing else can go on. What depends on what has
    # been settled when it was locked.
    options = ["--quiet", "--no-input", "--no-compile", "--no-deps", "--require-hashes", "--requirement", locked]
    inside, pip = _empty_environment(folder, python)
    _run([*pip, "--disable-pip-version-check", "install", *options], f"pip could not install {locked}")
    _run([inside, "-m", "compileall", "-q", "-j", "0", _site_packages(folder)], "", check=False)
    (folder / "cardintake-stamp").write_text(_stamp(name))
    _say(f".venvs/{name}: ready after {time.monotonic() - started:.0f} s")


def _empty_environment(folder: Path, python: str) -> tuple[str, list[str]]:
    """Makes the folder; returns its Python and the command that is pip in there."""
    inside = str(folder / "bin" / "python")
    try:
        _run([python, "-m", "venv", str(folder)], "")
    except _CannotMakeError as error:
        # Debian ships ensurepip apart. The machine's own pip can install into any environment.
        without_pip = [python, "-m", "venv", "--clear", "--without-pip", str(folder)]
        _run(without_pip, f"{python} cannot make a virtual environment")
        machines = [sys.executable, "-m", "pip", "--python", inside]
        _run(
            [*machines, "--version"],
            f"{python} cannot make a virtual environment with pip{error}\nnor is there another",
        )
        return inside, machines
    return inside, [inside, "-m", "pip"]


def _site_packages(folder: Path) -> str:
    return next(iter(glob.glob(str(folder / "lib" / "python*" / "site-packages"))))  # noqa: PTH207 - one of two Pythons


def _run(command: list[str], failure: str, *, check: bool = True) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise _CannotMakeError(f"{failure}:\n{done.stdout}{done.stderr}")


# ── Which Python ──────────────────────────────────────────────────────────────────────────────────────────────────────


def find_python() -> str:
    """The path of a working Python 3.13. Candidates are run, not believed: a shim may stand for nothing."""
    for candidate in _candidates():
        real = _real_path(candidate)
        if real is not None:
            return real
    return _fetched_python()


def _candidates() -> Iterator[str]:
    version = ".".join(map(str, VERSION))
    named = os.environ.get(f"PYTHON{''.join(map(str, VERSION))}")
    if named:
        yield named
    yield sys.executable
    for command in (f"python{version}", "python3", "python"):
        found = shutil.which(command)
        if found:
            yield found
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    for pattern in (
        str(pyenv / "versions" / f"{version}*" / "bin" / "python3"),
        str(home / ".local" / "share" / "uv" / "python" / f"cpython-{version}*" / "bin" / "python3"),
        str(home / ".asdf" / "installs" / "python" / f"{version}*" / "bin" / "python3"),
        str(home / ".local" / "share" / "mise" / "installs" / "python" / f"{version}*" / "bin" / "python3"),
        f"/opt/homebrew/bin/python{version}",
        f"/usr/local/bin/python{version}",
        f"/usr/bin/python{version}",
        f"/opt/python/*/bin/python{version}",
        f"/opt/hostedtoolcache/Python/{version}*/*/bin/python3",
        f"/Library/Frameworks/Python.framework/Versions/{version}/bin/python3",
    ):
        # Newest first.
        yield from sorted(glob.glob(pattern), reverse=True)  # noqa: PTH207 - the pattern is absolute


def _real_path(candidate: str) -> str | None:
    """The candidate's own idea of where it is, when it works and is the right one."""
    try:
        done = subprocess.run([candidate, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    path = done.stdout.strip()
    return path if done.returncode == 0 and Path(path).is_absolute() and Path(path).exists() else None


def _fetched_python() -> str:
    version = ".".join(map(str, VERSION))
    _say(f"Python {version}: none found here, fetching one with uv ...")
    started = time.monotonic()
    try:
        if not _is_current(ANY_PYTHON):
            _make(ANY_PYTHON, sys.executable)
        uv = str(VENVS / ANY_PYTHON / "bin" / "uv")
        _run([uv, "python", "install", version], "uv python install")
        found = subprocess.run([uv, "python", "find", version], capture_output=True, text=True, check=True)
        python = _real_path(found.stdout.strip())
    except (_CannotMakeError, subprocess.CalledProcessError) as error:
        nodot = version.replace(".", "")
        raise _CannotMakeError(_NOTHING_FOUND.format(version=version, nodot=nodot, reason=error)) from error
    if python is None:
        raise _CannotMakeError(f"uv fetched {found.stdout.strip()}, which does not work here.")
    _say(f"Python {version}: ready after {time.monotonic() - started:.0f} s")
    return python


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
