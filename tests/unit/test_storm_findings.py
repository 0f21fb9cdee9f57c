"""What the storm on the emulator has shown, as small as it gets."""

import time

import httpx
import pytest

from tests.unit.conftest import encoded, picture
from tests.unit.world import DiedError, World, ctyun_answer, sqs_event

_PATIENCE_SECONDS = 3


def two_in_a_batch(world: World) -> object:
    """Two scans in one message batch, of a provider whose credentials have been seen to work."""
    world.deliver(world.upload("a/before.jpg", encoded(picture(9))))
    return sqs_event(*[world.upload(f"a/{n}.jpg", encoded(picture(n)))["Records"][0]["body"] for n in range(2)])


def sent_meanwhile(world: World) -> int:
    """How many scans have been sent to the queue again by now, or at least before patience ends."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (sent := len(world.messages_without_delay())) and time.monotonic() < deadline:
        time.sleep(0.02)
    return sent


def test_a_waiting_scan_is_sent_again_before_the_others_of_its_batch_are_finished(world: World) -> None:
    batch, sent = two_in_a_batch(world), []

    def slow(_: httpx.Request) -> httpx.Response:
        sent.append(sent_meanwhile(world))
        return ctyun_answer()

    world.provider.script = [httpx.Response(429), slow]
    assert world.deliver(batch).failed_messages == ()
    assert sent == [1]
    assert world.messages_without_delay() == []


def test_a_waiting_scan_is_sent_again_although_another_of_its_batch_kills_the_process(world: World) -> None:
    batch, sent = two_in_a_batch(world), []

    def deadly(_: httpx.Request) -> httpx.Response:
        sent.append(sent_meanwhile(world))
        raise DiedError

    world.provider.script = [httpx.Response(429), deadly]
    with pytest.raises(DiedError):
        world.deliver(batch)
    assert sent == [1]
