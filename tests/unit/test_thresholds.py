"""Thresholds: every one can be set, each decides on both of its sides, and a wrong name or number is said."""

from datetime import UTC, date, datetime

import pytest

from cardintake.assessment import assess
from cardintake.cards.models import ChineseIdPortrait
from cardintake.images import Measures
from cardintake.providers.protocol import CardReading, Claim, Reading, Signal
from cardintake.signals import TABLE
from cardintake.thresholds import MEASURES, SCORES, parsed

FINE = Measures(sharpness=600.0, brightness=170.0, burnt_share=0.0, glare_share=0.0, chroma=12.0)
CARD = ChineseIdPortrait(
    name="张样例",
    sex="M",
    ethnicity="汉",
    birth_date=date(1990, 3, 7),
    address="样例路1号",
    id_number="990105199003070037",
)


def reasons(text: str, provider: str = "ihuyi", measures: Measures = FINE, **signals: Signal) -> list[str]:
    named = {name.replace("__", "."): value for name, value in signals.items()}
    reading = Reading((CardReading(CARD),), signals=named)
    return assess(reading, provider, measures, Claim(), datetime(2026, 1, 15, tzinfo=UTC), parsed(text)).reasons


def test_without_a_word_the_defaults_hold() -> None:
    assert parsed("") == parsed(" , ") == dict(MEASURES)
    assert parsed(" sharpness = 10 ,chroma=0")["sharpness"] == 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sharpness=601", ["IMAGE_BLURRED"]), ("sharpness=600", []), ("brightness=171", ["IMAGE_UNDEREXPOSED"]),
        ("chroma=12.1", ["PHOTOCOPY"]), ("chroma=12", []),
    ],
)  # fmt: skip
def test_our_own_measures(text: str, expected: list[str]) -> None:
    assert reasons(text) == expected


def test_shares_are_alarms_above_their_threshold() -> None:
    bright = Measures(sharpness=600.0, brightness=170.0, burnt_share=0.1, glare_share=0.01, chroma=12.0)
    assert reasons("", measures=bright) == []
    assert reasons("burnt_share=0.009", measures=bright) == ["IMAGE_OVEREXPOSED"]
    assert reasons("glare_share=0.009", measures=bright) == ["IMAGE_GLARE"]


def test_a_score_decides_over_the_providers_own_verdict() -> None:
    def said(text: str, *, alarm: bool, score: int) -> list[str]:
        return reasons(text, "huaweicloud", detect_copy_result=alarm, score_info__copy_score=score)

    assert said("", alarm=True, score=60) == ["PHOTOCOPY"]
    assert said("huaweicloud.score_info.copy_score=61", alarm=True, score=60) == []
    assert said("huaweicloud.score_info.copy_score=60", alarm=False, score=60) == ["PHOTOCOPY"]
    assert reasons("huaweicloud.score_info.copy_score=10", "huaweicloud", detect_copy_result=True) == ["PHOTOCOPY"]


def test_a_probability_is_an_alarm_below_its_threshold() -> None:
    def said(text: str, *, flag: int, probability: float) -> list[str]:
        return reasons(text, "waiqin365", card_quality__IsClear=flag, card_quality__IsClear_propobility=probability)

    assert said("", flag=0, probability=0.4) == ["IMAGE_BLURRED"]
    assert said("waiqin365.card_quality.IsClear_propobility=0.4", flag=0, probability=0.4) == []
    assert said("waiqin365.card_quality.IsClear_propobility=0.9", flag=1, probability=0.8) == ["IMAGE_BLURRED"]


def test_every_score_of_the_table_can_be_set() -> None:
    numbers = {f"{provider}.{rule.number}" for provider, rules in TABLE.items() for rule in rules if rule.number}
    assert numbers == SCORES
    assert len(SCORES) == 11
    for name in SCORES:
        assert parsed(f"{name}=0.5")[name] == 0.5


@pytest.mark.parametrize(
    "text", ["sharpnes=1", "sharpness", "sharpness=", "sharpness=x", "sharpness=-1", "sharpness=inf", "sharpness=nan",
             "ctyun.risk=1", "huaweicloud.copy_score=1"],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=text.partition("=")[0]):
        parsed(text)
