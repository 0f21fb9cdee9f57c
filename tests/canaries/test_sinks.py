"""Every sink is heard: a suite that hears nothing proves nothing."""

import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from cardintake import telemetry
from cardintake.providers.protocol import Reading
from tests.canaries.sinks import Sinks, listening
from tests.canaries.texts import NAME, NUMBER
from tests.unit.world import ANSWERS, BUS, TABLE, World, a_world


@dataclass
class Telling:
    """As if it were of ours: its representation shows what it holds."""

    name: str


Telling.__module__ = Reading.__module__


def logged(_: World) -> None:
    telemetry.info(NAME)


def logged_by_a_library(_: World) -> None:
    logging.getLogger("some.library").debug("%s", NAME)


def logged_with_an_error(_: World) -> None:
    logging.getLogger("some.library").error("no", exc_info=ValueError(NAME))


def measured(_: World) -> None:
    telemetry.count(NAME)


def printed(_: World) -> None:
    print(NAME.encode())  # noqa: T201


def printed_as_an_error(_: World) -> None:
    thread = threading.Thread(target=lambda: sys.stderr.write(NAME))
    thread.start()
    thread.join()


def warned(_: World) -> None:
    warnings.warn(NAME, stacklevel=1)


def sent(world: World) -> None:
    world.sqs.send_message(QueueUrl=world.queue, MessageBody=json.dumps({"key": NAME}))


def published(world: World) -> None:
    world.events.put_events(Entries=[{"Source": "s", "DetailType": "d", "Detail": f'"{NAME}"', "EventBusName": BUS}])


def stored_beside_the_answer(world: World) -> None:
    world.s3.put_object(Bucket=ANSWERS, Key=NAME, Body=b"")


def stored_beside_the_records(world: World) -> None:
    world.dynamodb.put_item(TableName=TABLE, Item={"record_id": {"S": f"number_{NAME}"}})


def stored_in_a_transaction(world: World) -> None:
    put: Any = {"TableName": TABLE, "Item": {"record_id": {"S": "case_1"}, "name": {"S": NAME}}}
    world.dynamodb.transact_write_items(TransactItems=[{"Put": put}])


def held(world: World) -> None:
    telling = Telling(NAME)
    world.outside("s3.get_object", lambda: telling)


@pytest.mark.parametrize(
    ("act", "sink"),
    [
        (logged, "log"), (logged_by_a_library, "log"), (logged_with_an_error, "log"), (measured, "stdout"),
        (printed, "stdout"), (printed_as_an_error, "stderr"), (warned, "warning"), (sent, "message of ours"),
        (published, "event"), (stored_beside_the_answer, "answers bucket"),
        (stored_beside_the_records, "item beside the records"), (stored_in_a_transaction, "item beside the records"),
        (held, "representation of Telling"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)  # fmt: skip
def test_every_sink_is_heard(act: Callable[[World], None], sink: str, capsys: pytest.CaptureFixture[str]) -> None:
    with listening(capsys) as sinks, a_world() as world:
        sinks.watch(world)
        act(world)
        telemetry.flush()
        assert (sink, NAME) in sinks.leaks()
        assert sinks.leaks() == []


def test_an_exception_is_heard_with_all_that_is_shown_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    sinks = Sinks(capsys)
    noted = ValueError("no")
    noted.add_note(NAME)
    chained = ValueError("no")
    chained.__cause__ = KeyError(NAME)
    with_document = json.JSONDecodeError("no", NAME, 0)
    for error in (ValueError(NAME), noted, chained, with_document):
        sinks.exception("error", error)
        assert sinks.leaks() == [("error", NAME)]
    hidden = ValueError("no")
    hidden.__context__, hidden.__suppress_context__ = KeyError(NUMBER), True
    sinks.exception("error", hidden)
    assert sinks.leaks() == [], "nobody prints it"
