"""Everything that the page says, in both languages: `texts/en.json` and `texts/zh.json`, section by section.

The reasons' English sentences are the product's own (`cardintake.reason_texts`); their Chinese ones stand in `zh.json`.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from cardintake.reason_texts import TEXTS

LANGUAGES = ("en", "zh")
_FOLDER = Path(__file__).with_name("texts")


@cache
def texts(language: str) -> dict[str, Any]:
    """`{section: {name: sentence}}`; in section `reason` `{code: {"meaning", "advice"}}`. Read only."""
    said: dict[str, Any] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    if language == "en":
        said["reason"] = {code.value: text._asdict() for code, text in TEXTS.items()}
    return said
