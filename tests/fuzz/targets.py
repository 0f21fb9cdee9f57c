"""What is fuzzed, one function of bytes each: it returns, or raises what a caller of ours would not expect.

Seeds are made by code: pictures of every format and oddity, the recorded answers, one event of every shape.
"""

import io
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import Image

from cardintake import limits
from cardintake.images import ImageLimits, ImageRefusedError, fit, probe
from cardintake.scans import UnknownEventError, of_message
from tests.contract import hostile
from tests.contract.hostile import Hostile
from tests.contract.recorded import all_recorded
from tests.contract.test_hostile_answers import assert_harmless

PROVIDERS = ("accuauth", "ctyun", "huaweicloud", "ihuyi", "waiqin365")
RECORD_ID = re.compile("scan_[0-9a-f]{32}")
# of a fuzzed picture: what is larger takes longer and shows nothing else
FUZZED_PIXELS = 250_000
_ACCEPTED = ImageLimits(frozenset({"JPEG", "PNG"}), 20_000, 16, 64)


@dataclass(frozen=True, slots=True)
class Target:
    """`mutate`: another input near the one given, by a seed; None: only as libFuzzer does."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    mutate: Callable[[bytes, int], bytes] | None = None


# images ---------------------------------------------------------------------------------------------------------------


def _image(data: bytes) -> None:
    limits.MAX_PIXELS = limits.MAX_DECODED_BYTES = FUZZED_PIXELS
    limits.MAX_SCANNED_PIXELS = 4 * FUZZED_PIXELS
    try:
        picture = probe(data)
        sent = fit(picture, _ACCEPTED)
        assert picture.measures is not None
        assert picture.measures.chroma >= 0  # decodes the picture once more, for its colours
    except ImageRefusedError:
        return
    assert picture.width * picture.height <= FUZZED_PIXELS
    assert 0 <= picture.measures.glare_share <= picture.measures.burnt_share <= 1
    assert _ACCEPTED.min_side <= min(sent.width, sent.height) <= max(sent.width, sent.height) <= _ACCEPTED.max_side
    assert _ACCEPTED.hold(sent.data)


def _pictures() -> Iterator[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    with_exif, animated = {"exif": exif}, {"save_all": True, "append_images": [Image.new("RGB", (32, 24), "red")]}
    lossless, comment = {"lossless": True}, {"comment": b"x"}
    for kind, mode, options in (
        ("JPEG", "RGB", with_exif), ("JPEG", "L", {"progressive": True}), ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"icc_profile": bytes(128)} | comment), ("MPO", "RGB", animated),
        ("PNG", "RGBA", with_exif), ("PNG", "P", {}), ("PNG", "I;16", {}), ("PNG", "1", {}), ("PNG", "RGB", animated),
        ("GIF", "P", {"transparency": 3} | comment), ("GIF", "RGB", animated), ("BMP", "RGB", {}), ("BMP", "1", {}),
        ("TIFF", "RGB", with_exif), ("TIFF", "RGB", {"compression": "jpeg"}),
        ("TIFF", "CMYK", {"compression": "tiff_lzw"}), ("TIFF", "1", {"compression": "group4"}),
        ("WEBP", "RGBA", lossless), ("WEBP", "RGB", with_exif | animated),
    ):  # fmt: skip
        file = io.BytesIO()
        Image.radial_gradient("L").resize((32, 24)).convert("RGB" if mode == "P" else "L").convert(
            "L" if mode == "I;16" else mode
        ).convert(mode).save(file, kind, **options)
        yield file.getvalue()


# answers --------------------------------------------------------------------------------------------------------------


def _answer(provider: str) -> Target:
    def mutate(data: bytes, seed: int) -> bytes:
        rng, own = random.Random(seed), hostile._recorded(provider)
        try:
            document = hostile._unfolded(json.loads(data))
        except (ValueError, RecursionError):
            document = rng.choice(own)
        return hostile._serialised(hostile._changed(rng, document, own), fold=True, ascii_only=rng.random() < 0.5)

    return Target(
        run=lambda data: assert_harmless(provider, Hostile(data, 200, None)),
        seeds=lambda: (json.dumps(document, ensure_ascii=False).encode() for document in all_recorded(provider)),
        mutate=mutate,
    )


# messages -------------------------------------------------------------------------------------------------------------


def _message(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        scans = of_message(text)
    except UnknownEventError:
        return
    for scan in scans:
        assert RECORD_ID.fullmatch(scan.record_id)
        key = getattr(scan, "key", "k")
        assert key
        assert not key.endswith("/")


def _messages() -> Iterator[bytes]:
    described = {"key": "a%2Fb+c.jpg", "size": 7, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "sequencer": "0055AED6DC"}
    s3 = {"bucket": {"name": "scans"}, "object": described}
    for name in ("ObjectCreated:Put", "ObjectRemoved:Delete", "ObjectTagging:Put"):
        record = {"eventSource": "aws:s3", "eventTime": "2026-01-15T08:30:00.000Z", "eventName": name, "s3": s3}
        yield json.dumps({"Records": [record], "ticket": "t"}).encode()
    for kind in ("Object Created", "Object Deleted"):
        event = {"detail-type": kind, "source": "aws.s3", "time": "1970-01-01T00:00:00Z", "detail": s3}
        yield json.dumps(event).encode()
    yield b'{"Event": "s3:TestEvent"}'


TARGETS: dict[str, Target] = {
    "images": Target(_image, _pictures),
    **{provider: _answer(provider) for provider in PROVIDERS},
    "messages": Target(_message, _messages),
}
