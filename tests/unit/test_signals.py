"""Every provider's every verdict: what follows from each documented value, from none, and from one never seen."""

from datetime import UTC, date, datetime

import pytest

from cardintake.assessment import Verdict, assess
from cardintake.cards.models import Card, ChineseIdEmblem, ChineseIdPortrait
from cardintake.images import Measures
from cardintake.providers.protocol import CardReading, Claim, Reading, Signal
from cardintake.signals import TABLE, heard

NOW = datetime(2026, 1, 15, 8, 30, tzinfo=UTC)
FINE = Measures(sharpness=600.0, brightness=170.0, burnt_share=0.0, glare_share=0.0, chroma=12.0)
BAD = Measures(sharpness=5.0, brightness=170.0, burnt_share=0.0, glare_share=0.1, chroma=0.1)
PORTRAIT = ChineseIdPortrait(
    name="张样例",
    sex="M",
    ethnicity="汉",
    birth_date=date(1990, 3, 7),
    address="样例路1号",
    id_number="990105199003070037",
)
EMBLEM = ChineseIdEmblem(issuing_authority="样例市公安局", valid_from=date(2019, 6, 6), valid_to=date(2039, 6, 6))


def judged(
    provider: str,
    signals: dict[str, Signal],
    *cards: Card,
    measures: Measures | None = FINE,
    claim: Claim | None = None,
) -> Verdict:
    reading = Reading(tuple(CardReading(card) for card in cards), signals=signals)
    return assess(reading, provider, measures, claim or Claim(), NOW)


ALARMS = [
    ("waiqin365", "photo_status", "normal", set()),
    ("waiqin365", "photo_status", "reversed_side", set()),
    ("waiqin365", "photo_status", "no_IDcard", {"NO_CARD"}),
    ("waiqin365", "photo_status", "other_type_card", {"OTHER_DOCUMENT"}),
    ("waiqin365", "photo_status", "blurred", {"IMAGE_BLURRED"}),
    ("waiqin365", "photo_status", "over_exposure", {"IMAGE_OVEREXPOSED"}),
    ("waiqin365", "photo_status", "over_dark", {"IMAGE_UNDEREXPOSED"}),
    ("waiqin365", "photo_status", "unknown", {"UNKNOWN_PHOTO_STATUS"}),
    ("waiqin365", "photo_status", "not_complete", {"UNKNOWN_PHOTO_STATUS"}),
    ("waiqin365", "risk_type", "normal", set()),
    ("waiqin365", "risk_type", "copy", {"PHOTOCOPY"}),
    ("waiqin365", "risk_type", "temporary", {"TEMPORARY_CARD"}),
    ("waiqin365", "risk_type", "screen", {"SCREEN_RECAPTURE"}),
    ("waiqin365", "risk_type", "unknown", set()),
    ("waiqin365", "risk_type", "something_new", {"PROVIDER_RISK"}),
    ("waiqin365", "edit_tool", True, {"IMAGE_EDITED"}),
    ("waiqin365", "card_quality.IsClear", 0, {"IMAGE_BLURRED"}),
    ("waiqin365", "card_quality.IsComplete", 0, {"CARD_INCOMPLETE"}),
    ("waiqin365", "card_quality.IsNoCover", 0, {"CARD_COVERED"}),
    ("huaweicloud", "detect_blur_result", True, {"IMAGE_BLURRED"}),
    ("huaweicloud", "detect_glare_result", True, {"IMAGE_GLARE"}),
    ("huaweicloud", "detect_border_integrity_result", True, {"CARD_INCOMPLETE"}),
    ("huaweicloud", "detect_blocking_within_border_result", True, {"CARD_COVERED"}),
    ("huaweicloud", "detect_reproduce_result", True, {"SCREEN_RECAPTURE"}),
    ("huaweicloud", "detect_copy_result", True, {"PHOTOCOPY"}),
    ("huaweicloud", "detect_interim_result", True, {"TEMPORARY_CARD"}),
    ("huaweicloud", "detect_tampering_result", True, {"IMAGE_EDITED"}),
    ("ctyun", "risk", "normal", set()),
    ("ctyun", "risk", "unknown", set()),
    ("ctyun", "risk", "copy", {"PHOTOCOPY"}),
    ("ctyun", "risk", "疑似复印件", {"PHOTOCOPY"}),
    ("ctyun", "risk", "screen", {"PROVIDER_RISK"}),
]


