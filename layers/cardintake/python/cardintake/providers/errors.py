"""What can go wrong with a provider. The class decides what follows.

A provider's text decides its class only where its document has no code for it, in that provider's module.

    ProviderError
    ├── RetryableError          network, 5xx: tried again, at most MAX_ATTEMPTS times
    │   ├── RetriedOnceError    for this picture only: tried once more, then the image is refused
    │   └── UnreadableAnswerError    an answer that is neither a reading nor a documented error
    ├── UnavailableError        its circuit is open: nothing was called, and waiting is no attempt
    ├── ThrottledError          waits, and is never counted as an attempt
    ├── ImageRefusedError            the provider will not read this image: REJECTED, journaled like a reading
    ├── ConfigurationError      credentials, path, permission, secret: the provider is paused, scans wait
    │   └── StaleCredentialError    an expired time or token: once more with a fresh one, then the same
    ├── QuotaError              used up or frozen: the same
    └── RequestRefusedError     the request was malformed, our bug: FAILED

Messages name provider, code and field. They never hold an answer's text, a value of the secret, or identity data.
"""

from typing import ClassVar, Literal

from cardintake.reasons import Reason

type ErrorClass = Literal["retryable", "unavailable", "throttled", "image", "configuration", "quota", "request"]


class ProviderError(Exception):
    """`code` is the provider's documented code or a word of ours; `request_id` theirs for the call, if given."""

    error_class: ClassVar[ErrorClass]
    waiting_for: ClassVar[Reason | None] = None  # what a scan waits for meanwhile
    failed: ClassVar[Reason | None] = None  # why the record fails, when it does

    def __init__(self, provider: str, code: str, *, request_id: str | None = None) -> None:
        super().__init__(f"{provider}: {code}")
        self.provider = provider
        self.code = code
        self.request_id = request_id


class RetryableError(ProviderError):
    """`maybe_billed`: the request was sent and no answer was seen, or none that tells."""

    error_class = "retryable"
    waiting_for = Reason.PROVIDER_UNAVAILABLE
    failed = Reason.PROVIDER_UNAVAILABLE

    def __init__(self, provider: str, code: str, *, maybe_billed: bool = False, request_id: str | None = None) -> None:
        super().__init__(provider, code, request_id=request_id)
        self.maybe_billed = maybe_billed


class UnreadableAnswerError(RetryableError):
    """Half a JSON, another shape: possibly billed, and nothing to keep."""

    failed = Reason.ANSWER_UNREADABLE

    def __init__(self, provider: str, code: str) -> None:
        super().__init__(provider, code, maybe_billed=True)


class RetriedOnceError(RetryableError):
    """The provider's own trouble with this picture: once more, then the picture is refused. No sign of an outage."""


class UnavailableError(ProviderError):
    """Failed too often in a row; nobody calls for a while."""

    error_class = "unavailable"
    waiting_for = Reason.PROVIDER_UNAVAILABLE


class ThrottledError(ProviderError):
    """`retry_after`: seconds that the provider asks for, where it does."""

    error_class = "throttled"
    waiting_for = Reason.PROVIDER_THROTTLED

    def __init__(self, provider: str, code: str, *, retry_after: float | None = None) -> None:
        super().__init__(provider, code)
        self.retry_after = retry_after


class ImageRefusedError(ProviderError):
    """Permanent for these bytes; the provider may have billed it."""

    error_class = "image"


class ConfigurationError(ProviderError):
    """`code` names the field or the provider's code, never a value."""

    error_class = "configuration"
    waiting_for = Reason.PROVIDER_MISCONFIGURED


class StaleCredentialError(ConfigurationError):
    """The request's time or token is past: it is signed anew and sent once more, before anybody is told."""


class QuotaError(ProviderError):
    """Nothing left, frozen, unpaid."""

    error_class = "quota"
    waiting_for = Reason.PROVIDER_QUOTA


class RequestRefusedError(ProviderError):
    """The provider calls our request malformed."""

    error_class = "request"
    failed = Reason.PROVIDER_REFUSED_REQUEST
