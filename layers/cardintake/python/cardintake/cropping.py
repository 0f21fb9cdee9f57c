"""Portraits and cards cut out of a scan: the provider's own image file, or ours, cut where it says that one is."""

import io
from math import dist

from PIL import Image

from cardintake.images import FittedImage, ImageRefusedError, probe
from cardintake.providers.protocol import Crop, Region

_MIN_SIDE, _MAX_SIDE = 16, 1500  # pixels
_JPEG_QUALITY = 92


def cut(crop: Crop | None, image: FittedImage) -> bytes | None:
    """The crop as JPEG or PNG; None when there is none, or what came is no picture or lies outside of the picture."""
    if crop is None:
        return None
    if isinstance(crop, Region):
        return _cut_out(crop, image)
    try:
        probe(crop)
    except ImageRefusedError:
        return None
    return crop


def _cut_out(region: Region, image: FittedImage) -> bytes | None:
    top_left, top_right, bottom_right, bottom_left = corners = [
        (min(max(x, 0), image.width), min(max(y, 0), image.height)) for x, y in region.corners
    ]
    width = round(max(dist(top_left, top_right), dist(bottom_left, bottom_right)))
    height = round(max(dist(top_left, bottom_left), dist(top_right, bottom_right)))
    if min(width, height) < _MIN_SIDE:
        return None
    scale = min(1.0, _MAX_SIDE / max(width, height))
    size = round(width * scale), round(height * scale)
    # Pillow's QUAD goes round from the top left corner anticlockwise
    quad = [part for corner in (corners[0], corners[3], corners[2], corners[1]) for part in corner]
    with Image.open(io.BytesIO(image.data)) as opened:
        upright = opened.convert("RGB").transform(size, Image.Transform.QUAD, quad, Image.Resampling.BICUBIC)
    encoded = io.BytesIO()
    upright.save(encoded, "JPEG", quality=_JPEG_QUALITY)
    return encoded.getvalue()