@pytest.mark.parametrize(("provider", "signal", "value", "expected"), ALARMS)
def test_what_follows_from_a_signal(provider: str, signal: str, value: Signal, expected: set[str]) -> None:
    verdict = judged(provider, {signal: value}, PORTRAIT)
    assert set(verdict.reasons) == expected
    assert all(finding.source == provider for finding in verdict.findings)


def test_the_cases_above_and_below_are_the_whole_table() -> None:
    cases = {(provider, signal) for provider, signal, _, _ in ALARMS} | {(p, s) for p, s, _, _ in OPINIONS}
    assert {(provider, rule.signal) for provider, rules in TABLE.items() for rule in rules} == cases


@pytest.mark.parametrize(
    "signal", [rule.signal for rule in TABLE["huaweicloud"] if not rule.opinion] + ["edit_tool", "card_quality.IsClear"]
)
def test_a_detector_that_found_nothing_is_a_check(signal: str) -> None:
    provider = "huaweicloud" if signal.startswith("detect") else "waiqin365"
    value: Signal = False if provider == "huaweicloud" else 1
    said = heard(provider, {signal: value}, {})
    assert said.findings == ()
    assert said.covered if signal != "edit_tool" else not said.covered


# our own check first --------------------------------------------------------------------------------------------------

OPINIONS = [
    ("waiqin365", "ID_number_type", 3, {"ID_NUMBER_BIRTH_MISMATCH"}),
    ("waiqin365", "ID_number_type", 4, {"ID_NUMBER_SEX_MISMATCH"}),
    ("waiqin365", "ID_number_type", 2, {"ID_NUMBER_BIRTH_MISMATCH", "ID_NUMBER_SEX_MISMATCH"}),
    ("waiqin365", "ID_number_type", 0, {"ID_NUMBER_INVALID"}),
    ("waiqin365", "ID_number_type", 1, set()),
    ("waiqin365", "ID_number_type", -1, set()),
    ("huaweicloud", "verification_result.valid_number", False, {"ID_NUMBER_INVALID"}),
    ("huaweicloud", "verification_result.valid_birth", False, {"ID_NUMBER_BIRTH_MISMATCH"}),
    ("huaweicloud", "verification_result.valid_sex", False, {"ID_NUMBER_SEX_MISMATCH"}),
    ("huaweicloud", "verification_result.valid_date", False, {"CARD_EXPIRED"}),
    ("huaweicloud", "verification_result.valid_validity_period", False, {"VALIDITY_TERM_UNUSUAL"}),
]


@pytest.mark.parametrize(("provider", "signal", "value", "expected"), OPINIONS)
def test_an_opinion_counts_by_itself_only_where_we_could_not_check(
    provider: str, signal: str, value: Signal, expected: set[str]
) -> None:
    of_emblem = signal.endswith(("valid_date", "valid_validity_period"))
    bare: Card = (
        ChineseIdEmblem(issuing_authority="样例市公安局")
        if of_emblem
        else PORTRAIT.model_copy(update={"id_number": None})
    )
    assert set(judged(provider, {signal: value}, bare).reasons) == expected | {"FIELD_MISSING"}
    full: Card = EMBLEM if of_emblem else PORTRAIT
    contradicted = {"PROVIDER_RISK"} if expected else set()
    assert set(judged(provider, {signal: value}, full).reasons) == contradicted


def test_an_opinion_that_we_share_changes_nothing() -> None:
    wrong = PORTRAIT.model_copy(update={"id_number": "990105199003070038"})
    assert judged("huaweicloud", {"verification_result.valid_number": False}, wrong).reasons == ["ID_NUMBER_INVALID"]
    expired = EMBLEM.model_copy(update={"valid_from": date(2005, 1, 1), "valid_to": date(2025, 1, 1)})
    assert judged("huaweicloud", {"verification_result.valid_date": False}, expired).reasons == ["CARD_EXPIRED"]
    early = EMBLEM.model_copy(update={"valid_from": date(2027, 1, 1), "valid_to": date(2047, 1, 1)})
    assert judged("huaweicloud", {"verification_result.valid_date": False}, early).reasons == ["CARD_NOT_YET_VALID"]


