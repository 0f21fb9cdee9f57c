"""A storm over the running application: many uploads, everything delivered several times, late and out of order, while
providers misbehave and processes are killed. `Storm.run` raises it and waits until it is over; what is left of it is an
`Aftermath`, in which the sandbox's ledger, the subscriber's queue and the table are compared.
"""

import hashlib
import itertools
import json
import logging
import os
import random
import signal
import string
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import boto3.dynamodb.types
import httpx

from local.cardprinter import (
    PrintedCard,
    encode,
    not_a_card,
    print_card,
    print_card_with_wrong_check_digit,
    print_expired_card,
)
from local.kinds import KINDS
from local.laptop import Laptop
from local.sandbox.faults import Fault
from local.stack import Stack
from local.subscriber import Subscriber
from tests.integration.pipeline import InvocationFailedError, Pipeline

log = logging.getLogger(__name__)

ROUTES = {
    "cn": ("ctyun", "huaweicloud"),
    "ct": ("ctyun",),
    "hw": ("huaweicloud",),
    "ih": ("ihuyi",),
    "wq": ("waiqin365",),
    "pe": ("accuauth",),
}
"""Key prefix and who reads what lies below it, in order of preference."""
PROVIDERS = tuple(dict.fromkeys(name for names in ROUTES.values() for name in names))
FINAL = frozenset({"RECOGNIZED", "REJECTED", "FAILED", "ERASED"})
PAUSING = (Fault.CREDENTIALS, Fault.KEY_EXPIRED, Fault.PERMISSION, Fault.QUOTA, Fault.REDIRECT)
"""After these nobody calls the provider before somebody has changed something."""
NO_CARD_REASONS = frozenset({"NO_CARD", "OTHER_DOCUMENT", "PROVIDER_REJECTED_IMAGE"})
POISON = 3
SHARE_OF_FAULTS = 0.2
_PAUSES_RARER = 3
DOWN = "ctyun"

_SEED = 7100
_OTHERS = 50
_MAX_RECEIVES = 10  # RedrivePolicy of the template
_ODD_NAMES = ("scan", "a b", "a+b", "100%25", "扫描件", "á&=(2)")
_KINDS_OF_UPLOAD = {7: "twin", 13: "no image", 27: "twin", 33: "removed", 43: "replaced"}
"""By the last two digits, or rather the rest after division by fifty."""
_AT_A_TIME = 4  # pictures that the sandbox has not seen yet
_BATCH = 10  # SQS takes no more at a time


@dataclass(frozen=True)
class Timing:
    """Seconds: the function's timeout, shorter than the lease, shorter than the queue's visibility timeout."""

    function: int
    lease: int
    visibility: int


@dataclass(frozen=True)
class Scale:
    """How large a storm is, and how long; times in seconds.

    `until_broken`: the outage ends only after the provider's circuit has broken. `calm`: share of the uploads that is
    unfinished when the last fault is ordered. `timing`: another than the template's.
    """

    uploads: int
    pictures: int
    kills: int
    direct: int
    late: int
    outage: float
    until_broken: bool
    calm: float
    patience: float
    sweep_every: float
    look_every: float
    stalls: tuple[int, ...]
    timing: Timing | None = None


@dataclass(frozen=True)
class Picture:
    """A picture, and the status and reasons that it has to lead to. `card` is what a flawless reader makes of it."""

    data: bytes = field(repr=False)
    status: str
    reasons: frozenset[str]
    kind: str | None = None
    card: Mapping[str, object] | None = field(default=None, repr=False)

    def made_unique(self, rng: random.Random) -> bytes:
        """Other bytes and the same pixels: a JPEG comment more."""
        comment = rng.randbytes(8).hex().encode()
        return self.data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + self.data[2:]


@dataclass(frozen=True)
class Uploaded:
    """An object as it lies in the bucket in the end, or was removed from it."""

    key: str
    record_id: str
    sha256: str
    picture: Picture
    replaced: bool = False
    removed: bool = False

    @property
    def route(self) -> tuple[str, ...]:
        return ROUTES[self.key.partition("/")[0]]


