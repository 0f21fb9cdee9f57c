"""What DynamoDB bills for one write, from the item before and after it.

Rules: "Item sizes and formats" and "Read/write capacity" of the DynamoDB Developer Guide
(docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html). Items are as the API writes
them: `{"name": {"S": "..."}}`.
"""

import math
from collections.abc import Mapping
from typing import Any

type Item = Mapping[str, Mapping[str, Any]]

_WRITE_BYTES = 1024
_READ_BYTES = 4096
# the key attributes of the table's indexes, which project nothing else; the first two decide whether an item is in one
INDEXES: Mapping[str, tuple[str, ...]] = {
    "due": ("due_shard", "due_at", "record_id"),
    "cases": ("case_id", "record_id"),
}


def item_bytes(item: Item) -> int:
    """Names in UTF-8 and values; 0 for no item."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def read_units(item: Item) -> int:
    """Of a strongly consistent read; a read that finds nothing costs one."""
    return max(1, math.ceil(item_bytes(item) / _READ_BYTES))


def write_units(before: Item, after: Item, *, transactional: bool) -> int:
    """The larger of both sizes counts, also when the condition failed; a transaction costs twice."""
    size = max(item_bytes(before), item_bytes(after))
    return max(1, math.ceil(size / _WRITE_BYTES)) * (2 if transactional else 1)


def index_units(before: Item, after: Item) -> int:
    """One for an entry that comes or goes, two for one whose key changes."""
    units = 0
    for keys in INDEXES.values():
        old, new = _entry(before, keys), _entry(after, keys)
        if old != new:
            units += (old is not None) + (new is not None)
    return units


def _entry(item: Item, keys: tuple[str, ...]) -> list[object] | None:
    return [item[key] for key in keys] if all(key in item for key in keys) else None


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return math.ceil(len(content.lstrip("-").replace(".", "").strip("0")) / 2) + 1
        case "B":
            return len(content)
        case "SS":
            return sum(len(member.encode()) for member in content)
        case "L":
            return 3 + sum(1 + _value_bytes(member) for member in content)
        case "M":
            return 3 + item_bytes(content) + len(content)
        case "BOOL" | "NULL":
            return 1
    raise ValueError(f"DynamoDB type {kind} does not occur in the cards table")
