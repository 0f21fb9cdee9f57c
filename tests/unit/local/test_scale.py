"""docs/scale.md against the code: calls measured again, tables computed again, and the laws that a queue obeys."""

import itertools
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from cardintake import limits, telemetry
from cardintake.scans import record_id
from cardintake.settings import Settings
from local.scale import cost, tables, units
from local.scale.calls import FAILED_PROBE_RENEWS_THE_PAUSE, LOG_BYTES, RECORD_BYTES, WAYS, Way
from local.scale.page import PAGES, tables_of, written
from local.scale.simulation import (
    BATCH,
    FUNCTION_SECONDS,
    HOURS,
    MAX_ATTEMPTS,
    OWN_SECONDS,
    Child,
    Provider,
    Scenario,
    failed_delay,
    run,
    waiting_delay,
)
from tests.unit.conftest import encoded, picture
from tests.unit.template.cloudformation import load
from tests.unit.world import EMBLEM, LOOKUP, PORTRAIT, SCANS, TABLE, World, a_world, ctyun_answer

pytestmark = pytest.mark.thorough


class Meter:
    """DynamoDB as the world has it; counts the units that each call would be billed."""

    def __init__(self, world: World) -> None:
        self._client = world.dynamodb
        self.billed: Counter[str] = Counter()
        world.dynamodb = self  # type: ignore[assignment]
        world.new_process()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _item(self, key: Mapping[str, Any]) -> units.Item:
        item: units.Item = self._client.get_item(TableName=TABLE, Key=key).get("Item", {})
        return item

    def _writing(self, keys: list[dict[str, Any]], write: Callable[[], Any], *, transactional: bool = False) -> Any:
        before = [self._item(key) for key in keys]
        try:
            return write()
        finally:
            for key, old in zip(keys, before, strict=True):
                new = self._item(key)
                self.billed["write"] += units.write_units(old, new, transactional=transactional)
                self.billed["index write"] += units.index_units(old, new)

    def update_item(self, **request: Any) -> Any:
        return self._writing([request["Key"]], lambda: self._client.update_item(**request))

    def put_item(self, **request: Any) -> Any:
        return self._writing([_key(request["Item"])], lambda: self._client.put_item(**request))

    def delete_item(self, **request: Any) -> Any:
        return self._writing([request["Key"]], lambda: self._client.delete_item(**request))

    def transact_write_items(self, **request: Any) -> Any:
        keys = [_key_of_write(write) for write in request["TransactItems"]]
        return self._writing(keys, lambda: self._client.transact_write_items(**request), transactional=True)

    def get_item(self, **request: Any) -> Any:
        answer = self._client.get_item(**request)
        self.billed["read"] += units.read_units(answer.get("Item", {}))
        return answer

    def batch_get_item(self, **request: Any) -> Any:
        for key in request["RequestItems"][TABLE]["Keys"]:
            self.billed["read"] += units.read_units(self._item(key))
        return self._client.batch_get_item(**request)


def _key(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"record_id": item["record_id"]}


def _key_of_write(write: Mapping[str, Any]) -> dict[str, Any]:
    ((_, request),) = write.items()
    return _key(request.get("Key") or request["Item"])


@contextmanager
def measured_world(**environment: str) -> Iterator[tuple[World, Meter]]:
    """As the template deploys it, its one instance warm: secrets and the provider's state have been read."""
    with a_world(LOOKUP_SECRET=LOOKUP, **environment) as world:
        meter = Meter(world)
        world.provider.script = [ctyun_answer(PORTRAIT | {"idn": "990105199003070053"})]
        world.deliver(world.upload("up/WARM-1/up.jpg", encoded(picture(99))))
        # a second between any two steps, as with a provider that takes its time: what becomes due moves
        seconds = itertools.count(int(time.time()))
        world.process.records._clock = lambda: float(next(seconds))
        yield world, meter


def card(world: World, key: str = "in/front.jpg", number: int = 1) -> Any:
    return world.upload(key, encoded(picture(number)))


def clean(world: World) -> Any:
    return card(world)


def in_case(world: World) -> Any:
    return card(world, "in/C-1/front.jpg")


def completing(world: World) -> Any:
    world.deliver(card(world, "in/C-1/front.jpg"))
    world.provider.script = [ctyun_answer(EMBLEM)]
    return card(world, "in/C-1/back.jpg", 2)


def flagged(world: World) -> Any:
    world.provider.script = [ctyun_answer(PORTRAIT | {"addr": ""})]
    return card(world)


def rejected(world: World) -> Any:
    return world.upload("in/notes.txt", b"not an image at all")


def redelivered(world: World) -> Any:
    event = card(world)
    world.deliver(event)
    return event


def same_bytes(world: World) -> Any:
    world.deliver(card(world))
    return card(world, "in/again.jpg")


def throttled(world: World) -> Any:
    world.provider.script = [httpx.Response(429, text="slow down")]
    return card(world)


def broken(world: World) -> None:
    world.provider.default["ctyun.test"] = lambda: httpx.Response(502, text="bad gateway")
    for number in range(5):
        world.deliver(card(world, f"in/broken-{number}.jpg", 10 + number))


