"""Every reason code for people: its group, what it means, and what a downstream application should do about it.

docs/reasons.md and schemas/ are generated from this table. No function imports it: texts cost time at their start.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from cardintake.reasons import QUALITY, RISK, Reason

type Group = Literal["quality", "risk", "neither", "rejected", "failed", "waiting"]

NEITHER = frozenset({Reason.SIDE_REVERSED, Reason.ID_NUMBER_NOT_CHECKABLE, Reason.SEVERAL_CARDS})
REJECTED = frozenset(
    {
        Reason.IMAGE_UNSUPPORTED, Reason.IMAGE_TOO_LARGE, Reason.IMAGE_TOO_SMALL, Reason.IMAGE_CORRUPT,
        Reason.PROVIDER_REJECTED_IMAGE,
    }
)  # fmt: skip
FAILED = frozenset(
    {
        Reason.PROVIDER_UNAVAILABLE, Reason.PROVIDER_REFUSED_REQUEST, Reason.ANSWER_UNREADABLE,
        Reason.PROCESSING_CRASHED, Reason.WAITED_TOO_LONG,
    }
)  # fmt: skip
WAITING = frozenset(
    {
        Reason.PROVIDER_UNAVAILABLE, Reason.PROVIDER_THROTTLED, Reason.PROVIDER_MISCONFIGURED, Reason.PROVIDER_QUOTA,
        Reason.SPENDING_CAP,
    }
)  # fmt: skip

GROUPS: Mapping[Group, frozenset[Reason]] = {
    "quality": QUALITY,
    "risk": RISK,
    "neither": NEITHER,
    "rejected": REJECTED,
    "failed": FAILED,
    "waiting": WAITING,
}


class Text(NamedTuple):
    """One sentence each. `advice` begins with what to do: `Ask for`, `Ask a person`, `Refuse`, `Wait` or `Nothing`."""

    meaning: str
    advice: str


def groups_of(reason: Reason) -> list[Group]:
    """The groups that a code belongs to; `PROVIDER_UNAVAILABLE` is in two."""
    return [group for group, members in GROUPS.items() if reason in members]


TEXTS: Mapping[Reason, Text] = {
    Reason.IMAGE_BLURRED: Text(
        "The picture is out of focus or was moved.",
        "Ask for a better photo: steady, and close enough for the small print.",
    ),
    Reason.IMAGE_OVEREXPOSED: Text(
        "Most of the picture is burnt out.",
        "Ask for a better photo: without flash and out of direct sunlight.",
    ),
    Reason.IMAGE_GLARE: Text(
        "A reflection lies on the card.",
        "Ask for a better photo: tilted a little, away from the lamp.",
    ),
    Reason.IMAGE_UNDEREXPOSED: Text(
        "The picture is too dark.",
        "Ask for a better photo: in more light.",
    ),
    Reason.CARD_INCOMPLETE: Text(
        "Part of the card lies outside of the picture.",
        "Ask for a better photo: with all four corners in it.",
    ),
    Reason.CARD_COVERED: Text(
        "Something lies on the card, a finger for example.",
        "Ask for a better photo: with nothing on the card.",
    ),
    Reason.FIELD_MISSING: Text(
        "A field that this side always bears was not read; `findings` names it.",
        "Ask for a better photo, and ask a person when the field is missing again.",
    ),
    Reason.NO_CARD: Text(
        "There is no identity card in the picture, or nothing on it could be read.",
        "Ask for a better photo: of the card alone, filling the picture.",
    ),
    Reason.OTHER_DOCUMENT: Text(
        "The picture shows another document than the provider reads.",
        "Ask for a photo of the right document.",
    ),
    Reason.UNKNOWN_PHOTO_STATUS: Text(
        "The provider could not judge the picture, or with a word that its document does not explain.",
        "Ask for a better photo, and ask a person when it happens again.",
    ),
    Reason.PHOTOCOPY: Text(
        "The picture shows a copy, or is grey like one.",
        "Ask for a colour photo of the card itself, and refuse a second copy.",
    ),
    Reason.SCREEN_RECAPTURE: Text(
        "The picture was taken of a screen.",
        "Ask for a photo of the card itself, and ask a person when it is a screen again.",
    ),
    Reason.TEMPORARY_CARD: Text(
        "This is a temporary identity card.",
        "Ask a person whether temporary cards are accepted here.",
    ),
    Reason.IMAGE_EDITED: Text(
        "The picture went through an editing program or was tampered with.",
        "Ask a person, and rely on nothing that was read until then.",
    ),
    Reason.PROVIDER_RISK: Text(
        "The provider raises another alarm, or contradicts our own check; `findings` names its signal.",
        "Ask a person.",
    ),
    Reason.ID_NUMBER_INVALID: Text(
        "The number contradicts its own check character, or has no possible form.",
        "Ask for a better photo, since a misread digit is likelier than a forgery, and ask a person when it stays.",
    ),
    Reason.ID_NUMBER_BIRTH_MISMATCH: Text(
        "The number holds another birth date than the card bears.",
        "Ask a person: one of the two was misread or altered.",
    ),
    Reason.ID_NUMBER_SEX_MISMATCH: Text(
        "The number holds another sex than the card bears.",
        "Ask a person: one of the two was misread or altered.",
    ),
    Reason.CARD_EXPIRED: Text(
        "On the day of reading, in its own country, the card was not valid any more.",
        "Refuse, and ask for the renewed card.",
    ),
    Reason.CARD_NOT_YET_VALID: Text(
        "On the day of reading, in its own country, the card was not valid yet.",
        "Ask a person: a date was misread or altered.",
    ),
    Reason.VALIDITY_TERM_UNUSUAL: Text(
        "No such card is valid for such a term, or not at its holder's age.",
        "Ask a person: rare exceptions exist.",
    ),
    Reason.DATE_IMPOSSIBLE: Text(
        "A text that should be a date is none; it was left out, and `findings` names the field.",
        "Ask for a better photo, and ask a person when it stays.",
    ),
    Reason.SIDES_DISAGREE: Text(
        "Two sides in one case cannot belong to one card; `findings` names what does not fit.",
        "Ask a person: sides of two cards were mixed up, or one was altered.",
    ),
    Reason.NUMBER_SEEN_IN_OTHER_CASE: Text(
        "A card with the same number was uploaded in another case.",
        "Ask a person whether one person may have several cases.",
    ),
    Reason.IMAGE_SEEN_IN_OTHER_CASE: Text(
        "The very same file was uploaded in another case.",
        "Ask a person: pictures are taken anew for every case, unless somebody passes them on.",
    ),
    Reason.SIDE_REVERSED: Text(
        "This is another side of the card than the uploader claimed.",
        "Nothing, unless the claimed side is still missing: then ask for it.",
    ),
    Reason.ID_NUMBER_NOT_CHECKABLE: Text(
        "The number is masked, or of the old form without check character.",
        "Nothing, unless the full number is needed: then ask for a photo that shows it.",
    ),
    Reason.SEVERAL_CARDS: Text(
        "There are several cards or sides in the picture; the others are in `other_cards`.",
        "Nothing, unless one card in a picture is demanded.",
    ),
    Reason.IMAGE_UNSUPPORTED: Text(
        "The file has no format that can be read, whatever its name says.",
        "Ask for a photo as JPEG or PNG.",
    ),
    Reason.IMAGE_TOO_LARGE: Text(
        "The file is above 50 MB or 100 megapixels, or takes too much work to decode.",
        "Ask for a smaller photo, as JPEG.",
    ),
    Reason.IMAGE_TOO_SMALL: Text(
        "The picture is smaller than the provider's smallest size.",
        "Ask for a larger photo, not for an enlarged one.",
    ),
    Reason.IMAGE_CORRUPT: Text(
        "The file is empty, damaged or incomplete.",
        "Ask for the photo again: its upload may have broken off.",
    ),
    Reason.PROVIDER_REJECTED_IMAGE: Text(
        "The provider refused the picture without reading it.",
        "Ask for a better photo, and ask a person when it is refused again.",
    ),
    Reason.PROVIDER_UNAVAILABLE: Text(
        "The provider cannot be reached, or breaks off.",
        "Wait while `waiting_for` says so; once `FAILED`, ask a person to read the card, or an operator to redrive it.",
    ),
    Reason.PROVIDER_REFUSED_REQUEST: Text(
        "The provider calls the request itself malformed: a fault of this service.",
        "Ask a person to read the card, and tell an operator: another try would fail alike.",
    ),
    Reason.ANSWER_UNREADABLE: Text(
        "The provider's answer is not what its document describes.",
        "Ask a person to read the card, or an operator to redrive it.",
    ),
    Reason.PROCESSING_CRASHED: Text(
        "Working on this scan broke off at every attempt.",
        "Ask a person to look at the file, and tell an operator before it is tried again.",
    ),
    Reason.WAITED_TOO_LONG: Text(
        "What the scan waited for did not come in time.",
        "Ask a person to read the card, or an operator to redrive it when the provider works again.",
    ),
    Reason.PROVIDER_THROTTLED: Text(
        "The provider asks for fewer calls at a time.",
        "Wait: the scan goes on by itself.",
    ),
    Reason.PROVIDER_MISCONFIGURED: Text(
        "The provider refuses our credentials, permission or path.",
        "Wait: the scan goes on by itself when an operator has corrected the secret.",
    ),
    Reason.PROVIDER_QUOTA: Text(
        "What was bought from the provider is used up.",
        "Wait: the scan goes on by itself when an operator has bought more.",
    ),
    Reason.SPENDING_CAP: Text(
        "The spending cap that the operator has set is reached.",
        "Wait: the scan goes on by itself when the cap is raised or its period is over.",
    ),
}
