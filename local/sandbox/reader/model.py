"""What a reading is: a card side, its texts as printed, and where it lay."""

from dataclasses import dataclass

from PIL import Image

from local.kinds import Kind

type Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True)
class ReadCard:
    """One card side that was read."""

    kind: Kind
    fields: dict[str, str]
    box: Box
    """The card's region in `upright`, fitted to the places of its labels; the whole picture when too few were found."""
    upright: Image.Image
    """The whole picture, RGB, turned by a multiple of 90 degrees so that the text stands upright."""
