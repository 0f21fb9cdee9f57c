"""The state of each provider, shared by all instances: paused, on trial, or working.

After a refusal for credentials, permission or quota nobody calls until the secret's content changes or a while has
passed; then one call is the probe. Content of the secret that has not yet been seen to work is tried by one call at a
time. Repeated failures break the circuit for a short while. Each change is announced once, through the item's outbox.

The item (`provider_NAME`): `error_class`, `paused_until`, `version` (of the secret, when paused), `verified` (version
that was seen to work), `failures` (in a row), `trial_owner`, `trial_until`, `balance_low` (what was bought in advance
runs out: announced like a pause for quota, and pauses nothing), `outbox`. Times in epoch seconds.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from cardintake import limits
from cardintake.announcements import Announcements, Event
from cardintake.items import Update, condition_failed, due_shard, iso, marshalled, plain
from cardintake.providers.errors import (
    ConfigurationError,
    ProviderError,
    QuotaError,
    UnavailableError,
)
from cardintake.settings import Settings

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

type PauseClass = Literal["configuration", "quota", "unavailable"]

_ANNOUNCED_AS = {
    "configuration": "Provider Misconfigured",
    "quota": "Provider Quota Low",
    "unavailable": "Provider Unavailable",
}
_ERROR: dict[str, type[ProviderError]] = {
    "configuration": ConfigurationError,
    "quota": QuotaError,
    "unavailable": UnavailableError,
}
# attributes that come and go together, and those that decide what has been announced
_PAUSE = ("error_class", "paused_until", "version")
_TRIAL = ("trial_owner", "trial_until")
_ANNOUNCED = ("error_class", "paused_until", "balance_low")


class TrialBusyError(Exception):
    """Another call is trying this provider's credentials; its outcome decides."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to call. `trial`: this call is the probe, and must be reported whatever comes of it."""

    provider: str
    version: str
    trial_owner: str | None
    failures: int
    paused: bool
    paused_until: int | None


class PausedError(Exception):
    """The provider is paused; `error` is the typed error that stands for why."""

    def __init__(self, error: ProviderError) -> None:
        super().__init__(str(error))
        self.error = error


