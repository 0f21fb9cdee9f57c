"""What follows from each provider's own verdicts on quality and risk: one table, a rule for each documented signal.

A rule turns the signal's value into reasons. `FINE` is a check that found nothing; `SILENT` is no check at all (the
provider says that it does not know). An `opinion` repeats what we compute ourselves from the number and the dates: it
counts by itself only where we could not, and where it contradicts us it is `PROVIDER_RISK`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cardintake.findings import Finding
from cardintake.providers.protocol import Signal
from cardintake.reasons import RISK, Reason

FINE: tuple[Reason, ...] = ()
SILENT = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One signal. `values` in lower case; `containing` is tried next; any other value means `otherwise`."""

    signal: str
    values: Mapping[str, tuple[Reason, ...] | None]
    otherwise: tuple[Reason, ...] | None = SILENT
    containing: Mapping[str, Reason] = field(default_factory=dict)
    number: str | None = None  # the signal that holds the score or probability behind the value
    threshold: str | None = None  # of that number, where the document states one
    low_is_bad: bool = False  # of that number
    opinion: bool = False

    @property
    def covers(self) -> frozenset[Reason]:
        """What this signal can tell of, whether it does or not."""
        told = [reason for reasons in self.values.values() for reason in reasons or ()]
        return frozenset([*told, *self.containing.values()])

    def alarm(self) -> tuple[Reason, ...]:
        """What a score beyond its threshold means: what the signal's bad value does."""
        return next(reasons for reasons in self.values.values() if reasons)

    def outcome(self, value: Signal) -> tuple[tuple[Reason, ...] | None, str]:
        """The reasons, and the value as the record may hold it: a word of the table, a number, or `other`."""
        word = _word(value)
        if word in self.values:
            return self.values[word], word
        for part, reason in self.containing.items():
            if part in word:
                return (reason,), part
        return self.otherwise, "other"


def _alarm(signal: str, reason: Reason, score: str | None = None) -> Rule:
    """True is bad, as with all of Huawei's detectors."""
    return Rule(signal, {"true": (reason,), "false": FINE}, number=score)


def _good(signal: str, reason: Reason) -> Rule:
    """1 is good, as with all of waiqin365's quality flags; the document's threshold is 0.5."""
    return Rule(signal, {"1": FINE, "0": (reason,)}, number=f"{signal}_propobility", threshold="0.5", low_is_bad=True)


def _valid(signal: str, *reasons: Reason) -> Rule:
    return Rule(signal, {"true": FINE, "false": reasons}, opinion=True)


_RISK_TYPES: dict[str, tuple[Reason, ...] | None] = {
    "normal": FINE,
    "copy": (Reason.PHOTOCOPY,),
    "temporary": (Reason.TEMPORARY_CARD,),
    "screen": (Reason.SCREEN_RECAPTURE,),
    "unknown": SILENT,
    "": SILENT,
}

