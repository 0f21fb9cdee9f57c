"""A storm on the emulator: everything is delivered up to three times, late and shuffled, a fifth of the providers'
answers is faulty in every way that the sandbox knows, one provider is down for a while, processes are killed at random.

    STORM=2000 python -m pytest -n0 tests/integration/test_storm.py --log-cli-level=INFO

raises one of 2,000 uploads, forty pictures and twenty kills, with the template's own timeouts (a quarter of an hour).
Without `STORM` it is a small one, with shorter timeouts, that `make test` has time for.
"""

import json
import logging
import os
from collections import Counter

import pytest

from local.laptop import Laptop
from local.sandbox.faults import Fault
from tests.integration.storming import (
    DOWN,
    NO_CARD_REASONS,
    SHARE_OF_FAULTS,
    Aftermath,
    Scale,
    Storm,
    Timing,
    Uploaded,
)

UPLOADS = int(os.environ.get("STORM", "0"))
SMALL = Scale(
    uploads=120,
    pictures=14,
    kills=3,
    direct=12,
    late=3,
    outage=3,
    until_broken=False,
    calm=0.2,
    patience=150,
    sweep_every=2,
    look_every=2,
    stalls=(1, 8),
    timing=Timing(function=16, lease=17, visibility=20),
)
FULL = Scale(
    uploads=UPLOADS,
    pictures=40,
    kills=20,
    direct=UPLOADS // 20,
    late=120,
    outage=60,
    until_broken=True,
    calm=0.02,
    patience=3000,
    sweep_every=60,
    look_every=15,
    stalls=(3, 40),
)
ONE_RETRY = frozenset({"ctyun", "huaweicloud", "ihuyi"})
"""Providers whose word that they could not read a picture is not taken at once."""

pytestmark = [pytest.mark.emulator, pytest.mark.timeout(3600 if UPLOADS else 240)]


@pytest.fixture(scope="module")
def aftermath(laptop: Laptop) -> Aftermath:
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every look at the sandbox
    scale = FULL if UPLOADS else SMALL
    calm = Storm(laptop, scale, seed=scale.uploads).run()
    logging.getLogger(__name__).info("storm: %s", json.dumps(calm.summary(), indent=1))
    return calm


def expected_events(record: dict[str, object]) -> list[str]:
    """What the contract has to be told of a record."""
    status, told = record["status"], []
    if status in ("RECOGNIZED", "REJECTED") and record["quality"] == "low":
        told.append("Card Low Quality")
    if record.get("risk") == "suspected":
        told.append("Card Risk Suspected")
    if status in ("REJECTED", "FAILED", "ERASED"):
        told.append(f"Card {str(status).capitalize()}")
    return sorted(told)


def test_it_was_a_storm(aftermath: Aftermath) -> None:
    scale = FULL if UPLOADS else SMALL
    assert aftermath.kills == scale.kills
    assert aftermath.share_of_faults() == pytest.approx(SHARE_OF_FAULTS, abs=0.08)
    assert set(aftermath.faults()) == set(Fault)
    assert aftermath.outage_calls
    assert aftermath.deliveries > 1.8 * len(aftermath.uploads)


def test_every_upload_came_to_its_right_end(aftermath: Aftermath) -> None:
    assert aftermath.records.keys() == {upload.record_id for upload in aftermath.uploads}
    lies = {
        provider: account["faults"].get(Fault.LIE, 0) for provider, account in aftermath.ledger["providers"].items()
    }
    believed: set[tuple[str, str]] = set()
    for upload in aftermath.uploads:
        record = aftermath.records[upload.record_id]
        if was_lied_to(aftermath, upload):
            believed.add((record["provider"], upload.sha256))
        elif upload.removed:
            assert record["status"] == "ERASED"
        else:
            assert record["status"] == upload.picture.status, str(record)
            assert record.get("card") == upload.picture.card
            reasons = set(record["reasons"])
            if upload.picture.status == "RECOGNIZED":
                assert reasons == upload.picture.reasons
            else:
                assert reasons & upload.picture.reasons
            assert not record.keys() & {"waiting_for", "lease_owner", "outbox", "due_at"}
    for provider, count in Counter(provider for provider, _ in believed).items():
        assert count <= lies[provider]


def was_lied_to(aftermath: Aftermath, upload: Uploaded) -> bool:
    """Its provider said that there is no card in the picture, those that are asked again twice: that is believed."""
    record = aftermath.records[upload.record_id]
    if upload.picture.status == "REJECTED" or record["status"] != "REJECTED" or upload.removed:
        return False
    provider = record["provider"]
    said = aftermath.billable()[upload.sha256][provider]
    return bool(set(record["reasons"]) & NO_CARD_REASONS) and said >= (2 if provider in ONE_RETRY else 1)


def test_no_picture_was_paid_for_twice(aftermath: Aftermath) -> None:
    """Beyond what is counted as uncertain, and what was asked again because the provider said that it had failed.

    That it says of every picture without a card as well: there the books alone have to be right.
    """
    of_file: dict[str, list[Uploaded]] = {}
    for upload in aftermath.uploads:
        of_file.setdefault(upload.sha256, []).append(upload)
    billable, repeated = aftermath.billable(), 0
    assert billable.keys() <= of_file.keys()
    for digest, uploads in of_file.items():
        records = [aftermath.records[upload.record_id] for upload in uploads]
        calls = billable[digest]
        paid = sum(int(record.get("paid_calls", 0)) for record in records)
        uncertain = sum(int(record.get("uncertain_calls", 0)) for record in records)
        if not uploads[0].replaced:  # the books of the older upload went with it
            assert paid - uncertain <= calls.total() <= paid, records
        if uploads[0].picture.card is not None:
            repeated += max(0, sum(max(0, count - 1) for count in calls.values()) - uncertain)
    accounts = aftermath.ledger["providers"]
    assert repeated <= sum(accounts[provider]["faults"].get(Fault.LIE, 0) for provider in ONE_RETRY)


def test_no_event_is_missing_and_none_is_made_up(aftermath: Aftermath) -> None:
    for upload in aftermath.uploads:
        told, expected = (
            aftermath.told_about(upload.record_id),
            expected_events(dict(aftermath.records[upload.record_id])),
        )
        if upload.replaced:
            assert set(told) >= set(expected)
        else:
            assert told == expected, upload.record_id
    assert not [folder for folder in aftermath.folders if aftermath.told_about(folder)]


def test_troubles_of_providers_were_told_and_are_over(aftermath: Aftermath) -> None:
    troubles: dict[tuple[str, str], int] = {}
    for event in aftermath.events:
        if event["detail-type"].startswith("Provider"):
            data = event["detail"]["data"]
            about = data["provider"], data["error_class"]
            troubles[about] = troubles.get(about, 0) + (-1 if event["detail-type"] == "Provider Recovered" else 1)
    if UPLOADS:  # a short outage breaks no circuit
        assert (DOWN, "unavailable") in troubles
    assert set(troubles.values()) <= {0, 1}


def test_only_what_nobody_can_read_is_a_dead_letter(aftermath: Aftermath) -> None:
    assert sorted(aftermath.dead_letters) == sorted(aftermath.poison)
    assert aftermath.left_in_queue == 0
