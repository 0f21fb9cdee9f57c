"""Portraits and cards that a provider cut out of the picture: base64 in its answer, an image file for us."""

import base64
import binascii

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_MAX_BYTES = 10 * 1000 * 1000


def image_file(value: object) -> bytes | None:
    """The JPEG or PNG file in standard base64, a `data:` prefix and line breaks allowed; None for anything else.

    Sentinels such as `no face`, empty texts and files that are no such image are all "nothing was cut out".
    """
    if not isinstance(value, str):
        return None
    encoded = value.rpartition("base64,")[2] if value.startswith("data:") else value
    try:
        data = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if data.startswith(_MAGIC) and len(data) <= _MAX_BYTES else None
