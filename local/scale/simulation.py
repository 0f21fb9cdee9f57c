"""The queue simulated: uploads through a day, batches, a provider that is slow, limited or down, and our own delays.

A discrete-event simulation with a fixed seed. What decides is the code's own: the delays of a waiting scan
(`Intake._delay`, `intake._backoff`), the circuit's numbers (`limits`), a batch's size and time (the template), the
children of a backfill and their retries (its state machine). What a provider does and how long our own part takes are
assumptions: `Provider`, `OWN_SECONDS`, `REFUSED_SECONDS`, `DOWN_SECONDS`, `HOURS`.
"""

import heapq
import itertools
import json
import math
import random
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Self

from cardintake import limits
from cardintake.intake import Intake, _backoff
from cardintake.records import Lease
from local.scale.calls import FAILED_PROBE_RENEWS_THE_PAUSE

DAY = 86_400
BATCH = 10  # the template's BatchSize, and limits.WORKERS
FUNCTION_SECONDS = 50.0  # the template's Timeout
MAX_ATTEMPTS = 5  # the setting's default
OWN_SECONDS = 0.1  # assumed: our part of a scan; one at a time in an instance, as pictures are decoded
REFUSED_SECONDS = 0.1  # assumed: a provider's 429
DOWN_SECONDS = 2.0  # assumed: a call to a provider that is down, with the tries within the invocation

# assumed: cards in each hour of a day, in thousandths of the day's; the busiest hour has three times the mean
HOURS = (4, 3, 2, 2, 3, 7, 18, 42, 88, 115, 125, 98, 60, 72, 96, 90, 68, 42, 25, 16, 10, 7, 4, 3)
PEAK_HOUR = HOURS.index(max(HOURS))


@dataclass(frozen=True, slots=True)
class Provider:
    """Assumed. Latency is log-normal; `limit` is in calls a second, beyond which it answers 429 without Retry-After."""

    median_seconds: float = 1.2
    sigma: float = 0.5
    limit: int | None = None
    down: tuple[float, float] | None = None  # from, to

    @property
    def mean_seconds(self) -> float:
        """Of a call that is answered."""
        return self.median_seconds * math.exp(self.sigma**2 / 2)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`begin` and `end` are seconds of the day between which cards arrive; the queue is then worked off.

    `backfill`: children of the distributed map at a time, from begin to end.
    """

    cards_a_day: int
    maximum_concurrency: int
    provider: Provider = Provider()
    begin: float = 0.0
    end: float = DAY
    backfill: int = 0
    seed: int = 5


@dataclass(slots=True)
class Scan:
    """A card on its way. `attempts`: those that broke off. `delay`: seconds until it is looked at again, None: done."""

    arrived: float
    ready: float
    waiting_since: float | None = None
    attempts: int = 0
    delay: int | None = None


@dataclass(slots=True)
class Result:
    """What was seen. Seconds: one entry for each message received, and for each card finished, of the queue only."""

    scenario: Scenario
    queued: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    looks: Counter[str] = field(default_factory=Counter)  # by what came of them, backfill included
    reads: Counter[int] = field(default_factory=Counter)  # calls that were answered, by the hour
    sent_again: int = 0
    failed: int = 0
    batches: int = 0
    batch_seconds: float = 0.0
    most_in_flight: int = 0
    most_waiting: int = 0
    backfilled: int = 0


@cache
def waiting_delay(waited: int) -> int:
    """Seconds that the code lets a scan wait which has waited `waited` seconds already."""
    while True:
        now = int(time.time())
        delay = Intake._delay(_lease(waiting_since=now - waited))
        if int(time.time()) == now:  # else the code has seen a second more
            return delay


@cache
def failed_delay(attempts: int) -> int:
    """Seconds that the code waits after an attempt that broke off."""
    return _backoff(_lease(attempts=attempts))


def _lease(*, attempts: int = 1, waiting_since: int | None = None) -> Lease:
    return Lease("scan_", "", "", attempts, "", waiting_since=waiting_since)


def run(scenario: Scenario) -> Result:
    """The scenario, from its first card until the queue has been worked off."""
    return _Run(scenario).run()


class _Circuit:
    """The provider's state as `provider_states` keeps it; all instances see it at once."""

    def __init__(self) -> None:
        self.failures = 0
        self.broken = False
        self.paused_until = 0.0
        self.trial_over = 0.0

    def failed(self, at: float) -> None:
        if self.broken:
            self.trial_over = at
            if FAILED_PROBE_RENEWS_THE_PAUSE:
                self.paused_until = at + limits.BREAK_SECONDS
            return
        self.failures += 1
        if self.failures >= limits.FAILURES_TO_BREAK:
            self.broken, self.failures, self.paused_until = True, 0, at + limits.BREAK_SECONDS

    def worked(self) -> None:
        self.broken, self.failures = False, 0


