"""What a printed card is."""

from dataclasses import dataclass

from PIL import Image

from local.kinds import Kind


@dataclass(frozen=True)
class PrintedCard:
    """A picture of a specimen card on a desk, and what a flawless reader has to make of it."""

    kind: Kind
    card: dict[str, str | bool]
    """The normalised card as the record holds it: ISO dates, sex M or F, bare ethnicity; absent where not printed."""
    picture: Image.Image
    """RGB. Two boxes in `picture.info` tell the spoils where to strike: `card`, and `key_field`, the text that a side
    is worthless without (the number; on an emblem side the validity; on a Peruvian back the address)."""
    reasons: frozenset[str] = frozenset()
    """Reason codes that the content itself causes, such as CARD_EXPIRED."""