@dataclass
class Aftermath:
    """What is to be seen when the storm is over. `images`: billable calls by provider and SHA-256 of the file sent."""

    uploads: Sequence[Uploaded]
    folders: Sequence[str]
    records: Mapping[str, Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    ledger: Mapping[str, Any]
    dead_letters: Sequence[str]
    poison: Sequence[str]
    left_in_queue: int
    deliveries: int
    kills: int
    outage_calls: int
    seconds: float

    def billable(self) -> dict[str, Counter[str]]:
        """How often each file was billable, by its SHA-256, then by provider."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for provider, account in self.ledger["providers"].items():
            for digest, image in account["images"].items():
                counts[digest][provider] += image["billable"]
        return counts

    def faults(self) -> Counter[str]:
        return sum((Counter(a["faults"]) for a in self.ledger["providers"].values()), Counter[str]())

    def share_of_faults(self) -> float:
        """Of all calls but those to the provider that was down."""
        received: int = sum(account["received"] for account in self.ledger["providers"].values())
        return (self.faults().total() - self.outage_calls) / (received - self.outage_calls)

    def told_about(self, record_id: str) -> list[str]:
        """Types of the events about this record, without repeats of the same event."""
        return sorted(e["detail-type"] for e in self.events if e["detail"]["data"].get("record_id") == record_id)

    def summary(self) -> dict[str, Any]:
        received = sum(account["received"] for account in self.ledger["providers"].values())
        paid = self.billable()
        return {
            "uploads": len(self.uploads),
            "deliveries": self.deliveries,
            "seconds": round(self.seconds),
            "statuses": dict(Counter(record["status"] for record in self.records.values())),
            "kills": self.kills,
            "calls": received,
            "share of faults": round(self.share_of_faults(), 3),
            "faults": dict(self.faults().most_common()),
            "calls while down": self.outage_calls,
            "billable calls": sum(count.total() for count in paid.values()),
            "files paid for": sum(1 for count in paid.values() if count.total()),
            "uncertain calls": sum(int(record.get("uncertain_calls", 0)) for record in self.records.values()),
            "most attempts": max(int(record.get("attempts", 0)) for record in self.records.values()),
            "events": dict(Counter(event["detail-type"] for event in self.events)),
            "dead letters": len(self.dead_letters),
            "readings": self.ledger["readings"],
        }


def print_pictures(count: int) -> list[Picture]:
    """Good cards of every kind, invented and expired ones, and what is no card; half of them Chinese."""
    made: list[PrintedCard | None] = []
    for number in itertools.count(_SEED):
        made += [print_card(kind, number) for kind in KINDS]
        made += [print_card(kind, number + _OTHERS) for kind in ("cn_portrait", "cn_emblem")]
        made += [print_card_with_wrong_check_digit(kind, number) for kind in ("cn_portrait", "pe_dni_new_front")]
        made += [print_expired_card(kind, number) for kind in ("cn_emblem", "pe_dni_new_front")]
        made += [None]
        if len(made) >= count:
            break
    return [
        Picture(encode(card.picture), "RECOGNIZED", card.reasons, card.kind, card.card)
        if card
        else Picture(encode(not_a_card(_SEED + number)), "REJECTED", NO_CARD_REASONS)
        for number, card in enumerate(made[:count])
    ]


NO_IMAGE = Picture(b"This is a text. " * 100, "REJECTED", frozenset({"IMAGE_UNSUPPORTED"}))


def function_processes(stack: Stack, function: str) -> list[int]:
    """Process ids of the function's instances on this stack's emulator."""
    marks = {f"AWS_LAMBDA_FUNCTION_NAME={function}".encode(), f"AWS_ENDPOINT_URL={stack.endpoint_url}".encode()}
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and marks <= set((process / "environ").read_bytes().split(b"\0")):
                found.append(int(process.name))
        except OSError:
            continue  # somebody else's, or ended meanwhile
    return found


def kill_one(stack: Stack, function: str, rng: random.Random) -> bool:
    """Kills one instance of the function; False when none runs."""
    processes = function_processes(stack, function)
    if not processes:
        return False
    try:
        os.kill(rng.choice(processes), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def undelivered(stack: Stack) -> Iterator[None]:
    """Meanwhile the queue keeps its messages: nobody hands them to the function."""
    functions, name = stack.client("lambda"), stack.outputs.recognize_function
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    time.sleep(1)  # a poll under way still takes messages
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@contextmanager
def prepared(pipeline: Pipeline, timing: Timing | None) -> Iterator[None]:
    """The application with the storm's routes and timing; as it was deployed, afterwards."""
    stack, outputs = pipeline.stack, pipeline.outputs
    functions, sqs = stack.client("lambda"), stack.client("sqs")
    name, url = outputs.recognize_function, outputs.queue_url
    deployed = functions.get_function_configuration(FunctionName=name)["Timeout"]
    (kept,) = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"].values()
    routes = ",".join(f"{prefix}/={'|'.join(names)}" for prefix, names in ROUTES.items())
    try:
        if timing is not None:
            functions.update_function_configuration(FunctionName=name, Timeout=timing.function)
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(timing.visibility)})
        pipeline.configure(ROUTES=routes, **({"LEASE_SECONDS": str(timing.lease)} if timing else {}))
        for queue in (url, outputs.dead_letter_queue_url):
            sqs.purge_queue(QueueUrl=queue)
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Timeout=deployed)
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": kept})
        pipeline.mend()


