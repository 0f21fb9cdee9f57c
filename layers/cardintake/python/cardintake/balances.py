"""What is left with the providers that sell recognitions in advance: asked on a schedule, told before it runs out.

Every balance is a metric. One below the threshold is announced once, until it is at the threshold again, and pauses
nothing: cards are read until the provider refuses. The credentials are those of the recognitions, so a question follows
the same rules: none while they are refused, one at a time while they have not been seen to work.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeIs

from cardintake import limits, telemetry
from cardintake.budget import Budget
from cardintake.provider_states import PausedError, ProviderStates, TrialBusyError
from cardintake.providers.client import ProviderClient
from cardintake.providers.errors import (
    ConfigurationError,
    ProviderError,
    QuotaError,
    RetryableError,
    ThrottledError,
)
from cardintake.providers.protocol import Prepaid, Provider
from cardintake.secret_store import SecretStore
from cardintake.settings import Settings


@dataclass(slots=True)
class Asked:
    """What came of the questions, by provider: how many recognitions are left, or the class of the error."""

    balances: dict[str, int] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


class NoBalanceError(Exception):
    """Nobody said what is left, and asking again may help."""


class Balances:
    """`allow_http`: base URLs may be http, on the emulator only."""

    def __init__(
        self,
        client: ProviderClient,
        states: ProviderStates,
        secrets: SecretStore,
        settings: Settings,
        registry: Mapping[str, type[Provider]],
        *,
        allow_http: bool,
    ) -> None:
        self._client = client
        self._states = states
        self._secrets = secrets
        self._settings = settings
        self._registry = registry
        self._allow_http = allow_http

    def run(self, budget: Budget) -> Asked:
        """Asks every prepaid provider in PROVIDERS or ROUTES, whatever comes of the others.

        Raises NoBalanceError when none answered and one of them may answer the next time.
        """
        asked = Asked()
        may_pass = False
        for candidate in self._prepaid():
            name = candidate.name
            try:
                asked.balances[name] = self._ask(candidate, budget)
            except PausedError as paused:
                telemetry.info("balance not asked: the provider is paused", provider=name)
                asked.errors[name] = paused.error.error_class
            except TrialBusyError:
                telemetry.info("balance not asked: a scan is trying the provider's credentials", provider=name)
                asked.errors[name] = ThrottledError.error_class
                may_pass = True
            except ProviderError as error:
                telemetry.provider_error(
                    name, error.error_class, error.code, record_id=None, request_id=error.request_id
                )
                asked.errors[name] = error.error_class
                may_pass |= isinstance(error, RetryableError | ThrottledError)
            except Exception as error:  # noqa: BLE001 - one provider's trouble must not keep the others from being asked
                telemetry.crashed(error)
                asked.errors[name] = "crashed"
                may_pass = True
        if may_pass and not asked.balances:
            told = ", ".join(f"{name} ({error_class})" for name, error_class in asked.errors.items())
            raise NoBalanceError(f"No provider said what is left: {told}.")
        return asked

    def _prepaid(self) -> list[type[Prepaid]]:
        named = self._settings.providers_in_use
        return [candidate for name in named if _sells_in_advance(candidate := self._registry[name])]

    def _ask(self, candidate: type[Prepaid], budget: Budget) -> int:
        # never from the cache: a pause would be booked on a content that is there no more
        secret = self._secrets.content(max_age=0.0)
        try:
            provider = candidate.configured(secret.member(candidate.name), allow_http=self._allow_http)
        except ConfigurationError as error:
            self._states.pause(candidate.name, secret.version, error.error_class, limits.PAUSE_SECONDS)
            raise
        if budget.remaining < limits.MIN_SECONDS_TO_BEGIN:
            raise RetryableError(provider.name, "no time left to ask for the balance")
        # asking needs no quota, and says nothing about a circuit that recognitions broke
        permit = self._states.permit(provider.name, secret.version, uuid.uuid4().hex, despite=("quota", "unavailable"))
        try:
            balance = self._client.balance(provider, budget)
        except BaseException as error:
            if isinstance(error, ConfigurationError | QuotaError):
                self._states.refused(permit, error)
            self._states.undecided(permit)  # also after a refusal that was known already
            raise
        telemetry.balance(provider.name, balance)
        self._states.balance(permit, balance, low=balance < self._settings.balance_threshold)
        return balance


def _sells_in_advance(provider: type[Provider]) -> TypeIs[type[Prepaid]]:
    """What `issubclass` would say: it refuses protocols that have attributes."""
    return hasattr(provider, "balance_call")
