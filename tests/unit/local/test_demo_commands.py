"""The commands' command lines, and the sentences for troubles that can be foreseen."""

import errno
import shutil
from argparse import Namespace
from pathlib import Path

import pytest

from local import __main__ as commands
from local.demo import own
from local.demo.providers import NAMES, Choice
from local.demo.terminal import Terminal


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["make", *arguments])
    monkeypatch.setattr(commands, "close_environment", lambda: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return commands.main()


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "The disk is full (/x/y). Make room"),
        (OSError(errno.EADDRINUSE, "Address already in use"), "A port that was free a moment ago has been taken."),
        (PermissionError(errno.EACCES, "Permission denied", "build"), "not be written or run here (build): Permission"),
        (OSError(errno.EIO, "Input/output error"), "The machine refuses something that is needed: [Errno 5]"),
        (
            shutil.Error([("a", "b", "[Errno 28] No space left"), ("c", "d", "e")]),
            "2 files could not be copied. The first",
        ),
        (RuntimeError("emulator ended with code 1"), "emulator ended with code 1\n"),
    ],
)
def test_a_trouble_is_a_sentence(
    trouble: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_terminal: Terminal, _choice: Choice) -> int:
        raise trouble

    monkeypatch.setattr(commands, "demo", fail)
    assert run(monkeypatch, "demo") == 1
    said = capsys.readouterr()
    assert sentence in said.out
    assert said.err == ""


def test_ctrl_c_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_terminal: Terminal, _choice: Choice) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "up", interrupt)
    assert run(monkeypatch, "up") == 130
    assert capsys.readouterr().out == "\nInterrupted; what was not ready has been stopped.\n"


def test_keys_carry_no_file_names_and_claims_only_what_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Namespace] = []

    def look(_terminal: Terminal, arguments: Namespace) -> int:
        seen.append(arguments)
        return 0

    monkeypatch.setattr(commands, "scan", look)
    files = [tmp_path / "Juan 99123456.JPG", tmp_path / "b.png"]
    for file in files:
        file.write_bytes(b"x")
    run(monkeypatch, "scan", *map(str, files))
    run(monkeypatch, "scan", "--prefix", "/pe/P-1/", "--document-type", "pe_dni", "--side", "back", str(files[0]))
    plain, claimed = (own.uploads_of(arguments) for arguments in seen)
    assert [upload.name for upload in plain] == [str(file) for file in files]
    assert [upload.key.partition("-")[2] for upload in plain] == ["1.jpg", "2.png"]
    assert not any("Juan" in upload.key or "/" in upload.key or upload.metadata for upload in plain)
    assert claimed[0].key.startswith("pe/P-1/")
    assert claimed[0].metadata == {"document-type": "pe_dni", "side": "back"}


@pytest.mark.parametrize("command", ["demo", "up"])
@pytest.mark.parametrize(
    ("asked", "chinese"),
    [([], "ctyun"), (["--provider", ""], "ctyun"), (["--provider", "accuauth"], "ctyun")]
    + [(["--provider", name], name) for name in NAMES if name != "accuauth"],
)
def test_who_reads_the_chinese_cards(
    command: str, asked: list[str], chinese: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[Choice] = []

    def look(_terminal: Terminal, choice: Choice) -> int:
        chosen.append(choice)
        return 0

    monkeypatch.setattr(commands, command, look)
    assert run(monkeypatch, command, *asked) == 0
    assert [choice.names for choice in chosen] == [(chinese, "accuauth")]


@pytest.mark.parametrize("arguments", [["demo"], ["up"], ["scan", "a.jpg"]])
def test_a_provider_that_there_is_not_is_told_in_one_sentence(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("acme", "CTYun", "ctyun,ihuyi"):
        assert run(monkeypatch, *arguments, "--provider", name) == 2
        said = capsys.readouterr()
        names = "ctyun, waiqin365, huaweicloud, ihuyi and accuauth"
        assert (said.out, said.err) == (f"No provider is called that; there are {names}.\n", "")


def test_a_provider_of_ones_own_choice_for_some_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"x")
    keys: list[str] = []

    def look(_terminal: Terminal, arguments: Namespace) -> int:
        keys.extend(upload.key.rpartition("/")[0] for upload in own.uploads_of(arguments))
        return 0

    monkeypatch.setattr(commands, "scan", look)
    for arguments in ([], ["--prefix", "C-1"], ["--prefix", ""]):
        run(monkeypatch, "scan", "--provider", "ihuyi", *arguments, str(file))
    assert keys == ["ihuyi", "ihuyi/C-1", "ihuyi"]


@pytest.mark.parametrize("arguments", [[], ["scan"], ["scan", "--side", "top", "a.jpg"], ["fly"]])
def test_a_wrong_command_line_is_refused(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        run(monkeypatch, *arguments)
    assert refused.value.code == 2
    assert "usage: make" in capsys.readouterr().err
