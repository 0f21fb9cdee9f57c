"""Nothing that is started here outlives the one that started it, however that one ends; nothing listens elsewhere."""

import gc
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local import background
from local.emulator import LOOPBACK, Emulator, aws_client, free_port
from local.environment import REGION, REPOSITORY, close_environment, closed_environment
from local.processes import GuardedProcess, ProcessFailedError, run

pytestmark = pytest.mark.thorough

# A shell that starts a child of its own, and says both numbers.
FAMILY = "sleep 600 & echo $$ $!; wait"
STARTER = f"""
import sys, time
from local.processes import GuardedProcess
process = GuardedProcess("family", ["sh", "-c", {FAMILY!r}], {{"PATH": "/usr/bin:/bin"}})
process.wait_until_ready(lambda: len(process.output().split()) == 2, 20)
print(process.directory, process.output().strip(), flush=True)
try:
    time.sleep(600)
finally:
    process.stop()
"""
EMULATOR_STARTER = """
import time
from local.emulator import Emulator
emulator = Emulator()
print(emulator.directory, emulator.port, flush=True)
time.sleep(600)
"""


@pytest.fixture
def start() -> Iterator[Callable[[str], tuple[subprocess.Popen[str], list[str]]]]:
    """Starts a Python program, which says one line; its process and the words of that line."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str) -> tuple[subprocess.Popen[str], list[str]]:
        command = [sys.executable, "-c", program]
        environment = closed_environment()
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, line(process.stdout).split()

    yield start
    for process in started:
        process.kill()
        process.wait()


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # an orphan that has ended, until init notices


def is_open(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex((LOOPBACK, port)) == 0


def listening_addresses(port: int) -> set[str]:
    """Where somebody listens on this port, as the kernel tells it: IPv4 addresses, IPv6 ones in its own spelling."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for entry in table.read_text().splitlines()[1:] if table.exists() else ():
            local, state = entry.split()[1], entry.split()[3]
            address, _, opened = local.partition(":")
            if state == "0A" and int(opened, 16) == port:
                packed = bytes.fromhex(address)[::-1]
                found.add(socket.inet_ntoa(packed) if len(packed) == 4 else address)
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_family_ends_with_its_starter(
    number: signal.Signals, start: Callable[[str], tuple[subprocess.Popen[str], list[str]]]
) -> None:
    starter, (directory, *pids) = start(STARTER)
    assert len(pids) == 2
    assert all(is_alive(int(pid)) for pid in pids)
    starter.send_signal(number)
    assert soon(lambda: not any(is_alive(int(pid)) for pid in pids)), "it lives on"
    assert soon(lambda: not Path(directory).exists()), "its folder is left behind"


def test_the_emulator_ends_with_its_starter(
    start: Callable[[str], tuple[subprocess.Popen[str], list[str]]],
) -> None:
    starter, (directory, port) = start(EMULATOR_STARTER)
    assert is_open(int(port))
    starter.kill()
    assert soon(lambda: not is_open(int(port)))
    assert soon(lambda: not Path(directory).exists())


def test_a_process_that_ignores_being_asked_is_ended() -> None:
    with GuardedProcess("deaf", ["sh", "-c", "trap '' TERM; echo deaf; sleep 600 & wait; wait"], {}) as deaf:
        deaf.wait_until_ready(lambda: "deaf" in deaf.output(), 10)
        started = time.monotonic()
    assert time.monotonic() - started < 5
    assert not deaf.directory.exists()


def test_an_interruption_waits_until_what_was_begun_can_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle of starting a process, where nobody knows of it yet."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    popen = subprocess.Popen

    def interrupted(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started = popen(*arguments, **options)
        signal.raise_signal(signal.SIGINT)
        return started

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        GuardedProcess("sleeper", ["sleep", "600"], {"PATH": "/usr/bin:/bin"})
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_failing_process_is_told_of_in_its_own_words() -> None:
    with pytest.raises(ProcessFailedError, match=r"cheese failed with code 3(.|\n)*no milk"):
        run("cheese", ["sh", "-c", "echo no milk; exit 3"], {}, Path("/"))


def test_the_emulator_listens_on_loopback_only_and_knows_its_user() -> None:
    with Emulator() as emulator:
        assert listening_addresses(emulator.port) == {LOOPBACK}
        aws_client(emulator.endpoint_url, "s3").list_buckets()
        stranger = boto3.client(
            "s3",
            endpoint_url=emulator.endpoint_url,
            region_name=REGION,
            aws_access_key_id="stranger",
            aws_secret_access_key="test",
        )
        with pytest.raises(ClientError):
            stranger.list_buckets()
    assert not is_open(emulator.port)
    assert not emulator.directory.exists()


def test_a_preferred_port_that_is_taken_is_not_waited_for() -> None:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        taken = listener.getsockname()[1]
        assert free_port([LOOPBACK], taken) != taken
    assert free_port([LOOPBACK], taken) == taken


@pytest.mark.emulator
def test_what_runs_in_the_background_is_found_again_and_stopped(tmp_path: Path) -> None:
    close_environment()
    place = background.Place(tmp_path)
    with pytest.raises(background.NotRunningError):
        background.attach(place)
    stack = background.start("cn/=ctyun", place)
    try:
        assert background.attach(place) == background.start("", place) == stack
        assert "AWS_ENDPOINT_URL=" + stack.endpoint_url in place.shell_environment.read_text()
        assert "host.docker.internal" in place.sam_local_environment.read_text()
        assert stack.client("s3").list_objects_v2(Bucket=stack.outputs.scans_bucket)["KeyCount"] == 1
    finally:
        background.stop(place)
    with pytest.raises(background.NotRunningError):
        background.stop(place)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lock", "up.log"]
