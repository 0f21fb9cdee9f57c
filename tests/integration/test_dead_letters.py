"""Dead letters and redrives on the emulator: a message that nobody can parse ends there, is seen, and goes back."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from local import dead_letters
from local.cardprinter import encode, print_card
from local.redrives import Deployment
from tests.integration.pipeline import Pipeline, notification

pytestmark = pytest.mark.emulator

_SEEDS = iter(range(7000, 7100))


@pytest.fixture
def deployment(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """What the command works on. Nothing of any other test is in either queue, also out of sight."""
    deployment = Deployment.on_laptop(pipeline.stack)
    monkeypatch.setattr(dead_letters, "_deployment", lambda _stack: deployment)
    empty(deployment)
    yield deployment
    empty(deployment)


def empty(deployment: Deployment) -> None:
    for url in (deployment.dead_letter_queue_url, deployment.queue_url):
        deployment.sqs.purge_queue(QueueUrl=url)


@contextmanager
def impatient(deployment: Deployment) -> Iterator[None]:
    """The queue shows a message again after a second, and gives it up after two receives instead of ten."""
    sqs, url = deployment.sqs, deployment.queue_url
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout", "RedrivePolicy"])["Attributes"]
    policy = json.dumps({**json.loads(before["RedrivePolicy"]), "maxReceiveCount": 2})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1", "RedrivePolicy": policy})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=before)


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints."""
    capsys.readouterr()
    assert dead_letters.main(arguments) == 0
    return capsys.readouterr().out


def listed_within(capsys: pytest.CaptureFixture[str], seconds: float, count: int) -> str:
    """The list, once there are so many dead letters."""
    deadline = time.monotonic() + seconds
    while f"Dead letters: {count}\n" not in (printed := command(capsys)):
        assert time.monotonic() < deadline, printed
    return printed


def test_a_message_that_nobody_can_parse_ends_there_and_goes_back_on_demand(
    pipeline: Pipeline, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    with impatient(deployment):
        deployment.sqs.send_message(QueueUrl=deployment.queue_url, MessageBody="{nobody can parse this")
        printed = listed_within(capsys, 30, 1)
        assert "  not parsable: not JSON\n" in printed
        assert "nobody" not in printed

        # beside it a message of an upload that nobody has heard of, and that is gone by now
        key = f"cn/{uuid.uuid4().hex}.jpg"
        lost = notification(pipeline.outputs.scans_bucket, key, sequencer="00F0")
        deployment.sqs.send_message(QueueUrl=deployment.dead_letter_queue_url, MessageBody=json.dumps(lost))
        record_id = pipeline.record_id(key)
        printed = listed_within(capsys, 10, 2)
        assert f"  {record_id}  no record\n" in printed
        assert key not in printed

        assert command(capsys, "--send-back") == "Sent back: 1, left: 1. Moved by this command, one by one.\n"
        assert pipeline.record(record_id)["status"] == "ERASED"
        listed_within(capsys, 10, 1)

        assert command(capsys, "--send-back", "--all").startswith("Sent back: 1, left: 0.")
        pipeline.log_with('"MessagesUnreadable"')
        printed = listed_within(capsys, 30, 1)  # nobody can parse it still
        assert "  not parsable: not JSON\n" in printed


def test_what_has_failed_is_read_once_its_redrive_is_sent(
    pipeline: Pipeline, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline.configure(MAX_ATTEMPTS="1")
    pipeline.sandbox.order_fault("ctyun", "server_error", times=3)
    card = print_card("cn_portrait", next(_SEEDS))
    key = f"cn/{uuid.uuid4().hex}.jpg"
    failed = pipeline.record(pipeline.upload(key, encode(card.picture)))
    assert (failed["status"], failed["reasons"]) == ("FAILED", ["PROVIDER_UNAVAILABLE"])
    pipeline.event("Card Failed", failed["record_id"])

    pipeline.sandbox.clear_faults()
    printed = command(capsys, "--failed", failed["record_id"])
    assert printed == f"Redrives sent: 1\n  {failed['record_id']}\n"
    record = pipeline.record(failed["record_id"], lambda item: item["status"] == "RECOGNIZED")
    assert record["card"] == card.card
    assert (record["sequencer"], record["etag"], record["attempts"]) == (failed["sequencer"], failed["etag"], 1)
    assert record["paid_calls"] == failed["paid_calls"] + 1
    assert record["created_at"] == failed["created_at"]
    assert json.loads(command(capsys, "--failed", "--json")) == {"sent": [], "refused": {}}
