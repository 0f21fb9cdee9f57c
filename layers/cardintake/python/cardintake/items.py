"""DynamoDB items as plain dictionaries, and the one place that knows how time is written in them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from cardintake.aws import error_code

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize

# the index by which `sweep` finds what is unfinished: `due_shard` spreads it, `due_at` (epoch seconds) orders it
DUE_INDEX = "due"
DUE_SHARDS = "0123456789abcdef"


def marshalled(values: Mapping[str, object]) -> dict[str, Any]:
    """`{":name": value}` for DynamoDB; members that are None are left out."""
    return {name: _serialize(value) for name, value in values.items() if value is not None}


def plain(item: Mapping[str, Any] | None) -> dict[str, Any]:
    """An item as Python values, whole numbers as int; None as an empty dictionary."""
    return {name: _whole(_deserialize(value)) for name, value in (item or {}).items()}


def due_shard(record_id: str) -> str:
    """The index partition of an item: record ids end in a hexadecimal digit; other items share one."""
    return record_id[-1] if record_id[-1] in DUE_SHARDS else DUE_SHARDS[0]


def iso(moment: float) -> str:
    """Epoch seconds as ISO 8601, UTC, `Z`, milliseconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _whole(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list):
        return [_whole(member) for member in value]
    if isinstance(value, dict):
        return {name: _whole(member) for name, member in value.items()}
    return value


@dataclass(slots=True)
class Update:
    """An UpdateExpression. Every attribute is an alias (`#name`), so that no reserved word matters.

    `attributes` are set, those that are None left alone; `absent` are removed; `sets`, `adds` and `deletes` are further
    actions. `values` are the placeholders of these and the condition, `aliases` the attributes that those name.
    """

    attributes: Mapping[str, object] = field(default_factory=dict)
    absent: Iterable[str] = ()
    sets: list[str] = field(default_factory=list)
    adds: list[str] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    values: dict[str, object] = field(default_factory=dict)
    aliases: Iterable[str] = ()

    def request(self, table: str, record_id: str, condition: str) -> Any:
        """The members of an UpdateItem request, or of an Update in a transaction."""
        present = {name: value for name, value in self.attributes.items() if value is not None}
        clauses = {
            "SET": [*self.sets, *(f"#{name} = :{name}" for name in present)],
            "REMOVE": [f"#{name}" for name in self.absent],
            "ADD": self.adds,
            "DELETE": self.deletes,
        }
        request: dict[str, Any] = {
            "TableName": table,
            "Key": marshalled({"record_id": record_id}),
            "UpdateExpression": " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts),
            "ConditionExpression": condition,
        }
        if names := {f"#{name}": name for name in (*present, *self.absent, *self.aliases)}:
            request["ExpressionAttributeNames"] = names
        if values := marshalled({f":{name}": value for name, value in present.items()} | self.values):
            request["ExpressionAttributeValues"] = values
        return request


def condition_failed(error: ClientError) -> dict[str, Any]:
    """The item that a failed condition met (empty: none); any other error is raised again."""
    if error_code(error) != "ConditionalCheckFailedException":
        raise error
    item: Any = error.response.get("Item")
    return plain(item)
