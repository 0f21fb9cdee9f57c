"""What the documentation promises to consumers, written down a second time, independently of the product.

The demo judges the product by it, so nothing here is imported from there. A unit test compares the two.
"""

import hashlib
from collections.abc import Collection

PROCESSING = "PROCESSING"

QUALITY_REASONS = frozenset(
    {
        "CARD_COVERED",
        "CARD_INCOMPLETE",
        "FIELD_MISSING",
        "IMAGE_BLURRED",
        "IMAGE_GLARE",
        "IMAGE_OVEREXPOSED",
        "IMAGE_UNDEREXPOSED",
        "NO_CARD",
        "OTHER_DOCUMENT",
        "UNKNOWN_PHOTO_STATUS",
    }
)
RISK_REASONS = frozenset(
    {
        "CARD_EXPIRED",
        "CARD_NOT_YET_VALID",
        "DATE_IMPOSSIBLE",
        "ID_NUMBER_BIRTH_MISMATCH",
        "ID_NUMBER_INVALID",
        "ID_NUMBER_SEX_MISMATCH",
        "IMAGE_EDITED",
        "IMAGE_SEEN_IN_OTHER_CASE",
        "NUMBER_SEEN_IN_OTHER_CASE",
        "PHOTOCOPY",
        "PROVIDER_RISK",
        "SCREEN_RECAPTURE",
        "SIDES_DISAGREE",
        "TEMPORARY_CARD",
        "VALIDITY_TERM_UNUSUAL",
    }
)


def record_id(bucket: str, key: str) -> str:
    """The record of an object: `scan_` and the first 32 hexadecimal digits of SHA-256 over `bucket/key`."""
    return "scan_" + hashlib.sha256(f"{bucket}/{key}".encode()).hexdigest()[:32]


def quality(status: str, reasons: Collection[str]) -> str:
    """`low`, `good` or `unknown`, of a picture that the product has measured if it is a picture at all."""
    if QUALITY_REASONS & set(reasons):
        return "low"
    return "good" if status == "RECOGNIZED" else "unknown"


def risk(status: str, reasons: Collection[str]) -> str:
    """`suspected`, `none` or `unknown`, of a card for which at least one check could run if it was read."""
    if RISK_REASONS & set(reasons):
        return "suspected"
    return "none" if status == "RECOGNIZED" else "unknown"


def events(status: str, quality: str | None, risk: str | None) -> frozenset[str]:
    """The detail types that a record's end has to announce, with ANNOUNCE=flagged."""
    announced = {
        "Card Low Quality": quality == "low" and status in ("RECOGNIZED", "REJECTED"),
        "Card Risk Suspected": risk == "suspected",
        "Card Rejected": status == "REJECTED",
        "Card Failed": status == "FAILED",
    }
    return frozenset(detail_type for detail_type, due in announced.items() if due)
