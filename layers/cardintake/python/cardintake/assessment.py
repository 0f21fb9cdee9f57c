"""Is the card what it claims to be: every signal, ours and the provider's, and the reason code that follows.

`assess` judges a reading, `refused` an image that was not read. Each finding says which signal gave which reason, by
which value and threshold; findings never hold identity data.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cardintake.cards import identity_numbers
from cardintake.cards.dates import years_between, zone_of
from cardintake.cards.identity_numbers import Check
from cardintake.cards.models import (
    Card,
    ChineseIdEmblem,
    ChineseIdPortrait,
    PeruvianDniFront,
    PeruvianForeignerCardFront,
)
from cardintake.images import Measures
from cardintake.providers.protocol import CardReading, Claim, Reading
from cardintake.reasons import QUALITY, RISK, Reason, in_order

type Status = Literal["RECOGNIZED", "REJECTED"]
type Quality = Literal["good", "low", "unknown"]
type Risk = Literal["none", "suspected", "unknown"]

# of the 800-pixel copy; see images.Measures
SHARPNESS_MIN = 60.0
BRIGHTNESS_MIN = 60.0
BURNT_MAX = 0.5
GLARE_MAX = 0.015
CHROMA_MIN = 2.5

# 居民身份证法, article 5: 5 years under 16, 10 from 16, 20 from 26, long-term from 46
_CHINESE_TERMS = frozenset({5, 10, 20})


@dataclass(frozen=True, slots=True)
class Finding:
    """`source` is a provider's name, `measure` (ours, of the picture) or `card` (ours, of what was read)."""

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


def refused(reason: Reason, source: str = "measure") -> Verdict:
    """The image cannot be read: refused before the call, or by the provider."""
    return Verdict("REJECTED", "unknown", "unknown", (Finding(reason, source, "image"),))


def assess(reading: Reading, provider: str, measures: Measures, claim: Claim, now: datetime) -> Verdict:
    """Judges a reading, on the day that `now` (with a zone) is in the card's own country."""
    findings = [*_of_picture(measures), *_of_provider(reading, provider)]
    chosen = _chosen(reading.cards, claim)
    if chosen is None:
        findings.append(Finding(Reason.NO_CARD, provider, "fields", "0"))
        return _verdict("REJECTED", findings, risk_checked=False)
    risk_checked = _says_risk(reading)
    if not risk_checked and _chroma_tells(measures):
        risk_checked = True
        findings += _of_chroma(measures)
    others = tuple(card for card in _with_fields(reading.cards) if card is not chosen)
    findings += _of_reading(chosen, others, claim)
    checks = list(_of_card(chosen.card, now))
    findings += [check for check in checks if check is not None]
    return _verdict(
        "RECOGNIZED",
        findings,
        risk_checked=risk_checked or any(_ran(check) for check in checks) or bool(chosen.impossible_dates),
        card=chosen.card,
        other_cards=tuple(other.card for other in others),
    )


def _ran(check: Finding | None) -> bool:
    """A number that cannot be checked is a finding, but no check."""
    return check is None or check.reason is not Reason.ID_NUMBER_NOT_CHECKABLE


def _verdict(
    status: Status,
    findings: list[Finding],
    *,
    risk_checked: bool,
    card: Card | None = None,
    other_cards: tuple[Card, ...] = (),
) -> Verdict:
    reasons = {finding.reason for finding in findings}
    quality: Quality = "low" if reasons & QUALITY else "good" if status == "RECOGNIZED" else "unknown"
    risk: Risk = "suspected" if reasons & RISK else "none" if status == "RECOGNIZED" and risk_checked else "unknown"
    return Verdict(status, quality, risk, tuple(findings), card, other_cards)


def _chosen(cards: tuple[CardReading, ...], claim: Claim) -> CardReading | None:
    """The card on the claimed side, else the portrait or front side, else the first."""
    read = _with_fields(cards)
    for sides in ({claim.side}, {"portrait", "front"}):
        for reading in read:
            if reading.card.side in sides:
                return reading
    return read[0] if read else None


def _with_fields(cards: tuple[CardReading, ...]) -> list[CardReading]:
    """Those of which at least one field was read: what a card is does not count."""
    return [
        reading for reading in cards if reading.card.values().keys() - {"country", "document_type", "side", "edition"}
    ]


def _of_picture(measures: Measures) -> Iterator[Finding]:
    """Light first: in the dark and in glaring light the other measures mean nothing."""
    if measures.burnt_share > BURNT_MAX:
        yield _measured(Reason.IMAGE_OVEREXPOSED, "burnt_share", measures.burnt_share, BURNT_MAX)
    elif measures.glare_share > GLARE_MAX:
        yield _measured(Reason.IMAGE_GLARE, "glare_share", measures.glare_share, GLARE_MAX)
    if measures.brightness < BRIGHTNESS_MIN:
        yield _measured(Reason.IMAGE_UNDEREXPOSED, "brightness", measures.brightness, BRIGHTNESS_MIN)
    elif measures.sharpness < SHARPNESS_MIN:
        yield _measured(Reason.IMAGE_BLURRED, "sharpness", measures.sharpness, SHARPNESS_MIN)


