"""Every reason code in a sentence for people, and what a finding says about it."""

from collections.abc import Mapping

EXPLANATIONS: Mapping[str, str] = {
    "IMAGE_BLURRED": "The picture is out of focus.",
    "IMAGE_OVEREXPOSED": "Most of the picture is burnt out.",
    "IMAGE_GLARE": "A reflection covers part of the card.",
    "IMAGE_UNDEREXPOSED": "The picture is too dark.",
    "CARD_INCOMPLETE": "Part of the card is missing.",
    "CARD_COVERED": "Something lies on the card.",
    "FIELD_MISSING": "Something that this side always bears could not be read.",
    "NO_CARD": "There is no identity card in the picture.",
    "OTHER_DOCUMENT": "The picture shows another document.",
    "UNKNOWN_PHOTO_STATUS": "The provider could not judge the picture.",
    "PHOTOCOPY": "This is a copy, not the card itself.",
    "SCREEN_RECAPTURE": "This is a photo of a screen.",
    "TEMPORARY_CARD": "This is a temporary card.",
    "IMAGE_EDITED": "The picture has been edited.",
    "PROVIDER_RISK": "The provider reports a risk.",
    "ID_NUMBER_INVALID": "The number contradicts its own check digit.",
    "ID_NUMBER_BIRTH_MISMATCH": "The number says another birth date than the card.",
    "ID_NUMBER_SEX_MISMATCH": "The number says another sex than the card.",
    "CARD_EXPIRED": "The card is not valid any more.",
    "CARD_NOT_YET_VALID": "The card is not valid yet.",
    "VALIDITY_TERM_UNUSUAL": "No card is valid for such a term.",
    "DATE_IMPOSSIBLE": "A date on the card does not exist.",
    "SIDES_DISAGREE": "The two sides of the card contradict each other.",
    "NUMBER_SEEN_IN_OTHER_CASE": "The same number was seen in another case.",
    "IMAGE_SEEN_IN_OTHER_CASE": "The same picture was seen in another case.",
    "SIDE_REVERSED": "This is another side of the card than the uploader said.",
    "ID_NUMBER_NOT_CHECKABLE": "The number is masked or of an old kind: it cannot be checked.",
    "SEVERAL_CARDS": "There are several cards in the picture.",
    "IMAGE_UNSUPPORTED": "This file is no picture of a known format.",
    "IMAGE_TOO_LARGE": "The picture is too large.",
    "IMAGE_TOO_SMALL": "The picture is too small to read.",
    "IMAGE_CORRUPT": "The file is damaged or incomplete.",
    "PROVIDER_REJECTED_IMAGE": "The provider refused the picture.",
    "PROVIDER_UNAVAILABLE": "The provider did not answer.",
    "PROVIDER_REFUSED_REQUEST": "The provider called the request wrong.",
    "ANSWER_UNREADABLE": "The provider's answer could not be understood.",
    "PROCESSING_CRASHED": "Working on the scan broke off again and again.",
    "WAITED_TOO_LONG": "The provider did not become available in time.",
    "PROVIDER_THROTTLED": "The provider asks for fewer calls.",
    "PROVIDER_MISCONFIGURED": "The provider refuses our credentials or configuration.",
    "PROVIDER_QUOTA": "The provider's quota is used up.",
    "SPENDING_CAP": "The spending cap is reached.",
}

_AT_LEAST = frozenset({"sharpness", "brightness", "chroma"})
_AT_MOST = frozenset({"burnt_share", "glare_share"})


def explain(reason: str) -> str:
    """The sentence for a reason code; a code that is too new for this table explains itself."""
    return EXPLANATIONS.get(reason, reason)


def evidence(finding: Mapping[str, str]) -> str:
    """What a finding rests on: the signal, its value, what would have been accepted, and who says so."""
    signal, value, threshold = (finding.get(name, "") for name in ("signal", "value", "threshold"))
    words = signal.replace("_", " ")
    said = f"{words}: {value}" if value else words
    match finding.get("source"):
        case "measure" if signal in _AT_LEAST:
            return f"{words} {value}, wanted at least {threshold} (measured on the picture)"
        case "measure" if signal in _AT_MOST:
            return f"{words} {value}, wanted at most {threshold} (measured on the picture)"
        case "measure":
            return "found before any provider was asked"
        case "card" if finding.get("reason") == "FIELD_MISSING":
            return f"not read: {words}"
        case "card":
            return said + (f", claimed: {threshold}" if threshold else "") + " (checked on what was read)"
        case provider if signal == "fields":
            return f"{provider} read {value} fields"
        case provider:
            # under its documented name, which may be looked up
            said = (f"{signal}: {value}" if value else signal) + (f", threshold {threshold}" if threshold else "")
            return f"{said} (reported by {provider})"
