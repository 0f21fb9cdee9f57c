"""The published record, for consumers in Python: `parse_record(table.get_item(...)["Item"])` gives a typed record.

For consumers, the generator of schemas/ and tests. The functions never import it: models cost time at their start.
What a record holds beyond this is the service's own, and may change any day. Fields that a later version adds are
ignored here, so that an older copy of this module reads newer records.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)

from cardintake.cards import models
from cardintake.reason_texts import FAILED, NEITHER, REJECTED, WAITING
from cardintake.reasons import QUALITY, RISK, in_order

# what may become more without notice: known values, and the form of those to come -------------------------------------

_CODE = "^[A-Z][A-Z0-9_]*$"
_NAME = "^[a-z][a-z0-9_]*$"

PROVIDERS = ("ctyun", "waiqin365", "huaweicloud", "ihuyi", "accuauth")


def _open(known: list[str], form: str, description: str) -> WithJsonSchema:
    described = [{"enum": known}, {"type": "string", "pattern": form}]
    return WithJsonSchema({"anyOf": described, "description": description})


type ReasonCode = Annotated[
    str,
    StringConstraints(pattern=_CODE),
    _open(
        in_order(QUALITY | RISK | NEITHER | REJECTED),
        _CODE,
        "A reason code of docs/reasons.md. More may be added; none changes its meaning.",
    ),
]
type FailureCode = Annotated[
    str,
    StringConstraints(pattern=_CODE),
    _open(in_order(FAILED), _CODE, "The reason code of a failure. More may be added; none changes its meaning."),
]
type WaitingCode = Annotated[
    str,
    StringConstraints(pattern=_CODE),
    _open(in_order(WAITING), _CODE, "What a scan can wait for. More may be added; none changes its meaning."),
]
type ProviderName = Annotated[
    str, StringConstraints(pattern=_NAME), _open(list(PROVIDERS), _NAME, "A provider's name. More may be added.")
]

# the vocabulary that records and events share -------------------------------------------------------------------------

type Quality = Literal["good", "low", "unknown"]
type Risk = Literal["none", "suspected", "unknown"]

Moment = Annotated[
    AwareDatetime,
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$",
        }
    ),
]
RecordId = Annotated[
    str,
    Field(
        pattern="^scan_[0-9a-f]{32}$",
        description="`scan_` and the first 32 hexadecimal digits of SHA-256 over `bucket/key`.",
    ),
]
CaseId = Annotated[
    str, Field(min_length=1, description="The last folder of the object's key, where that names a case.")
]
QualityField = Annotated[
    Quality, Field(description="`low`: a quality reason is present. `good`: the picture was judged, and is.")
]
RiskField = Annotated[
    Risk, Field(description="`suspected`: a risk reason is present. `none`: at least one risk check could run.")
]
Reasons = Annotated[
    tuple[ReasonCode, ...],
    Field(
        json_schema_extra={"uniqueItems": True},
        description="Reason codes, sorted, without duplicates; empty when there is nothing to say.",
    ),
]

# the card -------------------------------------------------------------------------------------------------------------

_CARD_FIELDS = {
    "country": "The card's issuer.",
    "document_type": "What kind of card it is.",
    "side": "Which side of it.",
    "edition": "Old (blue) or new (electronic) edition.",
    "name": "姓名: the holder's full name.",
    "sex": "The holder's sex as printed: `M` or `F`.",
    "ethnicity": "民族, bare: 汉, not 汉族.",
    "birth_date": "The holder's date of birth.",
    "birth_place": "Place of birth, as printed; often a code (ubigeo).",
    "address": "The holder's address, in one line.",
    "id_number": "The holder's number as read, also when it is masked, old, or fails its check.",
    "issuing_authority": "签发机关: the office that issued the card.",
    "valid_from": "First day of validity.",
    "valid_to": "Last day of validity; absent on a long-term card.",
    "long_term": "长期: valid without end. Present only when true.",
    "check_character": "The character printed after the number's dash: a digit, or a letter on older cards.",
    "given_names": "Prenombres: the holder's given names.",
    "paternal_surname": "Primer apellido.",
    "maternal_surname": "Segundo apellido.",
    "surname": "Apellidos: all surnames in one.",
    "marital_status": "Estado civil.",
    "issue_date": "Date of issue.",
    "expiry_date": "Last day of validity; absent on a card that does not expire.",
    "no_expiry": "NO CADUCA: valid without end. Present only when true.",
    "registration_date": "Fecha de inscripción: date of registration.",
    "election_number": "Grupo de votación.",
    "organ_donor": "Donación de órganos: whether the holder wishes to donate.",
    "department": "Departamento of the address.",
    "province": "Provincia of the address.",
    "district": "Distrito of the address.",
    "document_number": "The number of the document itself.",
    "nationality": "The printed word.",
    "migratory_quality": "Calidad migratoria, as printed.",
}


def _described(schema: dict[str, Any]) -> None:
    for name, field in schema["properties"].items():
        field["description"] = _CARD_FIELDS[name]


_CARD = ConfigDict(extra="ignore", json_schema_extra=_described)


class ChineseIdPortrait(models.ChineseIdPortrait):
    """Portrait side of the Chinese resident identity card (居民身份证). What was not read is absent."""

    model_config = _CARD


class ChineseIdEmblem(models.ChineseIdEmblem):
    """Emblem side of the Chinese resident identity card (居民身份证). What was not read is absent."""

    model_config = _CARD


class PeruvianDniFront(models.PeruvianDniFront):
    """Front of the Peruvian DNI, old and new. What was not read is absent."""

    model_config = _CARD


class PeruvianDniBack(models.PeruvianDniBack):
    """Back of the Peruvian DNI, old and new. What was not read is absent."""

    model_config = _CARD


class PeruvianForeignerCardFront(models.PeruvianForeignerCardFront):
    """Front of the Peruvian foreigner's card (carné de extranjería). What was not read is absent."""

    model_config = _CARD


