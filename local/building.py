"""`sam build` for the machine that it runs on, done again only when something that goes into it has changed."""

import fcntl
import hashlib
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.environment import REPOSITORY, VENVS, closed_environment
from local.processes import ProcessFailedError, run

SAM_DIRECTORY = REPOSITORY / ".aws-sam"
BUILD_DIRECTORY = SAM_DIRECTORY / "build"
_STAMP = SAM_DIRECTORY / "cardintake-inputs.sha256"
_INPUTS = ("template.yaml", "samconfig.toml", "requirements/sam.txt", "layers", "functions")
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


def machine_architecture() -> str:
    """This machine's processor, as Lambda calls it: x86_64 or arm64."""
    machine = platform.machine().lower()
    if machine not in _ARCHITECTURES:
        raise RuntimeError(f"Lambda has no functions for processors of the kind {machine}")
    return _ARCHITECTURES[machine]


def build() -> Path:
    """Builds the application where SAM CLI keeps it and returns that folder, with template.yaml in it.

    Raises ProcessFailedError with SAM's own words when the build fails.
    """
    with _locked():
        digest = _inputs_digest()
        if not _STAMP.is_file() or _STAMP.read_text() != _stamp(digest):
            _STAMP.unlink(missing_ok=True)
            override = f"Architecture={machine_architecture()}"
            run_sam("build", "build", "--cached", "--parallel", "--parameter-overrides", override)
            _STAMP.write_text(_stamp(digest))
    return BUILD_DIRECTORY


def run_sam(name: str, *arguments: str, endpoint_url: str | None = None, cwd: Path = REPOSITORY) -> str:
    """Runs SAM CLI in the closed environment and returns what it printed."""
    environment = closed_environment(endpoint_url)
    # SAM builds with the python3.13 that it finds first; its own environment's has a pip.
    environment["PATH"] = f"{VENVS / 'sam' / 'bin'}:{environment['PATH']}"
    # Asks every few seconds otherwise, for deployments that take minutes.
    environment["SAM_CLI_POLL_DELAY"] = "0.2"
    return run(f"sam-{name}", [str(VENVS / "sam" / "bin" / "sam"), *arguments], environment, cwd)


def _stamp(digest: str) -> str:
    """What was built, and when: somebody else's `sam build` since then makes it another one."""
    template = BUILD_DIRECTORY / "template.yaml"
    return f"{digest} {template.stat().st_mtime_ns if template.exists() else 'never'}"


def _inputs_digest() -> str:
    digest = hashlib.sha256(machine_architecture().encode())
    for path in _input_files():
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(REPOSITORY)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _input_files() -> Iterator[Path]:
    for name in _INPUTS:
        root = REPOSITORY / name
        if root.is_file():
            yield root
        else:
            yield from sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc")


@contextmanager
def _locked() -> Iterator[None]:
    SAM_DIRECTORY.mkdir(exist_ok=True)
    with (SAM_DIRECTORY / "cardintake.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def validate() -> None:
    """`sam validate --lint`."""
    run_sam("validate", "validate", "--lint")


if __name__ == "__main__":
    try:
        {"build": build, "validate": validate}[sys.argv[1]]()
    except ProcessFailedError as error:
        sys.exit(str(error))
