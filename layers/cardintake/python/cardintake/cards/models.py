"""The normalised card, one model for each document and side; `Card` is the union of them.

A value that was not read is `None` here and absent in the record; nothing is ever `""` and nothing is guessed.
Dates are calendar dates without a zone. Booleans that mean "without end" are present only when true.
"""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

type Country = Literal["CHN", "PER"]
type DocumentType = Literal["cn_resident_id", "pe_dni", "pe_foreigner_card"]
type Side = Literal["portrait", "emblem", "front", "back"]
type Sex = Literal["M", "F"]
type MaritalStatus = Literal["single", "married", "divorced", "widowed"]
type Edition = Literal["old", "new"]

COUNTRY_OF: dict[DocumentType, Country] = {"cn_resident_id": "CHN", "pe_dni": "PER", "pe_foreigner_card": "PER"}

# Longer than anything that a card bears; a longer "value" is not a reading.
MAX_TEXT = 300

Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    # What this side always bears, in groups: one without any of its fields read is FIELD_MISSING.
    always_bears: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Names of what was read, and no values: a representation ends up in logs."""
        yield "read", sorted(name for name, value in self if value is not None)

    def missing_fields(self) -> list[str]:
        """Names of the fields that this side always bears and that were not read."""
        return [group[0] for group in self.always_bears if all(getattr(self, name) is None for name in group)]

    def values(self) -> dict[str, object]:
        """What was read, as JSON values: ISO dates, no absent member."""
        return self.model_dump(mode="json", exclude_none=True)


class ChineseIdPortrait(_Card):
    """Portrait side of the resident identity card of the People's Republic of China (居民身份证)."""

    country: Literal["CHN"] = "CHN"
    document_type: Literal["cn_resident_id"] = "cn_resident_id"
    side: Literal["portrait"] = "portrait"
    name: Text | None = None
    sex: Sex | None = None
    ethnicity: Text | None = None
    birth_date: date | None = None
    address: Text | None = None
    id_number: Text | None = None

    always_bears = (("name",), ("sex",), ("ethnicity",), ("birth_date",), ("address",), ("id_number",))


class ChineseIdEmblem(_Card):
    """Emblem side of the Chinese resident identity card; `long_term` is 长期."""

    country: Literal["CHN"] = "CHN"
    document_type: Literal["cn_resident_id"] = "cn_resident_id"
    side: Literal["emblem"] = "emblem"
    issuing_authority: Text | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    long_term: Literal[True] | None = None

    always_bears = (("issuing_authority",), ("valid_from",), ("valid_to", "long_term"))


class PeruvianDniFront(_Card):
    """Front of the Peruvian documento nacional de identidad, old and new; `no_expiry` is NO CADUCA."""

    country: Literal["PER"] = "PER"
    document_type: Literal["pe_dni"] = "pe_dni"
    side: Literal["front"] = "front"
    edition: Edition | None = None
    id_number: Text | None = None
    check_character: Text | None = None
    given_names: Text | None = None
    paternal_surname: Text | None = None
    maternal_surname: Text | None = None
    sex: Sex | None = None
    marital_status: MaritalStatus | None = None
    birth_date: date | None = None
    birth_place: Text | None = None
    issue_date: date | None = None
    expiry_date: date | None = None
    no_expiry: Literal[True] | None = None
    registration_date: date | None = None
    election_number: Text | None = None
    organ_donor: bool | None = None

    always_bears = (
        ("id_number",), ("given_names",), ("paternal_surname",), ("maternal_surname",), ("sex",), ("birth_date",),
    )  # fmt: skip


class PeruvianDniBack(_Card):
    """Back of the Peruvian DNI, old and new."""

    country: Literal["PER"] = "PER"
    document_type: Literal["pe_dni"] = "pe_dni"
    side: Literal["back"] = "back"
    edition: Edition | None = None
    address: Text | None = None
    department: Text | None = None
    province: Text | None = None
    district: Text | None = None
    election_number: Text | None = None
    organ_donor: bool | None = None

    always_bears = (("address",),)


class PeruvianForeignerCardFront(_Card):
    """Front of the Peruvian foreigner's card (carné de extranjería)."""

    country: Literal["PER"] = "PER"
    document_type: Literal["pe_foreigner_card"] = "pe_foreigner_card"
    side: Literal["front"] = "front"
    id_number: Text | None = None
    document_number: Text | None = None
    surname: Text | None = None
    given_names: Text | None = None
    sex: Sex | None = None
    marital_status: MaritalStatus | None = None
    birth_date: date | None = None
    issue_date: date | None = None
    expiry_date: date | None = None
    nationality: Text | None = None
    migratory_quality: Text | None = None

    always_bears = (("id_number",), ("surname",), ("given_names",), ("sex",), ("birth_date",))


ChineseId = Annotated[ChineseIdPortrait | ChineseIdEmblem, Field(discriminator="side")]
PeruvianDni = Annotated[PeruvianDniFront | PeruvianDniBack, Field(discriminator="side")]
Card = Annotated[ChineseId | PeruvianDni | PeruvianForeignerCardFront, Field(discriminator="document_type")]
