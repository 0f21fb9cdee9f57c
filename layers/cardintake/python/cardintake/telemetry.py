"""Logs and metrics, made in one place: an allow-list, not a filter.

What may be said is what the signatures below accept: record ids, codes, counts, durations. There is no way to pass a
key, a value that was read, an answer or an exception's text.
"""

import logging
import re
from collections.abc import Iterable

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

# an id that looks like an identity number is not written down, whoever sends it
_IDENTITY_NUMBER = re.compile(r"[0-9]{15}|[0-9]{17}[0-9Xx]")
_logger = Logger(service="cardintake", log_uncaught_exceptions=False, use_rfc3339=True)
_metrics = Metrics(namespace="cardintake", service="cardintake")

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
    with single_metric(name="ProviderErrors", unit=MetricUnit.Count, value=1, namespace="cardintake") as metric:
        metric.add_dimension(name="provider", value=provider)
        metric.add_dimension(name="error_class", value=error_class)


def balance(provider: str, left: int) -> None:
    """How many recognitions are left with a provider that sells them in advance."""
    _logger.info("balance", extra={"provider": provider, "balance": left})
    with single_metric(name="ProviderBalance", unit=MetricUnit.Count, value=left, namespace="cardintake") as metric:
        metric.add_dimension(name="provider", value=provider)


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


def count(name: str, value: float = 1) -> None:
    """Adds to a metric of this invocation."""
    _metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def flush() -> None:
    """Writes the invocation's metrics, if any, as one embedded-metric line."""
    if _metrics.metric_set:
        _metrics.flush_metrics()
