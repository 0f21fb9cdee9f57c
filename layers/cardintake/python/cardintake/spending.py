"""The daily spending cap: paid calls a UTC day, counted for the whole deployment before each call is made.

One item a day (`spending_2026-01-15`): `calls` that were made or are about to be, `told` (the cap that the operator was
told of when it was reached), `expires_at`. A process that dies between the count and the call has counted one too many.
Without a cap nothing is counted, and nothing is asked of the table.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from cardintake import limits, telemetry
from cardintake.items import Update, condition_failed
from cardintake.providers.errors import ThrottledError
from cardintake.reasons import Reason
from cardintake.settings import Settings

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_DAY = 86400


class SpendingCapError(ThrottledError):
    """The day's calls are used up: nobody is called; `retry_after` is the time until the next day, in seconds."""

    waiting_for = Reason.SPENDING_CAP


class Spending:
    """Counts paid calls against the cap. `clock` gives epoch seconds."""

    def __init__(self, dynamodb: "DynamoDBClient", settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._dynamodb = dynamodb
        self._settings = settings
        self._clock = clock
        self._reached = ("", 0.0)  # the item that was seen to be full, and until when that is believed

    def check(self, provider: str) -> None:
        """Raises SpendingCapError where the cap was seen to be reached a moment ago. Asks nobody."""
        item_id, until = self._reached
        if item_id == _item_id(self._clock()) and self._clock() < until:
            raise self._refusal(provider)

    def count(self, provider: str) -> str | None:
        """Counts a call that is about to be made; what `give_back` takes. Raises SpendingCapError."""
        cap = self._settings.daily_call_cap
        if cap is None:
            return None
        now = self._clock()
        update = Update(
            {"expires_at": int(now) + self._settings.retention_days * _DAY},
            adds=["#calls :one"],
            values={":one": 1, ":cap": cap},
            aliases=("calls",),
        )
        request = update.request(
            self._settings.cards_table, _item_id(now), "attribute_not_exists(#calls) OR #calls < :cap"
        )
        try:
            self._dynamodb.update_item(**request, ReturnValuesOnConditionCheckFailure="ALL_OLD")
        except ClientError as error:
            known = condition_failed(error)
            self._reached = (_item_id(now), now + limits.CAP_SECONDS)
            if known.get("told") != cap:
                self._tell(_item_id(now), cap)
            raise self._refusal(provider) from None
        return _item_id(now)

    def give_back(self, counted: str | None) -> None:
        """The call that was counted was certainly not billed."""
        if counted is None:
            return
        update = Update(adds=["#calls :less"], values={":less": -1}, aliases=("calls",))
        try:
            self._dynamodb.update_item(
                **update.request(self._settings.cards_table, counted, "attribute_exists(#calls)")
            )
        except ClientError as error:
            condition_failed(error)  # that day is past and forgotten
        self._reached = ("", 0.0)

    def _tell(self, item_id: str, cap: int) -> None:
        """The operator hears of it once a day for each cap, whoever notices."""
        update = Update({"told": cap})
        try:
            self._dynamodb.update_item(
                **update.request(self._settings.cards_table, item_id, "attribute_not_exists(#told) OR #told <> :told")
            )
        except ClientError as error:
            condition_failed(error)
            return
        telemetry.info("daily call cap reached", waiting_for=Reason.SPENDING_CAP.value, count=cap)
        telemetry.count("SpendingCapReached")

    def _refusal(self, provider: str) -> SpendingCapError:
        return SpendingCapError(provider, "daily call cap reached", retry_after=_DAY - self._clock() % _DAY)


def _item_id(moment: float) -> str:
    return f"spending_{datetime.fromtimestamp(moment, UTC).date().isoformat()}"
