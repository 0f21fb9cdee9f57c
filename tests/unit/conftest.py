"""Fixtures of the fast tests: a world of its own for each test, and pictures that read as cards."""

import io
import os
import random
from collections.abc import Iterator

import pytest
from PIL import Image, ImageDraw

os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_DEFAULT_REGION="eu-west-1",
    AWS_EC2_METADATA_DISABLED="true",
)
os.environ.pop("AWS_PROFILE", None)

from tests.unit.world import World, a_world


@pytest.fixture
def world() -> Iterator[World]:
    with a_world() as one:
        yield one


def picture(seed: int = 1, size: tuple[int, int] = (600, 400)) -> Image.Image:
    """Colourful, sharp, evenly lit: no measure of ours finds anything wrong with it."""
    rng = random.Random(seed)
    image = Image.new("RGB", size, (150, 180, 200))
    draw = ImageDraw.Draw(image)
    for _ in range(120):
        x, y = rng.randrange(size[0]), rng.randrange(size[1])
        draw.rectangle(
            (x, y, x + rng.randrange(60), y + rng.randrange(12)), fill=tuple(rng.randrange(40, 230) for _ in "rgb")
        )
    return image


def encoded(image: Image.Image, format: str = "JPEG", **options: object) -> bytes:  # noqa: A002 - Pillow's own word
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture
def photo() -> bytes:
    return encoded(picture())
