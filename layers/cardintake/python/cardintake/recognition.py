"""A final answer for a picture, paid for once: from the journal, from a twin's call, or from a provider's.

The candidates are asked in their order. A broken, paused or misconfigured provider hands over to the next at once; a
throttled one is waited for; a rejected image is rejected, whoever else might have read it. What any of them has
answered already is used instead of asking another.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import takewhile

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
from cardintake.providers.protocol import Answer, Attempt, Call, Claim, Provider
from cardintake.reasons import Reason
from cardintake.records import Lease
from cardintake.secret_store import SecretContent, SecretStore
from cardintake.spending import Spending, SpendingCapError

_FOR_AN_OPERATOR = (ConfigurationError, QuotaError)


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
    """What is to be read, by whom, for whom, by when."""

    picture: Picture
    sha256: str
    claim: Claim
    candidates: tuple[type[Provider], ...]
    lease: Lease
    budget: Budget

    def content(self, provider: Provider) -> Content:
        return Content.of(provider.name, self.sha256, provider.options_key(self.claim))


def _taking(picture: Picture, candidates: tuple[type[Provider], ...]) -> tuple[type[Provider], ...]:
    """A PDF goes to those who take PDF. Raises images.ImageRefusedError when none does."""
    if picture.format != PDF or not candidates:
        return candidates
    able = tuple(candidate for candidate in candidates if PDF in candidate.limits.formats)
    if not able:
        raise ImageRefusedError(Reason.IMAGE_UNSUPPORTED)
    return able


def _first(troubles: list[ProviderError]) -> ProviderError:
    """What the scan waits for: an operator, if that may help; else another attempt, if one was made; else time."""
    for kinds in (_FOR_AN_OPERATOR, RetryableError, ProviderError):
        for trouble in troubles:
            if isinstance(trouble, kinds):
                return trouble
    raise AssertionError("unreachable: every trouble is a ProviderError")


def _need_time(budget: Budget) -> None:
    if budget.remaining < limits.MIN_SECONDS_TO_BEGIN:
        raise OutOfTimeError


class Recognition:
    """`allow_http`: base URLs may be http, on the emulator only.

    `max_attempts`: also how many calls a record may pay for in vain while a candidate waits for an operator.
    """

    def __init__(
        self,
        client: ProviderClient,
        journal: Journal,
        states: ProviderStates,
        secrets: SecretStore,
        spending: Spending,
        *,
        max_attempts: int,
        allow_http: bool,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._journal = journal
        self._states = states
        self._secrets = secrets
        self._spending = spending
        self._max_attempts = max_attempts
        self._allow_http = allow_http
        self._sleep = sleep
        self._providers: dict[str, tuple[SecretContent, Provider]] = {}

    def recognise(
        self, picture: Picture, candidates: Iterable[type[Provider]], claim: Claim, lease: Lease, budget: Budget
    ) -> Recognised:
        """Asks the candidates.

        Raises ThrottledError and SpendingCapError at once; when nobody could answer, the first ConfigurationError or
        QuotaError, else RetryableError if anybody was called in vain, else UnavailableError. Raises
        images.ImageRefusedError, SupersededError.
        """
        sha256 = hashlib.sha256(picture.data).hexdigest()
        request = _Request(picture, sha256, claim, _taking(picture, tuple(candidates)), lease, budget)
        if lease.attempts > 1 and len(request.candidates) > 1 and (known := self._known(request)) is not None:
            return known
        try:
            return self._asked(request)
        except SpendingCapError:
            if (known := self._known(request)) is None:
                raise
            return known

    def _asked(self, request: _Request) -> Recognised:
        candidates = list(request.candidates)
        troubles: list[ProviderError] = []
        if paid_enough := request.lease.paid_calls >= self._max_attempts:
            version = self._secrets.content().version
            candidates.sort(key=lambda candidate: not self._states.is_paused(candidate.name, version))
        for candidate in candidates:
            if paid_enough and any(isinstance(trouble, _FOR_AN_OPERATOR) for trouble in troubles):
                break  # such a wait is no attempt: without an end, the others' failures must not cost without one
            try:
                recognised = self._by(candidate, request)
            except (RetryableError, UnavailableError, ConfigurationError, QuotaError) as trouble:
                troubles.append(trouble)
            except OutOfTimeError:
                if not any(isinstance(trouble, RetryableError) for trouble in troubles):
                    raise
                break
            else:
                self._refer(recognised, request)
                return recognised
        if not troubles:
            nobody = ConfigurationError("PROVIDERS", "none of them reads the document type that the uploader claims")
            self._report(nobody, request)
            raise nobody
        raise _first(troubles)

    def _known(self, request: _Request) -> Recognised | None:
        """A stored answer to this picture, whichever candidate gave it."""
        secret = self._secrets.content()
        keys: set[str] = set()
        for candidate in request.candidates:
            try:
                provider = self._configured(candidate, secret)
            except ConfigurationError:
                continue
            content = request.content(provider)
            keys.add(content.answer_key)
            if (answer := self._journal.load(content)) is not None:
                self._settle(self._journal.claimed(content, request.lease), request.lease)
                request.lease.answers |= keys  # with the references to it, which an erasure has to find too
                return Recognised(provider, content, answer, fit(request.picture, provider.limits))
        return None

    def _refer(self, recognised: Recognised, request: _Request) -> None:
        """Whoever would ask a candidate that was passed over for this picture finds that it has been read."""
        if recognised.provider.name == request.candidates[0].name:
            return
        secret = self._secrets.content()
        for candidate in takewhile(lambda one: one.name != recognised.provider.name, request.candidates):
            try:
                passed_over = request.content(self._configured(candidate, secret))
            except ConfigurationError:
                continue
            request.lease.answers.add(passed_over.answer_key)
            self._journal.refer(passed_over, recognised.content, request.lease)

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
        content, image = request.content(provider), fit(request.picture, provider.limits)
        self._spending.check(provider.name)
        try:
            permit = self._permitted(provider.name, secret.version, request)
        except PausedError as paused:
            if (answer := self._journal.load(content)) is None:
                raise paused.error from None
            request.lease.answers.add(content.answer_key)
            return Recognised(provider, content, answer, image)
        try:
            _need_time(request.budget)
            found = self._found(provider, content, image, request)
            if found is None:
                answer = self._paid(provider, image, content, permit, request)
                return Recognised(provider, content, answer, image)
        except BaseException:
            self._states.undecided(permit)
            raise
        self._states.undecided(permit)
        return found

    def _configured(self, candidate: type[Provider], secret: SecretContent) -> Provider:
        """Checked once for every reading of the secret."""
        known = self._providers.get(candidate.name)
        if known is None or known[0] is not secret:
            known = secret, candidate.configured(secret.member(candidate.name), allow_http=self._allow_http)
            self._providers[candidate.name] = known
        return known[1]

    def _permitted(self, provider: str, version: str, request: _Request) -> Permit:
        """Leave to call; waits a little while another call is trying the credentials. Raises PausedError."""
        until = min(limits.TWIN_SECONDS, request.budget.remaining - limits.MIN_SECONDS_TO_BEGIN)
        waited, pause = 0.0, 0.25
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
                self._sleep(pause)
                waited, pause = waited + pause, min(1.0, pause * 2)

    def _found(self, provider: Provider, content: Content, image: FittedImage, request: _Request) -> Recognised | None:
        """Claims the content: None when the call is ours to make, else the answer that is there already.

        Waits a little for the same picture's other call. Raises ThrottledError when that takes longer.
        """
        taken = self._journal.claim(content, request.lease)
        waited, pause = 0.0, 0.25
        while taken is not None:
            if (answer := self._journal.load(content)) is not None:
                self._settle(taken, request.lease)
                request.lease.answers.add(content.answer_key)
                return Recognised(provider, content, answer, image)
            if taken.elsewhere and (known := self._known(request)) is not None:
                return known
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
    def _settle(taken: Taken | None, lease: Lease) -> None:
        """The answer to an earlier attempt's call is there: that call is no longer uncertain."""
        if taken is not None and taken.by_us and lease.uncertain_calls:
            lease.uncertain_calls -= 1

    def _paid(
        self, provider: Provider, image: FittedImage, content: Content, permit: Permit, request: _Request
    ) -> Answer:
        """The one call that is paid for, counted already; its answer is in the journal when this returns."""
        lease = request.lease
        counted: list[str | None] = []
        paid_before, started = lease.paid_calls - 1, time.monotonic()

        def make_call(attempt: Attempt) -> Call:
            measures = request.picture.measures
            call = provider.call(image, request.claim, attempt)
            return call if measures is None else replace(call, meanwhile=measures.begin)

        def pay_again(answered: bool) -> None:
            if not answered:
                lease.uncertain_calls += 1  # the first call stays so
            counted.append(self._spending.count(provider.name))
            self._journal.count_again(content, lease)

        try:
            counted.append(self._spending.count(provider.name))
            answer = self._client.recognise(provider, make_call, request.budget, pay_again)
        except ProviderError as error:
            if not isinstance(error, SpendingCapError):
                self._report(error, request)
            self._correct(error, lease, counted)
            if counted:
                self._measure(provider, error.error_class, started, lease.paid_calls - paid_before)
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
        self._measure(provider, telemetry.ANSWERED, started, lease.paid_calls - paid_before)
        lease.answers.add(content.answer_key)
        self._journal.store(content, answer)
        lease.uncertain_calls -= 1
        self._states.worked(permit)
        return answer

    def _correct(self, error: ProviderError, lease: Lease, counted: list[str | None]) -> None:
        """Takes back what was counted of the last call, unless it may be billed. `counted`: all, against the cap."""
        refused_again = isinstance(error, SpendingCapError) and bool(counted)
        if isinstance(error, RetriedOnceError) or refused_again:
            lease.uncertain_calls -= 1  # it was answered, and may be billed
        elif not (isinstance(error, RetryableError) and error.maybe_billed):
            lease.paid_calls -= 1
            lease.uncertain_calls -= 1
            if counted:
                self._spending.give_back(counted[-1])

    @staticmethod
    def _measure(provider: Provider, error_class: str, started: float, paid_calls: int) -> None:
        milliseconds = round((time.monotonic() - started) * 1000)
        telemetry.provider_call(provider.name, error_class, milliseconds=milliseconds, paid_calls=paid_calls)

    @staticmethod
    def _report(error: ProviderError, request: _Request) -> None:
        telemetry.provider_error(
            error.provider,
            error.error_class,
            error.code,
            record_id=request.lease.record_id,
            request_id=error.request_id,
        )
