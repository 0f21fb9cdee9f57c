"""What `make up` starts and `make down` stops: the laptop in the background, found again through `.local/`.

The background process holds a lock for as long as it lives. So nobody takes a stale file, or another process that got
the same number, for it.
"""

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from local.cardprinter import encode, print_card
from local.containers import bridge_address
from local.emulator import DOCUMENTED_PORT
from local.environment import REPOSITORY, VENVS, close_environment, closed_environment, closed_variables
from local.laptop import PROVIDERS, running_laptop
from local.lightbox.serving import DOCUMENTED_PORT as LIGHTBOX_PORT
from local.lightbox.serving import running_lightbox
from local.sam_local import write_environment
from local.stack import Outputs, Stack

SAMPLE_KEY = "samples/cn-portrait.jpg"
_START_SECONDS = 300.0
_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Place:
    """The folder in which a background process is found again."""

    directory: Path

    @property
    def lock(self) -> Path:
        """Locked while the process lives; holds its number."""
        return self.directory / "lock"

    @property
    def state(self) -> Path:
        """There when it is ready: endpoint, outputs, and the lightbox's address."""
        return self.directory / "state.json"

    @property
    def log(self) -> Path:
        return self.directory / "up.log"

    @property
    def sam_local_environment(self) -> Path:
        """For `sam local invoke --env-vars`."""
        return self.directory / "sam-local.json"

    @property
    def shell_environment(self) -> Path:
        """For a shell (`. .local/env`): there is a SAM CLI then, and it and an AWS CLI talk to the emulator only."""
        return self.directory / "env"


HERE = Place(REPOSITORY / ".local")


class NotRunningError(RuntimeError):
    """Nothing runs in the background."""


class StartFailedError(RuntimeError):
    """The background process ended before it was ready. The message ends with what it printed."""


def start(routes: str, place: Place = HERE, providers: Sequence[str] = PROVIDERS) -> Stack:
    """Starts the laptop in the background and waits until it is ready; what already runs is taken as it is.

    providers: for keys that none of the `routes` names, in order of preference.
    """
    place.directory.mkdir(exist_ok=True)
    try:
        return attach(place)
    except NotRunningError:
        pass
    place.state.unlink(missing_ok=True)
    with place.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.background", str(place.directory), routes, ",".join(providers)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY,
            env=closed_environment(),
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    try:
        while not place.state.is_file() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        # Also when somebody loses patience: what is not ready is not left behind.
        if not place.state.is_file():
            process.terminate()
            process.wait()
    if not place.state.is_file():
        raise StartFailedError(f"It did not start:\n{place.log.read_text(errors='replace')}")
    return attach(place)


def attach(place: Place = HERE) -> Stack:
    """What runs in the background. Raises NotRunningError."""
    state = _state(place)
    return Stack(state["endpoint_url"], Outputs(**state["outputs"]), Path(state["logs"]))


def lightbox_address(place: Place = HERE) -> str:
    """Where the lightbox of what runs in the background is. Raises NotRunningError."""
    address: str = _state(place)["lightbox"]
    return address


def _state(place: Place) -> dict[str, Any]:
    _running_process(place)
    try:
        state: dict[str, Any] = json.loads(place.state.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotRunningError("It is starting or stopping; try again.") from None
    return state


def stop(place: Place = HERE) -> None:
    """Stops what runs in the background and waits until it is gone. Raises NotRunningError."""
    os.kill(_running_process(place), signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while _is_locked(place):
        if time.monotonic() > deadline:
            raise TimeoutError(f"It did not stop within {_STOP_SECONDS:g} s; see {place.log}")
        time.sleep(0.05)


def _running_process(place: Place) -> int:
    if not _is_locked(place):
        raise NotRunningError("Nothing runs: `make up` starts it.")
    return int(place.lock.read_text())


def _is_locked(place: Place) -> bool:
    try:
        with place.lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


# ── The background process ────────────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    """Runs the laptop until SIGTERM: `python -m local.background DIRECTORY ROUTES PROVIDERS`."""
    place, routes, providers = Place(Path(sys.argv[1])), sys.argv[2], sys.argv[3].split(",")
    close_environment()
    signal.signal(signal.SIGTERM, _end)
    running = running_laptop(
        providers=providers, routes=routes, bridge=bridge_address(), preferred_port=DOCUMENTED_PORT
    )
    with _locked(place), running as laptop, running_lightbox(laptop, routes, LIGHTBOX_PORT) as lightbox:
        try:
            _put_sample(laptop.stack)
            _write_down(laptop.stack, lightbox, place)
            signal.pause()
        finally:
            for file in (place.state, place.sam_local_environment, place.shell_environment):
                file.unlink(missing_ok=True)


def _put_sample(stack: Stack) -> None:
    """The object that the sample events in `events/` tell of."""
    sample = encode(print_card("cn_portrait", seed=1).picture)
    stack.client("s3").put_object(Bucket=stack.outputs.scans_bucket, Key=SAMPLE_KEY, Body=sample)


def _write_down(stack: Stack, lightbox: str, place: Place) -> None:
    write_environment(stack, place.sam_local_environment)
    variables = closed_variables(stack.endpoint_url)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines += [
        "unset AWS_PROFILE AWS_SESSION_TOKEN",
        f'export PATH={shlex.quote(str(VENVS / "sam" / "bin"))}:"$PATH"',
        "",
    ]
    place.shell_environment.write_text("\n".join(lines), encoding="utf-8")
    draft = place.state.with_suffix(".draft")
    state = {
        "endpoint_url": stack.endpoint_url,
        "outputs": asdict(stack.outputs),
        "logs": str(stack.logs),
        "lightbox": lightbox,
    }
    draft.write_text(json.dumps(state), encoding="utf-8")
    draft.replace(place.state)


def _end(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


@contextmanager
def _locked(place: Place) -> Iterator[None]:
    with place.lock.open("a+") as file:
        _lock(file)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(file: IO[str]) -> None:
    """Tries for a moment: whoever asks whether something runs holds the lock, too, for an instant."""
    for _ in range(20):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return
    sys.exit("It runs already, or is just starting or stopping.")


if __name__ == "__main__":
    main()
