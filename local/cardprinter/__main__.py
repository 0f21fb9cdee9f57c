"""Prints specimen cards into a folder, each with a JSON file that says what a reading of it should give.

    python -m local.cardprinter --out DIR [--kind KIND] [--seed N] [--spoil NAME] [--flaw NAME]

Without a kind, every kind that can have the flaw is printed.
"""

import argparse
import json
import random
from pathlib import Path

from local.cardprinter import (
    KINDS,
    SPOILS,
    Kind,
    PrintedCard,
    encode,
    print_card,
    print_card_with_wrong_check_digit,
    print_expired_card,
)

PRINTERS = {"none": print_card, "expired": print_expired_card, "wrong_check_digit": print_card_with_wrong_check_digit}


def main() -> None:
    """Print the pictures that the command line asks for, and their names."""
    parser = argparse.ArgumentParser(prog="python -m local.cardprinter", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--spoil", choices=SPOILS)
    parser.add_argument("--flaw", choices=PRINTERS, default="none", help="what is wrong with the card itself")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    kinds: tuple[Kind, ...] = (asked.kind,) if asked.kind else KINDS
    for kind in kinds:
        try:
            card = PRINTERS[asked.flaw](kind, asked.seed)
        except ValueError as error:
            if asked.kind:
                parser.error(str(error))
            continue
        flaw = asked.flaw if asked.flaw != "none" else ""
        name = "-".join(filter(None, (kind, str(asked.seed), flaw, asked.spoil)))
        print(_save(card, asked.out / f"{name}.jpg", asked.seed, asked.spoil))


def _save(card: PrintedCard, path: Path, seed: int, spoil_name: str | None) -> Path:
    expected = {"card": card.card, "reasons": sorted(card.reasons), "detected": True}
    picture = card.picture
    if spoil_name is not None:
        spoil = SPOILS[spoil_name]
        picture = spoil.apply(picture, random.Random(seed))
        reasons = sorted(card.reasons | spoil.reasons)
        expected = {"card": spoil.legible(card), "reasons": reasons, "detected": spoil.detected}
    path.write_bytes(encode(picture))
    path.with_suffix(".json").write_text(json.dumps(expected, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
