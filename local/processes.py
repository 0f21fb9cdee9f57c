"""Starts the laptop's processes (emulator, sandbox, SAM CLI) so that none of them outlives the one that started it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

GUARD = Path(__file__).with_name("guard.py")
STOP_SECONDS = 30.0
TAIL_LINES = 40
_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ProcessFailedError(RuntimeError):
    """A process ended, or was not ready in time. The message ends with what it printed last."""

    def __init__(self, what: str, output: str) -> None:
        super().__init__(f"{what}; its last lines:\n{tail(output)}")
        self.output = output


class GuardedProcess:
    """A running command with a private TMPDIR (removed with it), its output in a file there.

    It and everything that it started end with `stop`, at the end of a `with`, when nobody holds this object any more,
    and when this process dies. It runs in `cwd`, else in that folder. files: texts that lie there, by name, when it
    starts.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        cwd: Path | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        with _interrupted_afterwards():
            self.directory = Path(tempfile.mkdtemp(prefix=f"cardintake-{name}-"))
            try:
                self._guard = self._start(command, environment, cwd, files or {})
            except BaseException:
                shutil.rmtree(self.directory, ignore_errors=True)
                raise
            self.stop = weakref.finalize(self, _end, self._guard)
            """Ends it and waits until it is gone; again does nothing."""

    def _start(
        self, command: Sequence[str], environment: Mapping[str, str], cwd: Path | None, files: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        for name, text in files.items():
            (self.directory / name).write_text(text, encoding="utf-8")
        log = self.directory / "output.log"
        with log.open("wb") as written:
            guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(self.directory), *command],
                stdin=subprocess.PIPE,
                stdout=written,
                stderr=subprocess.STDOUT,
                env={"HOME": str(self.directory), **environment},
                cwd=cwd or self.directory,
                start_new_session=True,
            )
        self._output = log.open("rb")
        return guard

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _end(guard: subprocess.Popen[bytes]) -> None:
    if guard.stdin is not None:
        guard.stdin.close()
    guard.wait(STOP_SECONDS)


@contextmanager
def _interrupted_afterwards() -> Iterator[None]:
    """Puts signals off that would end this process in the middle, and leave half of something behind."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals interrupt the main thread only
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _INTERRUPTIONS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for interruption in came:
            signal.raise_signal(interruption)


def run(name: str, command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> str:
    """Runs a command to its end and returns what it printed. Raises ProcessFailedError when it fails."""
    with GuardedProcess(name, command, environment, cwd=cwd) as process:
        code = process.wait()
        output = process.output()
    if code:
        raise ProcessFailedError(f"{name} failed with code {code}", output)
    return output


def tail(text: str, lines: int = TAIL_LINES) -> str:
    return "\n".join(text.splitlines()[-lines:])
