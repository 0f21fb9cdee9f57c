"""The demo's cards: printed, spoiled, and each with what has to come of it written beside it."""

import io
import json
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import ExifTags, Image

from local.cardprinter import (
    SPOILS,
    PrintedCard,
    encode,
    not_a_card,
    print_card,
    print_card_with_wrong_check_digit,
    print_expired_card,
    print_temporary_card,
)
from local.demo.model import Expected, Upload

_SEED = 7
_REFUSED = Expected("REJECTED", frozenset({"PROVIDER_REJECTED_IMAGE"}))
_JUDGES = frozenset({"waiqin365", "huaweicloud"})
"""Providers that look at more than the texts; the others leave it to our own measures of the picture."""


@dataclass(frozen=True)
class _Difference:
    """What one provider makes of a picture beyond what follows from the card and from our own measures."""

    reasons: frozenset[str] = frozenset()
    hidden: tuple[str, ...] = ()
    refused: bool = False
    """It does not take the picture; nothing else is said then."""


@dataclass(frozen=True)
class _Order:
    """One picture of the demo. hidden: fields of the card that nobody can read in it."""

    key: str
    title: str
    card: Callable[[], PrintedCard]
    spoil: str | None = None
    hidden: tuple[str, ...] = ()
    editor: str | None = None
    """The software that the file names as its last."""
    differs: Mapping[str, _Difference] = field(default_factory=dict)
    """By provider."""
    only: frozenset[str] | None = None
    """The providers that find what it shows; None: whoever reads it."""


_CARDS = (
    _Order("cn/C-1001/portrait.jpg", "Chinese identity card", lambda: print_card("cn_portrait", _SEED)),
    _Order("cn/C-1001/emblem.jpg", "its other side", lambda: print_card("cn_emblem", _SEED)),
    _Order("pe/P-2001/front.jpg", "new Peruvian DNI", lambda: print_card("pe_dni_new_front", _SEED)),
    _Order("pe/P-2001/back.jpg", "its back", lambda: print_card("pe_dni_new_back", _SEED)),
    _Order("pe/P-2002/front.jpg", "old Peruvian DNI", lambda: print_card("pe_dni_old_front", _SEED + 1)),
    _Order("pe/P-2002/back.jpg", "its back", lambda: print_card("pe_dni_old_back", _SEED + 1)),
    _Order("pe/P-2003/foreigner.jpg", "foreigner's card", lambda: print_card("pe_foreigner_front", _SEED)),
    _Order("cn/C-1002/turned.jpg", "turned", lambda: print_card("cn_portrait", _SEED + 1), "turn"),
    _Order(
        "pe/P-2004/tilted.jpg", "held at an angle", lambda: print_card("pe_dni_new_front", _SEED + 2), "perspective"
    ),
    _Order(
        "cn/C-1003/compressed.jpg", "compressed hard", lambda: print_card("cn_portrait", _SEED + 2), "low_jpeg_quality"
    ),
    _Order("cn/C-1004/blurred.jpg", "out of focus", lambda: print_card("cn_portrait", _SEED + 3), "blur"),
    _Order("pe/P-2005/glare.jpg", "a lamp's reflection", lambda: print_card("pe_dni_new_front", _SEED + 3), "glare"),
    _Order("cn/C-1005/dark.jpg", "taken in the dark", lambda: print_card("cn_portrait", _SEED + 4), "darkness"),
    _Order("cn/C-1006/burnt.jpg", "overexposed", lambda: print_card("cn_portrait", _SEED + 5), "overexposure"),
    _Order(
        "cn/C-1007/covered.jpg",
        "a thumb on the number",
        lambda: print_card("cn_portrait", _SEED + 6),
        "cover",
        hidden=("id_number",),
        differs={
            "huaweicloud": _Difference(frozenset({"CARD_COVERED"})),
            # has no word for a number that it cannot read but "not a legal one"
            "waiqin365": _Difference(frozenset({"CARD_COVERED", "ID_NUMBER_INVALID"})),
        },
    ),
    _Order(
        "cn/C-1008/photocopy.jpg",
        "a photocopy",
        lambda: print_card("cn_portrait", _SEED + 7),
        "photocopy",
        differs={"ihuyi": _Difference(refused=True)},  # takes no black-and-white pictures
    ),
    _Order("pe/P-2006/photocopy.jpg", "a photocopy", lambda: print_card("pe_dni_old_front", _SEED + 4), "photocopy"),
    _Order(
        "cn/C-1009/invented.jpg",
        "a wrong check digit",
        lambda: print_card_with_wrong_check_digit("cn_portrait", _SEED + 8),
        # leaves a number out that it holds to be wrong, and says so
        differs={"waiqin365": _Difference(frozenset({"FIELD_MISSING"}), ("id_number",))},
    ),
    _Order("pe/P-2007/expired.jpg", "expired", lambda: print_expired_card("pe_dni_new_front", _SEED + 5)),
    _Order(
        "cn/C-1012/screen.jpg",
        "a photo of a screen",
        lambda: print_card("cn_portrait", _SEED + 10),
        "screen_recapture",
        only=_JUDGES,
    ),
    _Order(
        "cn/C-1013/cut.jpg",
        "a card with a corner cut off",
        lambda: print_card("cn_portrait", _SEED + 11),
        "cut_corner",
        only=_JUDGES,
    ),
    _Order("cn/C-1014/temporary.jpg", "a temporary card", lambda: print_temporary_card(_SEED + 12), only=_JUDGES),
    _Order(
        "cn/C-1015/edited.jpg",
        "a picture that an editor has saved",
        lambda: print_card("cn_portrait", _SEED + 13),
        editor="Adobe Photoshop 25.0 (Windows)",
        differs=dict.fromkeys(_JUDGES, _Difference(frozenset({"IMAGE_EDITED"}))),
        only=_JUDGES,
    ),
)


