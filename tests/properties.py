"""Profiles and strategies of the property tests. Importing this module loads the profile.

The same few examples at every run, so that a green run stays green; HYPOTHESIS_PROFILE=ci looks further, at random.
"""

import copy
import os
import unicodedata
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

_COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=50, derandomize=True, **_COMMON)
settings.register_profile("ci", max_examples=1000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

type Path = tuple[str | int, ...]

# what a provider should never send in place of a value, and what a stranger's would
HOSTILE_VALUES: list[Any] = [
    None, "", " ", "\x00", "\u200b", True, False, 0, -1, 2**63, 10**40, 1.5, 1e308, [], {}, [[[[[]]]]], [None],
    {"a": {"b": []}}, "null", "９９０１０５１９９００３０７００３７", "２０１９．０６．０６－２０３９．０６．０６",
    "99010519900307003*", "9901051990030700371234", "2007.02.30-2027.02.30", "长期", "2019.06.06-长期", "30/02/1990",
    "99/99/9999", "07 XYZ 1990", "00000000", "\ud83d", "张\udc00样", "张\U000e0001", "\u202e", "x" * 301, "x" * 5000,
    "<script>alert(1)</script>", "${jndi:ldap://x}", "NaN", "-0", "1e5", "男女", "MF", "front", "back", "copy",
]  # fmt: skip


def paths_in(value: object, at: Path = ()) -> Iterator[Path]:
    """Every place in a JSON document, the whole included."""
    yield at
    if isinstance(value, dict):
        for name, member in value.items():
            yield from paths_in(member, (*at, name))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from paths_in(member, (*at, index))


def mutated_at(document: object, path: Path, value: object) -> Any:
    """A copy of the document with another value in that place."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    _parent(changed, path)[path[-1]] = value
    return changed


def without(document: object, path: Path) -> Any:
    """A copy of the document that lacks that place."""
    changed = copy.deepcopy(document)
    del _parent(changed, path)[path[-1]]
    return changed


def _parent(document: Any, path: Path) -> Any:
    for step in path[:-1]:
        document = document[step]
    return document


VALUES = st.sampled_from(HOSTILE_VALUES) | st.text(max_size=30) | st.integers() | st.floats()


@st.composite
def tampered(draw: st.DrawFn, documents: list[Any]) -> Any:
    """One of the documents with up to four places taken away or given another value."""
    document: Any = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(1, 4))):
        path: Path = draw(st.sampled_from(list(paths_in(document))))
        gone: bool = draw(st.booleans())
        document = without(document, path) if path and gone else mutated_at(document, path, draw(VALUES))
    return document


# what a field of a card can have been read from; any other value must stand in the answer as it is
_WRITTEN_AS = {
    "sex": {"M": {"男", "M", "MASCULINO"}, "F": {"女", "F", "FEMENINO"}},
    "marital_status": {
        "single": {"S", "SOLTERO", "SOLTERA"}, "married": {"C", "CASADO", "CASADA"},
        "divorced": {"D", "DIVORCIADO", "DIVORCIADA"}, "widowed": {"V", "VIUDO", "VIUDA"},
    },
    "organ_donor": {True: {"SI", "SÍ"}, False: {"NO"}},
    "edition": {"old": {"OLD"}, "new": {"NEW"}},
}  # fmt: skip
_IDENTITY = {"country", "document_type", "side"}
_MONTHS = ("ENE", "FEB", "MAR", "ABR", "MAY", "JUN", "JUL", "AGO", "SE", "OCT", "NOV", "DIC")


def invented(card: dict[str, Any], answer: object) -> dict[str, Any]:
    """The fields of a card whose values stand nowhere in the answer."""
    written = [_plain(leaf) for leaf in _leaves(answer)]
    return {
        name: value for name, value in card.items() if name not in _IDENTITY and not _stands_in(name, value, written)
    }


def _stands_in(name: str, value: Any, written: list[str]) -> bool:
    if name in _WRITTEN_AS:
        return bool(_WRITTEN_AS[name][value].intersection(written))  # type: ignore[index]
    if name in ("long_term", "no_expiry"):
        return any(text.endswith(("长期", "长期有效", "NOCADUCA", "INDEFINIDO")) for text in written)
    if name.endswith("_date") or name.startswith("valid_"):
        year, month, day = value.split("-")
        months = (month.lstrip("0"), _MONTHS[int(month) - 1])
        return any(year in text and day.lstrip("0") in text and any(m in text for m in months) for text in written)
    return any(_plain(value) in text for text in written)


def _plain(value: object) -> str:
    """Without white space, control characters, and differences that Unicode has only for compatibility."""
    kept = (c for c in unicodedata.normalize("NFKC", str(value)) if unicodedata.category(c) not in ("Cc", "Cf"))
    # once more: what was apart may compose now (A¨ is A, space, combining diaeresis; then Ä)
    return unicodedata.normalize("NFKC", "".join("".join(kept).split())).upper()


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for member in value.values():
            yield from _leaves(member)
    elif isinstance(value, list):
        for member in value:
            yield from _leaves(member)
    else:
        yield value