def _kind(card: Any) -> str:
    if isinstance(card, Mapping):
        return f"{card.get('document_type')}/{card.get('side')}"
    return f"{getattr(card, 'document_type', None)}/{getattr(card, 'side', None)}"


type Card = Annotated[
    Annotated[ChineseIdPortrait, Tag("cn_resident_id/portrait")]
    | Annotated[ChineseIdEmblem, Tag("cn_resident_id/emblem")]
    | Annotated[PeruvianDniFront, Tag("pe_dni/front")]
    | Annotated[PeruvianDniBack, Tag("pe_dni/back")]
    | Annotated[PeruvianForeignerCardFront, Tag("pe_foreigner_card/front")],
    Discriminator(_kind),
]


class Finding(BaseModel):
    """What a reason rests on. Never identity data."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True)

    reason: ReasonCode
    """The code that follows from it."""
    source: str
    """Who says so: a provider's name, `measure` (ours, of the picture), `card` (ours, of what was read) or `case`."""
    signal: str
    """What was looked at: a provider's signal under its documented name, a measure, or a field's name."""
    value: str | None = None
    """What it was."""
    threshold: str | None = None
    """What would have been accepted, or what was claimed."""


# the record, by status ------------------------------------------------------------------------------------------------


def _with_absent(schema: dict[str, Any], model: type[Any]) -> None:
    schema["properties"] |= dict.fromkeys(model.absent, False)


class _Record(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        json_schema_extra=_with_absent,
    )

    # published attributes of other statuses, which a record of this one never has
    absent: ClassVar[tuple[str, ...]] = ()

    record_id: RecordId
    sequencer: Annotated[str, Field(min_length=1)]
    """S3's sequencer of the event that was heard last, padded so that text comparison orders uploads of one key."""
    updated_at: Moment
    """When the record was written last; ISO 8601, UTC."""
    expires_at: Annotated[int, Field(ge=0)]
    """When the item ends, in epoch seconds: the table's time to live."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_of_another_status(cls, item: Any) -> Any:
        present = [name for name in cls.absent if isinstance(item, Mapping) and name in item]
        if present:
            raise ValueError(f"a record of this status has no {', '.join(present)}")
        return item


class _OfObject(_Record):
    bucket: Annotated[str, Field(min_length=1, repr=False)]
    """The bucket of the scan."""
    key: Annotated[str, Field(min_length=1, repr=False)]
    """The object's key: may hold names, since people write them; keep it out of logs."""
    version_id: str | None = None
    """The object's version, in a bucket that has versions."""
    case_id: CaseId | None = None
    paid_calls: Annotated[int, Field(ge=0)]
    """Provider calls of this record that may be billed; 0 when a stored answer served."""
    uncertain_calls: Annotated[int, Field(ge=0)]
    """Those among them whose answer was not seen."""
    attempts: Annotated[int, Field(ge=0)]
    """Attempts that counted; waiting for a provider is none."""
    schema_version: Literal[1]
    """Changes when a consumer of the version before would not understand the record."""
    created_at: Moment
    """When this upload was begun; ISO 8601, UTC."""


class _Judged(_OfObject):
    """Known of every object that was read to its end."""

    etag: Annotated[str, Field(min_length=1)]
    """The ETag of the object that was read, without quotes."""
    size: Annotated[int, Field(ge=0)]
    """Its size in bytes."""
    reasons: Reasons
    findings: tuple[Finding, ...] | None = None
    """What each reason rests on."""
    provider_request_id: str | None = None
    """The provider's own id of its answer, where it has one."""
    portrait_key: Annotated[str | None, Field(min_length=1)] = None
    """Key in the answers bucket of the portrait that was cut out, when the provider's options ask for it."""
    card_image_key: Annotated[str | None, Field(min_length=1)] = None
    """Key in the answers bucket of the card that was cut out, when the provider's options ask for it."""


