"""The ways in which a provider can be asked to misbehave, and the queue of what is still to come."""

import threading
from collections import defaultdict, deque
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Fault(StrEnum):
    """One kind of misbehaviour.

    | fault | the call is | the client sees |
    |---|---|---|
    | `throttle` `quota` `server_error` | refused unread | the provider's own form |
    | `credentials` `key_expired` `permission` | refused unread | the provider's own form |
    | `html_502` | refused unread | a gateway's HTML page, HTTP 502 |
    | `redirect` | refused unread | HTTP 307 to `/_sandbox/elsewhere`, which counts who follows |
    | `lie` | worked on | HTTP 200 and a body that says success where it should not |
    | `stall` | worked on | the right answer, `seconds` late |
    | `cut` | worked on | half of the right answer, then the connection closes |
    | `half_json` | worked on | half of the right answer as if it were all |
    | `huge` | worked on | `megabytes` of white space, then the right answer |
    """

    THROTTLE = "throttle"
    CREDENTIALS = "credentials"
    KEY_EXPIRED = "key_expired"
    PERMISSION = "permission"
    QUOTA = "quota"
    SERVER_ERROR = "server_error"
    HTML_502 = "html_502"
    REDIRECT = "redirect"
    LIE = "lie"
    STALL = "stall"
    CUT = "cut"
    HALF_JSON = "half_json"
    HUGE = "huge"


class FaultOrder(BaseModel):
    """A request to misbehave: which provider, how, and at how many of its next calls."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    provider: str
    fault: Fault
    times: int = Field(default=1, ge=1)
    seconds: float = Field(default=5.0, ge=0, le=900)
    megabytes: int = Field(default=64, ge=1, le=1024)


class FaultPlan:
    """What is still to go wrong, in the order in which it was asked for. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: dict[str, deque[FaultOrder]] = defaultdict(deque)

    def add(self, order: FaultOrder) -> None:
        """Queue `order` behind the provider's earlier ones."""
        with self._lock:
            self._orders[order.provider].append(order)

    def take(self, provider: str) -> FaultOrder | None:
        """The fault of the provider's present call, used up by asking; None when it is to behave."""
        with self._lock:
            if not (orders := self._orders[provider]):
                return None
            order = orders.popleft()
            if order.times > 1:
                orders.appendleft(order.model_copy(update={"times": order.times - 1}))
            return order

    def pending(self) -> list[dict[str, Any]]:
        """What is left, as JSON values."""
        with self._lock:
            return [order.model_dump(mode="json") for orders in self._orders.values() for order in orders]

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._orders.clear()