def _chroma_tells(measures: Measures) -> bool:
    return measures.brightness >= BRIGHTNESS_MIN and measures.burnt_share <= BURNT_MAX


def _of_chroma(measures: Measures) -> Iterator[Finding]:
    if measures.chroma < CHROMA_MIN:
        yield _measured(Reason.PHOTOCOPY, "chroma", measures.chroma, CHROMA_MIN)


def _measured(reason: Reason, signal: str, value: float, threshold: float) -> Finding:
    return Finding(reason, "measure", signal, f"{value:g}", f"{threshold:g}")


def _says_risk(reading: Reading) -> bool:
    """A provider's "unknown" is no finding and no check."""
    return reading.signals.get("risk", "unknown").lower() not in ("unknown", "未知")


def _of_provider(reading: Reading, provider: str) -> Iterator[Finding]:
    """CTYun's `risk` says original or copy; only `normal` is documented."""
    risk = reading.signals.get("risk", "").lower()
    if not _says_risk(reading) or risk == "normal":
        return
    is_copy = "copy" in risk or "复印" in risk
    # the provider's word may be anything: only what we recognise goes into the record
    yield Finding(
        Reason.PHOTOCOPY if is_copy else Reason.PROVIDER_RISK,
        provider,
        "risk",
        "copy" if is_copy else "other",
        "normal",
    )


def _of_reading(chosen: CardReading, others: tuple[CardReading, ...], claim: Claim) -> Iterator[Finding]:
    for name in chosen.card.missing_fields():
        yield Finding(Reason.FIELD_MISSING, "card", name)
    for name in chosen.impossible_dates:
        yield Finding(Reason.DATE_IMPOSSIBLE, "card", name)
    if claim.side is not None and claim.side != chosen.card.side:
        yield Finding(Reason.SIDE_REVERSED, "card", "side", chosen.card.side, claim.side)
    if others:
        yield Finding(Reason.SEVERAL_CARDS, "card", "cards", str(1 + len(others)))


def _of_card(card: Card, now: datetime) -> Iterator[Finding | None]:
    """Each check that could run: its finding, or None when it found nothing."""
    today = now.astimezone(zone_of(card.country)).date()
    match card:
        case ChineseIdPortrait():
            if card.id_number is not None:
                yield from _chinese_number(card, card.id_number)
        case ChineseIdEmblem():
            if card.valid_from is not None:
                yield _if(card.valid_from > today, Reason.CARD_NOT_YET_VALID, "valid_from")
            if card.valid_to is not None:
                yield _if(card.valid_to < today, Reason.CARD_EXPIRED, "valid_to")
            if card.valid_from is not None and card.valid_to is not None:
                usual = years_between(card.valid_from, card.valid_to) in _CHINESE_TERMS
                yield _if(not usual, Reason.VALIDITY_TERM_UNUSUAL, "term")
        case PeruvianDniFront() | PeruvianForeignerCardFront():
            if isinstance(card, PeruvianDniFront) and card.id_number is not None:
                check = identity_numbers.peruvian_dni(card.id_number, card.check_character)
                yield from _of_check(check)
            if card.issue_date is not None:
                yield _if(card.issue_date > today, Reason.CARD_NOT_YET_VALID, "issue_date")
            if card.expiry_date is not None:
                yield _if(card.expiry_date < today, Reason.CARD_EXPIRED, "expiry_date")


def _chinese_number(card: ChineseIdPortrait, id_number: str) -> Iterator[Finding | None]:
    number = identity_numbers.chinese(id_number)
    yield from _of_check(number.check)
    if number.birth_date is not None and card.birth_date is not None:
        yield _if(number.birth_date != card.birth_date, Reason.ID_NUMBER_BIRTH_MISMATCH, "birth_date")
    if number.sex is not None and card.sex is not None:
        yield _if(number.sex != card.sex, Reason.ID_NUMBER_SEX_MISMATCH, "sex")


def _of_check(check: Check) -> Iterator[Finding | None]:
    match check:
        case Check.PASSED:
            yield None
        case Check.FAILED:
            yield Finding(Reason.ID_NUMBER_INVALID, "card", "check_character")
        case Check.NOT_CHECKABLE:
            yield Finding(Reason.ID_NUMBER_NOT_CHECKABLE, "card", "check_character")


def _if(condition: bool, reason: Reason, signal: str) -> Finding | None:
    return Finding(reason, "card", signal) if condition else None
