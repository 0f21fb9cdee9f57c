"""The demo's judgement: its own idea of the contract agrees with the product's, and no difference goes unseen."""

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from cardintake import announcements, reasons, scans
from cardintake.providers import REGISTRY
from cardintake.settings import Settings
from local.demo import checking, contract
from local.demo.deck import not_shown, print_deck
from local.demo.model import Expected, Result, Run, Upload
from local.demo.providers import NAMES, Choice
from local.demo.show import conclude
from local.demo.terminal import Terminal

CARD = {"country": "CHN", "document_type": "cn_resident_id", "side": "portrait", "name": "张样例", "sex": "F"}
RECORD = {
    "status": "RECOGNIZED",
    "quality": "low",
    "risk": "none",
    "reasons": ["IMAGE_BLURRED"],
    "card": CARD,
    "paid_calls": 1,
}
EXPECTED = Expected("RECOGNIZED", frozenset({"IMAGE_BLURRED"}), CARD)
UPLOAD = Upload("a.jpg", "cn/a.jpg", b"", {}, expected=EXPECTED)


def event(detail_type: str) -> dict[str, Any]:
    return {
        "detail-type": detail_type,
        "detail": {"metadata": {"occurred_at": "2026-11-21T05:00:00.000Z"}, "data": {"reasons": ["IMAGE_BLURRED"]}},
    }


def result(*announced: str, **changes: Any) -> Result:
    return Result(UPLOAD, RECORD | changes, 10, tuple(event(name) for name in announced or ("Card Low Quality",)))


# ── the contract, twice ───────────────────────────────────────────────────────────────────────────────────────────────


def test_groups_of_reasons_are_the_products() -> None:
    assert {reason.value for reason in reasons.QUALITY} == contract.QUALITY_REASONS
    assert {reason.value for reason in reasons.RISK} == contract.RISK_REASONS


def test_record_ids_are_the_products() -> None:
    assert contract.record_id("b", "cn/张 +.jpg") == scans.record_id("b", "cn/张 +.jpg")


@pytest.mark.parametrize(
    ("status", "quality", "risk"),
    list(
        itertools.product(
            ("RECOGNIZED", "REJECTED", "FAILED"), ("good", "low", "unknown"), ("none", "suspected", "unknown")
        )
    ),
)
def test_events_are_the_products(status: str, quality: str, risk: str) -> None:
    said = announcements.of_record(
        {"status": status, "quality": quality, "risk": risk}, "flagged", occurred_at="2026-11-21T05:00:00Z"
    )
    assert {one.detail_type for one in said} == contract.events(status, quality, risk)


# ── differences ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_came_as_expected_has_no_differences() -> None:
    assert checking.differences(result()) == []
    assert checking.fields_right(result()) == (2, 2)
    assert not checking.awaited(result())


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (result(status="REJECTED"), "status is REJECTED, expected RECOGNIZED"),
        (result(quality="good"), "quality is good, expected low"),
        (result(risk="unknown"), "risk is unknown, expected none"),
        (result(reasons=[]), "not found: IMAGE_BLURRED"),
        (result(reasons=["IMAGE_BLURRED", "NO_CARD"]), "found, but not expected: NO_CARD"),
        (result(card=CARD | {"sex": "M"}), "read differently than printed: sex"),
        (result(card={name: CARD[name] for name in CARD if name != "sex"}), "not read: sex"),
        (result(card=CARD | {"address": "x"}), "read, but not printed: address"),
        (result(card=CARD | {"side": "emblem"}), "read differently than printed: side"),
        (dataclasses.replace(result(), events=()), "event did not arrive: Card Low Quality"),
        (result("Card Low Quality", "Card Rejected"), "event arrived, but not expected: Card Rejected"),
        (result("Card Low Quality", "Card Low Quality"), "published more than once: Card Low Quality"),
        (Result(UPLOAD, None, None), "no record appeared"),
        (Result(UPLOAD, {"status": "PROCESSING"}, None), "still PROCESSING"),
        (
            Result(UPLOAD, {"status": "PROCESSING", "waiting_for": "PROVIDER_QUOTA"}, None),
            "still PROCESSING, waiting for PROVIDER_QUOTA",
        ),
    ],
)
def test_every_difference_is_said(seen: Result, sentence: str) -> None:
    assert checking.differences(seen) == [sentence]


def test_an_event_is_awaited_until_it_is_there() -> None:
    assert checking.awaited(dataclasses.replace(result(), events=())) == {"Card Low Quality"}
    assert not checking.awaited(Result(UPLOAD, None, None))


def test_a_difference_makes_the_demo_fail_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert conclude(Run("demo", "today", (result(),), billable={"ctyun": 1}), Terminal(), 1.0) == 0
    assert "All 1 scans came out as expected" in capsys.readouterr().out
    assert conclude(Run("demo", "today", (result(reasons=[]),), billable={"ctyun": 2}), Terminal(), 1.0) == 1
    said = capsys.readouterr().out
    assert "a.jpg: not found: IMAGE_BLURRED" in said
    assert "the records count 1 paid calls, the providers 2" in said
    assert "as expected: every" not in said


def test_what_is_on_a_card_is_not_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    conclude(Run("demo", "today", (result(card=CARD | {"name": "李错"}),)), Terminal(), 1.0)
    said = capsys.readouterr().out
    assert "read differently than printed: name" in said
    assert "李错" not in said
    assert "张样例" not in said


# ── the deck ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deck")


@pytest.fixture(scope="module")
def deck(folder: Path) -> list[Upload]:
    (folder / "left-over.jpg").touch()
    return print_deck(folder, "ctyun")