_SHA256 = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the object's bytes, hexadecimal.")


class ProcessingRecord(_OfObject):
    """Being read, or waiting: then `waiting_for` says for what."""

    absent = (
        "provider", "provider_request_id", "recognized_at", "card", "other_cards", "quality", "risk", "reasons",
        "findings", "portrait_key", "card_image_key",
    )  # fmt: skip

    status: Literal["PROCESSING"]
    """Not finished."""
    etag: Annotated[str | None, Field(min_length=1)] = None
    """The ETag that the upload's event told, without quotes."""
    size: Annotated[int | None, Field(ge=0)] = None
    """The size in bytes that the upload's event told."""
    content_sha256: Annotated[str | None, _SHA256] = None
    waiting_for: WaitingCode | None = None
    """What the scan waits for."""
    waiting_since: Annotated[int | None, Field(ge=0)] = None
    """Since when, in epoch seconds."""


class RecognizedRecord(_Judged):
    """A provider read at least one field of a card."""

    absent = ("waiting_for", "waiting_since")

    status: Literal["RECOGNIZED"]
    """A card was read."""
    content_sha256: Annotated[str, _SHA256]
    provider: ProviderName
    """Who read it."""
    recognized_at: Moment
    """When the provider answered; ISO 8601, UTC."""
    card: Annotated[Card, Field(repr=False)]
    """What was read, normalised: identity data."""
    other_cards: Annotated[tuple[Card, ...] | None, Field(min_length=1, repr=False)] = None
    """What else was read in the same picture, when it shows several cards or sides."""
    quality: QualityField
    risk: RiskField


class RejectedRecord(_Judged):
    """This image cannot be read, and paying again would not help: refused, or without a card that can be read."""

    absent = ("card", "other_cards", "waiting_for", "waiting_since")

    status: Literal["REJECTED"]
    """No card can be read from this image."""
    content_sha256: Annotated[str | None, _SHA256] = None
    provider: ProviderName | None = None
    """Who looked at it; absent when it was refused before any provider was asked."""
    recognized_at: Moment | None = None
    """When the provider answered; ISO 8601, UTC."""
    quality: Annotated[Literal["low", "unknown"], Field(description="`low`: a quality reason is present.")]
    risk: Annotated[Literal["suspected", "unknown"], Field(description="`suspected`: a risk reason is present.")]


class FailedRecord(_OfObject):
    """Given up. Only an explicit redrive reopens it."""

    absent = (
        "provider", "provider_request_id", "recognized_at", "card", "other_cards", "quality", "risk", "findings",
        "portrait_key", "card_image_key", "waiting_for", "waiting_since",
    )  # fmt: skip

    status: Literal["FAILED"]
    """Given up."""
    etag: Annotated[str | None, Field(min_length=1)] = None
    """The ETag of the object, without quotes, where it is known."""
    size: Annotated[int | None, Field(ge=0)] = None
    """Its size in bytes, where it is known."""
    content_sha256: Annotated[str | None, _SHA256] = None
    reasons: Annotated[
        tuple[FailureCode, ...],
        Field(min_length=1, json_schema_extra={"uniqueItems": True}, description="Why it was given up."),
    ]


class ErasedRecord(_Record):
    """The scan was deleted, and everything read from it with it. Neither key nor case is kept."""

    absent = (
        "bucket", "key", "etag", "size", "version_id", "case_id", "content_sha256", "provider", "provider_request_id",
        "recognized_at", "card", "other_cards", "quality", "risk", "reasons", "findings", "portrait_key",
        "card_image_key", "paid_calls", "uncertain_calls", "attempts", "waiting_for", "waiting_since",
        "schema_version", "created_at",
    )  # fmt: skip

    status: Literal["ERASED"]
    """Erased; this item is what remains against late deliveries."""


type Record = Annotated[
    ProcessingRecord | RecognizedRecord | RejectedRecord | FailedRecord | ErasedRecord, Field(discriminator="status")
]


@cache
def record_adapter() -> TypeAdapter[Record]:
    """Validates and describes records of every status."""
    return TypeAdapter(Record, config=ConfigDict(hide_input_in_errors=True))  # the models' own is not asked for it


def parse_record(item: Mapping[str, Any]) -> Record:
    """A `scan_` item, as boto3's table resource returns it, or as plain JSON. Raises pydantic's ValidationError."""
    return record_adapter().validate_python(item)
