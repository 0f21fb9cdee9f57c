"""The normalised card: what each side may hold, must bear, and says in the record."""

import json
from datetime import date
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from cardintake.cards import models
from cardintake.cards.models import (
    COUNTRY_OF,
    MAX_TEXT,
    Card,
    ChineseIdEmblem,
    ChineseIdPortrait,
    DocumentType,
    PeruvianDniBack,
    PeruvianDniFront,
    PeruvianForeignerCardFront,
)

UNION: TypeAdapter[Card] = TypeAdapter(Card)
CN, PE = {"country": "CHN"}, {"country": "PER"}

# the table of the record's contract
FIELDS: dict[tuple[str, str], tuple[type[models._Card], str, str]] = {
    ("cn_resident_id", "portrait"): (
        ChineseIdPortrait, "name sex ethnicity birth_date address id_number",
        "name sex ethnicity birth_date address id_number",
    ),
    ("cn_resident_id", "emblem"): (
        ChineseIdEmblem, "issuing_authority valid_from valid_to long_term", "issuing_authority valid_from valid_to",
    ),
    ("pe_dni", "front"): (
        PeruvianDniFront,
        """edition id_number check_character given_names paternal_surname maternal_surname sex marital_status birth_date
        birth_place issue_date expiry_date no_expiry registration_date election_number organ_donor""",
        "id_number given_names paternal_surname maternal_surname sex birth_date",
    ),
    ("pe_dni", "back"): (
        PeruvianDniBack, "edition address department province district election_number organ_donor", "address",
    ),
    ("pe_foreigner_card", "front"): (
        PeruvianForeignerCardFront,
        """id_number document_number surname given_names sex marital_status birth_date issue_date expiry_date
        nationality migratory_quality""",
        "id_number surname given_names sex birth_date",
    ),
}  # fmt: skip


@pytest.mark.parametrize("identity", FIELDS, ids="/".join)
def test_fields_of_every_side(identity: tuple[str, str]) -> None:
    model, fields, always = FIELDS[identity]
    assert model.model_fields.keys() - {"country", "document_type", "side"} == set(fields.split())
    empty = model()
    country = "CHN" if identity[0] == "cn_resident_id" else "PER"
    assert empty.values() == {"country": country, "document_type": identity[0], "side": identity[1]}
    assert empty.missing_fields() == always.split()


def test_every_document_type_has_its_country() -> None:
    assert dict(COUNTRY_OF) == {"cn_resident_id": "CHN", "pe_dni": "PER", "pe_foreigner_card": "PER"}
    assert set(get_args(DocumentType.__value__)) == {document_type for document_type, _ in FIELDS}


def test_a_card_is_told_by_type_and_side_and_survives_its_record() -> None:
    cards: list[Any] = [
        ChineseIdPortrait(name="张样例", sex="M", birth_date=date(1990, 3, 7)),
        ChineseIdEmblem(valid_from=date(2019, 6, 6), long_term=True),
        PeruvianDniFront(edition="new", organ_donor=False, no_expiry=True, expiry_date=None),
        PeruvianDniBack(edition="old", organ_donor=True),
        PeruvianForeignerCardFront(surname="ESPÉCIMEN", expiry_date=date(2030, 1, 1)),
    ]
    for card in cards:
        assert UNION.validate_json(json.dumps(card.values())) == card


def test_values_are_json_without_absent_members() -> None:
    assert ChineseIdEmblem(valid_from=date(2019, 6, 6), long_term=True).values() == CN | {
        "document_type": "cn_resident_id", "side": "emblem", "valid_from": "2019-06-06", "long_term": True,
    }  # fmt: skip
    assert PeruvianDniBack(organ_donor=False).values() == PE | {
        "document_type": "pe_dni", "side": "back", "organ_donor": False,
    }  # fmt: skip


def test_long_term_stands_for_the_end_date() -> None:
    assert "valid_to" not in ChineseIdEmblem(long_term=True).missing_fields()
    assert "valid_to" not in ChineseIdEmblem(valid_to=date(2039, 6, 6)).missing_fields()


@pytest.mark.parametrize(
    ("model", "bad"),
    [
        (ChineseIdPortrait, {"name": ""}), (ChineseIdPortrait, {"name": "x" * (MAX_TEXT + 1)}),
        (ChineseIdPortrait, {"sex": "X"}), (ChineseIdPortrait, {"birth_date": "1990-02-30"}),
        (ChineseIdPortrait, {"side": "front"}), (ChineseIdPortrait, {"country": "PER"}),
        (ChineseIdPortrait, {"portrait": "..."}), (ChineseIdEmblem, {"long_term": False}),
        (PeruvianDniFront, {"no_expiry": False}), (PeruvianDniFront, {"edition": "ALIEN"}),
        (PeruvianDniFront, {"marital_status": "S"}), (PeruvianDniBack, {"id_number": "99000006"}),
    ],
)  # fmt: skip
def test_what_a_card_cannot_be(model: type[Any], bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model(**bad)


def test_an_error_about_a_card_quotes_nothing_of_it() -> None:
    with pytest.raises(ValidationError) as error:
        ChineseIdPortrait(name="张样例" * 200, sex="not said")
    assert "张样例" not in str(error.value)
    assert "not said" not in str(error.value)


def test_a_card_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        ChineseIdPortrait(name="张样例").name = "李样例"  # type: ignore[misc]


def test_all_models_are_in_the_union() -> None:
    defined = {
        value for value in vars(models).values()
        if isinstance(value, type) and issubclass(value, models._Card) and value is not models._Card
    }  # fmt: skip
    assert defined == {model for model, _, _ in FIELDS.values()}
    for document_type, side in FIELDS:
        card = UNION.validate_python({"document_type": document_type, "side": side})
        assert (card.document_type, card.side) == (document_type, side)
    for strange in (
        {"document_type": "pe_dni", "side": "emblem"},
        {"document_type": "passport"},
        {"side": "front"},
        {},
    ):
        with pytest.raises(ValidationError):
            UNION.validate_python(strange)
