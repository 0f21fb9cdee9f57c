"""What cards cost: measured calls times published prices, and Lambda's time as far as the provider decides it."""

import math
import random
from collections.abc import Callable, Mapping
from functools import cache

from cardintake import limits
from local.scale import prices
from local.scale.calls import CLEAN, FLAGGED, IN_CASE, LOG_BYTES, RECORD_BYTES, WAYS, Way
from local.scale.markdown import table
from local.scale.simulation import BATCH, OWN_SECONDS, Provider

MEMORY_GB = 2.0  # the template's MemorySize of recognize
RETENTION_DAYS = 30  # the template's default
SCAN_BYTES, ANSWER_BYTES = 500_000, 4_000  # assumed: a photo, and what a provider says of it
FLAGGED_SHARE = 0.05  # assumed
MILLION = 1_000_000
THOUSAND = 1_000
# KMS: SQS, DynamoDB and the buckets' keys come back for a data key after minutes; two secrets, and the logs
KMS_USERS, KMS_REUSE_SECONDS = 7, 300
INSTANCES = 5  # the template's MaximumConcurrency
ALARMS, SECRETS = 22, 2  # of the template
MONTH_DAYS = 30


def dollars_a_million(way: Way) -> dict[str, float]:
    """US dollars for a million scans, without Lambda: by part."""
    puts, gets = way.calls.get("s3.put_object", 0), way.calls.get("s3.get_object", 0)
    return {
        "DynamoDB": MILLION
        * ((way.writes + way.index_writes) * prices.DYNAMODB_WRITE.each + way.reads * prices.DYNAMODB_READ.each),
        "S3": MILLION * (puts * prices.S3_PUT.each + gets * prices.S3_GET.each),
        # sent by S3 or by us, received and deleted with nine others
        "SQS": MILLION * (1 + way.of("sqs") + 2 / BATCH) * prices.SQS_REQUEST.each,
        "EventBridge": MILLION * way.of("events") * prices.EVENT.each,
        "Log": MILLION * LOG_BYTES * prices.LOG_BYTE.each,
    }


def mixed() -> dict[str, float]:
    """US dollars for a million scans, without Lambda: in cases of two sides, one in twenty flagged."""
    completing = next(way for way in WAYS if way.name == "completing its pair")
    sides = dollars_a_million(IN_CASE), dollars_a_million(completing)
    plain, flagged = dollars_a_million(CLEAN), dollars_a_million(FLAGGED)
    return {
        part: (sides[0][part] + sides[1][part]) / 2 + FLAGGED_SHARE * (flagged[part] - plain[part]) for part in plain
    }


@cache
def batch_seconds(cards: int = BATCH, provider: Provider = Provider()) -> float:  # noqa: B008 - frozen
    """Mean seconds of a batch whose scans are all read: it is over when the slowest is."""
    rng = random.Random(1)
    log_median = math.log(provider.median_seconds)
    times = (
        max(place * OWN_SECONDS + rng.lognormvariate(log_median, provider.sigma) for place in range(1, cards + 1))
        for _ in range(10_000)
    )
    return sum(times) / 10_000


def lambda_dollars(cards: int, in_batches_of: int, memory_gb: float = MEMORY_GB) -> float:
    """US dollars for so many cards, warm."""
    batches = cards / in_batches_of
    seconds = batches * batch_seconds(in_batches_of)
    return batches * prices.LAMBDA_REQUEST.each + seconds * memory_gb * prices.LAMBDA_SECOND.each


def cost_of_a_thousand() -> str:
    """By part, alone and in batches, plain and as they come."""
    kept = THOUSAND * (SCAN_BYTES + ANSWER_BYTES) / 1e9 * prices.S3_STORAGE.each * RETENTION_DAYS / MONTH_DAYS
    items = THOUSAND * 2 * RECORD_BYTES / 1e9 * prices.DYNAMODB_STORAGE.each * RETENTION_DAYS / MONTH_DAYS
    columns = []
    for parts, batch in ((dollars_a_million(CLEAN), 1), (dollars_a_million(CLEAN), BATCH), (mixed(), BATCH)):
        thousand = {name: amount * THOUSAND / MILLION for name, amount in parts.items()}
        columns.append(
            {"Lambda": lambda_dollars(THOUSAND, batch)}
            | thousand
            | {"pictures and answers, kept": kept, "records, kept": items}
        )
    rows = [[part, *(f"{column[part]:.4f}" for column in columns)] for part in columns[0]]
    rows.append(["**together**", *(f"**{sum(column.values()):.4f}**" for column in columns)])
    head = ["A thousand cards, US dollars", "clean, one by one", "clean, ten at a time", "as they come, ten at a time"]
    return table(head, rows)


def cost_of_a_month() -> str:
    """What is paid though no card comes, and what grows with instances instead of cards."""
    month = MONTH_DAYS * 86400
    kms = INSTANCES * KMS_USERS * month / KMS_REUSE_SECONDS * prices.KMS_REQUEST.each
    secrets = INSTANCES * SECRETS * month / limits.SECRET_SECONDS * prices.SECRET_REQUEST.each
    rows = [
        ["the key", prices.KMS_KEY.each],
        [f"{SECRETS} secrets", SECRETS * prices.SECRET.each],
        [f"{ALARMS} alarms", ALARMS * prices.ALARM.each],
        ["the dashboard", prices.DASHBOARD.each],
        [f"KMS, at most: {INSTANCES} instances, day and night", kms],
        [f"reads of secrets, at most: {INSTANCES} instances, day and night", secrets],
    ]
    return table(["A month", "US dollars"], [[what, f"{dollars:.2f}"] for what, dollars in rows])


TABLES: Mapping[str, Callable[[], str]] = {
    "cost-of-a-thousand": cost_of_a_thousand,
    "cost-of-a-month": cost_of_a_month,
}