def paused(world: World) -> Any:
    broken(world)
    return card(world)


def on_trial(world: World) -> Any:
    """Another call is the probe after a pause; this one waits for it in vain."""
    broken(world)
    world.let_pauses_run_out()
    key = {"record_id": {"S": "provider_ctyun"}}
    world.dynamodb.update_item(
        TableName=TABLE, Key=key, UpdateExpression="SET trial_owner = :me, trial_until = :late",
        ExpressionAttributeValues={":me": {"S": "somebody"}, ":late": {"N": "9999999999"}},
    )  # fmt: skip
    world.process.states._forget("ctyun")
    world.process.intake._recognition._sleep = lambda _: None
    return card(world)


def erased(world: World) -> Any:
    world.deliver(card(world))
    return world.remove("in/front.jpg")


SITUATIONS: dict[str, Callable[[World], Any]] = {
    "clean": clean, "in a case": in_case, "completing its pair": completing, "flagged": flagged,
    "with a spending cap": clean, "rejected unread": rejected, "redelivered": redelivered,
    "same bytes again": same_bytes, "throttled": throttled, "provider paused": paused,
    "provider on trial": on_trial, "erased": erased,
}  # fmt: skip


ENVIRONMENT = {"with a spending cap": {"DAILY_CALL_CAP": "1000000"}}


@pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])
def test_the_code_makes_the_calls_that_the_document_counts(way: Way) -> None:
    with measured_world(**ENVIRONMENT.get(way.name, {})) as (world, meter):
        event = SITUATIONS[way.name](world)
        meter.billed.clear()
        world.deliver(event)
        billed = {kind: meter.billed[kind] for kind in ("write", "index write", "read")}
        assert dict(Counter(world.log)) == dict(way.calls)
        assert billed == {"write": way.writes, "index write": way.index_writes, "read": way.reads}


def test_every_situation_is_in_the_document() -> None:
    assert {way.name for way in WAYS} == SITUATIONS.keys()


def test_a_line_of_the_log_and_a_record_are_as_long_as_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with measured_world() as (world, _):
        (handler,) = telemetry._logger.handlers
        written_by_logger, lines = handler.format, []

        def remembered(record: logging.LogRecord) -> str:
            lines.append(written_by_logger(record))
            return lines[-1]

        monkeypatch.setattr(handler, "format", remembered)
        world.deliver(in_case(world))
        key = {"record_id": {"S": record_id(SCANS, "in/C-1/front.jpg")}}
        record = world.dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
        assert round(sum(len(line.encode()) + 1 for line in lines), -2) == LOG_BYTES
        assert round(units.item_bytes(record), -2) == RECORD_BYTES


def test_whether_a_failed_probe_renews_the_pause_is_as_simulated() -> None:
    with measured_world() as (world, _):
        broken(world)
        world.let_pauses_run_out()
        world.process.states._forget("ctyun")
        world.deliver(card(world, "in/probe.jpg", 20))
        paused_until = world.item("provider_ctyun")["paused_until"]
        assert (paused_until > 1) == FAILED_PROBE_RENEWS_THE_PAUSE


def test_units_are_those_of_the_developer_guide() -> None:
    text = {"record_id": {"S": "x" * 1015}}
    assert units.item_bytes(text) == 1024
    assert units.item_bytes({"a": {"N": "-1234.5"}, "b": {"BOOL": True}, "c": {"L": [{"S": "é"}]}}) == 5 + 2 + 7
    assert units.item_bytes({"m": {"M": {"k": {"SS": ["ab", "c"]}}}, "n": {"NULL": True}}) == 9 + 2
    assert units.write_units({}, text, transactional=False) == 1
    longer = {"record_id": {"S": "x" * 1016}}
    assert units.write_units(longer, text, transactional=True) == 4
    assert (units.read_units({}), units.read_units({"k": {"S": "x" * 4096}})) == (1, 2)
    due = {"record_id": {"S": "r"}, "due_shard": {"S": "0"}, "due_at": {"N": "1"}}
    assert [units.index_units(*pair) for pair in (({}, due), (due, due), (due, due | {"due_at": {"N": "2"}}))] == [
        1,
        0,
        2,
    ]
    with pytest.raises(ValueError, match="NS"):
        units.item_bytes({"n": {"NS": ["1"]}})


# the document ---------------------------------------------------------------------------------------------------------


def published() -> dict[str, str]:
    """The tables of both pages."""
    return {name: table for page in PAGES for name, table in tables_of(page.read_text(encoding="utf-8")).items()}


@pytest.mark.parametrize("name", tables.COMPUTED)
def test_a_table_of_the_document_is_what_the_program_prints(name: str) -> None:
    assert published()[name] == tables.COMPUTED[name]()


@pytest.mark.thorough
@pytest.mark.parametrize("name", tables.SIMULATED)
def test_a_simulated_table_of_the_document_is_what_the_program_prints(name: str) -> None:
    assert published()[name] == tables.SIMULATED[name]()


