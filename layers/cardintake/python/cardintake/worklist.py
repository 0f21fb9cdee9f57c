"""One invocation's scans: side by side, those on their second attempt alone, each ending in an answer to its sender."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from cardintake import limits, telemetry
from cardintake.budget import Budget
from cardintake.intake import Intake, Later, Outcome
from cardintake.scans import Arrivals, Continuation, Scan

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient


class ScanNotFinishedError(Exception):
    """Directly invoked: these records have to be tried again. Names record ids and what they wait for."""


@dataclass(frozen=True, slots=True)
class Done:
    """Outcomes, in the order of the event, and the messages that have to be delivered again."""

    outcomes: tuple[Outcome, ...]
    failed_messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Ended:
    """`returns`: nothing but the delivery that it came with will bring it back."""

    outcome: Outcome
    returns: bool


class Worklist:
    """`sqs` and `queue_url`: where a waiting scan is sent again; without them it waits by redelivery."""

    def __init__(self, intake: Intake, sqs: Callable[[], "SQSClient"], queue_url: str | None) -> None:
        self._intake = intake
        self._sqs = sqs
        self._queue_url = queue_url

    def run(self, arrivals: Arrivals, budget: Budget) -> Done:
        """Works on everything that arrived. A scan's failure is its own: every other one is finished."""
        entries = [(delivery, scan) for delivery in arrivals.deliveries for scan in delivery.scans]
        again = arrivals.from_queue
        with ThreadPoolExecutor(max_workers=limits.WORKERS) as pool:
            begun = list(pool.map(lambda entry: self._begin(entry[1], budget, again=again), entries))
        ended = [self._alone(result, budget, again=again) if isinstance(result, Later) else result for result in begun]
        failed = list(arrivals.unreadable)
        failed += [str(delivery.message_id) for (delivery, _), end in zip(entries, ended, strict=True) if end.returns]
        outcomes = tuple(end.outcome for end in ended)
        self._count(outcomes, len(arrivals.unreadable))
        return Done(outcomes, tuple(dict.fromkeys(failed)))

    def _begin(self, scan: Scan | Continuation, budget: Budget, *, again: bool) -> _Ended | Later:
        try:
            outcome = self._intake.take(scan, budget)
        except Exception as error:  # noqa: BLE001 - one scan's crash must not take the others along
            outcome = self._crashed(scan, error)
        return outcome if isinstance(outcome, Later) else self._ended(outcome, again=again)

    def _alone(self, later: Later, budget: Budget, *, again: bool) -> _Ended:
        try:
            outcome = self._intake.work(later.scan, later.lease, budget)
        except Exception as error:  # noqa: BLE001
            outcome = self._crashed(later.scan, error)
        return self._ended(outcome, again=again)

    def _ended(self, outcome: Outcome, *, again: bool) -> _Ended:
        """Sends a waiting scan at once: the others of its invocation may take long, or end it with the process."""
        returns = again and outcome.retry_in is not None and not self._sent_again(outcome)
        return _Ended(outcome, returns)

    @staticmethod
    def _crashed(scan: Scan | Continuation, error: Exception) -> Outcome:
        """The lease runs out and the attempt counts; the message comes back by its visibility timeout."""
        telemetry.crashed(error, record_id=scan.record_id)
        return Outcome(scan, "PROCESSING", retry_in=-1)

    def _sent_again(self, outcome: Outcome) -> bool:
        """A waiting scan goes to the queue as a message of its own; a crashed one comes back by itself."""
        if self._queue_url is None or outcome.retry_in is None or outcome.retry_in < 0:
            return False
        scan = outcome.scan
        try:
            self._sqs().send_message(
                QueueUrl=self._queue_url,
                MessageBody=Continuation(scan.record_id, outcome.ticket or scan.ticket, scan.redrive).message(),
                DelaySeconds=outcome.retry_in,
            )
        except (ClientError, BotoCoreError) as error:
            telemetry.crashed(error, record_id=scan.record_id)
            return False
        return True

    @staticmethod
    def _count(outcomes: tuple[Outcome, ...], unreadable: int) -> None:
        for outcome in outcomes:
            telemetry.count("ScansWaiting" if outcome.retry_in is not None else f"Scans{outcome.status.capitalize()}")
        if unreadable:
            telemetry.count("MessagesUnreadable", unreadable)


def not_finished(outcomes: tuple[Outcome, ...]) -> ScanNotFinishedError | None:
    """The error for a direct invocation of which some scans have to be tried again."""
    unfinished = [outcome for outcome in outcomes if outcome.retry_in is not None]
    if not unfinished:
        return None
    named = ", ".join(f"{outcome.scan.record_id} ({outcome.waiting_for or 'crashed'})" for outcome in unfinished)
    return ScanNotFinishedError(f"to be tried again: {named}; the function's log says why")
