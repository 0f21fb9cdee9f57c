"""Makes the page: pictures become data URIs, records become rows, and Jinja fills the template."""

import base64
import io
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image, ImageOps

from local.demo import checking, contract
from local.demo.model import NOT_COMPARED, Result, Run
from local.report.explanations import evidence, explain

_PICTURE_PIXELS = 800
_PICTURE_QUALITY = 78
_LABELS = {
    "id_number": "ID number",
    "no_expiry": "Without expiry",
    "long_term": "Long-term (长期)",
}


@dataclass(frozen=True)
class _Row:
    """A field of a card, as read and as printed, empty where it was not. `right` is None where nothing is compared."""

    label: str
    read: str
    printed: str
    right: bool | None


@dataclass(frozen=True)
class _Flag:
    """A reason code with its sentence and what it rests on."""

    code: str
    group: str
    sentence: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """One scan on the page."""

    result: Result
    picture: str | None
    rows: tuple[_Row, ...]
    flags: tuple[_Flag, ...]
    differences: tuple[str, ...]


def write_report(run: Run, path: Path) -> None:
    """Writes the page to `path`, for this user's eyes only: what is on a card stands in it."""
    html = render(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(html)
    draft.replace(path)


def render(run: Run) -> str:
    """The page as text. Everything in it that is not ours is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tojson_readable"] = _readable
    return environment.get_template("report.html.jinja").render(
        run=run,
        entries=[_entry(result) for result in run.results],
        differences=checking.of_run(run),
        compared=any(result.upload.expected for result in run.results),
        events=_events(run.results),
        seconds=sum(phase.seconds for phase in run.phases),
    )


def _entry(result: Result) -> _Entry:
    return _Entry(
        result,
        _data_uri(result.upload.data),
        tuple(_rows(result)),
        tuple(_flags(result)),
        tuple(checking.differences(result)),
    )


def _data_uri(data: bytes) -> str | None:
    """A picture small enough to be one of many in a page; None for what no browser and no Pillow can show."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.draft("RGB", (2 * _PICTURE_PIXELS, 2 * _PICTURE_PIXELS))
            small = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    small.thumbnail((_PICTURE_PIXELS, _PICTURE_PIXELS))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_PICTURE_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _rows(result: Result) -> Iterable[_Row]:
    """Fields in the order of the printed card, then what was read beside, then what should have been read."""
    expected = result.upload.expected
    printed = (expected.card if expected else None) or {}
    read: dict[str, Any] = result.get("card", {})
    missed = [finding["signal"] for finding in result.get("findings", ()) if finding["reason"] == "FIELD_MISSING"]
    for name in dict.fromkeys([*printed, *read, *missed]):
        if name in NOT_COMPARED:
            continue
        known = expected is not None and (name in printed or name in read)
        yield _Row(
            label=_LABELS.get(name, name.replace("_", " ").capitalize()),
            read=_text(read.get(name)),
            printed=_text(printed.get(name)),
            right=printed.get(name) == read.get(name) if known else None,
        )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _readable(value: object) -> str:
    """JSON for people; a set becomes a list, a number that JSON does not know a text."""
    return json.dumps(
        value,
        ensure_ascii=False,
        indent=2,
        sort_keys=True,
        default=lambda odd: sorted(odd) if isinstance(odd, set) else str(odd),
    )


def _flags(result: Result) -> Iterable[_Flag]:
    findings = result.get("findings", [])
    for code in result.get("reasons", ()):
        rests_on = tuple(evidence(finding) for finding in findings if finding.get("reason") == code)
        yield _Flag(code, _group(code), explain(code), rests_on)


def _group(code: str) -> str:
    if code in contract.QUALITY_REASONS:
        return "quality"
    return "risk" if code in contract.RISK_REASONS else "other"


def _events(results: Iterable[Result]) -> list[tuple[str, str, Any]]:
    """Time, scan and event of everything that arrived, oldest first."""
    arrived = [
        (event["detail"]["metadata"]["occurred_at"], result.upload.name, event)
        for result in results
        for event in result.events
    ]
    return sorted(arrived, key=lambda entry: entry[:2])
