"""What a reading is: a card side, its texts as printed, and where it lay."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image

from local.kinds import Kind

type Point = tuple[int, int]
type Quad = tuple[Point, Point, Point, Point]
"""Top left, top right, bottom right, bottom left of what stands upright; in pixels."""
type Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


class OtherDocumentError(Exception):
    """The picture shows a document of another kind than the cards that the reader knows."""


@dataclass(frozen=True)
class ReadCard:
    """One card side that was read."""

    kind: Kind
    fields: dict[str, str] = field(repr=False)
    box: Box
    """The card's region in `upright`, fitted to the places of its labels; the whole picture when too few were found."""
    upright: Image.Image = field(repr=False)
    """The whole picture, RGB, turned by a multiple of 90 degrees so that the text stands upright."""
    frame: Quad | None = None
    """The card's corners in `upright` as its labels tell them, also beyond it; None when there were too few."""
    places: Mapping[str, Quad] = field(default_factory=dict)
    """Where the text of each field stands in `upright`."""
    interim: bool = False
    """Whether its title says that it is a temporary card (临时居民身份证)."""
