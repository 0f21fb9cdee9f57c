"""Spoiled pictures lie beyond the thresholds of local measures, all others clearly on the good side.

The measures are taken here as `docs` describe them, on a copy of at most 800 pixels or its middle, independently of
the product.
"""

import io
import random
from dataclasses import dataclass

import pytest
from PIL import Image, ImageChops, ImageFilter, ImageStat

from local.cardprinter import SPOILS, Kind, encode, print_card

pytestmark = pytest.mark.thorough

KINDS: tuple[Kind, ...] = ("cn_portrait", "cn_emblem", "pe_dni_new_front", "pe_dni_new_back")
HARMLESS = ("turn", "skew", "perspective", "low_jpeg_quality", "cut_corner", "cover", "screen_recapture")


@dataclass(frozen=True)
class Measures:
    sharpness: float
    brightness: float
    burnt_share: float
    chroma: float


def measured(picture: Image.Image) -> Measures:
    with Image.open(io.BytesIO(encode(picture))) as file:
        small = file.convert("RGB")
    small.thumbnail((800, 800), Image.Resampling.BOX)
    luminance = small.convert("L")
    across, down = (round(0.15 * side) for side in small.size)
    middle = luminance.crop((across, down, small.width - across, small.height - down))
    laplacian = middle.filter(ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128))
    laplacian = laplacian.crop((1, 1, laplacian.width - 1, laplacian.height - 1))  # the filter leaves the rim as it is
    cells = luminance.reduce(8).tobytes()
    means = ImageStat.Stat(small).mean
    balanced = [channel.point([level * sum(means) / 3 / mean for level in range(256)])
                for channel, mean in zip(small.split(), means, strict=True)]  # fmt: skip
    _, blue, red = ImageStat.Stat(Image.merge("RGB", balanced).convert("YCbCr")).stddev
    return Measures(
        sharpness=ImageStat.Stat(laplacian).var[0],
        brightness=ImageStat.Stat(middle).median[0],
        burnt_share=sum(cell >= 250 for cell in cells) / len(cells),
        chroma=blue + red,
    )


def spoiled(kind: Kind, name: str, seed: int = 3) -> Image.Image:
    return SPOILS[name].apply(print_card(kind, seed).picture, random.Random(seed))


def assert_good(measures: Measures) -> None:
    assert measures.sharpness > 240
    assert 120 < measures.brightness < 240
    assert measures.burnt_share == 0
    assert measures.chroma > 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_card_is_far_from_every_threshold(kind: Kind) -> None:
    assert_good(measured(print_card(kind, 3).picture))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_not_of_low_quality_measures_well(kind: Kind, name: str) -> None:
    assert_good(measured(spoiled(kind, name)))


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_of_quality_is_beyond_its_threshold_and_only_its_own(kind: Kind) -> None:
    blurred = measured(spoiled(kind, "blur"))
    assert 8 < blurred.sharpness < 80
    glared = measured(spoiled(kind, "glare"))
    assert 0.018 < glared.burnt_share < 0.2
    assert glared.sharpness > 240
    dark = measured(spoiled(kind, "darkness"))
    assert 30 < dark.brightness < 57
    assert dark.sharpness > 90
    assert dark.chroma > 2.5
    burnt = measured(spoiled(kind, "overexposure"))
    assert burnt.burnt_share > 0.53
    assert burnt.sharpness > 240
    copied = measured(spoiled(kind, "photocopy"))
    assert copied.chroma < 1
    assert copied.burnt_share == 0
    assert copied.sharpness > 240


def test_a_tiny_picture_is_below_every_smallest_side() -> None:
    assert max(spoiled("cn_portrait", "tiny").size) < 32


def test_the_thumb_lies_on_the_number_and_hardly_beyond_it() -> None:
    card = print_card("cn_portrait", 3)
    left, top, right, bottom = card.picture.info["key_field"]
    changed = ImageChops.difference(card.picture, spoiled("cn_portrait", "cover")).getbbox()
    assert changed is not None
    for found, edge, outwards in zip(changed, (left, top, right, bottom), (-1, -1, 1, 1), strict=True):
        assert 0 < (found - edge) * outwards < 12


def test_a_spoil_says_what_stays_legible() -> None:
    printed = print_card("cn_portrait", 3)
    assert SPOILS["blur"].legible(printed) == printed.card
    assert printed.card.keys() - SPOILS["cover"].legible(printed).keys() == {"id_number"}
    assert SPOILS["tiny"].legible(printed) == {}


@pytest.mark.parametrize("name", SPOILS)
def test_a_spoil_leaves_its_subject_alone_and_repeats_itself(name: str) -> None:
    picture = print_card("pe_dni_old_front", 2).picture
    before = picture.tobytes()
    results = [SPOILS[name].apply(picture, random.Random(7)) for _ in range(2)]
    assert picture.tobytes() == before
    assert results[0].mode == "RGB"
    assert results[0].tobytes() == results[1].tobytes() != before