@pytest.mark.thorough
def test_every_picture_lies_beside_what_is_expected_of_it(deck: list[Upload], folder: Path) -> None:
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")} == {upload.key for upload in deck}
    for upload in deck:
        path = folder / upload.key
        assert path.read_bytes() == upload.data
        beside = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        assert upload.expected is not None
        assert beside["expected"] == upload.expected.as_json()
        assert beside["metadata"] == upload.metadata


@pytest.mark.thorough
def test_the_deck_shows_what_it_is_there_to_show(deck: list[Upload]) -> None:
    expected = [upload.expected for upload in deck if upload.expected]
    assert len(expected) == len(deck) == len({upload.data for upload in deck})
    clean = {
        (one.card["document_type"], one.card.get("edition"), one.card["side"])
        for one in expected
        if one.card and not one.reasons
    }
    assert clean == {
        ("cn_resident_id", None, "portrait"),
        ("cn_resident_id", None, "emblem"),
        ("pe_dni", "new", "front"),
        ("pe_dni", "new", "back"),
        ("pe_dni", "old", "front"),
        ("pe_dni", "old", "back"),
        ("pe_foreigner_card", None, "front"),
    }
    assert frozenset().union(*(one.reasons for one in expected)) == {
        *("IMAGE_BLURRED", "IMAGE_GLARE", "IMAGE_UNDEREXPOSED", "IMAGE_OVEREXPOSED", "PHOTOCOPY", "FIELD_MISSING"),
        *("CARD_EXPIRED", "ID_NUMBER_INVALID", "NO_CARD", "IMAGE_CORRUPT"),
    }


CHINESE = [name for name in NAMES if name != "accuauth"]
JUDGES = {"waiqin365", "huaweicloud"}
ONLY_FOR_JUDGES = {"SCREEN_RECAPTURE", "CARD_INCOMPLETE", "TEMPORARY_CARD", "IMAGE_EDITED"}


@pytest.mark.thorough
@pytest.mark.parametrize("provider", CHINESE[1:])
def test_every_provider_is_shown_the_same_pictures_and_the_same_fields(
    provider: str, deck: list[Upload], tmp_path: Path
) -> None:
    mine = {upload.key: upload for upload in print_deck(tmp_path, provider)}
    for theirs in deck:
        own = mine[theirs.key]
        assert (own.data, own.metadata, own.title) == (theirs.data, theirs.metadata, theirs.title)
        assert own.expected is not None
        assert theirs.expected is not None
        if theirs.key.startswith("pe/"):
            assert own.expected == theirs.expected
        assert theirs.expected.card is None or set((own.expected.card or {}).items()) <= set(
            theirs.expected.card.items()
        )
    more = [mine[key].expected for key in mine.keys() - {upload.key for upload in deck}]
    found = frozenset().union(*(expected.reasons for expected in more if expected))
    assert found == (ONLY_FOR_JUDGES if provider in JUDGES else frozenset())
    assert len({upload.data for upload in mine.values()}) == len(mine)


@pytest.mark.thorough
def test_what_a_provider_does_not_find_is_said_and_what_it_finds_is_shown(tmp_path: Path) -> None:
    titles = [upload.title for upload in print_deck(tmp_path, "huaweicloud")]
    for provider in CHINESE:
        shown = {upload.title for upload in print_deck(tmp_path, provider)}
        missing = [title for title in titles if title not in shown]
        assert all(title in not_shown(provider) for title in missing)
        assert bool(not_shown(provider)) == bool(missing) == (provider not in JUDGES)
        assert not any(title in not_shown(provider) for title in shown if title.startswith("a "))


@pytest.mark.thorough
def test_the_edited_picture_names_its_editor_and_no_other_does(tmp_path: Path) -> None:
    named = {}
    for upload in print_deck(tmp_path, "waiqin365"):
        with Image.open(tmp_path / upload.key) as picture:
            named[upload.key] = picture.getexif().get(ExifTags.Base.Software)
    assert {key: name for key, name in named.items() if name} == {
        "cn/C-1015/edited.jpg": "Adobe Photoshop 25.0 (Windows)"
    }


def test_the_providers_that_can_be_chosen_are_the_products() -> None:
    assert set(NAMES) == REGISTRY.keys()
    assert set(CHINESE) == {name for name, provider in REGISTRY.items() if "cn_resident_id" in provider.reads}


@pytest.mark.parametrize("name", NAMES)
def test_routes_by_country_and_by_name_are_understood(name: str) -> None:
    choice = Choice.of(name)
    needed = {"CARDS_TABLE": "t", "ANSWERS_BUCKET": "a", "EVENT_BUS": "b", "PROVIDERS_SECRET": "s"}
    variables = needed | {"RETENTION_DAYS": "7", "PROVIDERS": ",".join(choice.names)}
    by_country = {"cn/": (choice.chinese,), "pe/": ("accuauth",)}
    assert dict(Settings.from_environment(variables | {"ROUTES": choice.routes}, NAMES).routes) == by_country
    by_name = {f"{each}/": (each,) for each in NAMES}
    given = Settings.from_environment(variables | {"ROUTES": choice.all_routes}, NAMES)
    assert (dict(given.routes), given.providers) == (by_country | by_name, choice.names)


def test_a_field_under_a_thumb_is_not_expected_to_be_read(deck: list[Upload]) -> None:
    (covered,) = (upload.expected for upload in deck if upload.expected and "FIELD_MISSING" in upload.expected.reasons)
    assert covered.card is not None
    assert "id_number" not in covered.card


def test_the_broken_file_is_broken_and_no_other(deck: list[Upload], folder: Path) -> None:
    for upload in deck:
        with Image.open(folder / upload.key) as picture:
            if upload.key.endswith("broken.jpg"):
                with pytest.raises(OSError, match="truncated"):
                    picture.load()
            else:
                picture.load()
