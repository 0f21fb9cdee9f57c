"""The sandbox as its callers start it: a process that says when it is ready, keeps quiet, and ends at once."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.cardprinter import encode, print_card

pytestmark = pytest.mark.thorough

CREDENTIALS = {"accuauth": {"base_url": "http://unused", "api_id": "id-7c1f", "api_secret": "secret-93ab"}}


def command(credentials: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "local.sandbox", "--credentials", str(credentials), *more]


@contextmanager
def started(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    credentials, ready = folder / "credentials.json", folder / "ready.json"
    credentials.write_text(json.dumps(CREDENTIALS))
    ready.write_text("left over from an earlier run")
    process = subprocess.Popen(
        command(credentials, "--ready-file", str(ready)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        while not ready.exists() or ready.read_text().startswith("left over"):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        told = json.loads(ready.read_text())
        assert (told["host"], told["pid"], told["providers"]) == ("127.0.0.1", process.pid, ["accuauth"])
        yield process, told["base_url"]
    finally:
        process.kill()
        process.wait()


@pytest.mark.ocr
def test_reads_and_logs_nothing_and_ends_while_reading(tmp_path: Path) -> None:
    card = print_card("pe_dni_new_front", 31)
    headers = {"X-DF-API-ID": "id-7c1f", "X-DF-API-SECRET": "secret-93ab"}
    with started(tmp_path) as (process, base_url):
        answer = httpx.post(base_url + "/ocr/idcard", files={"file": encode(card.picture)}, headers=headers, timeout=60)
        number = answer.json()["results"][0]["card_info"]["id_number"]
        assert number == f"{card.card['id_number']}-{card.card['check_character']}"
        httpx.post(base_url + "/ocr/idcard", content=b"--b\r\n\xff", headers={"Content-Type": "multipart/form-data"})
        httpx.post(base_url + "/_sandbox/faults", json={"provider": "accuauth", "fault": "stall", "seconds": 300})
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(base_url + "/ocr/idcard", files={"file": encode(card.picture)}, headers=headers, timeout=1)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert time.monotonic() - begun < 5
        assert process.returncode == 0
        assert out == f"sandbox: {base_url} plays accuauth\n"
        assert err == ""


@pytest.mark.parametrize(
    ("credentials", "host", "sentence"),
    [
        ({"accuauth": {"api_id": "id-7c1f"}}, "127.0.0.1", "missing or bad in the credentials: accuauth.api_secret"),
        (CREDENTIALS, "0.0.0.0", "0.0.0.0 is neither a loopback address"),  # noqa: S104
    ],
)
def test_what_it_does_not_accept_it_says_in_one_sentence(
    tmp_path: Path, credentials: dict[str, Any], host: str, sentence: str
) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(credentials))
    ended = subprocess.run(command(file, "--host", host), capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"sandbox: {sentence}")
    assert "id-7c1f" not in line
