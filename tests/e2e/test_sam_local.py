"""`sam local invoke` as the README shows it: the built function, in Lambda's container, reads a card.

Its exit code says nothing: it is 0 when the function raised, too. So the printed JSON is looked at, and the record.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.background import SAMPLE_KEY
from local.building import machine_architecture
from local.cardprinter import PrintedCard, encode, print_card
from local.environment import REPOSITORY, VENVS, closed_environment
from local.laptop import Laptop
from local.sam_local import write_environment
from tests.integration.pipeline import Pipeline

pytestmark = [pytest.mark.container, pytest.mark.emulator]

STAND_IN_IMAGE = "ci/lambda-python:3.13"
_SEEDS = iter(range(7000, 8000))

type Sam = Callable[..., str]


@pytest.fixture(scope="session")
def sam(laptop: Laptop, tmp_path_factory: pytest.TempPathFactory) -> Sam:
    """Runs a `sam local` command in the repository, as somebody would in a shell after `. .local/env`."""
    variables = tmp_path_factory.mktemp("sam") / "sam-local.json"
    write_environment(laptop.stack, variables)
    written = json.loads(variables.read_text(encoding="utf-8"))
    written["QuotaFunction"]["PROVIDERS"] = "ihuyi"
    variables.write_text(json.dumps(written), encoding="utf-8")

    def run(*command: str, stdin: str = "") -> str:
        options = []
        if command[0] == "invoke":
            options = ["--env-vars", str(variables), "--parameter-overrides", f"Architecture={machine_architecture()}"]
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


@pytest.fixture
def pipeline(laptop: Laptop) -> Pipeline:
    return Pipeline(laptop, laptop.stack.subscribe("container"))


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


@pytest.mark.parametrize("event", ["s3-put.json", "eventbridge-object-created.json"])
def test_a_direct_event(event: str, sam: Sam, pipeline: Pipeline) -> None:
    card, record_id = uploaded(pipeline)
    answer = json.loads(sam("invoke", "RecognizeFunction", "--event", f"events/{event}"))
    assert answer == {"records": [{"record_id": record_id, "status": "RECOGNIZED", "reasons": []}]}
    assert_read(pipeline, card, record_id)


def test_the_event_that_sam_generates(sam: Sam, pipeline: Pipeline) -> None:
    card, record_id = uploaded(pipeline)
    event = sam("generate-event", "s3", "put", "--bucket", pipeline.outputs.scans_bucket, "--key", SAMPLE_KEY)
    answer = json.loads(sam("invoke", "RecognizeFunction", "--event", "-", stdin=event))
    assert answer == {"records": [{"record_id": record_id, "status": "RECOGNIZED", "reasons": []}]}
    assert_read(pipeline, card, record_id)


def test_the_queues_event(sam: Sam, pipeline: Pipeline) -> None:
    card, record_id = uploaded(pipeline)
    answer = json.loads(sam("invoke", "RecognizeFunction", "--event", "events/sqs-s3-put.json"))
    assert answer == {"batchItemFailures": []}
    assert_read(pipeline, card, record_id)


def test_the_removal_and_the_sweeps_schedule(sam: Sam, pipeline: Pipeline) -> None:
    _, record_id = uploaded(pipeline)
    pipeline.remove(SAMPLE_KEY)
    answer = json.loads(sam("invoke", "RecognizeFunction", "--event", "events/s3-delete.json"))
    assert answer == {"records": [{"record_id": record_id, "status": "ERASED", "reasons": []}]}
    swept: dict[str, Any] = json.loads(sam("invoke", "SweepFunction", "--event", "events/sweep-schedule.json"))
    assert swept.keys() == {"sent_again", "delivered", "erased", "orphans", "oldest_seconds"}


def test_the_balances_schedule(sam: Sam) -> None:
    answer = json.loads(sam("invoke", "QuotaFunction", "--event", "events/quota-schedule.json"))
    assert answer == {"balances": {"ihuyi": 1000}, "errors": {}}


def test_what_the_state_machines_invoke(sam: Sam, pipeline: Pipeline) -> None:
    card, record_id = uploaded(pipeline)
    answer = json.loads(sam("invoke", "RecognizeFunction", "--event", "events/backfill-object.json"))
    assert [one["record_id"] for one in answer["records"]] == [record_id]
    assert_read(pipeline, card, record_id)
    for function, event in (("BackfillFunction", "backfill-count.json"), ("ReplayFunction", "replay-segment.json")):
        told = json.loads(sam("invoke", function, "--event", f"events/{event}"))
        assert isinstance(told, dict)
        assert "errorType" not in told, told


def test_there_is_a_sample_for_every_invocation() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    assert [event.name for event in sorted((REPOSITORY / "events").iterdir()) if event.name not in tested] == []