class ProviderStates:
    """Reads states at most every `limits.STATE_SECONDS`; writes only changes."""

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        settings: Settings,
        announcements: Announcements,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb = dynamodb
        self._settings = settings
        self._announcements = announcements
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, dict[str, Any]]] = {}
        self._being_read: dict[str, Future[dict[str, Any]]] = {}

    def permit(self, provider: str, version: str, owner: str, *, despite: Collection[PauseClass] = ()) -> Permit:
        """Leave to call with this version of the secret. Raises PausedError, TrialBusyError.

        despite: the pauses that do not concern this call.
        """
        state = self._state(provider)
        paused = "error_class" in state and state["error_class"] not in despite
        failures, paused_until = int(state.get("failures", 0)), state.get("paused_until")
        if not paused and state.get("verified") == version:
            return Permit(provider, version, None, failures, paused=False, paused_until=paused_until)
        now = self._clock()
        unchanged = paused and state.get("version") == version
        if unchanged and state["paused_until"] > now:
            raise _paused(provider, state)
        try:
            self._begin_trial(provider, owner, int(now), state)
        except TrialBusyError:
            if unchanged:  # what has been down is hardly up again within the few seconds that one could wait here
                raise _paused(provider, state) from None
            raise
        return Permit(provider, version, owner, failures, paused=paused, paused_until=paused_until)

    def is_paused(self, provider: str, version: str) -> bool:
        """Whether calls would be refused now."""
        state = self._state(provider)
        return "error_class" in state and state.get("version") == version and state["paused_until"] > self._clock()

    def trouble(self, provider: str) -> tuple[str | None, bool]:
        """The error class for which it is paused, if it is, and whether what was bought in advance runs out.

        A pause lasts until a call has worked, also while nobody calls.
        """
        state = self._state(provider)
        return state.get("error_class"), "balance_low" in state

    def worked(self, permit: Permit) -> None:
        """The provider answered: its credentials work, and a pause is over."""
        if permit.trial_owner is None and not permit.failures and not permit.paused:
            return
        update = Update({"verified": permit.version}, (*_PAUSE, *_TRIAL, "failures"))
        if not permit.paused:
            self._change(permit.provider, update, "attribute_not_exists(error_class)", ())
            return
        state = self._state(permit.provider, fresh=True)
        over = {name: value for name, value in state.items() if name not in _PAUSE}
        self._change(permit.provider, update, _as_read(state, update), self._events(permit.provider, state, over))

    def balance(self, permit: Permit, balance: int, *, low: bool) -> None:
        """The provider said what is left: its credentials work, and a pause for quota is over unless that is low.

        Ends no pause that has begun since the permit. Announced when the state changes, with the balance.
        """
        state = self._state(permit.provider, fresh=True)
        ending = ("configuration",) if low else ("configuration", "quota")
        ends = state.get("error_class") in ending and state["paused_until"] == permit.paused_until
        tried = permit.trial_owner is not None
        if not ends and not tried and low == ("balance_low" in state):
            return
        present = {"verified": permit.version if tried else None, "balance_low": True if low else None}
        absent = (*(_TRIAL if tried else ()), *(_PAUSE if ends else ()), *(() if low else ("balance_low",)))
        after = {name: value for name, value in (state | present).items() if name not in absent}
        update = Update(present, absent)
        events = self._events(permit.provider, state, after, balance=balance)
        self._change(permit.provider, update, _as_read(state, update), events)

    def refused(self, permit: Permit, error: ConfigurationError | QuotaError) -> None:
        """Nobody calls this provider with this version of the secret for a while."""
        self.pause(permit.provider, permit.version, error.error_class, limits.PAUSE_SECONDS)

    def failed(self, permit: Permit) -> None:
        """A call failed for good within its invocation; several in a row break the circuit, a probe's renews the pause.

        Otherwise probe would follow probe for as long as an outage lasts, each of them an attempt of some scan.
        """
        failures = permit.failures + 1
        if permit.paused or failures >= limits.FAILURES_TO_BREAK:
            state = self._state(permit.provider)
            error_class = state.get("error_class", "unavailable") if permit.paused else "unavailable"
            self.pause(permit.provider, permit.version, error_class, limits.BREAK_SECONDS)
            return
        self._change(
            permit.provider,
            Update({"failures": failures}, ("trial_owner", "trial_until")),
            "attribute_not_exists(error_class)",
            (),
        )

    def undecided(self, permit: Permit) -> None:
        """The call said nothing about the credentials: the next one may try."""
        if permit.trial_owner is None:
            return
        self._change(
            permit.provider,
            Update(absent=("trial_owner", "trial_until"), values={":owner": permit.trial_owner}),
            "#trial_owner = :owner",
            (),
        )

    def pause(self, provider: str, version: str, error_class: PauseClass | str, seconds: int) -> None:
        """Pauses the provider; announced when its state changes, not when a probe finds it unchanged."""
        state = self._state(provider, fresh=True)
        unchanged = state.get("error_class") == error_class and state.get("version") == version
        if unchanged and state["paused_until"] > self._clock():
            return
        paused = {"error_class": error_class, "paused_until": int(self._clock()) + seconds, "version": version}
        update = Update(paused, (*_TRIAL, "failures", *(("verified",) if error_class == "configuration" else ())))
        self._change(provider, update, _as_read(state, update), self._events(provider, state, state | paused))

    def delivered(self, record_id: str, events: Iterable[Event]) -> None:
        """Empties the outbox, unless it has changed meanwhile."""
        update = Update(
            absent=("outbox", "due_shard", "due_at"), values={":delivered": [event.as_item() for event in events]}
        )
        try:
            self._dynamodb.update_item(**update.request(self._settings.cards_table, record_id, "#outbox = :delivered"))
        except ClientError as error:
            condition_failed(error)

    def _begin_trial(self, provider: str, owner: str, now: int, state: Mapping[str, Any]) -> None:
        """`state`: as it was read; a trial that has ended in a pause since then must not be followed by ours."""
        if state.get("trial_until", 0) >= now:
            self._forget(provider)
            raise TrialBusyError
        paused_until = state.get("paused_until")
        update = Update(
            {"trial_owner": owner, "trial_until": now + self._settings.lease_seconds},
            values={":now": now, ":paused_until": paused_until},
            aliases=("paused_until",),
        )
        nobody = "(attribute_not_exists(#trial_until) OR #trial_until < :now)"
        unchanged = "attribute_not_exists(#paused_until)" if paused_until is None else "#paused_until = :paused_until"
        request = update.request(self._settings.cards_table, _item_id(provider), f"{nobody} AND {unchanged}")
        try:
            self._dynamodb.update_item(**request)
        except ClientError as error:
            condition_failed(error)
            self._forget(provider)
            raise TrialBusyError from None

    def _state(self, provider: str, *, fresh: bool = False) -> dict[str, Any]:
        """As it was read at most `limits.STATE_SECONDS` ago: by one thread for all that ask meanwhile; or read now."""
        if fresh:
            return self._read(provider)
        with self._lock:
            read_at, state = self._known.get(provider, (float("-inf"), {}))
            if self._clock() - read_at <= limits.STATE_SECONDS:
                return state
            asked = provider not in self._being_read
            reading = self._being_read.setdefault(provider, Future())
        if asked:
            try:
                reading.set_result(self._read(provider))
            except BaseException as error:
                reading.set_exception(error)
                raise
            finally:
                with self._lock:
                    del self._being_read[provider]
        return reading.result()

    def _read(self, provider: str) -> dict[str, Any]:
        answer = self._dynamodb.get_item(
            TableName=self._settings.cards_table,
            Key=marshalled({"record_id": _item_id(provider)}),
            ConsistentRead=True,
        )
        state = plain(answer.get("Item"))
        with self._lock:
            self._known[provider] = (self._clock(), state)
        return state

    def _forget(self, provider: str) -> None:
        with self._lock:
            self._known.pop(provider, None)

    def _change(self, provider: str, update: Update, condition: str, events: Iterable[Event]) -> None:
        """Writes the change and its events; somebody else's change in between wins."""
        pending = [event.as_item() for event in events]
        if pending:
            update.sets.append("#outbox = list_append(if_not_exists(#outbox, :none), :events)")
            update.aliases = (*update.aliases, "outbox")
            update.values |= {":none": [], ":events": pending}
            update.attributes = {
                **update.attributes,
                "due_shard": due_shard(_item_id(provider)),
                "due_at": int(self._clock()) + 60,
            }
        try:
            answer = self._dynamodb.update_item(
                **update.request(self._settings.cards_table, _item_id(provider), condition), ReturnValues="ALL_NEW"
            )
        except ClientError as error:
            condition_failed(error)
            self._forget(provider)
            return
        state = plain(answer["Attributes"])
        with self._lock:
            self._known[provider] = (self._clock(), state)
        if pending:
            outbox = [Event(**item) for item in state["outbox"]]
            if self._announcements.deliver(outbox):
                self.delivered(_item_id(provider), outbox)

    def _events(
        self, provider: str, before: Mapping[str, Any], after: Mapping[str, Any], *, balance: int | None = None
    ) -> list[Event]:
        """What is to be announced of a change from one state to another: what has ended, then what has begun."""
        ended, begun = _troubles(before) - _troubles(after), _troubles(after) - _troubles(before)
        told = [("Provider Recovered", error_class) for error_class in sorted(ended)]
        told += [(_ANNOUNCED_AS[error_class], error_class) for error_class in sorted(begun)]
        events = []
        for detail_type, error_class in told:
            data: dict[str, Any] = {"provider": provider, "error_class": error_class}
            if balance is not None:
                data["balance"] = balance
            events.append(Event.of(detail_type, data, occurred_at=iso(self._clock())))
        return events


def _paused(provider: str, state: Mapping[str, Any]) -> PausedError:
    return PausedError(_ERROR[state["error_class"]](provider, "paused after a refusal"))


def _troubles(state: Mapping[str, Any]) -> set[str]:
    """The error classes that this state announces."""
    troubles = {"quota"} if "balance_low" in state else set()
    return troubles | ({state["error_class"]} if "error_class" in state else set())


def _as_read(state: Mapping[str, Any], update: Update) -> str:
    """The condition that all which is announced is still as it was read; completes `update` for it."""
    update.aliases = (*update.aliases, *_ANNOUNCED)
    update.values |= {f":read_{name}": state[name] for name in _ANNOUNCED if name in state}
    return " AND ".join(
        f"#{name} = :read_{name}" if name in state else f"attribute_not_exists(#{name})" for name in _ANNOUNCED
    )


def _item_id(provider: str) -> str:
    return f"provider_{provider}"
