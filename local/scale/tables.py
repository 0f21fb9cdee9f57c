"""The tables of docs/scale.md and docs/cost.md, in Markdown, by name."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from cardintake import limits
from cardintake.items import DUE_SHARDS
from local.scale import cost, prices
from local.scale.calls import CLEAN, IN_CASE, RECORD_BYTES, WAYS
from local.scale.cost import (
    ANSWER_BYTES,
    MEMORY_GB,
    MILLION,
    RETENTION_DAYS,
    SCAN_BYTES,
    batch_seconds,
    dollars_a_million,
    mixed,
)
from local.scale.markdown import number, table
from local.scale.simulation import (
    BATCH,
    DAY,
    HOURS,
    OWN_SECONDS,
    PEAK_HOUR,
    Child,
    Provider,
    Result,
    Scenario,
    run,
    waiting_delay,
)

HUNDRED_MILLION = 100 * MILLION
MAXIMUM_CONCURRENCY = 20  # what the normal day below is read with
BACKFILL_RATE = 100  # cards a second, beside the daily ones
PEAK_RATE = MILLION * max(HOURS) / sum(HOURS) / 3600

_PEAK = (PEAK_HOUR * 3600.0, (PEAK_HOUR + 1) * 3600.0)
_PART = 5  # scenarios that queue for hours are run at a fifth of everything


# measured -------------------------------------------------------------------------------------------------------------


def calls() -> str:
    """What a scan asks of AWS, in every way that it can go."""
    services = ("dynamodb", "s3", "events", "sqs")
    rows = [
        [way.name, sum(map(way.of, services)), *map(way.of, (*services, "provider")), way.writes, way.index_writes,
         way.reads]
        for way in WAYS
    ]  # fmt: skip
    head = ["A scan", "AWS calls", "DynamoDB", "S3", "EventBridge", "SQS", "Provider", "Write units", "of the indexes",
            "Read units"]  # fmt: skip
    return table(head, rows)


# published ------------------------------------------------------------------------------------------------------------


def price_list() -> str:
    rows = [[price.what, f"${price.dollars:g} for {price.per:,} {price.unit}", _source(price.source)] for price in
            prices.PRICES]  # fmt: skip
    return table([f"Price, {prices.REGION}", "US dollars", f"Read on {prices.READ_ON} at"], rows)


def quota_list() -> str:
    rows = [[quota.what, f"{quota.value:,} {quota.unit}".strip(), _source(quota.source)] for quota in prices.QUOTAS]
    return table(["Quota, an account's default", "", f"Read on {prices.READ_ON} at"], rows)


def _source(source: str) -> str:
    return f"<{source}>" if source.startswith("https://") else source


# measured calls × published prices ------------------------------------------------------------------------------------


def cost_of_calls() -> str:
    rows = []
    for way in WAYS:
        dollars = dollars_a_million(way)
        rows.append([way.name, *(f"{part:.2f}" for part in dollars.values()), f"{sum(dollars.values()):.2f}"])
    return table(["US dollars a million", *dollars_a_million(CLEAN), "together"], rows)


def cost_of_a_day() -> str:
    """A million cards, in cases of two sides, one in twenty flagged; and a month of what is kept."""
    dollars = mixed()
    day = _day()
    dollars["Lambda"] = day.batches * prices.LAMBDA_REQUEST.each + (
        day.batch_seconds * MEMORY_GB * prices.LAMBDA_SECOND.each
    )
    instances = MAXIMUM_CONCURRENCY
    dollars["Secrets, provider's state"] = instances * (
        2 * DAY / limits.SECRET_SECONDS * prices.SECRET_REQUEST.each
        + DAY / limits.STATE_SECONDS * prices.DYNAMODB_READ.each
    )
    kept = RETENTION_DAYS * MILLION
    storage = kept * (SCAN_BYTES + ANSWER_BYTES) / 1e9 * prices.S3_STORAGE.each
    items = kept * 2 * RECORD_BYTES / 1e9 * prices.DYNAMODB_STORAGE.each
    rows = [[part, f"{amount:.2f}"] for part, amount in sorted(dollars.items(), key=lambda item: -item[1])]
    rows += [
        ["**together, a day**", f"**{sum(dollars.values()):.2f}**"],
        ["kept in the buckets, a day's share", f"{storage / 30:.2f}"],
        ["kept in the table, a day's share", f"{items / 30:.2f}"],
    ]
    return table(["A million cards", "US dollars"], rows)


def cost_of_a_backfill() -> str:
    """A hundred million cards, by how many a child of the map is given."""
    rows = []
    calls_cost = 100 * sum(amount for part, amount in dollars_a_million(CLEAN).items() if part != "SQS")
    for cards in (1, BATCH):
        children = HUNDRED_MILLION / cards
        lambda_cost = children * (
            prices.LAMBDA_REQUEST.each + batch_seconds(cards) * MEMORY_GB * prices.LAMBDA_SECOND.each
        )
        # a child of the standard kind begins, does its task and ends
        machine = children * 2 * prices.STATE_TRANSITION.each
        name = f"{cards} a child" + (", as the state machine says" if cards == Child.of_machine().cards else "")
        total = calls_cost + lambda_cost + machine
        rows.append([name, *(f"{amount:,.0f}" for amount in (calls_cost, lambda_cost, machine, total))])
    return table(["A hundred million cards, US dollars", "calls", "Lambda", "Step Functions", "together"], rows)


# concurrency ----------------------------------------------------------------------------------------------------------


def concurrency() -> str:
    """Little's law, and what a batch's slowest scan adds to it."""
    rows = []
    for median in (0.6, 1.2, 2.4):
        provider = Provider(median_seconds=median)
        for rate in (PEAK_RATE, PEAK_RATE + BACKFILL_RATE):
            seconds = batch_seconds(BATCH, provider)
            rows.append(
                [
                    f"{median} s",
                    number(rate),
                    number(rate * (provider.mean_seconds + OWN_SECONDS)),
                    f"{seconds:.1f} s",
                    math.ceil(rate * seconds / BATCH),
                ]
            )
    head = ["Provider's median", "cards a second", "in progress (Little)", "a full batch takes", "`MaximumConcurrency`"]
    return table(head, rows)


def hot_spots() -> str:
    """The busiest second of a million cards a day, alone and beside a backfill, against the quotas."""
    children = math.ceil(BACKFILL_RATE * batch_seconds(1))
    instances = (MAXIMUM_CONCURRENCY, MAXIMUM_CONCURRENCY + children)
    workers = (MAXIMUM_CONCURRENCY * limits.WORKERS, MAXIMUM_CONCURRENCY * limits.WORKERS + children)

    def each_card(units: float) -> tuple[float, float]:
        return PEAK_RATE * units, (PEAK_RATE + BACKFILL_RATE) * units

    needs: list[tuple[str, tuple[float, float], prices.Quota]] = [
        ("invocations at a time", instances, prices.LAMBDA_CONCURRENCY),
        ("messages in flight", (MAXIMUM_CONCURRENCY * BATCH,) * 2, prices.SQS_IN_FLIGHT),
        ("write units of the table", each_card(IN_CASE.writes), prices.TABLE_WRITES),
        ("write units of one shard of `due`", each_card(2 / len(DUE_SHARDS)), prices.PARTITION_WRITES),
        (
            "reads of `provider_NAME`, all workers at once",
            (workers[0] / limits.STATE_SECONDS, workers[1] / limits.STATE_SECONDS),
            prices.PARTITION_READS,
        ),
        ("writes of `spending_DAY`, with a cap", each_card(1), prices.PARTITION_WRITES),
        ("PUT below `answers/NAME/`", each_card(1), prices.S3_WRITES),
        ("GET of scans", each_card(1), prices.S3_READS),
        ("PutEvents, every card announced", each_card(1), prices.PUT_EVENTS),
        (
            "GetSecretValue, two secrets",
            (2 * instances[0] / limits.SECRET_SECONDS, 2 * instances[1] / limits.SECRET_SECONDS),
            prices.SECRET_READS,
        ),
    ]
    rows = [
        [what, number(alone), number(beside), f"{quota.value:,}", f"{100 * beside / quota.value:.1f} %"]
        for what, (alone, beside), quota in needs
    ]
    return table(["In the busiest second", "a million a day", "and a backfill", "quota", "of it"], rows)


def delays() -> str:
    """When a scan that waits is looked at again: the code's own numbers."""
    looks, waited = 0, 0
    rows = []
    for hours in (0.25, 1, 2, 12, 72):
        while waited < hours * 3600:
            waited += waiting_delay(waited)
            looks += 1
        rows.append([f"{hours:g} h", looks, f"{waiting_delay(waited)} s"])
    return table(["Waited for", "looks so far", "next after"], rows)


