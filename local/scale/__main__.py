"""The tables of docs/scale.md and docs/cost.md: measured calls, published prices, and what the simulation shows.

    python -m local.scale            prints them
    python -m local.scale --write    writes them into both pages

Seconds of one processor; the same tables every time.
"""

import argparse

from local.scale.page import PAGES, written
from local.scale.tables import TABLES


def main() -> int:
    parser = argparse.ArgumentParser(prog="local.scale", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write them into the pages")
    writing = parser.parse_args().write
    tables = {name: table() for name, table in TABLES.items()}
    for name, table in tables.items():
        print(f"{name}\n\n{table}\n")
    if writing:
        for page in PAGES:
            page.write_text(written(page.read_text(encoding="utf-8"), tables), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
