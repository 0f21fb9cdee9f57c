"""A reason code in a sentence for people, and what a finding says about it."""

from collections.abc import Mapping

from cardintake.reason_texts import TEXTS

_AT_LEAST = frozenset({"sharpness", "brightness", "chroma"})
_AT_MOST = frozenset({"burnt_share", "glare_share"})


def explain(reason: str) -> str:
    """The sentence for a reason code; a code that is too new for the table explains itself."""
    return next((text.meaning for code, text in TEXTS.items() if code == reason), reason)


def evidence(finding: Mapping[str, str]) -> str:
    """What a finding rests on: the signal, its value, what would have been accepted, and who says so."""
    signal, value, threshold = (finding.get(name, "") for name in ("signal", "value", "threshold"))
    words = signal.replace("_", " ")
    said = f"{words}: {value}" if value else words
    match finding.get("source"):
        case "measure" if signal in _AT_LEAST:
            return f"{words} {value}, wanted at least {threshold} (measured on the picture)"
        case "measure" if signal in _AT_MOST:
            return f"{words} {value}, wanted at most {threshold} (measured on the picture)"
        case "measure":
            return "found before any provider was asked"
        case "card" if finding.get("reason") == "FIELD_MISSING":
            return f"not read: {words}"
        case "card":
            return said + (f", claimed: {threshold}" if threshold else "") + " (checked on what was read)"
        case provider if signal == "fields":
            return f"{provider} read {value} fields"
        case provider:
            # under its documented name, which may be looked up
            said = (f"{signal}: {value}" if value else signal) + (f", threshold {threshold}" if threshold else "")
            return f"{said} (reported by {provider})"
