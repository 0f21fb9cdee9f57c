"""DynamoDB items as plain dictionaries, and the one place that knows how time is written in them.

The same forms as boto3's serializer gives, for the types that items of ours have: importing boto3 costs a start-up
more than the clients of DynamoDB and S3 together would without it.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from cardintake.aws import error_code

# the index by which `sweep` finds what is unfinished: `due_shard` spreads it, `due_at` (epoch seconds) orders it
DUE_INDEX = "due"
DUE_SHARDS = "0123456789abcdef"


def marshalled(values: Mapping[str, object]) -> dict[str, Any]:
    """`{":name": value}` for DynamoDB; members that are None are left out."""
    return {name: _typed(value) for name, value in values.items() if value is not None}


def plain(item: Mapping[str, Any] | None) -> dict[str, Any]:
    """An item as Python values, whole numbers as int; None as an empty dictionary."""
    return {name: _plain(value) for name, value in (item or {}).items()}


def due_shard(record_id: str) -> str:
    """The index partition of an item: record ids end in a hexadecimal digit; other items share one."""
    return record_id[-1] if record_id[-1] in DUE_SHARDS else DUE_SHARDS[0]


def iso(moment: float) -> str:
    """Epoch seconds as ISO 8601, UTC, `Z`, milliseconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _typed(value: object) -> dict[str, Any]:
    """A value as DynamoDB names its type. Raises TypeError for what has none, and for float, which would be inexact."""
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": str(value)}
        case None:
            return {"NULL": True}
        case Mapping():
            return {"M": {name: _typed(member) for name, member in value.items()}}
        case list() | tuple():
            return {"L": [_typed(member) for member in value]}
        case AbstractSet() if value and all(isinstance(member, str) for member in value):
            return {"SS": list(value)}
    raise TypeError(f"no attribute of an item can be a {type(value).__name__}")


def _plain(typed: Mapping[str, Any]) -> object:
    ((kind, value),) = typed.items()
    match kind:
        case "N":
            return _number(value)
        case "NULL":
            return None
        case "M":
            return {name: _plain(member) for name, member in value.items()}
        case "L":
            return [_plain(member) for member in value]
        case "NS":
            return {_number(member) for member in value}
        case "SS" | "BS":
            return set(value)
    return value


def _number(text: str) -> int | float:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)


@dataclass(slots=True)
class Update:
    """An UpdateExpression. Every attribute is an alias (`#name`), so that no reserved word matters.

    `attributes` are set, those that are None left alone; `absent` are removed; `sets`, `adds` and `deletes` are further
    actions. `values` are the placeholders of these and the condition, `aliases` the attributes that those name.
    """

    attributes: Mapping[str, object] = field(default_factory=dict, repr=False)
    absent: Iterable[str] = ()
    sets: list[str] = field(default_factory=list)
    adds: list[str] = field(default_factory=list)
    deletes: list[str] = field(default_factory=list)
    values: dict[str, object] = field(default_factory=dict, repr=False)
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
