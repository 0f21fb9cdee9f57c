"""The report: everything in one file, nothing of a stranger's interpreted, every difference to be seen."""

import dataclasses
import stat
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cardintake.reason_texts import TEXTS
from cardintake.reasons import Reason
from local.cardprinter import encode, print_card
from local.demo.model import Expected, Phase, Result, Run, Upload
from local.report import explanations
from local.report.page import render, write_report

CARD = print_card("cn_portrait", 3)
PICTURE = encode(CARD.picture)
EXPECTED = Expected("RECOGNIZED", frozenset(), CARD.card)


def result(
    record: Mapping[str, Any] | None = None, data: bytes = PICTURE, expected: Expected | None = EXPECTED
) -> Result:
    right = {
        "status": "RECOGNIZED",
        "quality": "good",
        "risk": "none",
        "reasons": [],
        "card": CARD.card,
        "paid_calls": 1,
    }
    return Result(
        Upload("cn/C-1/a.jpg", "cn/C-1/a.jpg", data, {}, "a card", expected), {**right, **(record or {})}, 1234
    )


def page(*results: Result, **more: Any) -> "Page":
    return Page(render(Run("a <run>", "today", results, **more)))


class Page(HTMLParser):
    """What a browser would fetch, run and show."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[str] = []
        self.links: list[str] = []
        self.pictures: list[str] = []
        self._texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), "no script"
            if name in ("href", "src", "srcset", "action", "data", "poster"):
                (self.pictures if tag == "img" else self.links).append(value or "")

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._texts).split())


def test_the_page_needs_nothing_but_itself() -> None:
    shown = page(result(), result(data=b"\xff\xd8 broken"))
    assert not {"script", "link", "iframe", "object", "form", "base"} & set(shown.tags)
    assert all(link.startswith("#scan-") for link in shown.links)
    assert all(source.startswith("data:image/jpeg;base64,") for source in shown.pictures)
    assert len(shown.pictures) == 1, "the broken file is not shown as a picture"
    assert "cannot be shown" in shown.text
    assert "url(" not in shown.html
    assert "@import" not in shown.html
    assert "default-src 'none'" in shown.html


def test_a_field_that_was_read_wrong_stands_beside_what_was_printed() -> None:
    assert "as expected: every status" in page(result()).text
    wrong = result({"card": {**CARD.card, "name": "李错"}})
    shown = page(wrong).text
    assert "Not everything came out as expected" in shown
    assert "read differently than printed: name" in shown
    assert f"Name 李错 printed: {CARD.card['name']} ✗" in shown
    missing = page(result({"card": {name: value for name, value in CARD.card.items() if name != "address"}})).text
    assert f"Address not read printed: {CARD.card['address']} ✗" in missing


def test_without_expectations_nothing_is_judged() -> None:
    shown = page(result(expected=None)).text
    assert "expected" not in shown
    assert "✓" not in shown
    assert str(CARD.card["id_number"]) in shown


def test_a_flag_is_explained_with_what_it_rests_on() -> None:
    finding = {
        "reason": "IMAGE_BLURRED",
        "source": "measure",
        "signal": "sharpness",
        "value": "23.4",
        "threshold": "60",
    }
    shown = page(result({"quality": "low", "reasons": ["IMAGE_BLURRED"], "findings": [finding]}, expected=None)).text
    assert "The picture is out of focus or was moved. IMAGE_BLURRED sharpness 23.4, wanted at least 60" in shown


def test_what_strangers_wrote_is_shown_and_not_interpreted() -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    event = {
        "detail-type": evil,
        "detail": {"metadata": {"occurred_at": "2026-11-21T05:00:00.000Z"}, "data": {"reasons": [evil]}},
    }
    bad = result({"card": {**CARD.card, "name": evil}, "reasons": [evil], "provider": evil}, expected=None)
    named = dataclasses.replace(bad, upload=dataclasses.replace(bad.upload, name=evil), events=(event,))
    shown = page(named)
    assert "script" not in shown.tags
    assert shown.tags.count("img") == 1
    assert shown.text.count("alert(2)") >= 5


def test_a_scan_without_an_end_says_what_it_waits_for() -> None:
    waiting = Result(result().upload, {"status": "PROCESSING", "waiting_for": "PROVIDER_QUOTA", "paid_calls": 0}, None)
    shown = page(waiting, Result(result().upload, None, None)).text
    assert "waiting for PROVIDER_QUOTA" in shown
    assert "NO RECORD" in shown
    assert "no record appeared" in shown


def test_what_it_cost_and_how_long_it_took() -> None:
    shown = page(
        result(), phases=(Phase("built", 1.25), Phase("read", 2.5)), billable={"ctyun": 1, "accuauth": 0}, remark="So."
    ).text
    assert "billable calls: ctyun 1, accuauth 0." in shown
    assert "built 1.2 s · read 2.5 s" in shown
    assert "So." in shown
    disputed = page(result(), billable={"ctyun": 2}).text
    assert "the records count 1 paid calls, the providers 2" in disputed


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "build" / "report.html"
    for _ in range(2):
        write_report(Run("a run", "today", (result(),)), path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_every_reason_code_is_explained() -> None:
    assert all(explanations.explain(reason.value) == TEXTS[reason].meaning for reason in Reason)
    assert explanations.explain("TOO_NEW") == "TOO_NEW"


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (
            {"source": "measure", "signal": "glare_share", "value": "0.02", "threshold": "0.015"},
            "glare share 0.02, wanted at most 0.015 (measured on the picture)",
        ),
        ({"source": "measure", "signal": "image"}, "found before any provider was asked"),
        ({"source": "card", "signal": "id_number", "reason": "FIELD_MISSING"}, "not read: id number"),
        (
            {"source": "card", "signal": "side", "value": "emblem", "threshold": "portrait"},
            "side: emblem, claimed: portrait (checked on what was read)",
        ),
        (
            {"source": "ctyun", "signal": "risk", "value": "copy"},
            "risk: copy (reported by ctyun)",
        ),
        (
            {"source": "huaweicloud", "signal": "score_info.blur_score", "value": "71"},
            "score_info.blur_score: 71 (reported by huaweicloud)",
        ),
        (
            {
                "source": "waiqin365",
                "signal": "card_quality.IsClear_propobility",
                "value": "0.31",
                "threshold": "0.5",
            },
            "card_quality.IsClear_propobility: 0.31, threshold 0.5 (reported by waiqin365)",
        ),
        ({"source": "ctyun", "signal": "fields", "value": "0"}, "ctyun read 0 fields"),
        ({"source": "ctyun", "signal": "image"}, "image (reported by ctyun)"),
    ],
)
def test_evidence_in_words(finding: dict[str, str], words: str) -> None:
    assert explanations.evidence(finding) == words
