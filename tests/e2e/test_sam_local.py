"""`sam local` as docs/local.md shows it: the built functions, in Lambda's container, for every line of its table.

The exit code of `sam local invoke` says nothing: it is 0 when the function raised, too. So the printed JSON is looked
at, and the record.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.background import SAMPLE_KEY
from local.building import machine_architecture
from local.cardprinter import PrintedCard, encode, print_card
from local.emulator import LOOPBACK, aws_client, free_port
from local.environment import REPOSITORY, VENVS, closed_environment
from local.laptop import Laptop
from local.sam_local import THIS_MACHINE, write_environment
from tests.e2e.documented import Invocation, agree, invocations
from tests.integration.pipeline import Pipeline

pytestmark = [pytest.mark.container, pytest.mark.emulator]

STAND_IN_IMAGE = "ci/lambda-python:3.13"
_START_SECONDS = 60.0
_SEEDS = iter(range(7000, 8000))

type Sam = Callable[..., str]
type Invoke = Callable[[str, object], Any]


@pytest.fixture(scope="session")
def variables(laptop: Laptop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make up PROVIDER=ihuyi` would write into .local/sam-local.json, as far as the balances are concerned."""
    file = tmp_path_factory.mktemp("sam") / "sam-local.json"
    write_environment(laptop.stack, file)
    written = json.loads(file.read_text(encoding="utf-8"))
    written["QuotaFunction"]["PROVIDERS"] = "ihuyi"
    file.write_text(json.dumps(written), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def sam(laptop: Laptop, variables: Path) -> Sam:
    """Runs a `sam local` command in the repository, as somebody would in a shell after `. .local/env`."""

    def run(*command: str, stdin: str = "") -> str:
        options = []
        if command[0] == "invoke":
            options = _functions_are_here(variables)
            if _has_stand_in_image():
                options += ["--config-env", "ci"]
        done = subprocess.run(
            [VENVS / "sam" / "bin" / "sam", "local", *command, *options],
            cwd=REPOSITORY,
            env=closed_environment(laptop.stack.endpoint_url),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip(), f"the function answered nothing:\n{done.stderr}"
        assert "errorType" not in done.stdout, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def start_lambda(laptop: Laptop, variables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Invoke]:
    """Invokes functions at `sam local start-lambda`."""
    port = free_port([LOOPBACK])
    command = [str(VENVS / "sam" / "bin" / "sam"), "local", "start-lambda", "--port", str(port)]
    command += [
        "--warm-containers",
        "LAZY",
        "--add-host",
        f"{THIS_MACHINE}:host-gateway",
        *_functions_are_here(variables),
    ]
    if _has_stand_in_image():
        command += ["--skip-pull-image", "--invoke-image", STAND_IN_IMAGE]
    log = tmp_path_factory.mktemp("start-lambda") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=closed_environment(laptop.stack.endpoint_url), stdout=output, stderr=output
        )
    try:
        _until_it_listens(port, process, log)
        client = aws_client(f"http://{LOOPBACK}:{port}", "lambda")

        def invoke(function: str, event: object) -> Any:
            answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
            printed = json.loads(answer["Payload"].read())
            assert "FunctionError" not in answer, f"{printed}\n{log.read_text(errors='replace')[-4000:]}"
            return printed

        yield invoke
    finally:
        process.terminate()
        process.wait(timeout=60)


def _until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.1)
        else:
            return


def _functions_are_here(variables: Path) -> list[str]:
    return ["--env-vars", str(variables), "--parameter-overrides", f"Architecture={machine_architecture()}"]


@pytest.fixture
def pipeline(laptop: Laptop) -> Pipeline:
    return Pipeline(laptop, laptop.stack.subscribe(f"container-{os.urandom(4).hex()}"))


def _has_stand_in_image() -> bool:
    """Where Lambda's own image cannot be pulled, a stand-in has been built before."""
    command = ["docker", "image", "inspect", STAND_IN_IMAGE]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def uploaded(pipeline: Pipeline) -> tuple[PrintedCard, str]:
    """A card that nobody has read yet, where the sample events look for it; the id of its record."""
    card = print_card("cn_portrait", next(_SEEDS))
    return card, pipeline.upload(SAMPLE_KEY, encode(card.picture))


def assert_read(pipeline: Pipeline, card: PrintedCard, record_id: str) -> None:
    record = pipeline.record(record_id)
    assert (record["status"], record["card"], record["paid_calls"]) == ("RECOGNIZED", card.card, 1)


def test_the_command_of_the_tables_first_line(sam: Sam, pipeline: Pipeline) -> None:
    card, record_id = uploaded(pipeline)
    line = invocations()[0]
    printed = json.loads(sam("invoke", line.function, "--event", f"events/{line.event}"))
    assert agree(line.prints, printed), printed
    assert_read(pipeline, card, record_id)


def test_the_event_that_sam_generates(sam: Sam, pipeline: Pipeline) -> None:
    card, record_id = uploaded(pipeline)
    event = sam("generate-event", "s3", "put", "--bucket", pipeline.outputs.scans_bucket, "--key", SAMPLE_KEY)
    answer = json.loads(sam("invoke", "RecognizeFunction", "--event", "-", stdin=event))
    assert answer == {"records": [{"record_id": record_id, "status": "RECOGNIZED", "reasons": []}]}
    assert_read(pipeline, card, record_id)


@pytest.mark.parametrize("line", invocations(), ids=lambda line: line.event)
def test_a_line_of_the_table(line: Invocation, start_lambda: Invoke, pipeline: Pipeline) -> None:
    card, record_id = uploaded(pipeline)
    sample = json.loads((REPOSITORY / "events" / line.event).read_text(encoding="utf-8"))
    if line.removed:
        start_lambda("RecognizeFunction", json.loads((REPOSITORY / "events" / "s3-put.json").read_text()))
        assert_read(pipeline, card, record_id)
        pipeline.remove(SAMPLE_KEY)
    printed = start_lambda(line.function, sample)
    assert agree(line.prints, printed), printed
    if line.removed:
        assert pipeline.record(record_id)["status"] == "ERASED"
    elif "put" in line.event or "object" in line.event:
        assert_read(pipeline, card, record_id)