def test_the_documents_have_every_table_and_no_other() -> None:
    assert published().keys() == tables.TABLES.keys()
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        assert written(page, tables_of(page)) == page
        assert "| new |" in written(page, dict.fromkeys(tables.TABLES, "| new |"))


def test_the_costs_count_what_the_template_has() -> None:
    template = load()
    kinds = Counter(resource["Type"] for resource in template["Resources"].values())
    assert kinds["AWS::CloudWatch::Alarm"] == cost.ALARMS
    assert kinds["AWS::SecretsManager::Secret"] == cost.SECRETS
    assert (kinds["AWS::KMS::Key"], kinds["AWS::CloudWatch::Dashboard"]) == (1, 1)
    assert template["Parameters"]["MaximumConcurrency"]["Default"] == cost.INSTANCES


def test_what_the_simulation_takes_for_the_deployment_is_the_deployment() -> None:
    template = load()
    recognize = template["Resources"]["RecognizeFunction"]["Properties"]
    assert recognize["Events"]["Uploads"]["Properties"]["BatchSize"] == BATCH == limits.WORKERS
    assert template["Globals"]["Function"]["Timeout"] == FUNCTION_SECONDS
    assert recognize["MemorySize"] / 1024 == cost.MEMORY_GB
    assert template["Parameters"]["RetentionDays"]["Default"] == cost.RETENTION_DAYS
    assert (
        Settings.model_fields["max_attempts"].default
        == MAX_ATTEMPTS
        == template["Parameters"]["MaxAttempts"]["Default"]
    )


def test_a_child_of_the_backfill_is_that_of_its_state_machine() -> None:
    child = Child.of_machine()
    assert child.cards >= 1
    assert 1 <= child.interval <= child.longest <= limits.MAX_DELAY_SECONDS


# the simulation -------------------------------------------------------------------------------------------------------

NOON = 12 * 3600.0


def test_scans_wait_as_long_as_the_code_says() -> None:
    assert [waiting_delay(waited) for waited in (0, 19, 40, 403, 3599, 3600, 90_000)] == [5, 5, 10, 100, 899, 900, 900]
    assert [failed_delay(attempts) for attempts in range(1, 6)] == [5, 20, 80, 320, 900]


def test_every_card_is_finished_once_and_the_seed_decides() -> None:
    assert sum(HOURS) == 1000
    scenario = Scenario(20_000, 2, Provider(limit=1), NOON, NOON + 3600)
    result, again = run(scenario), run(scenario)
    assert result == again
    assert result.looks["throttled"] == result.sent_again > 0
    assert len(result.finished) == result.looks["read"] == len(result.queued) - result.sent_again
    assert 20_000 * HOURS[12] / 1000 == pytest.approx(len(result.finished), rel=0.1)
    assert run(Scenario(20_000, 2, Provider(limit=1), NOON, NOON + 3600, seed=6)) != result


def test_littles_law_holds() -> None:
    """Cards in progress are their rate times their time, when the queue is empty and batches are of one."""
    result = run(Scenario(200_000, 200, begin=NOON, end=NOON + 3600))
    rate = len(result.finished) / 3600
    assert result.batches == pytest.approx(len(result.finished), rel=0.01)
    assert result.batch_seconds / 3600 == pytest.approx(rate * (Provider().mean_seconds + OWN_SECONDS), rel=0.03)
    assert max(result.queued) == 0


def test_a_provider_sees_no_more_than_concurrency_allows() -> None:
    result = run(Scenario(400_000, 2, begin=NOON, end=NOON + 1800))
    assert result.most_in_flight == 2 * BATCH
    full = 2 * BATCH / cost.batch_seconds()
    assert len(result.finished) / (1800 + max(result.queued)) == pytest.approx(full, rel=0.1)


def test_the_limit_is_used_and_never_exceeded() -> None:
    result = run(Scenario(200_000, 10, Provider(limit=2), NOON, NOON + 1800))
    busy = 1800 + max(result.finished)
    assert result.looks["read"] <= 2 * math.ceil(busy)
    assert result.looks["throttled"] > result.looks["read"]


def test_an_outage_opens_the_circuit_and_ends() -> None:
    outage = Provider(down=(NOON + 600, NOON + 1200))
    result = run(Scenario(50_000, 5, outage, NOON, NOON + 3600))
    assert result.looks["paused"] > 0
    assert len(result.finished) == result.looks["read"] + result.failed
    late = [seconds for seconds in result.finished if seconds > 60]
    assert len(late) >= 50_000 * HOURS[12] / 1000 / 6 * 0.8


def test_a_backfill_takes_what_the_limit_leaves() -> None:
    alone = run(Scenario(100_000, 5, Provider(limit=10), NOON, NOON + 900))
    beside = run(Scenario(100_000, 5, Provider(limit=10), NOON, NOON + 900, backfill=30))
    assert alone.backfilled == 0
    assert len(beside.finished) == pytest.approx(len(alone.finished), rel=0.2)
    assert 0 < beside.backfilled < 900 * 10
    assert beside.looks["throttled"] > alone.looks["throttled"]