def not_shown(provider: str) -> str:
    """The sentence about what this reader of Chinese cards does not find; empty when it finds everything."""
    titles = [order.title for order in _CARDS if order.only is not None and provider not in order.only]
    if not titles:
        return ""
    finder = min(_JUDGES)
    return (
        f"Not shown, because {provider} does not look for them: {', '.join(titles)}. "
        f"`make demo PROVIDER={finder}` shows them."
    )


def print_deck(folder: Path, provider: str) -> list[Upload]:
    """Prints the demo's pictures into an empty `folder`, each beside a JSON file with what is expected of it.

    provider: who will read the Chinese ones.
    """
    shutil.rmtree(folder, ignore_errors=True)
    orders = [order for order in _CARDS if order.only is None or provider in order.only]
    uploads = [_printed(order, provider) for order in orders] + _strays(provider)
    for upload in uploads:
        path = folder / upload.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(upload.data)
        expected = upload.expected.as_json() if upload.expected else {}
        beside = {"shows": upload.title, "metadata": dict(upload.metadata), "expected": expected}
        path.with_suffix(".json").write_text(json.dumps(beside, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return uploads


def _printed(order: _Order, provider: str) -> Upload:
    card = order.card()
    differs = order.differs.get(provider, _Difference())
    picture, reasons = card.picture, card.reasons
    if order.spoil is not None:
        spoil = SPOILS[order.spoil]
        picture, reasons = spoil.apply(picture, random.Random(order.key)), reasons | spoil.reasons
    hidden = {*order.hidden, *differs.hidden}
    legible = {name: value for name, value in card.card.items() if name not in hidden}
    expected = Expected("RECOGNIZED", reasons | differs.reasons, legible) if not differs.refused else _REFUSED
    return Upload(
        name=order.key.removesuffix(".jpg"),
        key=order.key,
        data=encode(picture) if order.editor is None else _edited(picture, order.editor),
        metadata={"document-type": str(card.card["document_type"]), "side": str(card.card["side"])},
        title=order.title,
        expected=expected,
    )


def _edited(picture: Image.Image, editor: str) -> bytes:
    """The file as that software saves it: with its name in the EXIF data."""
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = editor
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, exif=exif)
    return file.getvalue()


def _strays(provider: str) -> list[Upload]:
    """What people upload by mistake, claimed to be a Chinese card."""
    claim = {"document-type": "cn_resident_id", "side": "portrait"}
    receipt = encode(not_a_card(_SEED * 2))
    broken = encode(print_card("cn_portrait", _SEED + 9).picture)
    return [
        Upload(
            name="cn/C-1010/receipt",
            key="cn/C-1010/receipt.jpg",
            data=receipt,
            metadata=claim,
            title="a shop's receipt, not a card",
            # an error for the one, a reading without fields for the others
            expected=_REFUSED if provider == "huaweicloud" else Expected("REJECTED", frozenset({"NO_CARD"})),
        ),
        Upload(
            name="cn/C-1011/broken",
            key="cn/C-1011/broken.jpg",
            data=broken[: len(broken) // 3],
            metadata=claim,
            title="a file that broke off on its way",
            expected=Expected("REJECTED", frozenset({"IMAGE_CORRUPT"})),
        ),
    ]
