"""The published events, for consumers in Python: `parse_event(event)` makes what EventBridge delivered a typed event.

    event = parse_event(delivered)                     # a rule's target, or the body of its queue's message
    if isinstance(event, CardLowQuality) and "IMAGE_GLARE" in event.data.reasons: ...

For consumers, the generator of schemas/ and tests. The functions never import it: models cost time at their start.
An event carries no identity data and no object key. The same fact may be delivered twice, then with the same
`metadata.event_id`. Fields that a later version adds are ignored here, so that an older copy of this module reads
newer events.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from cardintake.cards.models import DocumentType, Side
from cardintake.record_model import (
    CaseId,
    FailureCode,
    Moment,
    ProviderName,
    Quality,
    QualityField,
    Reasons,
    RecordId,
    Risk,
    RiskField,
)

SOURCE = "cardintake"


class UnknownEventError(ValueError):
    """An event of another source, or of a type that this version does not know: to be ignored by most consumers."""


class _Published(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True)


class Metadata(_Published):
    """What every event carries."""

    event_id: Annotated[str, Field(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    """The same at every delivery of the same fact: drop repeats by it."""
    schema_version: Literal[1]
    """Changes when a consumer of the version before would not understand the event."""
    occurred_at: Moment
    """When it came to be so; ISO 8601, UTC."""


class _Event(_Published):
    detail_type: ClassVar[str]

    metadata: Metadata
    """Which fact, in which form, since when."""


# of a record ----------------------------------------------------------------------------------------------------------

_DocumentType = Annotated[DocumentType, Field(description="What kind of card was read.")]
_Side = Annotated[Side, Field(description="Which side of it was read.")]


class _OfRecord(_Published):
    record_id: RecordId
    case_id: CaseId | None = None


class _OfReading(_OfRecord):
    provider: ProviderName | None = None
    """Who looked at the picture; absent when it was refused before any provider was asked."""
    document_type: _DocumentType | None = None
    side: _Side | None = None
    reasons: Reasons


class LowQualityData(_OfReading):
    """A card, or an image without one, whose picture is not good enough."""

    status: Literal["RECOGNIZED", "REJECTED"]
    """Whether something could be read all the same."""
    quality: Literal["low"]
    """A quality reason is present."""
    risk: RiskField


class RiskData(_OfReading):
    """A card, or an image without one, that a person should look at."""

    status: Literal["RECOGNIZED", "REJECTED"]
    """Whether a card could be read."""
    quality: QualityField
    risk: Literal["suspected"]
    """A risk reason is present."""


class RejectedData(_OfReading):
    """An image that cannot be read."""

    status: Literal["REJECTED"]
    """No card can be read from this image."""
    quality: Literal["low", "unknown"]
    """`low`: a quality reason is present."""
    risk: Literal["suspected", "unknown"]
    """`suspected`: a risk reason is present."""


class FailedData(_OfRecord):
    """A scan that was given up."""

    status: Literal["FAILED"]
    """Given up; only a redrive reopens it."""
    quality: Literal["unknown"]
    """Nothing was read."""
    risk: Literal["unknown"]
    """Nothing was read."""
    reasons: Annotated[
        tuple[FailureCode, ...],
        Field(min_length=1, json_schema_extra={"uniqueItems": True}, description="Why it was given up."),
    ]


class RecognizedData(_OfRecord):
    """A card that was read."""

    status: Literal["RECOGNIZED"]
    """A card was read."""
    provider: ProviderName
    """Who read it."""
    document_type: _DocumentType
    side: _Side
    quality: QualityField
    risk: RiskField
    reasons: Reasons


class ErasedData(_OfRecord):
    """A scan that was deleted."""

    status: Literal["ERASED"]
    """The record, the stored answers and what was cut out are gone."""
    quality: Literal["unknown"]
    """Nothing is known any more."""
    risk: Literal["unknown"]
    """Nothing is known any more."""
    reasons: Annotated[Reasons, Field(max_length=0, description="Always empty.")]


class CardLowQuality(_Event):
    """A record became `RECOGNIZED` or `REJECTED` with `quality` = `low`."""

    detail_type = "Card Low Quality"
    data: LowQualityData
    """What became known of the record."""


class CardRiskSuspected(_Event):
    """A record became `RECOGNIZED` or `REJECTED` with `risk` = `suspected`."""

    detail_type = "Card Risk Suspected"
    data: RiskData
    """What became known of the record."""


class CardRejected(_Event):
    """A record became `REJECTED`: this image cannot be read."""

    detail_type = "Card Rejected"
    data: RejectedData
    """What became known of the record."""


class CardFailed(_Event):
    """A record became `FAILED`: given up after retries or waiting."""

    detail_type = "Card Failed"
    data: FailedData
    """What became known of the record."""


class CardRecognized(_Event):
    """A record became `RECOGNIZED`. Only with `Announce` = `all`."""

    detail_type = "Card Recognized"
    data: RecognizedData
    """What became known of the record."""


class CardErased(_Event):
    """A scan was removed, and everything read from it has been deleted."""

    detail_type = "Card Erased"
    data: ErasedData
    """Which record it was."""


# of a case ------------------------------------------------------------------------------------------------------------


class CaseData(_Published):
    """A case that holds both sides of a card."""

    case_id: CaseId
    records: Annotated[tuple[RecordId, ...], Field(min_length=2, json_schema_extra={"uniqueItems": True})]
    """The records of the sides."""
    document_type: _DocumentType
    quality: Quality
    """The worst of the sides: `low`, else `unknown`, else `good`."""
    risk: Risk
    """The worst of the sides: `suspected`, else `unknown`, else `none`."""
    reasons: Reasons


class CaseComplete(_Event):
    """A record completed its case: both sides of a card are there. Only with `AnnounceCases` = `true`."""

    detail_type = "Case Complete"
    data: CaseData
    """What the sides come to together."""


# of a provider --------------------------------------------------------------------------------------------------------

_BALANCE = "How many recognitions are left, where the provider said so."


class _OfProvider(_Published):
    provider: ProviderName
    """Which provider it is about."""


class UnavailableData(_OfProvider):
    """A provider that breaks off."""

    error_class: Literal["unavailable"]
    """It cannot be reached, or fails."""


class QuotaData(_OfProvider):
    """A provider that will not read for want of quota, or soon."""

    error_class: Literal["quota"]
    """What was bought is used up, or will be."""
    balance: Annotated[int | None, Field(ge=0, description=_BALANCE)] = None


class MisconfiguredData(_OfProvider):
    """A provider that refuses us."""

    error_class: Literal["configuration"]
    """It refuses our credentials, permission or path, or its member of the secret is wrong."""


class RecoveredData(_OfProvider):
    """A provider whose trouble is over."""

    error_class: Literal["unavailable", "quota", "configuration"]
    """Which trouble it was."""
    balance: Annotated[int | None, Field(ge=0, description=_BALANCE)] = None


class ProviderUnavailable(_Event):
    """A provider broke off several times in a row. Once, until that is over."""

    detail_type = "Provider Unavailable"
    data: UnavailableData
    """Which provider, and why."""


class ProviderQuotaLow(_Event):
    """What was bought from a provider is used up, or runs out. Once, until that is over."""

    detail_type = "Provider Quota Low"
    data: QuotaData
    """Which provider, and what is left."""


class ProviderMisconfigured(_Event):
    """A provider refuses our credentials, permission or path. Once, until that is over."""

    detail_type = "Provider Misconfigured"
    data: MisconfiguredData
    """Which provider, and why."""


class ProviderRecovered(_Event):
    """A trouble of a provider that was announced is over."""

    detail_type = "Provider Recovered"
    data: RecoveredData
    """Which provider, and which trouble."""


type CardEvent = CardLowQuality | CardRiskSuspected | CardRejected | CardFailed | CardRecognized | CardErased
type ProviderEvent = ProviderUnavailable | ProviderQuotaLow | ProviderMisconfigured | ProviderRecovered
type Event = CardEvent | CaseComplete | ProviderEvent

EVENTS: tuple[type[Event], ...] = (
    CardLowQuality, CardRiskSuspected, CardRejected, CardFailed, CardRecognized, CardErased, CaseComplete,
    ProviderUnavailable, ProviderQuotaLow, ProviderMisconfigured, ProviderRecovered,
)  # fmt: skip
_BY_TYPE: Mapping[object, type[Event]] = {event.detail_type: event for event in EVENTS}


def parse_event(event: Mapping[str, Any]) -> Event:
    """An event as EventBridge delivers it (`source`, `detail-type`, `detail`).

    Raises UnknownEventError for an event that this version does not know, and pydantic's ValidationError for one that
    is not as published.
    """
    known = _BY_TYPE.get(event.get("detail-type"))
    if known is None or event.get("source") != SOURCE:
        raise UnknownEventError("not an event of cardintake that this version knows")
    return known.model_validate(event.get("detail"))
