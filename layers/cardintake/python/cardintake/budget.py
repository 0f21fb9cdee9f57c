"""Time as a budget: what is left of the invocation bounds every call."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, Self


class LambdaContext(Protocol):
    """The part of Lambda's context object that we use."""

    @property
    def aws_request_id(self) -> str: ...

    def get_remaining_time_in_millis(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds until `deadline` on a monotonic `clock`."""

    deadline: float
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    @classmethod
    def of_invocation(cls, context: LambdaContext, *, reserve: float) -> Self:
        """What the invocation leaves, less `reserve` seconds to write down how things stand."""
        return cls(time.monotonic() + context.get_remaining_time_in_millis() / 1000 - reserve)

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.deadline - self.clock())
