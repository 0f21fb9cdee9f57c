"""Is the card what it claims to be: every signal, ours and the provider's, and the reason code that follows.

`assess` judges a reading, `refused` an image that was not read. What the provider says goes first; our own measures of
the picture fill in where it says nothing. Each finding says which signal gave which reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from cardintake import card_checks, signals
from cardintake.card_checks import Ran
from cardintake.cards.models import Card, Side
from cardintake.cards.sides import SAME_SIDE, TERM_FOR_AGE, disagreements
from cardintake.findings import Finding
from cardintake.images import Measures
from cardintake.providers.protocol import CardReading, Claim, Reading
from cardintake.reasons import QUALITY, RISK, Reason, in_order
from cardintake.thresholds import MEASURES

type Status = Literal["RECOGNIZED", "REJECTED"]
type Quality = Literal["good", "low", "unknown"]
type Risk = Literal["none", "suspected", "unknown"]

_OF_THE_NUMBER = frozenset({Reason.ID_NUMBER_INVALID, Reason.ID_NUMBER_BIRTH_MISMATCH, Reason.ID_NUMBER_SEX_MISMATCH})
_OUTSIDE_ITS_TERM = frozenset({Reason.CARD_EXPIRED, Reason.CARD_NOT_YET_VALID})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the record will say of the card. `card` is None unless RECOGNIZED."""

    status: Status
    quality: Quality
    risk: Risk
    findings: tuple[Finding, ...] = ()
    card: Card | None = field(default=None, repr=False)
    other_cards: tuple[Card, ...] = field(default=(), repr=False)

    @property
    def reasons(self) -> list[str]:
        """Sorted, without duplicates."""
        return in_order(finding.reason for finding in self.findings)

    def attributes(self) -> dict[str, Any]:
        """As the record holds it; what there is none of is absent."""
        attributes: dict[str, Any] = {
            "status": self.status,
            "quality": self.quality,
            "risk": self.risk,
            "reasons": self.reasons,
            "findings": [finding.as_item() for finding in self.findings],
        }
        if self.card is not None:
            attributes["card"] = self.card.values()
        if self.other_cards:
            attributes["other_cards"] = [other.values() for other in self.other_cards]
        return attributes


def among_others(verdict: Verdict, findings: Sequence[Finding], *, checked: bool = False) -> Verdict:
    """The verdict with what the card meets in its case and in other ones. `checked`: whether anything was compared."""
    risk: Risk = "none" if checked and verdict.risk == "unknown" else verdict.risk
    if any(finding.reason in RISK for finding in findings):
        risk = "suspected"
    return replace(verdict, findings=(*verdict.findings, *findings), risk=risk)


def refused(reason: Reason, source: str = "measure") -> Verdict:
    """The image cannot be read: refused before the call, or by the provider."""
    return Verdict("REJECTED", "unknown", "unknown", (Finding(reason, source, "image"),))


def assess(
    reading: Reading,
    provider: str,
    measures: Measures | None,
    claim: Claim,
    now: datetime,
    thresholds: Mapping[str, float] = MEASURES,
) -> Verdict:
    """Judges a reading, on the day that `now` (with a zone) is in the card's own country.

    `measures` is None where the picture was not looked at by us (PDF). `thresholds`: see the module of that name.
    """
    heard = signals.heard(provider, reading.signals, thresholds)
    measured = list(_of_picture(measures, thresholds)) if measures is not None else []
    findings = [*(finding for finding in measured if finding.reason not in heard.covered), *heard.findings]
    chosen = _chosen(reading.cards, claim)
    if chosen is None:
        if not any(finding.reason in QUALITY for finding in heard.findings):  # else it has said why
            findings.append(Finding(Reason.NO_CARD, provider, "fields", "0"))
        return _verdict("REJECTED", findings)
    risk_checked = heard.risk_checked
    if measures is not None and Reason.PHOTOCOPY not in heard.covered and _chroma_tells(measures, thresholds):
        risk_checked = True
        findings += _of_chroma(measures, thresholds)
    others = tuple(card for card in _with_fields(reading.cards) if card is not chosen)
    findings += _of_claim(chosen, others, claim)
    checks: list[Ran] = []
    for each in (chosen, *others):
        findings += _of_reading(each)
        checks += card_checks.run(each.card, now)
    findings += [check.finding for check in checks if check.finding is not None]
    masked = any(card_checks.not_checkable(each.card) for each in (chosen, *others))
    if masked:
        findings.append(Finding(Reason.ID_NUMBER_NOT_CHECKABLE, "card", "check_character"))
    findings += _of_opinions(heard.opinions, checks, masked=masked)
    for other in others:
        findings += of_sides(chosen.card, other.card, "card")
    return _verdict(
        "RECOGNIZED",
        findings,
        quality_checked=measures is not None or bool(heard.covered & QUALITY),
        risk_checked=risk_checked or bool(checks) or any(each.impossible_dates for each in (chosen, *others)),
        card=chosen.card,
        other_cards=tuple(other.card for other in others),
    )