class Storm:
    """One storm. The same `seed` makes the same uploads, orders of delivery and faults; when they meet is chance."""

    def __init__(self, laptop: Laptop, scale: Scale, seed: int) -> None:
        self._rng = random.Random(seed)
        name = "storm-" + "".join(self._rng.choices(string.ascii_lowercase, k=8))
        self._folder = name
        self._scale = scale
        self._stack, self._sandbox = laptop.stack, laptop.sandbox
        self._subscriber = Subscriber(laptop.stack, name)
        self._pipeline = Pipeline(laptop, "")
        self._weather = _Weather(self._sandbox.base_url, self._rng, scale.stalls)
        self._sqs = laptop.stack.client("sqs")
        self._pool = ThreadPoolExecutor(8)
        self._direct = ThreadPoolExecutor(2)
        self._kills = 0
        self._sweep: Future[Any] | None = None
        self._swept_at = time.monotonic()
        self._events: list[Mapping[str, Any]] = []

    def run(self) -> Aftermath:
        """Raises the storm and waits for calm, `Scale.patience` seconds at most."""
        with self._subscriber, self._pool, self._direct, prepared(self._pipeline, self._scale.timing):
            pictures = print_pictures(self._scale.pictures)
            before = self._look_calmly(pictures)
            httpx.delete(f"{self._sandbox.base_url}/_sandbox/calls", trust_env=False).raise_for_status()
            with undelivered(self._stack):
                uploads, folders, bodies = self._upload(pictures)
                poison = self._poison()
                queued, direct = self._copies(bodies)
                self._send(queued)
            started = time.monotonic()
            log.info("%d uploads, %d deliveries", len(uploads), len(queued) + len(direct))
            pending = [self._direct.submit(self._invoke, event) for event in direct]
            records = self._blow(uploads, started)
            for invocation in pending:
                invocation.result()
            self._weather.clear()
            dead_letters, left = self._drain(started)
            records = self._records(uploads) or records
            while heard := self._subscriber.receive():
                self._events += heard
                time.sleep(1)
            return Aftermath(
                uploads=uploads,
                folders=folders,
                records=records,
                events=[event for event in self._events if event["detail"]["data"].get("record_id") not in before],
                ledger=self._sandbox.calls(),
                dead_letters=dead_letters,
                poison=poison,
                left_in_queue=left,
                deliveries=len(bodies_of(queued)) + len(direct),
                kills=self._kills,
                outage_calls=self._weather.outage_calls,
                seconds=time.monotonic() - started,
            )

    # ── what is uploaded, and how it is delivered ─────────────────────────────────────────────────────────────────────

    def _look_calmly(self, pictures: Sequence[Picture]) -> set[str]:
        """Each picture once, before anything goes wrong: what it leads to then is what it has to lead to.

        Returns the records' ids.
        """
        looked_at: set[str] = set()
        for few in itertools.batched(enumerate(pictures), _AT_A_TIME, strict=False):
            ids = [
                self._pipeline.upload(
                    f"{self._prefix(picture)}/{self._folder}/calm {number}.jpg", picture.data, **_claim(picture)
                )
                for number, picture in few
            ]
            for record_id, (_, picture) in zip(ids, few, strict=True):
                record = self._pipeline.record(record_id)
                assert (record["status"], record.get("card")) == (picture.status, picture.card)
            looked_at |= set(ids)
        return looked_at

    def _upload(self, pictures: Sequence[Picture]) -> tuple[list[Uploaded], list[str], list[str]]:
        """The uploads as they are in the end, the folder keys, and S3's notifications."""
        uploads: list[Uploaded] = []
        jobs: list[tuple[str, list[bytes], bool, dict[str, str]]] = []
        for number in range(self._scale.uploads):
            picture = pictures[number % len(pictures)]
            prefix, versions = self._prefix(picture), [picture.made_unique(self._rng)]
            kind = _KINDS_OF_UPLOAD.get(number % 50)
            match kind:
                case "twin":  # the bytes of the upload before it, for the same provider
                    picture, prefix, versions = uploads[-1].picture, uploads[-1].key.partition("/")[0], jobs[-1][1]
                case "no image":
                    picture, versions = NO_IMAGE, [NO_IMAGE.data + self._rng.randbytes(8)]
                case "replaced":
                    versions.append(picture.made_unique(self._rng))
            key = f"{prefix}/{self._folder}/{self._rng.choice(_ODD_NAMES)} {number}.jpg"
            jobs.append((key, versions, kind == "removed", _claim(picture)))
            uploads.append(
                Uploaded(
                    key,
                    self._pipeline.record_id(key),
                    hashlib.sha256(versions[-1]).hexdigest(),
                    picture,
                    replaced=kind == "replaced",
                    removed=kind == "removed",
                )
            )
        folders = [f"cn/{self._folder}/{letter}/" for letter in "abc"]
        jobs += [(folder, [b""], False, {}) for folder in folders]
        list(self._pool.map(lambda job: self._put(*job), jobs))
        expected = sum(len(versions) + removed for _, versions, removed, _ in jobs)
        return uploads, [self._pipeline.record_id(folder) for folder in folders], self._received(expected)

    def _prefix(self, picture: Picture) -> str:
        if picture.kind is not None and picture.kind.startswith("pe"):
            return "pe"
        if "ID_NUMBER_INVALID" in picture.reasons:
            return self._rng.choice(("cn", "ct", "hw", "ih"))  # waiqin365 leaves such a number out
        return self._rng.choice(("cn", "cn", "ct", "hw", "ih", "wq"))

    def _put(self, key: str, versions: Sequence[bytes], removed: bool, metadata: Mapping[str, str]) -> None:
        s3, bucket = self._stack.client("s3"), self._stack.outputs.scans_bucket
        for data in versions:
            s3.put_object(Bucket=bucket, Key=key, Body=data, Metadata=dict(metadata))
        if removed:
            s3.delete_object(Bucket=bucket, Key=key)

    def _received(self, expected: int) -> list[str]:
        """Bodies of this many messages, which are taken out of the queue."""
        url = self._stack.outputs.queue_url
        bodies: list[str] = []
        deadline = time.monotonic() + 60
        while len(bodies) < expected:
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(bodies)} of {expected} notifications came")
            received = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=_BATCH).get("Messages", [])
            for message in received:
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            bodies += [message["Body"] for message in received]
        return bodies

    def _poison(self) -> list[str]:
        """Messages that nobody can read; all their receives but the last have been, to save time."""
        url = self._stack.outputs.queue_url
        bodies = [f"not a notification {number}" for number in range(POISON)]
        for body in bodies:
            self._sqs.send_message(QueueUrl=url, MessageBody=body)
        for _ in range(_MAX_RECEIVES - 1):
            received = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=_BATCH, VisibilityTimeout=0)
            assert len(received["Messages"]) == POISON
        return bodies

    def _copies(self, bodies: Sequence[str]) -> tuple[list[str], list[Mapping[str, Any]]]:
        """Messages for the queue, shuffled, some with several records; and events for direct invocations."""
        extra = [body for body in bodies for _ in range(self._rng.randrange(3))]
        self._rng.shuffle(extra)
        direct = [json.loads(body) for body in extra[: self._scale.direct]]
        queued = [*bodies, *extra[self._scale.direct :]]
        self._rng.shuffle(queued)
        merged, rest = queued[: len(queued) // 10], queued[len(queued) // 10 :]
        pairs = [
            json.dumps({"Records": [record for body in pair for record in json.loads(body)["Records"]]})
            for pair in itertools.batched(merged, 2, strict=False)
        ]
        messages = [*pairs, *rest]
        self._rng.shuffle(messages)
        return messages, [_as_eventbridge(event) if number % 2 else event for number, event in enumerate(direct)]

    def _send(self, messages: Sequence[str]) -> None:
        entries = [
            {"Id": str(number), "MessageBody": body, "DelaySeconds": self._rng.randint(0, self._scale.late)}
            for number, body in enumerate(messages)
        ]

        def send(batch: Sequence[Mapping[str, Any]]) -> None:
            answer = self._sqs.send_message_batch(QueueUrl=self._stack.outputs.queue_url, Entries=list(batch))
            assert not answer.get("Failed")

        list(self._pool.map(send, itertools.batched(entries, _BATCH, strict=False)))

    def _invoke(self, event: Mapping[str, Any]) -> None:
        """As Lambda does with what S3 hands it directly: after an error, twice more."""
        for _ in range(3):
            try:
                self._pipeline.invoke(event)
            except InvocationFailedError:
                time.sleep(self._scale.late)
            else:
                return

    # ── while it blows ────────────────────────────────────────────────────────────────────────────────────────────────

    def _blow(self, uploads: Sequence[Uploaded], started: float) -> dict[str, dict[str, Any]]:
        """Until every upload has come to its end, or patience has; the records then."""
        count = self._scale.uploads
        kills = sorted(self._rng.sample(range(count // 20, count * 4 // 5), self._scale.kills))
        looked_at, mended_at, unfinished = started, started, count
        down_from, down_until = count // 8, float("inf")
        records: dict[str, dict[str, Any]] = {}
        while unfinished and time.monotonic() - started < self._scale.patience:
            ledger = self._sandbox.calls()
            received = sum(account["received"] for account in ledger["providers"].values())
            if unfinished > count * self._scale.calm:
                self._weather.look(ledger)
            if (
                kills
                and received >= kills[0]
                and kill_one(self._stack, self._stack.outputs.recognize_function, self._rng)
            ):
                del kills[0]
                self._kills += 1
            # a pause that began before, for the credentials, would keep its name while the probes fail
            if received >= down_from and "error_class" not in self._state(DOWN):
                self._weather.begin_outage(ledger)
                down_from, down_until = 1 << 60, time.monotonic() + self._scale.outage
            if time.monotonic() > down_until and self._was_felt(ledger):
                self._weather.end_outage(ledger)
                down_until = float("inf")
            if time.monotonic() - mended_at > 1:
                self._mend_credentials()
                mended_at = time.monotonic()
            self._sweep_again()
            self._events += self._subscriber.receive()
            if time.monotonic() - looked_at > self._scale.look_every:
                looked_at, records = time.monotonic(), self._records(uploads)
                unfinished = count - sum(map(_is_over, records.values()))
                log.info("%4.0f s: %d unfinished, %d calls", looked_at - started, unfinished, received)
            time.sleep(0.2)
        if down_until < float("inf"):
            self._weather.end_outage(self._sandbox.calls())
        return records

    def _mend_credentials(self) -> None:
        """As an operator does who hears that a provider is misconfigured or out of quota: stores the secret anew."""
        secrets, secret = self._stack.client("secretsmanager"), self._stack.outputs.providers_secret
        states = [self._state(provider) for provider in PROVIDERS]
        paused = {state["version"] for state in states if state.get("error_class") in ("configuration", "quota")}
        if paused and secrets.get_secret_value(SecretId=secret)["VersionId"] in paused:
            self._stack.put_credentials(self._sandbox.credentials)

    def _was_felt(self, ledger: Mapping[str, Any]) -> bool:
        """The outage: by the provider's circuit, or at least by a call."""
        if self._scale.until_broken:
            return self._state(DOWN).get("error_class") == "unavailable"
        return self._weather.felt(ledger)

    def _state(self, provider: str) -> Mapping[str, Any]:
        return self._pipeline.item(f"provider_{provider}") or {}

    def _sweep_again(self) -> None:
        if self._sweep is not None and self._sweep.done():
            try:
                log.debug("swept: %s", self._sweep.result())
            except InvocationFailedError:
                log.debug("a sweep failed; the next one does what it could not")
            self._sweep, self._swept_at = None, time.monotonic()
        if self._sweep is None and time.monotonic() - self._swept_at > self._scale.sweep_every:
            self._sweep = self._pool.submit(self._pipeline.sweep)

    def _records(self, uploads: Sequence[Uploaded]) -> dict[str, dict[str, Any]]:
        """Records by id."""
        wanted = {upload.record_id for upload in uploads}
        plain = boto3.dynamodb.types.TypeDeserializer().deserialize
        pages = self._stack.client("dynamodb").get_paginator("scan")
        found = {}
        for page in pages.paginate(TableName=self._stack.outputs.cards_table, ConsistentRead=True):
            for item in page["Items"]:
                if item["record_id"]["S"] in wanted:
                    found[item["record_id"]["S"]] = {name: plain(value) for name, value in item.items()}
        return found

    # ── afterwards ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _drain(self, started: float) -> tuple[list[str], int]:
        """Bodies of the dead letters, and how many messages the queue still holds, once nothing more happens to it."""
        outputs = self._stack.outputs
        while (left := self._messages(outputs.queue_url)) and time.monotonic() - started < self._scale.patience:
            self._sweep_again()
            time.sleep(0.5)
        received = self._messages(outputs.dead_letter_queue_url)
        dead: dict[str, str] = {}
        deadline = time.monotonic() + 10
        while len(dead) < received and time.monotonic() < deadline:
            answer = self._sqs.receive_message(QueueUrl=outputs.dead_letter_queue_url, MaxNumberOfMessages=_BATCH)
            dead |= {message["MessageId"]: message["Body"] for message in answer.get("Messages", ())}
        return list(dead.values()), left

    def _messages(self, url: str) -> int:
        """Visible, in work and delayed ones."""
        names = ("", "NotVisible", "Delayed")
        wanted = [f"ApproximateNumberOfMessages{name}" for name in names]
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
        return sum(int(attributes[name]) for name in wanted)


class _Weather:
    """Lets a fifth of the providers' answers go wrong, in every way as often, and one provider down for a while.

    What pauses a provider is rarer by `_PAUSES_RARER`: pauses would leave no time for anything else.
    """

    def __init__(self, base_url: str, rng: random.Random, stalls: Sequence[int]) -> None:
        self._url = f"{base_url}/_sandbox/faults"
        self._rng = rng
        self._stalls = itertools.cycle(stalls)
        self._down = False
        self._before_outage = 0
        self.outage_calls = 0

    def look(self, ledger: Mapping[str, Any]) -> None:
        """Orders as many faults as are missing by now."""
        pending, ways = Counter[str](), Counter[str]()
        for order in self._pending():
            pending[order["provider"]] += order["times"]
            ways[order["fault"]] += order["times"]
        for account in ledger["providers"].values():
            ways.update(account["faults"])
        for provider, account in ledger["providers"].items():
            received, faulty = account["received"], sum(account["faults"].values())
            if provider == DOWN:
                if self._down:
                    continue
                received, faulty = received - self.outage_calls, faulty - self.outage_calls
            for _ in range(round(received * SHARE_OF_FAULTS) - faulty - pending[provider]):
                fault = min(Fault, key=lambda way: (ways[way] * _PAUSES_RARER ** (way in PAUSING), self._rng.random()))
                ways[fault] += 1
                self._order(provider, fault)

    def begin_outage(self, ledger: Mapping[str, Any]) -> None:
        self._down = True
        self._before_outage = ledger["providers"][DOWN]["received"]
        self._call_off(DOWN)
        self._order(DOWN, Fault.HTML_502, times=1_000_000)

    def felt(self, ledger: Mapping[str, Any]) -> bool:
        """Whether somebody has called meanwhile."""
        received: int = ledger["providers"][DOWN]["received"]
        return received > self._before_outage

    def end_outage(self, ledger: Mapping[str, Any]) -> None:
        self._call_off(DOWN)
        self._down = False
        self.outage_calls = ledger["providers"][DOWN]["received"] - self._before_outage

    def _call_off(self, provider: str) -> None:
        kept = [order for order in self._pending() if order["provider"] != provider]
        self.clear()
        for order in kept:
            httpx.post(self._url, json=order, trust_env=False).raise_for_status()

    def clear(self) -> None:
        httpx.delete(self._url, trust_env=False).raise_for_status()

    def _pending(self) -> list[dict[str, Any]]:
        pending: list[dict[str, Any]] = httpx.get(self._url, trust_env=False).json()["pending"]
        return pending

    def _order(self, provider: str, fault: Fault, times: int = 1) -> None:
        order: dict[str, object] = {"provider": provider, "fault": fault, "times": times}
        if fault is Fault.STALL:
            order["seconds"] = next(self._stalls)
        if fault is Fault.HUGE:
            order["megabytes"] = 33  # one more than is read of any answer
        httpx.post(self._url, json=order, trust_env=False).raise_for_status()


def bodies_of(messages: Sequence[str]) -> list[Mapping[str, Any]]:
    """The records of S3 notifications, each by itself."""
    return [record for message in messages for record in json.loads(message)["Records"]]


def _is_over(record: Mapping[str, Any]) -> bool:
    """Nothing is left to be done or told."""
    return record["status"] in FINAL and not record.keys() & {"due_at", "outbox", "lease_owner"}


def _claim(picture: Picture) -> dict[str, str]:
    if picture.card is None:
        return {}
    return {"document-type": str(picture.card["document_type"]), "side": str(picture.card["side"])}


def _as_eventbridge(notification: Mapping[str, Any]) -> dict[str, Any]:
    """The same fact as EventBridge tells it: the key raw, other names."""
    (record,) = notification["Records"]
    described = dict(record["s3"]["object"])
    removed = record["eventName"].startswith("ObjectRemoved")
    return {
        "version": "0",
        "source": "aws.s3",
        "detail-type": "Object Deleted" if removed else "Object Created",
        "detail": {
            "bucket": {"name": record["s3"]["bucket"]["name"]},
            "object": {"key": unquote_plus(described["key"]), "sequencer": described["sequencer"]}
            | ({"etag": described["eTag"], "size": described["size"]} if not removed else {}),
            **({"reason": "DeleteObject"} if removed else {}),
        },
    }
