"""What is cut out of a scan: the provider's own file, or ours by the corners that it names."""

import io

import pytest
from PIL import Image, ImageDraw

from cardintake.cropping import cut
from cardintake.images import FittedImage
from cardintake.providers.crops import image_file
from cardintake.providers.protocol import Region
from tests.unit.conftest import encoded

RED, GREEN, BLUE, WHITE = (220, 20, 20), (20, 200, 20), (20, 20, 220), (250, 250, 250)


def sent(turned: int = 0) -> FittedImage:
    """A grey picture of 400 x 300 with a patch at (100, 50)-(220, 130): red, green above blue, white. Then turned."""
    image = Image.new("RGB", (400, 300), (128, 128, 128))
    draw = ImageDraw.Draw(image)
    for number, colour in enumerate((RED, GREEN, BLUE, WHITE)):
        x, y = 100 + 60 * (number % 2), 50 + 40 * (number // 2)
        draw.rectangle((x, y, x + 59, y + 39), fill=colour)
    image = image.rotate(turned, expand=True)
    return FittedImage(encoded(image, "PNG"), "PNG", *image.size)


def quarters(crop: bytes | None) -> list[tuple[int, ...]]:
    assert crop is not None
    with Image.open(io.BytesIO(crop)) as image:
        assert image.format == "JPEG"
        width, height = image.size
        return [
            image.getpixel((round(width * x), round(height * y)))  # type: ignore[misc]
            for y in (0.25, 0.75)
            for x in (0.25, 0.75)
        ]


def near(found: list[tuple[int, ...]], *expected: tuple[int, int, int]) -> bool:
    return all(
        abs(a - b) < 25 for one, other in zip(found, expected, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_a_region_is_cut_out_of_the_picture() -> None:
    crop = cut(Region(((100, 50), (220, 50), (220, 130), (100, 130))), sent())
    assert near(quarters(crop), RED, GREEN, BLUE, WHITE)
    assert Image.open(io.BytesIO(crop or b"")).size == (120, 80)


def test_corners_of_a_picture_that_lay_on_its_side_come_out_upright() -> None:
    # a quarter turn anticlockwise takes (x, y) to (y, 400 - x)
    corners = ((50, 300), (50, 180), (130, 180), (130, 300))
    assert near(quarters(cut(Region(corners), sent(turned=90))), RED, GREEN, BLUE, WHITE)


def test_corners_beyond_the_picture_end_at_its_edge() -> None:
    crop = cut(Region(((-50, -50), (200, -50), (200, 90), (-50, 90))), sent())
    assert Image.open(io.BytesIO(crop or b"")).size == (200, 90)


@pytest.mark.parametrize(
    "corners",
    [
        ((0, 0), (0, 0), (0, 0), (0, 0)),
        ((100, 50), (110, 50), (110, 130), (100, 130)),
        ((900, 900), (990, 900), (990, 990), (900, 990)),
        ((10**9, 0), (10**9, 0), (10**9, 10**9), (0, 10**9)),
    ],
)
def test_corners_that_hold_nothing(corners: tuple[tuple[int, int], ...]) -> None:
    crop = cut(Region(corners), sent())  # type: ignore[arg-type]
    assert crop is None or max(Image.open(io.BytesIO(crop)).size) <= 500


def test_a_file_that_the_provider_cut_out_stays_as_it_is() -> None:
    for kind in ("JPEG", "PNG"):
        file = encoded(Image.new("RGB", (90, 120), RED), kind)
        assert cut(file, sent()) == file
    assert cut(None, sent()) is None


@pytest.mark.parametrize("file", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n" + bytes(50), b"no picture"])
def test_a_file_that_is_no_picture_is_not_kept(file: bytes) -> None:
    assert cut(file, sent()) is None


def test_base64_of_a_picture_and_of_everything_else() -> None:
    assert image_file("/9j/4AAQSkZJRg==") == b"\xff\xd8\xff\xe0\x00\x10JFIF"
    assert image_file("data:image/jpeg;base64,/9j/4AAQ\r\nSkZJRg==") == b"\xff\xd8\xff\xe0\x00\x10JFIF"
    others: tuple[object, ...] = (
        "no face",
        "demo_image",
        "",
        "0",
        None,
        7,
        [],
        {},
        "/9j/4AAQSkZJRg",
        "aGVsbG8=",
        "/9j_4AAQ",
        "é",
    )
    for other in others:
        assert image_file(other) is None
