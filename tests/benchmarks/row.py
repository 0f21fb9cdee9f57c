"""One line of the report: a number of ours, what it is measured against, and the bar that their ratio has to keep."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured in one run. `unit` is that of `ours` and `against`.

    `against`: the same number of the reference handler, or of the ideal (`compared_with` says which). Without it `bar`
    and `stretch` are about `ours` itself. Both are upper limits; None where nothing was promised.
    """

    what: str
    ours: float
    unit: str
    against: float | None = None
    compared_with: str = "reference"
    bar: float | None = None
    stretch: float | None = None

    @property
    def judged(self) -> float:
        """What the bar is about."""
        return self.ours if self.against is None else self.ours / self.against

    @property
    def verdict(self) -> str:
        """`stretch`, `ok`, `OVER` the bar, or nothing where there is none."""
        if self.stretch is not None and self.judged <= self.stretch:
            return "stretch"
        if self.bar is None:
            return ""
        return "ok" if self.judged <= self.bar else "OVER"
