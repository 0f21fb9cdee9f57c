"""A final answer for a picture, paid for once: from the journal, from a twin's call, or from a provider's.

The candidates are asked in their order. A broken, paused or misconfigured provider hands over to the next at once; a
throttled one is waited for; a rejected image is rejected, whoever else might have read it.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cardintake import limits, telemetry
from cardintake.budget import Budget
from cardintake.images import PDF, FittedImage, ImageRefusedError, Picture, fit
from cardintake.journal import Content, Journal, Taken
from cardintake.provider_states import PausedError, Permit, ProviderStates, TrialBusyError
from cardintake.providers.client import ProviderClient
from cardintake.providers.errors import (
    ConfigurationError,
    ProviderError,
    QuotaError,
    RetriedOnceError,
    RetryableError,
    ThrottledError,
    UnavailableError,
)
from cardintake.providers.protocol import Answer, Claim, Provider
from cardintake.reasons import Reason
from cardintake.records import Lease
from cardintake.secret_store import SecretContent, SecretStore


@dataclass(frozen=True, slots=True)
class Recognised:
    """A final answer, who gave it, and to which image."""

    provider: Provider
    content: Content
    answer: Answer
    image: FittedImage


class OutOfTimeError(Exception):
    """What is left of the invocation does not bear a call: the scan is to be begun again in another one."""


class _SecretRenewedError(Exception):
    """The provider called the credentials wrong, and the secret has a new content since."""

    def __init__(self, secret: SecretContent) -> None:
        super().__init__("renewed")
        self.secret = secret


@dataclass(frozen=True, slots=True)
class _Request:
    """What is to be read, for whom, by when."""

    picture: Picture
    sha256: str
    claim: Claim
    lease: Lease
    budget: Budget


def _taking(picture: Picture, candidates: tuple[type[Provider], ...]) -> tuple[type[Provider], ...]:
    """A PDF goes to those who take PDF. Raises images.ImageRefusedError when none does."""
    if picture.format != PDF or not candidates:
        return candidates
    able = tuple(candidate for candidate in candidates if PDF in candidate.limits.formats)
    if not able:
        raise ImageRefusedError(Reason.IMAGE_UNSUPPORTED)
    return able


def _need_time(budget: Budget) -> None:
    if budget.remaining < limits.MIN_SECONDS_TO_BEGIN:
        raise OutOfTimeError


class Recognition:
    """`allow_http`: base URLs may be http, on the emulator only."""

    def __init__(
        self,
        client: ProviderClient,
        journal: Journal,
        states: ProviderStates,
        secrets: SecretStore,
        *,
        allow_http: bool,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._journal = journal
        self._states = states
        self._secrets = secrets
        self._allow_http = allow_http
        self._sleep = sleep

    def recognise(
        self, picture: Picture, candidates: Iterable[type[Provider]], claim: Claim, lease: Lease, budget: Budget
    ) -> Recognised:
        """Asks the candidates.

        Raises ThrottledError at once; when nobody could answer, RetryableError if anybody was called in vain, else the
        first UnavailableError, ConfigurationError or QuotaError. Raises images.ImageRefusedError, SupersededError.
        """
        request = _Request(picture, hashlib.sha256(picture.data).hexdigest(), claim, lease, budget)
        troubles: list[ProviderError] = []
        for candidate in _taking(picture, tuple(candidates)):
            try:
                return self._by(candidate, request)
            except (RetryableError, UnavailableError, ConfigurationError, QuotaError) as trouble:
                troubles.append(trouble)
            except OutOfTimeError:
                if not any(isinstance(trouble, RetryableError) for trouble in troubles):
                    raise
                break
        if not troubles:
            nobody = ConfigurationError("PROVIDERS", "none of them reads the document type that the uploader claims")
            self._report(nobody, request)
            raise nobody
        raise next((trouble for trouble in troubles if isinstance(trouble, RetryableError)), troubles[0])

    def _by(self, candidate: type[Provider], request: _Request) -> Recognised:
        secret = self._secrets.content()
        if self._states.is_paused(candidate.name, secret.version):
            secret = self._secrets.content(max_age=limits.SECRET_RECHECK_SECONDS)
        try:
            return self._with(secret, candidate, request)
        except _SecretRenewedError as renewed:
            return self._with(renewed.secret, candidate, request)

    def _with(self, secret: SecretContent, candidate: type[Provider], request: _Request) -> Recognised:
        try:
            provider = self._configured(candidate, secret)
        except ConfigurationError as error:
            self._report(error, request)
            self._states.pause(candidate.name, secret.version, error.error_class, limits.PAUSE_SECONDS)
            raise
        content = Content.of(provider.name, request.sha256, provider.options_key(request.claim))
        image = fit(request.picture, provider.limits)
        try:
            permit = self._permitted(provider.name, secret.version, request)
        except PausedError as paused:
            if (answer := self._journal.load(content)) is None:
                raise paused.error from None
            request.lease.answers.add(content.answer_key)
            return Recognised(provider, content, answer, image)
        try:
            _need_time(request.budget)
            answer = self._own_or_twins(content, request) or self._paid(provider, image, content, permit, request)
        except BaseException:
            self._states.undecided(permit)
            raise
        return Recognised(provider, content, answer, image)

    def _configured(self, candidate: type[Provider], secret: SecretContent) -> Provider:
        return candidate.configured(secret.member(candidate.name), allow_http=self._allow_http)

    def _permitted(self, provider: str, version: str, request: _Request) -> Permit:
        """Leave to call; waits a little while another call is trying the credentials. Raises PausedError."""
        until = min(limits.TWIN_SECONDS, request.budget.remaining - limits.MIN_SECONDS_TO_BEGIN)
        waited = 0.0
        while True:
            try:
                return self._states.permit(provider, version, request.lease.owner)
            except TrialBusyError:
                if waited >= until:
                    raise ThrottledError(
                        provider,
                        "its credentials are being tried by another scan",
                        retry_after=limits.MIN_DELAY_SECONDS,
                    ) from None
                self._sleep(0.25)
                waited += 0.25

    def _own_or_twins(self, content: Content, request: _Request) -> Answer | None:
        """Claims the content: None when the call is ours to make, else the answer that is there already.

        Waits a little for the same picture's other call. Raises ThrottledError when that takes longer.
        """
        taken = self._journal.claim(content, request.lease)
        waited, pause = 0.0, 0.25
        while taken is not None:
            if (answer := self._journal.load(content)) is not None:
                self._settle(taken, request.lease)
                request.lease.answers.add(content.answer_key)
                return answer
            if not taken.live or taken.owner == request.lease.owner:
                taken = self._journal.claim(content, request.lease, over=taken)
                continue
            if waited >= min(limits.TWIN_SECONDS, request.budget.remaining - limits.MIN_SECONDS_TO_BEGIN):
                raise ThrottledError(
                    content.provider,
                    "the same picture is being read for another scan",
                    retry_after=limits.MIN_DELAY_SECONDS,
                )
            self._sleep(pause)
            waited, pause = waited + pause, min(1.0, pause * 2)
            taken = self._journal.claim(content, request.lease)
        return None

    @staticmethod
    def _settle(taken: Taken, lease: Lease) -> None:
        """The answer to an earlier attempt's call is there: that call is no longer uncertain."""
        if taken.by_us and lease.uncertain_calls:
            lease.uncertain_calls -= 1

    def _paid(
        self, provider: Provider, image: FittedImage, content: Content, permit: Permit, request: _Request
    ) -> Answer:
        """The one call that is paid for, counted already; its answer is in the journal when this returns."""
        lease = request.lease
        try:
            answer = self._client.recognise(
                provider,
                lambda attempt: provider.call(image, request.claim, attempt),
                request.budget,
                lambda: self._journal.count_again(content, lease),
            )
        except ProviderError as error:
            self._report(error, request)
            if isinstance(error, RetriedOnceError):
                lease.uncertain_calls -= 1  # it was answered, and may be billed
            elif not (isinstance(error, RetryableError) and error.maybe_billed):
                lease.paid_calls -= 1
                lease.uncertain_calls -= 1
            self._journal.release(content, lease)
            if isinstance(error, ConfigurationError):
                # read once more: a new content is tried like any other that has not been seen to work
                secret = self._secrets.content(max_age=0.0)
                if secret.version != permit.version:
                    self._states.undecided(permit)
                    raise _SecretRenewedError(secret) from None
            if isinstance(error, ConfigurationError | QuotaError):
                self._states.refused(permit, error)
            elif isinstance(error, RetryableError):
                self._states.failed(permit)
            else:
                self._states.undecided(permit)
            raise
        lease.answers.add(content.answer_key)
        self._journal.store(content, answer)
        lease.uncertain_calls -= 1
        self._states.worked(permit)
        return answer

    @staticmethod
    def _report(error: ProviderError, request: _Request) -> None:
        telemetry.provider_error(
            error.provider,
            error.error_class,
            error.code,
            record_id=request.lease.record_id,
            request_id=error.request_id,
        )