# simulated ------------------------------------------------------------------------------------------------------------


@cache
def _day() -> Result:
    return run(Scenario(MILLION, MAXIMUM_CONCURRENCY))


def quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values; 0 of none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _of(values: list[float]) -> list[str]:
    values.sort()
    return [_span(quantile(values, share)) for share in (0.5, 0.99, 1.0)]


def busiest_hour() -> str:
    """The same hour with different concurrency."""
    rows = []
    for concurrency in (12, 15, 20, 30, 50):
        result = run(Scenario(MILLION, concurrency, begin=_PEAK[0], end=_PEAK[1]))
        cards = len(result.finished)
        dollars = result.batches * prices.LAMBDA_REQUEST.each + (
            result.batch_seconds * MEMORY_GB * prices.LAMBDA_SECOND.each
        )
        rows.append(
            [concurrency, *_of(result.queued), *_of(result.finished), f"{len(result.queued) / result.batches:.1f}",
             result.most_in_flight, f"{dollars / cards * MILLION:.2f}"]
        )  # fmt: skip
    head = ["`MaximumConcurrency`", "in the queue: median", "99 %", "longest", "upload to record: median", "99 %",
            "longest", "cards a batch", "in flight at most", "Lambda, $ a million"]  # fmt: skip
    return table(head, rows)


