"""`make demo`, `make up`, `make scan` and `make down` as people run them, and what they leave behind: nothing."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cardintake.reason_texts import TEXTS
from cardintake.reasons import Reason
from local import background
from local.demo.providers import NAMES, Choice
from local.environment import BUILD, REPOSITORY

pytestmark = [pytest.mark.emulator, pytest.mark.ocr, pytest.mark.xdist_group("demo")]

COMMAND = [sys.executable, "-m", "local"]


def environment(folder: Path) -> dict[str, str]:
    """Everything that a command starts has its private folders, and so its traces, below `folder`."""
    return os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}


def local(folder: Path, *arguments: str, errors: int = subprocess.STDOUT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=REPOSITORY,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        timeout=240,
        check=False,
    )


def traces(folder: Path) -> list[str]:
    """Processes that know of the folder, and what is left in it."""
    found = [str(path) for path in folder.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            known = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue  # it has ended, or is somebody else's
        if str(folder).encode() in known and int(process.name) != os.getpid():
            found.append(known.replace(b"\0", b" ").decode(errors="replace")[:200])
    return found


@pytest.mark.parametrize("provider", [name for name in NAMES if name == Choice.of(name).chinese])
def test_the_demo_comes_out_as_expected(tmp_path: Path, provider: str) -> None:
    done = local(tmp_path, "demo", "--provider", provider)
    assert done.returncode == 0, done.stdout
    assert re.search(r"All 2\d scans came out as expected", done.stdout)
    readers = Choice.of(provider).names
    assert re.search(rf"counted by the providers: {readers[0]} [1-9]\d*, {readers[1]} [1-9]\d*\)", done.stdout)
    assert "Traceback" not in done.stdout
    assert "as expected: every status" in (BUILD / "report.html").read_text(encoding="utf-8")
    assert traces(tmp_path) == []


@pytest.mark.parametrize("after", ["starting", "template deployed", "1/2"])
def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, after: str) -> None:
    with subprocess.Popen(
        [*COMMAND, "demo"],
        cwd=REPOSITORY,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if after in line:
                break
        process.send_signal(signal.SIGINT)
        said += process.stdout.read()
    assert process.returncode == 130, said
    assert said.endswith("\nInterrupted; everything that it started has been stopped.\n")
    assert "Traceback" not in said
    assert traces(tmp_path) == []


@pytest.fixture
def nothing_up() -> None:
    try:
        background.attach()
    except background.NotRunningError:
        return
    pytest.skip("`make up` is running here, and somebody may be using it")


@pytest.mark.usefixtures("nothing_up")
def test_up_scan_down_and_each_of_them_out_of_turn(tmp_path: Path) -> None:
    picture = tmp_path / "not-a-card.txt"
    picture.write_text("no picture")
    folder = tmp_path / "tmp"
    folder.mkdir()
    for arguments in (("scan", str(picture)), ("down",)):
        assert "Nothing runs: `make up` starts it." in local(folder, *arguments).stdout
    try:
        up = local(folder, "up")
        assert up.returncode == 0, up.stdout
        assert "make scan" in up.stdout
        again = local(folder, "up")
        assert (again.returncode, "It runs already." in again.stdout) == (0, True)
        scanned = local(folder, "scan", "--prefix", "cn/C-1", str(picture))
        assert scanned.returncode == 0, scanned.stdout
        # a terminal's width breaks the sentence: its beginning has to do
        meaning = TEXTS[Reason.IMAGE_UNSUPPORTED].meaning.split(",")[0][:30]
        for said in ("REJECTED", "IMAGE_UNSUPPORTED", "Card Rejected", meaning):
            assert said in scanned.stdout
        (told,) = json.loads(local(folder, "scan", "--json", str(picture), errors=subprocess.PIPE).stdout)
        assert (told["file"], told["record"]["reasons"]) == (str(picture), ["IMAGE_UNSUPPORTED"])
        assert {event["detail-type"] for event in told["events"]} == {"Card Rejected"}
        missing = local(folder, "scan", str(tmp_path / "missing.jpg"))
        assert missing.returncode == 1
        assert missing.stdout == f"{tmp_path / 'missing.jpg'} cannot be read: No such file or directory.\n"
    finally:
        down = local(folder, "down")
    assert down.returncode == 0, down.stdout
    assert "stopped" in down.stdout
    deadline = time.monotonic() + 10
    while traces(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert traces(folder) == []