@dataclass(frozen=True, slots=True)
class Child:
    """A child of the backfill's map: how many cards it is given, and when it tries again those that have to wait."""

    cards: int
    interval: int
    rate: float
    longest: int

    @classmethod
    def of_machine(cls) -> Self:
        """As statemachines/backfill.asl.json says."""
        path = Path(__file__).resolve().parents[2] / "statemachines" / "backfill.asl.json"
        reading = json.loads(path.read_text(encoding="utf-8"))["States"]["ReadPrefix"]
        (task,) = reading["ItemProcessor"]["States"].values()
        (retry,) = (retry for retry in task["Retry"] if retry["ErrorEquals"] == ["ScanNotFinishedError"])
        cards = reading.get("ItemBatcher", {}).get("MaxItemsPerBatch", 1)
        return cls(cards, retry["IntervalSeconds"], retry["BackoffRate"], retry["MaxDelaySeconds"])


@dataclass(slots=True)
class _Batch:
    """Messages of the queue, or the items of a child of the distributed map, which has been tried again so often."""

    scans: list[Scan]
    child: bool = False
    retries: int = 0
    resting: bool = False  # until it is tried again


class _Run:
    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._result = Result(scenario)
        self._rng = random.Random(scenario.seed)
        self._log_median = math.log(scenario.provider.median_seconds)
        self._queue: deque[Scan] = deque()
        # time, a number that keeps equal times in order, and a batch that is over, a child to begin, or a message due
        self._events: list[tuple[float, int, _Batch | Scan]] = []
        self._numbers = itertools.count()
        self._free = scenario.maximum_concurrency
        self._in_flight = self._delayed = 0
        self._circuit = _Circuit()
        self._calls: Counter[int] = Counter()
        self._child = Child.of_machine()

    def run(self) -> Result:
        for _ in range(self._scenario.backfill):
            self._begin(self._fresh_child(self._scenario.begin), self._scenario.begin)
        arrivals = self._arrivals()
        arrival = next(arrivals, math.inf)
        while self._events or arrival < math.inf:
            if not self._events or arrival <= self._events[0][0]:
                now = arrival
                self._queue.append(Scan(now, now))
                arrival = next(arrivals, math.inf)
            else:
                now, _, happening = heapq.heappop(self._events)
                if isinstance(happening, Scan):
                    self._delayed -= 1
                    happening.ready = now
                    self._queue.append(happening)
                elif happening.child:
                    self._continue(happening, now)
                else:
                    self._end(happening, now)
            while self._free and self._queue:
                self._free -= 1
                self._begin(_Batch([self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]), now)
            self._result.most_waiting = max(self._result.most_waiting, len(self._queue) + self._delayed)
        return self._result

    def _arrivals(self) -> Iterator[float]:
        """Poisson, with a rate for each hour."""
        scenario = self._scenario
        for hour, thousandths in enumerate(HOURS):
            rate = scenario.cards_a_day * thousandths / sum(HOURS) / 3600
            at, end = max(hour * 3600.0, scenario.begin), min((hour + 1) * 3600.0, scenario.end)
            while (at := at + self._rng.expovariate(rate)) < end:
                yield at

    def _push(self, at: float, happening: _Batch | Scan) -> None:
        heapq.heappush(self._events, (at, next(self._numbers), happening))

    # a batch ----------------------------------------------------------------------------------------------------------

    def _begin(self, batch: _Batch, now: float) -> None:
        """Its scans side by side, those that broke off before alone after all others, as `worklist` does."""
        over = now
        together = [scan for scan in batch.scans if not scan.attempts]
        alone = [scan for scan in batch.scans if scan.attempts]
        for place, scan in enumerate(together, 1):
            over = max(over, self._look(scan, now + place * OWN_SECONDS))
        for scan in alone:
            over = self._alone(scan, now, over)
        self._push(over, batch)
        if batch.child:
            return
        result = self._result
        result.queued.extend(now - scan.ready for scan in batch.scans)
        result.batches += 1
        result.batch_seconds += over - now
        self._in_flight += len(batch.scans)
        result.most_in_flight = max(result.most_in_flight, self._in_flight)

    def _alone(self, scan: Scan, begun: float, at: float) -> float:
        left = FUNCTION_SECONDS - limits.WRITE_DOWN_SECONDS - (at - begun)
        if left < limits.MIN_SECONDS_TO_BEGIN:
            return self._wait(scan, at, 0, "out of time")
        return self._look(scan, at + OWN_SECONDS)

    def _end(self, batch: _Batch, now: float) -> None:
        self._free += 1
        self._in_flight -= len(batch.scans)
        for scan in batch.scans:
            if scan.delay is None:
                self._result.finished.append(now - scan.arrived)
            else:
                self._result.sent_again += 1
                self._delayed += 1
                self._push(now + scan.delay, scan)

    # the distributed map ----------------------------------------------------------------------------------------------

    def _fresh_child(self, now: float) -> _Batch:
        return _Batch([Scan(now, now) for _ in range(self._child.cards)], child=True)

    def _continue(self, child: _Batch, now: float) -> None:
        """What is unfinished rests and is tried again; the child keeps its place meanwhile. Else the next batch."""
        if child.resting:
            child.resting = False
            self._begin(child, now)
            return
        unfinished = [scan for scan in child.scans if scan.delay is not None]
        self._result.backfilled += len(child.scans) - len(unfinished)
        if unfinished:
            longest = min(self._child.interval * self._child.rate**child.retries, self._child.longest)
            rest = self._rng.uniform(0, longest)  # JitterStrategy FULL
            self._push(now + rest, _Batch(unfinished, child=True, retries=child.retries + 1, resting=True))
        elif now < self._scenario.end:
            self._begin(self._fresh_child(now), now)

    # one look at a scan -----------------------------------------------------------------------------------------------

    def _look(self, scan: Scan, at: float) -> float:
        """What comes of it when its call would begin at this moment. Returns when its worker is free."""
        circuit = self._circuit
        if circuit.broken and at < max(circuit.paused_until, circuit.trial_over):
            return self._wait(scan, at, self._patience(scan, at), "paused")
        return self._call(scan, at)

    def _call(self, scan: Scan, at: float) -> float:
        circuit, provider, looks = self._circuit, self._scenario.provider, self._result.looks
        if provider.down is not None and provider.down[0] <= at < provider.down[1]:
            over = at + DOWN_SECONDS
            circuit.failed(over)
            scan.attempts += 1
            if scan.attempts < MAX_ATTEMPTS:
                return self._wait(scan, over, failed_delay(scan.attempts), "broke off")
            self._result.failed += 1
            looks["gave up"] += 1
            scan.delay = None
            return over
        if provider.limit is not None:
            second = int(at)
            self._calls[second] += 1
            if self._calls[second] > provider.limit:
                over = at + REFUSED_SECONDS
                return self._wait(scan, over, self._patience(scan, over), "throttled")
        circuit.worked()
        looks["read"] += 1
        self._result.reads[int(at // 3600)] += 1
        scan.delay = None
        return at + min(self._rng.lognormvariate(self._log_median, provider.sigma), limits.PROVIDER_SECONDS)

    @staticmethod
    def _patience(scan: Scan, at: float) -> int:
        return waiting_delay(0 if scan.waiting_since is None else int(at - scan.waiting_since))

    def _wait(self, scan: Scan, over: float, delay: int, why: str) -> float:
        self._result.looks[why] += 1
        if scan.waiting_since is None:
            scan.waiting_since = over
        scan.delay = delay
        return over