def _verdict(
    status: Status,
    findings: list[Finding],
    *,
    quality_checked: bool = False,
    risk_checked: bool = False,
    card: Card | None = None,
    other_cards: tuple[Card, ...] = (),
) -> Verdict:
    reasons = {finding.reason for finding in findings}
    quality: Quality = "low" if reasons & QUALITY else "good" if quality_checked else "unknown"
    risk: Risk = "suspected" if reasons & RISK else "none" if risk_checked else "unknown"
    return Verdict(status, quality, risk, tuple(findings), card, other_cards)


def _chosen(cards: tuple[CardReading, ...], claim: Claim) -> CardReading | None:
    """The card on the claimed side, else the portrait or front side, else the first."""
    read = _with_fields(cards)
    for sides in (_sides_of(claim), {"portrait", "front"}):
        for reading in read:
            if reading.card.side in sides:
                return reading
    return read[0] if read else None


def _sides_of(claim: Claim) -> set[Side]:
    """The claimed side in the words for either country's cards: a Chinese card's front is its portrait side."""
    return set() if claim.side is None else {claim.side, SAME_SIDE[claim.side]}


def _with_fields(cards: tuple[CardReading, ...]) -> list[CardReading]:
    """Those of which at least one field was read: what a card is does not count."""
    return [
        reading for reading in cards if reading.card.values().keys() - {"country", "document_type", "side", "edition"}
    ]


def _of_picture(measures: Measures, limits: Mapping[str, float]) -> Iterator[Finding]:
    """Light first: in the dark and in glaring light the other measures mean nothing.

    A white ground that reaches the picture's edge, as scanners give it, burns nothing that is to be read.
    """
    burnt_inside = measures.glare_share > limits["burnt_share"] or measures.sharpness < limits["sharpness"]
    if measures.burnt_share > limits["burnt_share"] and burnt_inside:
        yield _measured(Reason.IMAGE_OVEREXPOSED, "burnt_share", measures, limits)
        return
    if measures.glare_share > limits["glare_share"]:
        yield _measured(Reason.IMAGE_GLARE, "glare_share", measures, limits)
    if measures.brightness < limits["brightness"]:
        yield _measured(Reason.IMAGE_UNDEREXPOSED, "brightness", measures, limits)
    elif measures.sharpness < limits["sharpness"]:
        yield _measured(Reason.IMAGE_BLURRED, "sharpness", measures, limits)


def _chroma_tells(measures: Measures, limits: Mapping[str, float]) -> bool:
    return measures.brightness >= limits["brightness"] and measures.burnt_share <= limits["burnt_share"]


def _of_chroma(measures: Measures, limits: Mapping[str, float]) -> Iterator[Finding]:
    if measures.chroma < limits["chroma"]:
        yield _measured(Reason.PHOTOCOPY, "chroma", measures, limits)


def _measured(reason: Reason, signal: str, measures: Measures, limits: Mapping[str, float]) -> Finding:
    return Finding(reason, "measure", signal, f"{getattr(measures, signal):g}", f"{limits[signal]:g}")


def of_sides(card: Card, other: Card, source: str) -> Iterator[Finding]:
    """What does not fit together on two sides of one card. `source`: `card` in one picture, `case` in two."""
    for signal in disagreements(card, other):
        yield Finding(Reason.SIDES_DISAGREE, source, signal)
        if signal == TERM_FOR_AGE:
            yield Finding(Reason.VALIDITY_TERM_UNUSUAL, source, signal)


def _of_reading(reading: CardReading) -> Iterator[Finding]:
    for name in reading.card.missing_fields():
        yield Finding(Reason.FIELD_MISSING, "card", name)
    for name in reading.impossible_dates:
        yield Finding(Reason.DATE_IMPOSSIBLE, "card", name)


def _of_claim(chosen: CardReading, others: tuple[CardReading, ...], claim: Claim) -> Iterator[Finding]:
    if claim.side is not None and chosen.card.side not in _sides_of(claim):
        yield Finding(Reason.SIDE_REVERSED, "card", "side", chosen.card.side, claim.side)
    if others:
        yield Finding(Reason.SEVERAL_CARDS, "card", "cards", str(1 + len(others)))


def _of_opinions(opinions: Sequence[Finding], checks: Sequence[Ran], *, masked: bool) -> Iterator[Finding]:
    """The provider's verdicts on what we check ourselves: a second opinion, and the only one where we could not.

    One that contradicts our own check is flagged as such; one on a number that cannot be checked means nothing.
    """
    ours: dict[Reason, bool] = {}
    for check in checks:
        ours[check.reason] = check.found or ours.get(check.reason, False)
    for opinion in opinions:
        if masked and opinion.reason in _OF_THE_NUMBER:
            continue
        agreed = _found_by_us(opinion.reason, ours)
        if agreed is False:
            yield Finding(Reason.PROVIDER_RISK, opinion.source, opinion.signal, opinion.value)
        elif agreed is None or ours.get(opinion.reason):
            yield opinion


def _found_by_us(reason: Reason, ours: Mapping[Reason, bool]) -> bool | None:
    """None when we could not look. A card outside of its term has expired or is not valid yet."""
    related = _OUTSIDE_ITS_TERM if reason in _OUTSIDE_ITS_TERM else {reason}
    ran = [ours[each] for each in related if each in ours]
    return any(ran) if ran else None
