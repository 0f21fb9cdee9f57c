"""Logs and metrics, made in one place: an allow-list, not a filter.

What may be said is what the signatures below accept: record ids, codes, counts, durations. There is no way to pass a
key, a value that was read, an answer or an exception's text.
"""

import logging
import os
import re
from collections.abc import Iterable

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

# an id that looks like an identity number is not written down, whoever sends it
_IDENTITY_NUMBER = re.compile(r"[0-9]{15}|[0-9]{17}[0-9Xx]")
_SERVICE = "cardintake"
# the stack's name: two stacks in an account must not share their alarms
_NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or _SERVICE
_logger = Logger(service=_SERVICE, log_uncaught_exceptions=False, use_rfc3339=True)
_metrics = Metrics(namespace=_NAMESPACE, service=_SERVICE)

ANSWERED = "none"
"""Stands for the error class of calls that were answered."""
# milliseconds of the invocation's calls by provider and error class, and how many were paid for by provider
_calls: dict[tuple[str, str], list[int]] = {}
_paid: dict[str, list[int]] = {}

# libraries log URLs (httpx), headers (botocore), EXIF (Pillow): none of it reaches a handler, whatever the root's level
for _name in ("httpx", "httpcore", "botocore", "boto3", "urllib3", "s3transfer", "PIL"):
    logging.getLogger(_name).propagate = False
    logging.getLogger(_name).addHandler(logging.NullHandler())


def invocation(request_id: str) -> None:
    """Every line of this invocation carries Lambda's request id."""
    _logger.append_keys(function_request_id=request_id)


def info(
    message: str,
    *,
    record_id: str | None = None,
    status: str | None = None,
    reasons: Iterable[str] | None = None,
    provider: str | None = None,
    waiting_for: str | None = None,
    delay_seconds: int | None = None,
    attempts: int | None = None,
    paid_calls: int | None = None,
    uncertain_calls: int | None = None,
    milliseconds: int | None = None,
    count: int | None = None,
) -> None:
    """One line about what happened. `message` is a literal of ours."""
    fields = {
        "record_id": record_id,
        "status": status,
        "reasons": list(reasons) if reasons is not None else None,
        "provider": provider,
        "waiting_for": waiting_for,
        "delay_seconds": delay_seconds,
        "attempts": attempts,
        "paid_calls": paid_calls,
        "uncertain_calls": uncertain_calls,
        "milliseconds": milliseconds,
        "count": count,
    }
    _logger.info(message, extra={name: value for name, value in fields.items() if value is not None})


def provider_error(
    provider: str, error_class: str, code: str, *, record_id: str | None, request_id: str | None
) -> None:
    """A provider's typed error. `code` is the provider's documented code, or names a field; never a value."""
    extra = {"provider": provider, "error_class": error_class, "code": code, "record_id": record_id}
    if request_id and not _IDENTITY_NUMBER.fullmatch(request_id):
        extra["provider_request_id"] = request_id
    _logger.warning("provider error", extra=extra)
    _measured("ProviderErrors", MetricUnit.Count, [1], {"provider": provider, "error_class": error_class})


def provider_call(provider: str, error_class: str, *, milliseconds: int, paid_calls: int) -> None:
    """A question to a provider, its further tries in this invocation included, and how many of them may be billed.

    `error_class`: how it ended, ANSWERED for well.
    """
    _calls.setdefault((provider, error_class), []).append(milliseconds)
    if paid_calls:
        _paid.setdefault(provider, []).append(paid_calls)


def providers_paused(error_class: str, providers: int) -> None:
    """How many providers nobody calls at the moment, for this class of error."""
    _measured("ProvidersPaused", MetricUnit.Count, [providers], {"error_class": error_class})


def balance(provider: str, left: int) -> None:
    """How many recognitions are left with a provider that sells them in advance."""
    _logger.info("balance", extra={"provider": provider, "balance": left})
    _measured("ProviderBalance", MetricUnit.Count, [left], {"provider": provider})


def crashed(error: BaseException, *, record_id: str | None = None) -> None:
    """An error that nobody expected: its type and where it arose. Its text may quote data and is not logged."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    response = getattr(error, "response", None)  # None on botocore's errors of the connection
    aws_code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    _logger.error(
        "unexpected error",
        extra={"record_id": record_id, "error": type(error).__name__, "aws_code": aws_code, "where": frames[-8:]},
    )
    count("UnexpectedErrors")


def count(name: str, value: float = 1) -> None:
    """Adds to a metric of this invocation."""
    _metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def flush() -> None:
    """Writes the invocation's metrics, if any: one embedded-metric line, and some for each provider that was called."""
    if _metrics.metric_set:
        _metrics.flush_metrics()
    while _calls:
        (provider, error_class), milliseconds = _calls.popitem()
        by_class = {"error_class": error_class}
        sets = ({"provider": provider, **by_class}, by_class)
        _measured("ProviderMilliseconds", MetricUnit.Milliseconds, milliseconds, *sets)
    while _paid:
        provider, paid_calls = _paid.popitem()
        _measured("PaidCalls", MetricUnit.Count, [sum(paid_calls)], {"provider": provider}, {})


def _measured(name: str, unit: MetricUnit, values: Iterable[float], *dimension_sets: dict[str, str]) -> None:
    """Writes a metric with dimensions of its own. An alarm sees one set of dimensions, and no sum over others."""
    first, *others = dimension_sets
    metrics = EphemeralMetrics(namespace=_NAMESPACE, service=_SERVICE)
    for dimension, of in first.items():
        metrics.add_dimension(name=dimension, value=of)
    for dimensions in others:
        metrics.add_dimensions(**dimensions, service=_SERVICE)
    for value in values:
        metrics.add_metric(name=name, unit=unit, value=value)
    metrics.flush_metrics()
