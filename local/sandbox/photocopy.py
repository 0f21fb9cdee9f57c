"""Tells a photocopy from a card by its colour."""

from PIL import Image, ImageStat

GREY_BELOW = 2.5
"""Spread of the two chroma channels, in levels of 255: 5 and more on a card, about 1 on a copy under a warm lamp."""

PAPER_LEVEL = 180
MEASURED_SIDE = 900


def chroma_spread(card: Image.Image) -> float:
    """How much the colours of `card` vary, in levels of 255.

    The channels are balanced to a grey mean first, so that the cast of a lamp does not count as colour, and brought to
    the brightness of a well lit card, because darkness takes colour away.
    """
    small = card.convert("RGB")
    small.thumbnail((MEASURED_SIDE, MEASURED_SIDE))
    means = ImageStat.Stat(small).mean
    grey = max(sum(means) / len(means), PAPER_LEVEL)
    gains = [grey / max(mean, 1.0) for mean in means]
    balanced = small.point([min(255, round(level * gain)) for gain in gains for level in range(256)])
    _, blue, red = ImageStat.Stat(balanced.convert("YCbCr")).stddev
    return blue + red
