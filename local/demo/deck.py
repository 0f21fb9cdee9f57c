"""The demo's cards: printed, spoiled, and each with what has to come of it written beside it."""

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local.cardprinter import (
    SPOILS,
    PrintedCard,
    encode,
    not_a_card,
    print_card,
    print_card_with_wrong_check_digit,
    print_expired_card,
)
from local.demo.model import Expected, Upload

ROUTES = "cn/=ctyun,pe/=accuauth"
NOT_SHOWN = "A photo of a screen and a card with a cut corner are not shown: nothing finds them yet."

_SEED = 7


@dataclass(frozen=True)
class _Order:
    """One picture of the demo. hidden: fields of the card that nobody can read in it."""

    key: str
    title: str
    card: Callable[[], PrintedCard]
    spoil: str | None = None
    hidden: tuple[str, ...] = ()


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
    ),
    _Order("cn/C-1008/photocopy.jpg", "a photocopy", lambda: print_card("cn_portrait", _SEED + 7), "photocopy"),
    _Order("pe/P-2006/photocopy.jpg", "a photocopy", lambda: print_card("pe_dni_old_front", _SEED + 4), "photocopy"),
    _Order(
        "cn/C-1009/invented.jpg",
        "a wrong check digit",
        lambda: print_card_with_wrong_check_digit("cn_portrait", _SEED + 8),
    ),
    _Order("pe/P-2007/expired.jpg", "expired", lambda: print_expired_card("pe_dni_new_front", _SEED + 5)),
)


def print_deck(folder: Path) -> list[Upload]:
    """Prints the demo's pictures into an empty `folder`, each beside a JSON file with what is expected of it."""
    shutil.rmtree(folder, ignore_errors=True)
    uploads = [_printed(order) for order in _CARDS] + _strays()
    for upload in uploads:
        path = folder / upload.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(upload.data)
        expected = upload.expected.as_json() if upload.expected else {}
        beside = {"shows": upload.title, "metadata": dict(upload.metadata), "expected": expected}
        path.with_suffix(".json").write_text(json.dumps(beside, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return uploads


def _printed(order: _Order) -> Upload:
    card = order.card()
    picture, reasons = card.picture, card.reasons
    if order.spoil is not None:
        spoil = SPOILS[order.spoil]
        picture, reasons = spoil.apply(picture, random.Random(order.key)), reasons | spoil.reasons
    legible = {name: value for name, value in card.card.items() if name not in order.hidden}
    return Upload(
        name=order.key.removesuffix(".jpg"),
        key=order.key,
        data=encode(picture),
        metadata={"document-type": str(card.card["document_type"]), "side": str(card.card["side"])},
        title=order.title,
        expected=Expected("RECOGNIZED", reasons, legible),
    )


def _strays() -> list[Upload]:
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
            expected=Expected("REJECTED", frozenset({"NO_CARD"})),
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
