"""Starts the laptop's processes (emulator, sandbox, SAM CLI) so that none of them outlives the one that started it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

GUARD = Path(__file__).with_name("guard.py")
STOP_SECONDS = 10.0
TAIL_LINES = 40


class ProcessFailedError(RuntimeError):
    """A process ended, or was not ready in time. The message ends with what it printed last."""

    def __init__(self, what: str, output: str) -> None:
        super().__init__(f"{what}; its last lines:\n{tail(output)}")
        self.output = output


class GuardedProcess:
    """A running command with a private TMPDIR (removed with it), its output in a file there.

    It and everything that it started end with `stop`, at the end of a `with`, and when this process dies.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        cwd: Path,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.directory = directory or private_directory(name)
        self._log = self.directory / "output.log"
        try:
            with self._log.open("wb") as log:
                self._guard = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(GUARD), str(self.directory), *command],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={"HOME": str(self.directory), **environment},
                    cwd=cwd,
                    start_new_session=True,
                )
            self._output = self._log.open("rb")
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def output(self) -> str:
        """What it has printed so far. Readable also after its end."""
        return os.pread(self._output.fileno(), 1 << 26, 0).decode(errors="replace")

    def wait_until_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Polls `ready` until it is true. Raises ProcessFailedError when the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        while not ready():
            code = self._guard.poll()
            if code is not None:
                raise ProcessFailedError(f"{self.name} ended with code {code} before it was ready", self.output())
            if time.monotonic() > deadline:
                raise ProcessFailedError(f"{self.name} was not ready within {seconds:g} s", self.output())
            time.sleep(0.05)

    def wait(self) -> int:
        """Waits for its end and returns its exit code."""
        return self._guard.wait()

    def stop(self) -> None:
        """Ends it, waits until it is gone; again does nothing."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait(STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def private_directory(name: str) -> Path:
    """A new folder that only this user can read; for a GuardedProcess, which removes it."""
    return Path(tempfile.mkdtemp(prefix=f"cardintake-{name}-"))


def run(name: str, command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> str:
    """Runs a command to its end and returns what it printed. Raises ProcessFailedError when it fails."""
    with GuardedProcess(name, command, environment, cwd) as process:
        code = process.wait()
        output = process.output()
    if code:
        raise ProcessFailedError(f"{name} failed with code {code}", output)
    return output


def tail(text: str, lines: int = TAIL_LINES) -> str:
    return "\n".join(text.splitlines()[-lines:])