TABLE: dict[str, tuple[Rule, ...]] = {
    "ctyun": (
        # only `normal` is documented: original or photocopy
        Rule(
            "risk",
            {"normal": FINE, "unknown": SILENT, "未知": SILENT, "": SILENT},
            otherwise=(Reason.PROVIDER_RISK,),
            containing={"copy": Reason.PHOTOCOPY, "复印": Reason.PHOTOCOPY},
        ),
    ),
    "waiqin365": (
        Rule(
            "photo_status",
            {
                "normal": FINE,
                "reversed_side": FINE,  # the fields that were read tell the side
                "no_idcard": (Reason.NO_CARD,),
                "other_type_card": (Reason.OTHER_DOCUMENT,),
                "blurred": (Reason.IMAGE_BLURRED,),
                "over_exposure": (Reason.IMAGE_OVEREXPOSED,),
                "over_dark": (Reason.IMAGE_UNDEREXPOSED,),
                "": SILENT,
            },
            otherwise=(Reason.UNKNOWN_PHOTO_STATUS,),  # its own `unknown` included
        ),
        _good("card_quality.IsClear", Reason.IMAGE_BLURRED),
        _good("card_quality.IsComplete", Reason.CARD_INCOMPLETE),
        _good("card_quality.IsNoCover", Reason.CARD_COVERED),
        Rule("risk_type", _RISK_TYPES, otherwise=(Reason.PROVIDER_RISK,)),
        Rule("edit_tool", {"true": (Reason.IMAGE_EDITED,)}),
        Rule(
            "ID_number_type",
            {
                "-1": SILENT,
                "0": (Reason.ID_NUMBER_INVALID,),
                "1": FINE,
                "2": (Reason.ID_NUMBER_BIRTH_MISMATCH, Reason.ID_NUMBER_SEX_MISMATCH),
                "3": (Reason.ID_NUMBER_BIRTH_MISMATCH,),
                "4": (Reason.ID_NUMBER_SEX_MISMATCH,),
            },
            opinion=True,
        ),
    ),
    "huaweicloud": (
        _alarm("detect_blur_result", Reason.IMAGE_BLURRED, "score_info.blur_score"),
        _alarm("detect_glare_result", Reason.IMAGE_GLARE, "score_info.glare_score"),
        _alarm("detect_border_integrity_result", Reason.CARD_INCOMPLETE, "score_info.border_integrity_score"),
        _alarm("detect_blocking_within_border_result", Reason.CARD_COVERED, "score_info.blocking_within_border_score"),
        _alarm("detect_reproduce_result", Reason.SCREEN_RECAPTURE, "score_info.reproduce_score"),
        _alarm("detect_copy_result", Reason.PHOTOCOPY, "score_info.copy_score"),
        _alarm("detect_interim_result", Reason.TEMPORARY_CARD, "score_info.interim_score"),
        _alarm("detect_tampering_result", Reason.IMAGE_EDITED, "score_info.tampering_score"),
        _valid("verification_result.valid_number", Reason.ID_NUMBER_INVALID),
        _valid("verification_result.valid_birth", Reason.ID_NUMBER_BIRTH_MISMATCH),
        _valid("verification_result.valid_sex", Reason.ID_NUMBER_SEX_MISMATCH),
        # outside of its term, on whichever end: expired is by far the likelier
        _valid("verification_result.valid_date", Reason.CARD_EXPIRED),
        _valid("verification_result.valid_validity_period", Reason.VALIDITY_TERM_UNUSUAL),
    ),
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What a provider's signals come to. `covered`: what it looked for, found or not."""

    findings: tuple[Finding, ...]
    opinions: tuple[Finding, ...]
    covered: frozenset[Reason]

    @property
    def risk_checked(self) -> bool:
        """Whether it looked for any risk."""
        return bool(self.covered & RISK)


def heard(provider: str, signals: Mapping[str, Signal], thresholds: Mapping[str, float]) -> Heard:
    """Applies the provider's rules to the signals of one answer. `thresholds` by `provider.signal`, where set."""
    findings: list[Finding] = []
    opinions: list[Finding] = []
    covered: set[Reason] = set()
    for rule in TABLE.get(provider, ()):
        reasons, found = _judged(provider, rule, signals, thresholds)
        if reasons is None:
            continue
        if not rule.opinion:
            covered |= rule.covers | set(reasons)
        (opinions if rule.opinion else findings).extend(found)
    return Heard(tuple(findings), tuple(opinions), frozenset(covered))


def _judged(
    provider: str, rule: Rule, signals: Mapping[str, Signal], thresholds: Mapping[str, float]
) -> tuple[tuple[Reason, ...] | None, list[Finding]]:
    """The rule's reasons, None when it says nothing, and the findings that tell them."""
    number = signals.get(rule.number) if rule.number is not None else None
    threshold = thresholds.get(f"{provider}.{rule.number}")
    if threshold is not None and isinstance(number, int | float):
        beyond = number < threshold if rule.low_is_bad else number >= threshold
        reasons = rule.alarm() if beyond else FINE
        return reasons, [
            Finding(reason, provider, str(rule.number), _word(number), _word(threshold)) for reason in reasons
        ]
    if rule.signal not in signals:
        return SILENT, []
    told, value = rule.outcome(signals[rule.signal])
    if number is None:
        return told, [Finding(reason, provider, rule.signal, value) for reason in told or ()]
    return told, [Finding(reason, provider, str(rule.number), _word(number), rule.threshold) for reason in told or ()]


def _word(value: Signal) -> str:
    if isinstance(value, str):
        return value.strip().lower()
    return ("true" if value else "false") if isinstance(value, bool) else f"{value:g}"