def scenarios() -> str:
    """Normal day, provider down, provider's limit too low."""
    noon = PEAK_HOUR * 3600.0

    def part(concurrency: int, provider: Provider, begin: float = 0.0, end: float = DAY) -> Result:
        return run(Scenario(MILLION // _PART, concurrency // _PART, provider, begin, end))

    limited = Provider(limit=20 // _PART)
    results = {
        f"normal day, concurrency {MAXIMUM_CONCURRENCY}": _day(),
        "provider down for two hours": part(
            MAXIMUM_CONCURRENCY, Provider(down=(noon, noon + 7200)), noon - 7200, noon + 6 * 3600
        ),
        "provider's limit 20 a second": part(MAXIMUM_CONCURRENCY, limited),
        "the same, half the concurrency": part(MAXIMUM_CONCURRENCY // 2, limited),
        "the same, twice the concurrency": part(2 * MAXIMUM_CONCURRENCY, limited),
    }
    rows = [_row(name, result, 1 if name.startswith("normal") else _PART) for name, result in results.items()]
    return table(_SCENARIO_HEAD, rows)


def backfill() -> str:
    """The busiest hour of a million cards a day beside a backfill; the provider allows 150 calls a second."""
    rows = []
    for children in (0, 75, 150, 300):
        result = run(Scenario(MILLION, MAXIMUM_CONCURRENCY, Provider(limit=150), _PEAK[0], _PEAK[1], backfill=children))
        rate = result.backfilled / 3600
        days = f"{HUNDRED_MILLION / rate / DAY:.0f}" if rate else "–"
        rows.append(
            [children, *_of(result.finished), f"{result.sent_again / len(result.finished):.2f}", _throttled(result),
             number(rate) if rate else 0, days]
        )  # fmt: skip
    head = ["`max_concurrency` of the backfill", "daily card, upload to record: median", "99 %", "longest",
            "sent again per daily card", "calls throttled", "backfilled a second", "days for 100 million"]  # fmt: skip
    return table(head, rows)


_SCENARIO_HEAD = [
    "Scenario", "in the queue: median", "99 %", "longest", "upload to record: median", "99 %", "longest",
    "waiting at most", "in flight at most", "calls throttled", "of the limit used", "sent again per card", "gave up",
]  # fmt: skip


def _row(name: str, result: Result, part: int) -> list[object]:
    cards = len(result.finished)
    return [
        name, *_of(result.queued), *_of(result.finished), number(result.most_waiting * part),
        number(result.most_in_flight * part), _throttled(result), _used(result), f"{result.sent_again / cards:.1f}",
        f"{result.failed * part} ({100 * result.failed / cards:.2f} %)" if result.failed else "0",
    ]  # fmt: skip


def _used(result: Result) -> str:
    """How much of the provider's limit was used in the hour after noon, when there is a backlog if there is one."""
    limit = result.scenario.provider.limit
    return f"{100 * result.reads[12] / 3600 / limit:.0f} %" if limit is not None else "–"


def _throttled(result: Result) -> str:
    called = result.looks["throttled"] + result.looks["read"]
    return f"{100 * result.looks['throttled'] / called:.0f} %"


COMPUTED: Mapping[str, Callable[[], str]] = {
    "calls": calls,
    "cost-of-calls": cost_of_calls,
    "concurrency": concurrency,
    "hot-spots": hot_spots,
    "cost-of-a-backfill": cost_of_a_backfill,
    "delays": delays,
    "prices": price_list,
    "quotas": quota_list,
    **cost.TABLES,
}
SIMULATED: Mapping[str, Callable[[], str]] = {
    "busiest-hour": busiest_hour,
    "scenarios": scenarios,
    "backfill": backfill,
    "cost-of-a-day": cost_of_a_day,
}
TABLES = {**COMPUTED, **SIMULATED}
