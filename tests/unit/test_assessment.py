"""Every reason that can be found today: a case that gives it, and the nearest one that must not."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardintake.assessment import Verdict, assess, refused
from cardintake.cards.models import (
    Card,
    ChineseIdEmblem,
    ChineseIdPortrait,
    PeruvianDniBack,
    PeruvianDniFront,
    PeruvianForeignerCardFront,
    Side,
)
from cardintake.images import Measures
from cardintake.providers.protocol import CardReading, Claim, Reading
from cardintake.reasons import QUALITY, RISK, Reason
from tests import properties as _profile  # noqa: F401 - loads the profile

NOW = datetime(2026, 1, 15, 8, 30, tzinfo=UTC)
FINE = Measures(sharpness=600.0, brightness=170.0, burnt_share=0.0, glare_share=0.0, chroma=12.0)
PORTRAIT = ChineseIdPortrait(
    name="张样例",
    sex="M",
    ethnicity="汉",
    birth_date=date(1990, 3, 7),
    address="样例路1号",
    id_number="990105199003070037",
)
EMBLEM = ChineseIdEmblem(issuing_authority="样例市公安局", valid_from=date(2019, 6, 6), valid_to=date(2039, 6, 6))
FRONT = PeruvianDniFront(
    edition="new", id_number="99000006", check_character="4", given_names="JUAN", paternal_surname="ESPÉCIMEN",
    maternal_surname="MUESTRA", sex="M", birth_date=date(1990, 3, 7), issue_date=date(2020, 1, 15),
    expiry_date=date(2028, 1, 15),
)  # fmt: skip
BACK = PeruvianDniBack(edition="new", address="CALLE DE LA MUESTRA 100")
FOREIGNER = PeruvianForeignerCardFront(
    id_number="990045991", surname="ESPÉCIMEN", given_names="JUAN", sex="M", birth_date=date(1991, 3, 7)
)
OTHER_PERSON = {"sex": "F", "birth_date": date(1991, 3, 7)}
CLEAN: list[Card] = [PORTRAIT, EMBLEM, FRONT, BACK, FOREIGNER]


def judged(
    *cards: Card,
    impossible: tuple[str, ...] = (),
    measures: Measures = FINE,
    claim: Claim = Claim(),  # noqa: B008 - frozen
    now: datetime = NOW,
    risk: str | None = "normal",
) -> Verdict:
    readings = tuple(CardReading(card, impossible if number == 0 else ()) for number, card in enumerate(cards))
    return assess(Reading(readings, signals={"risk": risk} if risk is not None else {}), "ctyun", measures, claim, now)


def changed(card: Any, **fields: object) -> Any:
    return card.model_copy(update=fields)


@pytest.mark.parametrize("card", CLEAN, ids=lambda card: f"{card.document_type}/{card.side}")
def test_a_clean_card_has_nothing_to_say(card: Card) -> None:
    verdict = judged(card)
    assert verdict == Verdict("RECOGNIZED", "good", "none", (), card, ())
    assert verdict.reasons == []


# what the card says of itself -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "fields", "expected"),
    [
        # every field that a side always bears
        *((PORTRAIT, {name: None}, {"FIELD_MISSING"}) for name in ("name", "ethnicity", "address")),
        (PORTRAIT, {"id_number": None}, {"FIELD_MISSING"}), (PORTRAIT, {"sex": None}, {"FIELD_MISSING"}),
        (PORTRAIT, {"birth_date": None}, {"FIELD_MISSING"}),
        *((EMBLEM, {name: None}, {"FIELD_MISSING"}) for name in ("issuing_authority", "valid_from", "valid_to")),
        (EMBLEM, {"valid_to": None, "long_term": True}, set()),
        *((FRONT, {name: None}, {"FIELD_MISSING"}) for name in FRONT.always_bears[0] + ("given_names", "sex")),
        (FRONT, {"paternal_surname": None, "maternal_surname": None}, {"FIELD_MISSING"}),
        (FRONT, {"birth_date": None}, {"FIELD_MISSING"}), (BACK, {"address": None, "district": "X"}, {"FIELD_MISSING"}),
        (FRONT, {"expiry_date": None, "issue_date": None, "edition": None, "check_character": None}, set()),
        *((FOREIGNER, {name: None}, {"FIELD_MISSING"}) for name in ("id_number", "surname", "given_names", "sex")),
        # the number
        (PORTRAIT, {"id_number": "990105199003070038"}, {"ID_NUMBER_INVALID"}),
        (PORTRAIT, {"id_number": "99010519900307003"}, {"ID_NUMBER_INVALID"}),
        (PORTRAIT, {"id_number": "990105199002300012"}, {"ID_NUMBER_INVALID"}),
        (PORTRAIT, {"id_number": "990105202601160010", "birth_date": date(2026, 1, 16)}, {"ID_NUMBER_INVALID"}),
        (PORTRAIT, {"id_number": "990105202601150031", "birth_date": date(2026, 1, 15)}, set()),
        (PORTRAIT, {"id_number": "990105900307003"}, {"ID_NUMBER_NOT_CHECKABLE"}),
        (PORTRAIT, {"id_number": "990105********0037"}, {"ID_NUMBER_NOT_CHECKABLE"}),
        (PORTRAIT, {"id_number": "99010519900307003*"}, {"ID_NUMBER_NOT_CHECKABLE"}),
        (PORTRAIT, {"birth_date": date(1990, 3, 8)}, {"ID_NUMBER_BIRTH_MISMATCH"}),
        (PORTRAIT, {"sex": "F"}, {"ID_NUMBER_SEX_MISMATCH"}),
        (PORTRAIT, OTHER_PERSON, {"ID_NUMBER_BIRTH_MISMATCH", "ID_NUMBER_SEX_MISMATCH"}),
        (PORTRAIT, OTHER_PERSON | {"id_number": "990105199003070038"}, {"ID_NUMBER_INVALID"}),
        (FRONT, {"check_character": "5"}, {"ID_NUMBER_INVALID"}), (FRONT, {"check_character": "I"}, set()),
        (FRONT, {"id_number": "9900000"}, {"ID_NUMBER_INVALID"}),
        (FRONT, {"id_number": "1075XXXX", "check_character": None}, {"ID_NUMBER_NOT_CHECKABLE"}),
        (FRONT, {"check_character": None}, set()),
        (FOREIGNER, {"id_number": "004599123"}, set()), (FOREIGNER, {"id_number": "1"}, set()),
        # the term
        (EMBLEM, {"valid_from": date(2016, 1, 15), "valid_to": date(2026, 1, 15)}, set()),
        (EMBLEM, {"valid_from": date(2016, 1, 14), "valid_to": date(2026, 1, 14)}, {"CARD_EXPIRED"}),
        (EMBLEM, {"valid_from": date(2026, 1, 15), "valid_to": date(2031, 1, 15)}, set()),
        (EMBLEM, {"valid_from": date(2026, 1, 16), "valid_to": date(2031, 1, 16)}, {"CARD_NOT_YET_VALID"}),
        (EMBLEM, {"valid_from": date(2026, 1, 16), "valid_to": None, "long_term": True}, {"CARD_NOT_YET_VALID"}),
        (EMBLEM, {"valid_from": date(2016, 2, 29), "valid_to": date(2036, 3, 1)}, set()),
        (EMBLEM, {"valid_to": date(2039, 6, 5)}, {"VALIDITY_TERM_UNUSUAL"}),
        (EMBLEM, {"valid_to": date(2034, 6, 6)}, {"VALIDITY_TERM_UNUSUAL"}),
        (EMBLEM, {"valid_to": date(2015, 1, 1)}, {"VALIDITY_TERM_UNUSUAL", "CARD_EXPIRED"}),
        (FRONT, {"expiry_date": date(2026, 1, 15)}, set()),
        (FRONT, {"expiry_date": date(2026, 1, 14)}, {"CARD_EXPIRED"}),
        (FRONT, {"expiry_date": None, "no_expiry": True}, set()),
        (FRONT, {"issue_date": date(2026, 1, 16)}, {"CARD_NOT_YET_VALID"}),
        (FRONT, {"expiry_date": date(2027, 3, 3)}, set()),
        (
            FRONT, {"issue_date": date(2025, 3, 3), "expiry_date": date(2025, 3, 3)},
            {"VALIDITY_TERM_UNUSUAL", "CARD_EXPIRED"},
        ),
        (FOREIGNER, {"expiry_date": date(2020, 1, 1)}, {"CARD_EXPIRED"}),
        (FOREIGNER, {"issue_date": date(2030, 1, 1)}, {"CARD_NOT_YET_VALID"}),
    ],
)  # fmt: skip
def test_what_a_card_says_of_itself(card: Any, fields: dict[str, object], expected: set[str]) -> None:
    verdict = judged(changed(card, **fields))
    assert set(verdict.reasons) == expected
    assert verdict.status == "RECOGNIZED"
    assert verdict.quality == ("low" if "FIELD_MISSING" in expected else "good")
    assert verdict.risk == ("suspected" if expected - {"FIELD_MISSING", "ID_NUMBER_NOT_CHECKABLE"} else "none")
    assert len([finding for finding in verdict.findings if finding.source == "card"]) >= len(expected)


def test_every_missing_field_is_named() -> None:
    verdict = judged(changed(PORTRAIT, name=None, address=None, sex=None))
    assert verdict.reasons == ["FIELD_MISSING"]
    assert [finding.signal for finding in verdict.findings] == ["name", "sex", "address"]


def test_a_date_that_is_none_is_a_risk_and_is_missing() -> None:
    verdict = judged(changed(EMBLEM, valid_to=None), impossible=("valid_to",))
    assert verdict.reasons == ["DATE_IMPOSSIBLE", "FIELD_MISSING"]
    assert (verdict.quality, verdict.risk) == ("low", "suspected")
    assert judged(FRONT, impossible=("registration_date",)).reasons == ["DATE_IMPOSSIBLE"]


@pytest.mark.parametrize(
    ("card", "last_moment"),
    [
        (
            changed(EMBLEM, valid_from=date(2016, 1, 15), valid_to=date(2026, 1, 15)),
            datetime(2026, 1, 15, 15, 59, 59, tzinfo=UTC),
        ),
        (changed(FRONT, expiry_date=date(2026, 1, 15)), datetime(2026, 1, 16, 4, 59, 59, tzinfo=UTC)),
    ],
    ids=["China", "Peru"],
)  # fmt: skip
def test_a_card_expires_at_midnight_of_its_own_country(card: Card, last_moment: datetime) -> None:
    assert judged(card, now=last_moment).reasons == []
    assert judged(card, now=last_moment + timedelta(seconds=1)).reasons == ["CARD_EXPIRED"]


# sides and several cards ----------------------------------------------------------------------------------------------


def test_only_a_claimed_side_can_be_reversed() -> None:
    assert judged(PORTRAIT, claim=Claim("cn_resident_id", "portrait")).reasons == []
    assert judged(PORTRAIT, claim=Claim("cn_resident_id")).reasons == []
    verdict = judged(EMBLEM, claim=Claim(side="portrait"))
    assert verdict.reasons == ["SIDE_REVERSED"]
    assert (verdict.quality, verdict.risk) == ("good", "none")
    assert judged(BACK, claim=Claim(side="front")).reasons == ["SIDE_REVERSED"]


@pytest.mark.parametrize(
    ("card", "claimed", "reversed_side"),
    [(PORTRAIT, "front", False), (EMBLEM, "back", False), (PORTRAIT, "back", True), (EMBLEM, "front", True),
     (FRONT, "portrait", False), (BACK, "emblem", False), (FRONT, "emblem", True)],
)  # fmt: skip
def test_a_side_may_be_claimed_in_the_words_for_another_countrys_cards(
    card: Card, claimed: Side, *, reversed_side: bool
) -> None:
    assert judged(card, claim=Claim(side=claimed)).reasons == (["SIDE_REVERSED"] if reversed_side else [])


@pytest.mark.parametrize(
    ("claim", "cards", "chosen"),
    [
        (Claim(), (EMBLEM, PORTRAIT), PORTRAIT), (Claim(), (PORTRAIT, EMBLEM), PORTRAIT),
        (Claim(side="emblem"), (PORTRAIT, EMBLEM), EMBLEM), (Claim(side="portrait"), (EMBLEM, PORTRAIT), PORTRAIT),
        (Claim(side="back"), (PORTRAIT, EMBLEM), EMBLEM), (Claim(side="front"), (EMBLEM, PORTRAIT), PORTRAIT),
        (Claim(), (BACK, FRONT), FRONT), (Claim(side="back"), (FRONT, BACK), BACK),
        (Claim(), (BACK, changed(BACK, address="OTHER")), BACK),
    ],
)  # fmt: skip
def test_of_several_cards_one_is_chosen_and_the_others_are_kept(
    claim: Claim, cards: tuple[Card, ...], chosen: Card
) -> None:
    verdict = judged(*cards, claim=claim)
    assert verdict.card == chosen
    assert verdict.other_cards == tuple(card for card in cards if card is not chosen)
    assert verdict.reasons == ["SEVERAL_CARDS"]
    assert (verdict.quality, verdict.risk) == ("good", "none")


def test_every_card_in_the_picture_is_checked() -> None:
    expired = changed(EMBLEM, valid_from=date(2005, 1, 1), valid_to=date(2025, 1, 1), issuing_authority=None)
    verdict = judged(PORTRAIT, expired)
    assert verdict.card == PORTRAIT
    assert set(verdict.reasons) == {
        "SEVERAL_CARDS",
        "CARD_EXPIRED",
        "FIELD_MISSING",
        "SIDES_DISAGREE",
        "VALIDITY_TERM_UNUSUAL",
    }
    elsewhere = changed(EMBLEM, issuing_authority="另外市公安局")
    at_home = changed(PORTRAIT, address="样例省样例市样例路1号")
    assert judged(at_home, elsewhere).reasons == ["SEVERAL_CARDS", "SIDES_DISAGREE"]
    wrong = changed(PORTRAIT, id_number="990105199003070038")
    verdict = judged(EMBLEM, wrong, claim=Claim(side="emblem"))
    assert (verdict.card, verdict.reasons) == (EMBLEM, ["ID_NUMBER_INVALID", "SEVERAL_CARDS"])


def test_a_card_of_which_only_a_bad_date_was_read_is_no_second_card() -> None:
    ghost = CardReading(ChineseIdEmblem(), ("valid_from", "valid_to"))
    verdict = assess(Reading((CardReading(PORTRAIT), ghost)), "ctyun", FINE, Claim(), NOW)
    assert (verdict.reasons, verdict.other_cards) == ([], ())


# no card --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cards", [(), (ChineseIdPortrait(),), (PeruvianDniBack(edition="old"),)], ids=["none", "cn", "pe"]
)
def test_nothing_read_is_rejected(cards: tuple[Card, ...]) -> None:
    verdict = judged(*cards, risk=None)
    assert (verdict.status, verdict.quality, verdict.risk) == ("REJECTED", "low", "unknown")
    assert verdict.reasons == ["NO_CARD"]
    assert (verdict.card, verdict.other_cards) == (None, ())


def test_a_grey_picture_of_no_card_is_no_copy_of_one() -> None:
    grey = replace(FINE, chroma=0.0)
    assert judged(risk=None, measures=grey).reasons == ["NO_CARD"]
    verdict = judged(risk="copy", measures=grey)
    assert (verdict.reasons, verdict.risk) == (["NO_CARD", "PHOTOCOPY"], "suspected")


def test_one_field_is_a_card() -> None:
    verdict = judged(ChineseIdPortrait(name="张样例"))
    assert (verdict.status, verdict.reasons) == ("RECOGNIZED", ["FIELD_MISSING"])


@pytest.mark.parametrize("reason", [r for r in Reason if r.startswith("IMAGE_") and r not in QUALITY | RISK])
def test_a_refused_image(reason: Reason) -> None:
    verdict = refused(reason)
    assert verdict == Verdict("REJECTED", "unknown", "unknown", verdict.findings)
    assert verdict.reasons == [reason.value]
    assert refused(Reason.PROVIDER_REJECTED_IMAGE, "ctyun").findings[0].source == "ctyun"


# the picture ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "fine", "beyond", "expected"),
    [
        ("sharpness", 100.0, 99.9, "IMAGE_BLURRED"), ("brightness", 60.0, 59.9, "IMAGE_UNDEREXPOSED"),
        ("glare_share", 0.015, 0.0151, "IMAGE_GLARE"),
    ],
)  # fmt: skip
def test_both_sides_of_every_threshold(measure: str, fine: float, beyond: float, expected: str) -> None:
    good, bad = (judged(PORTRAIT, measures=replace(FINE, **{measure: value})) for value in (fine, beyond))
    assert (good.reasons, good.quality, good.risk) == ([], "good", "none")
    assert (bad.reasons, bad.quality, bad.risk) == ([expected], "low", "none")
    (finding,) = bad.findings
    assert finding.as_item() == {
        "reason": expected, "source": "measure", "signal": measure, "value": f"{beyond:g}", "threshold": f"{fine:g}",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("burnt", "inside", "sharpness", "expected"),
    [
        (0.5, 0.5, 600.0, ["IMAGE_GLARE"]), (0.5001, 0.5001, 600.0, ["IMAGE_OVEREXPOSED"]),
        # a white ground that reaches the edge is none, unless nothing sharp is left
        (0.9, 0.0, 600.0, []), (0.9, 0.0, 59.9, ["IMAGE_OVEREXPOSED"]),
    ],
)  # fmt: skip
def test_what_is_burnt_out(burnt: float, inside: float, sharpness: float, expected: list[str]) -> None:
    measures = replace(FINE, burnt_share=burnt, glare_share=inside, sharpness=sharpness)
    assert judged(PORTRAIT, measures=measures).reasons == expected


def test_in_the_dark_and_the_glare_the_other_measures_mean_nothing() -> None:
    dark = replace(FINE, brightness=20.0, sharpness=5.0, chroma=0.0)
    assert judged(PORTRAIT, measures=dark, risk=None).reasons == ["IMAGE_UNDEREXPOSED"]
    burnt = replace(FINE, burnt_share=0.9, glare_share=0.9, chroma=0.0)
    assert judged(PORTRAIT, measures=burnt, risk=None).reasons == ["IMAGE_OVEREXPOSED"]


# copies, and what the provider says -----------------------------------------------------------------------------------


def test_a_grey_picture_is_a_copy_where_the_provider_says_nothing() -> None:
    grey = replace(FINE, chroma=2.4)
    assert judged(PORTRAIT, measures=replace(FINE, chroma=2.5), risk=None).reasons == []
    verdict = judged(PORTRAIT, measures=grey, risk=None)
    assert (verdict.reasons, verdict.quality, verdict.risk) == (["PHOTOCOPY"], "good", "suspected")
    assert judged(PORTRAIT, measures=grey, risk="normal").reasons == []
    assert judged(PORTRAIT, measures=grey, risk="unknown").reasons == ["PHOTOCOPY"]


@pytest.mark.parametrize(
    ("risk", "expected", "level"),
    [
        ("normal", [], "none"), ("NORMAL", [], "none"), ("copy", ["PHOTOCOPY"], "suspected"),
        ("Photocopy", ["PHOTOCOPY"], "suspected"), ("复印件", ["PHOTOCOPY"], "suspected"),
        ("screen", ["PROVIDER_RISK"], "suspected"), ("翻拍", ["PROVIDER_RISK"], "suspected"),
        ("1", ["PROVIDER_RISK"], "suspected"), ("unknown", [], "none"), ("未知", [], "none"), (None, [], "none"),
    ],
)  # fmt: skip
def test_the_providers_risk(risk: str | None, expected: list[str], level: str) -> None:
    verdict = judged(PORTRAIT, risk=risk)
    assert (verdict.reasons, verdict.risk) == (expected, level)
    assert all(finding.source == "ctyun" for finding in verdict.findings)


def test_the_providers_own_words_do_not_get_into_the_record() -> None:
    verdict = judged(PORTRAIT, risk="张样例 990105199003070037")
    assert verdict.reasons == ["PROVIDER_RISK"]
    assert "张样例" not in str(verdict.findings)


def test_risk_is_none_only_where_something_was_checked() -> None:
    dark = replace(FINE, brightness=20.0)  # no colour to judge by
    assert judged(BACK, measures=dark, risk=None).risk == "unknown"
    assert judged(changed(PORTRAIT, id_number="990105900307003"), measures=dark, risk=None).risk == "unknown"
    assert judged(
        changed(FRONT, check_character=None, issue_date=None, expiry_date=None), measures=dark, risk=None
    ).risk == ("unknown")
    assert (
        judged(changed(EMBLEM, valid_from=None, valid_to=None, long_term=True), measures=dark, risk=None).risk
        == "unknown"
    )
    assert judged(PORTRAIT, measures=dark, risk=None).risk == "none"
    assert judged(EMBLEM, measures=dark, risk=None).risk == "none"
    assert judged(BACK, measures=dark, risk="normal").risk == "none"
    assert judged(BACK, measures=FINE, risk=None).risk == "none"


# all of it ------------------------------------------------------------------------------------------------------------

CARDS = st.sampled_from(CLEAN).flatmap(
    lambda card: st.sets(st.sampled_from(sorted(type(card).model_fields.keys() - {"country", "document_type", "side"})))
    .map(lambda gone: card.model_copy(update=dict.fromkeys(gone)))
)  # fmt: skip
MEASURES = st.builds(
    Measures, sharpness=st.floats(0, 2000), brightness=st.floats(0, 255), burnt_share=st.floats(0, 1),
    glare_share=st.floats(0, 1), chroma=st.floats(0, 100),
)  # fmt: skip


@given(
    st.lists(CARDS, max_size=3), MEASURES, st.sampled_from([None, "normal", "copy", "unknown", "strange"]),
    st.builds(Claim, side=st.sampled_from([None, "portrait", "emblem", "front", "back"])),
    st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)),  # noqa: DTZ001 - the zone is added below
)  # fmt: skip
def test_a_verdict_is_consistent(
    cards: list[Card], measures: Measures, risk: str | None, claim: Claim, moment: datetime
) -> None:
    verdict = judged(*cards, measures=measures, risk=risk, claim=claim, now=moment.replace(tzinfo=UTC))
    reasons = {Reason(reason) for reason in verdict.reasons}
    assert verdict.reasons == sorted(set(verdict.reasons))
    assert (verdict.quality == "low") == bool(reasons & QUALITY)
    assert (verdict.risk == "suspected") == bool(reasons & RISK)
    assert (verdict.status == "RECOGNIZED") == (verdict.card is not None) == (Reason.NO_CARD not in reasons)
    assert verdict.card is not None or (verdict.risk != "none" and verdict.quality == "low")
    read = {str(value) for card in cards for value in card.values().values() if len(str(value)) > 3}
    read -= {"portrait", "emblem", "front", "back"}  # sides are named
    said = str([finding.as_item() for finding in verdict.findings])
    assert not any(value in said for value in read)


def test_what_a_verdict_shows_in_a_log_is_no_identity_data() -> None:
    assert not re.search("张样例|990105", repr(judged(PORTRAIT, EMBLEM)))


def test_the_groups_of_reasons_are_the_contracts() -> None:
    quality = """IMAGE_BLURRED IMAGE_OVEREXPOSED IMAGE_GLARE IMAGE_UNDEREXPOSED CARD_INCOMPLETE CARD_COVERED
        FIELD_MISSING NO_CARD OTHER_DOCUMENT UNKNOWN_PHOTO_STATUS"""
    risk = """PHOTOCOPY SCREEN_RECAPTURE TEMPORARY_CARD IMAGE_EDITED PROVIDER_RISK ID_NUMBER_INVALID
        ID_NUMBER_BIRTH_MISMATCH ID_NUMBER_SEX_MISMATCH CARD_EXPIRED CARD_NOT_YET_VALID VALIDITY_TERM_UNUSUAL
        DATE_IMPOSSIBLE SIDES_DISAGREE NUMBER_SEEN_IN_OTHER_CASE IMAGE_SEEN_IN_OTHER_CASE"""
    neither = """SIDE_REVERSED ID_NUMBER_NOT_CHECKABLE SEVERAL_CARDS IMAGE_UNSUPPORTED IMAGE_TOO_LARGE IMAGE_TOO_SMALL
        IMAGE_CORRUPT PROVIDER_REJECTED_IMAGE PROVIDER_UNAVAILABLE PROVIDER_REFUSED_REQUEST ANSWER_UNREADABLE
        PROCESSING_CRASHED WAITED_TOO_LONG PROVIDER_THROTTLED PROVIDER_MISCONFIGURED PROVIDER_QUOTA SPENDING_CAP"""
    assert {reason.value for reason in QUALITY} == set(quality.split())
    assert {reason.value for reason in RISK} == set(risk.split())
    assert {reason.value for reason in set(Reason) - QUALITY - RISK} == set(neither.split())
    assert all(reason.name == reason.value for reason in Reason)
