"""What a reason code rests on: which signal, with which value, against which threshold. Never identity data."""

from dataclasses import dataclass

from cardintake.reasons import Reason


@dataclass(frozen=True, slots=True)
class Finding:
    """`source`: a provider's name, or ours: `measure` (the picture), `card` (what was read), `case` (other scans)."""

    reason: Reason
    source: str
    signal: str
    value: str | None = None
    threshold: str | None = None

    def as_item(self) -> dict[str, str]:
        """For the record."""
        pairs = {
            "reason": self.reason.value,
            "source": self.source,
            "signal": self.signal,
            "value": self.value,
            "threshold": self.threshold,
        }
        return {name: value for name, value in pairs.items() if value is not None}