def test_a_long_term_card_outside_its_term_is_the_providers_own_view() -> None:
    long_term = EMBLEM.model_copy(update={"valid_to": None, "long_term": True})
    assert judged("huaweicloud", {"verification_result.valid_date": False}, long_term).reasons == ["PROVIDER_RISK"]


@pytest.mark.parametrize("number", ["990105********0037", "990105900307003"])
def test_an_opinion_on_a_number_that_cannot_be_checked_means_nothing(number: str) -> None:
    masked = PORTRAIT.model_copy(update={"id_number": number})
    signals: dict[str, Signal] = {"verification_result.valid_number": False, "verification_result.valid_birth": False}
    assert judged("huaweicloud", signals, masked).reasons == ["ID_NUMBER_NOT_CHECKABLE"]


# our measures fill in -------------------------------------------------------------------------------------------------


def test_our_measures_are_not_asked_where_the_provider_looked() -> None:
    signals: dict[str, Signal] = {
        "detect_blur_result": False, "detect_glare_result": False, "detect_copy_result": False,
    }  # fmt: skip
    verdict = judged("huaweicloud", signals, PORTRAIT, measures=BAD)
    assert (verdict.reasons, verdict.quality, verdict.risk) == ([], "good", "none")
    assert set(judged("huaweicloud", {}, PORTRAIT, measures=BAD).reasons) == {
        "IMAGE_BLURRED",
        "IMAGE_GLARE",
        "PHOTOCOPY",
    }


def test_without_measures_the_providers_word_alone_makes_a_good_picture() -> None:
    assert judged("ihuyi", {}, PORTRAIT, measures=None).quality == "unknown"
    assert judged("huaweicloud", {"detect_blur_result": False}, PORTRAIT, measures=None).quality == "good"


# nothing read ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ({}, ["NO_CARD"]),
        ({"photo_status": "normal"}, ["NO_CARD"]),
        ({"photo_status": "no_IDcard"}, ["NO_CARD"]),
        ({"photo_status": "other_type_card"}, ["OTHER_DOCUMENT"]),
        ({"photo_status": "blurred"}, ["IMAGE_BLURRED"]),
        ({"photo_status": "over_dark", "risk_type": "copy"}, ["IMAGE_UNDEREXPOSED", "PHOTOCOPY"]),
        ({"risk_type": "copy"}, ["NO_CARD", "PHOTOCOPY"]),
        ({"ID_number_type": -1}, ["NO_CARD"]),
    ],
)
def test_nothing_read_is_rejected_for_what_the_provider_says(signals: dict[str, Signal], expected: list[str]) -> None:
    verdict = judged("waiqin365", signals)
    assert (verdict.status, verdict.reasons, verdict.quality) == ("REJECTED", expected, "low")


# what is written down -------------------------------------------------------------------------------------------------


def test_a_finding_tells_the_number_behind_it() -> None:
    signals: dict[str, Signal] = {"detect_copy_result": True, "score_info.copy_score": 97}
    (finding,) = judged("huaweicloud", signals, PORTRAIT).findings
    assert finding.as_item() == {
        "reason": "PHOTOCOPY", "source": "huaweicloud", "signal": "score_info.copy_score", "value": "97",
    }  # fmt: skip
    signals = {"card_quality.IsNoCover": 0, "card_quality.IsNoCover_propobility": 0.25}
    (finding,) = judged("waiqin365", signals, PORTRAIT).findings
    assert (finding.signal, finding.value, finding.threshold) == ("card_quality.IsNoCover_propobility", "0.25", "0.5")


def test_words_that_no_document_lists_are_not_written_down() -> None:
    for provider, signal in (("waiqin365", "photo_status"), ("waiqin365", "risk_type"), ("ctyun", "risk")):
        (finding,) = judged(provider, {signal: "张样例"}, PORTRAIT).findings
        assert finding.value == "other"
