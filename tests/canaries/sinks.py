"""Every place that a text could get out by, listened to while the real wiring works in a `World`."""

import contextlib
import io
import json
import logging
import sys
import traceback
import warnings
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

import pytest

from cardintake import telemetry
from tests.canaries.searching import found
from tests.canaries.texts import EVERYTHING
from tests.unit.world import SCANS, World

# the world around the application speaks here too
_NOT_OURS = ("moto", "responses", "werkzeug", "asyncio", "hypothesis", "faker")


class Sinks(logging.Handler):
    """What was written, by the name of the place. `seen`: types of ours whose representations were looked at."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(logging.DEBUG)
        self._capsys = capsys
        self.said: list[tuple[str, str]] = []
        self.seen: set[str] = set()
        self.logged = io.StringIO()
        self.warned: list[warnings.WarningMessage] = []

    def say(self, sink: str, value: object) -> None:
        """Something came out by this place."""
        text = value if isinstance(value, str) else json.dumps(value, default=repr, ensure_ascii=False)
        self.said.append((sink, text))

    def leaks(self, canaries: Iterable[str] = EVERYTHING) -> list[tuple[str, str]]:
        """Places and canaries; what was said is forgotten."""
        telemetry.flush()
        printed = self._capsys.readouterr()
        self.said += [("log", self.logged.getvalue()), ("stdout", printed.out), ("stderr", printed.err)]
        self.logged.seek(0)
        self.logged.truncate()
        self.said += [("warning", str(each.message)) for each in self.warned]
        self.warned.clear()
        by_sink: dict[str, set[str]] = {}
        for sink, text in self.said:
            by_sink.setdefault(sink, set()).add(text)
        self.said.clear()
        wanted = list(canaries)
        return [(sink, one) for sink, texts in by_sink.items() for one in found("\n\n".join(sorted(texts)), wanted)]

    # logs -------------------------------------------------------------------------------------------------------------

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] not in _NOT_OURS:
            self.say("log", f"{record.name} {record.getMessage()} {vars(record)}")
            if record.exc_info and record.exc_info[1]:
                self.exception("log", record.exc_info[1])

    def exception(self, sink: str, error: BaseException) -> None:
        """All that a runtime, or whoever prints exceptions, could say of this one and those that it shows with it."""
        self.say(sink, "".join(traceback.format_exception(error)))
        shown: BaseException | None = error
        while shown is not None:
            self.say(sink, f"{shown} {shown!r} {shown.args} {getattr(shown, '__notes__', ())} {vars(shown)}")
            shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)

    # AWS --------------------------------------------------------------------------------------------------------------

    def watch(self, world: World) -> None:
        """Everything that this world's process hands to AWS, but for what belongs there."""
        for client in (world.sqs, world.events, world.dynamodb, world.s3, world.secrets):
            client.meta.events.register("provide-client-params.*.*", self._handed)
        outside = world.outside

        def looked_at(name: str, call: Any) -> Any:
            self._look(sys._getframe(1))
            return outside(name, call)

        world.outside = looked_at  # type: ignore[method-assign]

    def _handed(self, params: dict[str, Any], model: Any, **_: object) -> None:
        service = model.service_model.service_name
        if service == "s3" and params.get("Bucket") != SCANS:
            self.say("answers bucket", {name: value for name, value in params.items() if name != "Body"})
        elif service == "sqs" and model.name.startswith("SendMessage"):
            self.say("message of ours", params)
        elif service == "events" and model.name == "PutEvents":
            self.say("event", params)
        elif service == "dynamodb":
            requests = [part for each in params.get("TransactItems", ()) for part in each.values()] or [params]
            for request in requests:
                named = request.get("Key", request.get("Item", {})).get("record_id", {}).get("S", "scan_")
                if not named.startswith("scan_"):
                    self.say("item beside the records", request)

    def _look(self, frame: FrameType | None) -> None:
        """The representation of every object of ours that is alive here: what a traceback with locals would print."""
        while frame is not None:
            for value in list(frame.f_locals.values()):
                kind = type(value)
                if kind.__module__.startswith("cardintake") and not repr(value).startswith("<"):
                    self.seen.add(kind.__name__)
                    self.say(f"representation of {kind.__name__}", repr(value))
            frame = frame.f_back

    def items(self, world: World, table: str) -> None:
        """What lies in the table beside the records of scans that are not erased."""
        for item in world.dynamodb.scan(TableName=table)["Items"]:
            if not item["record_id"]["S"].startswith("scan_") or item["status"]["S"] == "ERASED":
                self.say("item beside the records", item)


@contextlib.contextmanager
def listening(capsys: pytest.CaptureFixture[str]) -> Iterator[Sinks]:
    """Every logger at its most talkative, both streams, all warnings."""
    sinks, root = Sinks(capsys), logging.getLogger()
    loggers = [root, *(one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger))]
    before = [(one, one.level) for one in loggers]
    streams = [one for one in logging.getLogger("cardintake").handlers if isinstance(one, logging.StreamHandler)]
    streams_before = [(one, one.stream) for one in streams]
    telemetry.flush()
    for one in loggers:
        one.setLevel(logging.DEBUG)
    # pytest's own handlers format every line of every library, which takes longer than all else
    of_pytest = [(one, each) for one in loggers for each in one.handlers if type(each).__module__ == "_pytest.logging"]
    for one, handler in of_pytest:
        one.removeHandler(handler)
    root.addHandler(sinks)
    for stream in streams:
        stream.stream = sinks.logged
    try:
        with warnings.catch_warnings(record=True) as sinks.warned:
            warnings.simplefilter("always")
            yield sinks
    finally:
        root.removeHandler(sinks)
        for one, handler in of_pytest:
            one.addHandler(handler)
        for one, level in before:
            one.setLevel(level)
        for one_stream, file in streams_before:
            one_stream.stream = file
