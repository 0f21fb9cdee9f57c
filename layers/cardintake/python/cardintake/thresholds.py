"""The thresholds of every check that has one: our measures of the picture, and the providers' scores where set.

`name=number,name=number` (environment THRESHOLDS). A measure's name is that of `images.Measures`; a provider's score
is named `provider.signal`, e.g. `huaweicloud.score_info.copy_score=80`: from there on it is an alarm, whatever the
provider makes of it. A `_propobility` of waiqin365 is an alarm below its threshold.
"""

from collections.abc import Mapping

from cardintake.signals import TABLE

# docs/decisions/0006 tells how they were found
MEASURES: Mapping[str, float] = {
    "sharpness": 100.0,
    "brightness": 60.0,
    "burnt_share": 0.5,
    "glare_share": 0.015,
    "chroma": 2.5,
}
SCORES = frozenset(
    f"{provider}.{rule.number}" for provider, rules in TABLE.items() for rule in rules if rule.number is not None
)


def parsed(text: str = "") -> dict[str, float]:
    """All thresholds, those of `text` over the defaults. Raises ValueError, which names what is wrong."""
    found = dict(MEASURES)
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = (part.strip() for part in entry.partition("="))
        if name not in MEASURES.keys() | SCORES:
            raise ValueError(f"knows no {name!r}; known are: {', '.join(sorted(MEASURES.keys() | SCORES))}")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not equals or not 0 <= value < float("inf"):
            raise ValueError(f"{name} needs a number that is not negative")
        found[name] = value
    return found
