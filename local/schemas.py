"""Writes what consumers rely on, from the code: schemas/ and docs/reasons.md.

    python -m local.schemas            writes what is stale
    python -m local.schemas --check    says what is stale, and writes nothing

Exit codes: 0 when all is written or current, 1 when `--check` found something stale, 2 for a wrong command line.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from cardintake.events import EVENTS
from cardintake.reason_texts import GROUPS, TEXTS, Group
from cardintake.reasons import Reason
from cardintake.record_model import record_adapter
from local import schema_examples

REPOSITORY = Path(__file__).resolve().parent.parent

SCHEMAS = "schemas"
REASONS = "docs/reasons.md"
RECORD = "record.schema.json"
SCHEMA_VERSION = 1

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _OfDocuments(GenerateJsonSchema):
    """Describes documents as they are written, where pydantic describes what a model accepts.

    An absent value is absent, never null; a constant is always there; what OpenAPI adds is left out.
    """

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_is_required(self, field: Any, total: bool) -> bool:
        constant = field["schema"]["type"] == "default" and field["schema"].get("default") is not None
        return constant or super().field_is_required(field, total)

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        described = super().tagged_union_schema(schema)
        described.pop("discriminator", None)
        return described


def generated() -> dict[str, str]:
    """Every generated file: its path in the repository, its text."""
    files = {f"{SCHEMAS}/{name}": _json(schema) for name, schema in schemas().items()}
    return files | {REASONS: reasons_page()}


def schemas() -> dict[str, dict[str, Any]]:
    """Every published schema by its file's name."""
    record = record_adapter().json_schema(schema_generator=_OfDocuments)
    for name, card in schema_examples.CARDS.items():
        record["$defs"][name]["examples"] = [card]
    found = {
        RECORD: _headed(
            record,
            "record",
            "Record of a scan",
            "An item of the cards table whose `record_id` begins with `scan_`, as plain JSON: one for each object of "
            "the scans bucket. Members that are not described here are the service's own, and may change any day.",
            schema_examples.RECORDS,
        )
    }
    for event in EVENTS:
        name = event.detail_type.lower().replace(" ", "-")
        schema = event.model_json_schema(schema_generator=_OfDocuments)
        description = f"`detail` of the event `{event.detail_type}`. {schema['description']}"
        examples = schema_examples.EVENTS[event.detail_type]
        found[f"{name}.schema.json"] = _headed(schema, f"event:{name}", event.detail_type, description, examples)
    return found


def _headed(
    schema: Mapping[str, Any], name: str, title: str, description: str, examples: list[dict[str, Any]]
) -> dict[str, Any]:
    head = {
        "$schema": _DIALECT,
        "$id": f"urn:cardintake:{name}:{SCHEMA_VERSION}",
        "title": title,
        "description": description,
    }
    body = {key: value for key, value in schema.items() if key not in head and key != "$defs"}
    whole = head | body | {"examples": examples, "$defs": schema["$defs"]}
    for described in (whole, *whole["$defs"].values()):
        for field, member in described.get("properties", {}).items():
            if member is not False:
                member.setdefault("title", field.replace("_", " ").title())
    return whole


def _json(schema: dict[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


# docs/reasons.md ------------------------------------------------------------------------------------------------------

_HEAD = """\
# Reasons

<!-- Written by `make schemas` from reasons.py and reason_texts.py. -->

Why a record is what it is, in codes that programs can rely on. More may be added; none changes its meaning. A record's
`findings` say which signal gave which reason, with which value and against which threshold. Where several reasons are
present, the strictest advice counts: refuse, ask a person, ask for a better photo, wait, nothing.
"""
_SECTIONS: Mapping[Group, tuple[str, str]] = {
    "quality": ("Quality", "With any of these, `quality` is `low` and `Card Low Quality` is announced."),
    "risk": ("Risk", "With any of these, `risk` is `suspected` and `Card Risk Suspected` is announced."),
    "neither": ("Neither", "They say why, and change neither `quality` nor `risk`."),
    "rejected": (
        "Rejected images",
        "`status` is `REJECTED` and `Card Rejected` is announced. Nothing was read.",
    ),
    "failed": ("Failed", "`status` is `FAILED` and `Card Failed` is announced. Only a redrive reopens such a record."),
    "waiting": ("Waiting", "In `waiting_for` of a record that is `PROCESSING`, which has no `reasons` yet."),
}


def reasons_page() -> str:
    """docs/reasons.md."""
    parts = [_HEAD]
    for group, (title, introduction) in _SECTIONS.items():
        rows = [
            f"| `{reason}` | {TEXTS[reason].meaning} | {TEXTS[reason].advice} |"
            for reason in Reason
            if reason in GROUPS[group]
        ]
        table = "\n".join(["| Code | Meaning | What to do |", "|---|---|---|", *rows])
        parts.append(f"## {title}\n\n{introduction}\n\n{table}\n")
    return "\n".join(parts)


# the command ----------------------------------------------------------------------------------------------------------


def stale(repository: Path) -> dict[str, str | None]:
    """The generated files that are missing or differ, with the text they should have; None for one to be removed."""
    wanted = generated()
    found: dict[str, str | None] = {name: text for name, text in wanted.items() if _text(repository / name) != text}
    left_over = sorted(path.name for path in (repository / SCHEMAS).glob("*.schema.json"))
    return found | {f"{SCHEMAS}/{name}": None for name in left_over if f"{SCHEMAS}/{name}" not in wanted}


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main() -> int:
    parser = argparse.ArgumentParser(prog="local.schemas", description="Writes schemas/ and docs/reasons.md.")
    parser.add_argument("--check", action="store_true", help="say what is stale, and write nothing")
    checking = parser.parse_args().check
    changes = stale(REPOSITORY)
    for name, text in changes.items():
        path = REPOSITORY / name
        if checking:
            print(f"{name} is stale: run `make schemas`")
        elif text is None:
            path.unlink()
            print(f"{name} removed")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"{name} written")
    return int(checking and bool(changes))


if __name__ == "__main__":
    raise SystemExit(main())
