"""What every handler is wrapped in, since the runtime prints the texts of exceptions that leave it.

An exception's text may quote a URL with an object's key in it (botocore does), or an item. Ours promise to quote
nothing and are let through; of any other one only the type leaves the function, and its place is in the log.
"""

from collections.abc import Callable
from functools import wraps

from pydantic import ValidationError

from cardintake import telemetry
from cardintake.balances import NoBalanceError
from cardintake.budget import LambdaContext
from cardintake.scans import UnknownEventError
from cardintake.settings import SettingsError
from cardintake.worklist import ScanNotFinishedError

# pydantic's names fields: every model of ours hides its input
_QUOTE_NOTHING = (NoBalanceError, ScanNotFinishedError, SettingsError, UnknownEventError, ValidationError)


class UnexpectedError(Exception):
    """Names the type of the error; the function's log says where it arose."""


def door[E, R](handler: Callable[[E, LambdaContext], R]) -> Callable[[E, LambdaContext], R]:
    """The handler; its lines are marked with the invocation, its metrics written, others' errors without their text."""

    @wraps(handler)
    def guarded(event: E, context: LambdaContext) -> R:
        telemetry.invocation(context.aws_request_id)
        try:
            return handler(event, context)
        except _QUOTE_NOTHING:
            raise
        except Exception as error:  # noqa: BLE001 - that is what it is for
            telemetry.crashed(error)
            raise UnexpectedError(f"{type(error).__name__}; the function's log says where") from None
        finally:
            telemetry.flush()

    return guarded
