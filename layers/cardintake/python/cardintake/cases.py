"""One person's scans: the sides of a card joined by case, and numbers and pictures that other cases have shown.

An item for each case, number and picture lists the records that belong to it, and nothing of what was read: numbers and
pictures are found by keyed hash. A record's final write and its links are one transaction, on the condition that the
links are still as they were read: of two sides at the same moment, the later one meets the former. The identity itself
is joined when it is read, from the records.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from pydantic import ConfigDict, TypeAdapter, ValidationError

from cardintake import limits
from cardintake.assessment import of_sides
from cardintake.cards.models import Card, Side
from cardintake.cards.sides import OTHER_SIDE
from cardintake.findings import Finding
from cardintake.items import condition_failed, marshalled, plain
from cardintake.reasons import Reason
from cardintake.settings import Settings

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_DAY = 86400
_READ_TRIES = 5
_LEAVE_TRIES = 10
_MASKED = re.compile(r"[*×]|X(?!$)")
_card: TypeAdapter[Card] = TypeAdapter(Card, config=ConfigDict(hide_input_in_errors=True))


@dataclass(frozen=True, slots=True)
class Link:
    """An item that lists records: by side in a case, by case for a number or picture. Versions count its changes."""

    item_id: str
    members: Mapping[str, str] = field(default_factory=dict)
    version: int = 0

    def others(self, record_id: str) -> dict[str, str]:
        """The members but this one."""
        return {member: value for member, value in self.members.items() if member != record_id}


@dataclass(frozen=True, slots=True)
class Joined:
    """What a record meets in its case and in others. `links`: the writes that enter it, by item.

    `partners`: the records of the card's other side, as far as events tell of records.
    """

    findings: tuple[Finding, ...] = ()
    links: Mapping[str, "TransactWriteItemTypeDef"] = field(default_factory=dict)
    partners: tuple[Mapping[str, Any], ...] = ()
    complete: bool = False  # both sides of one card are there, in this picture or in two
    checked: bool = False  # whether there was anything to compare with


class Cases:
    """`lookup_key` gives the key of the hashes, if any: without it other cases are not looked at. `clock`: epoch s."""

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        settings: Settings,
        lookup_key: Callable[[], bytes | None] | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dynamodb = dynamodb
        self._settings = settings
        self._lookup_key = lookup_key
        self._clock = clock

    def join(self, record_id: str, case_id: str, cards: Sequence[Card], content_sha256: str) -> Joined:
        """What the cards of one picture meet; nothing is written yet."""
        case_item = f"case_{case_id}"
        own = [_entry(card) for card in cards]
        entries = {case_item: ",".join(dict.fromkeys(own))}
        looked_up = self._looked_up(cards, content_sha256)
        entries |= dict.fromkeys(looked_up, case_id)
        links = self._read(entries)
        wanted = {_entry(card, OTHER_SIDE[card.side]) for card in cards} - set(own)
        findings: list[Finding] = []
        partners: list[Mapping[str, Any]] = []
        for item in self._items(_holding(links[case_item], record_id, wanted)):
            other = _card_of(item)
            if other is not None:
                findings += [finding for card in cards for finding in of_sides(card, other, "case")]
                partners.append(_told(item, other))
        for item_id, reason in looked_up.items():
            elsewhere = set(links[item_id].others(record_id).values()) - {case_id}
            if elsewhere:
                findings.append(Finding(reason, "case", "cases", str(len(elsewhere))))
        return Joined(
            tuple(dict.fromkeys(findings)),
            {item_id: self._entering(links[item_id], record_id, entry) for item_id, entry in entries.items()},
            tuple(partners),
            complete=bool(partners) or any(_entry(card, OTHER_SIDE[card.side]) in own for card in cards),
            checked=bool(looked_up or partners),
        )

    def _looked_up(self, cards: Sequence[Card], content_sha256: str) -> dict[str, Reason]:
        """The items of the cards' numbers and of the picture; a masked number does not tell one person from another."""
        key = self._lookup_key() if self._lookup_key is not None else None
        if key is None:
            return {}
        items = {_hashed(key, "image", content_sha256): Reason.IMAGE_SEEN_IN_OTHER_CASE}
        for card in cards:
            number: str | None = getattr(card, "id_number", None)
            if number is not None and not _MASKED.search(number):
                item_id = number_link(key, card.country, card.document_type, number)
                items[item_id] = Reason.NUMBER_SEEN_IN_OTHER_CASE
        return items

    def leave(self, record_id: str, link_ids: Iterable[str]) -> None:
        """Takes the record out of these links; a link without members goes."""
        for item_id in sorted(link_ids):
            for _ in range(_LEAVE_TRIES):
                (link,) = self._read([item_id]).values()
                if record_id not in link.members or self._left(link, record_id):
                    break
            else:
                raise RuntimeError("a link changes faster than it can be left")

    def _left(self, link: Link, record_id: str) -> bool:
        rest = link.others(record_id)
        try:
            if rest:
                self._dynamodb.put_item(**self._put(link, rest))
            else:
                self._dynamodb.delete_item(
                    TableName=self._settings.cards_table,
                    Key=marshalled({"record_id": link.item_id}),
                    **_unchanged(link),
                )
        except ClientError as error:
            condition_failed(error)
            return False
        return True

    def _entering(self, link: Link, record_id: str, entry: str) -> "TransactWriteItemTypeDef":
        """The latest members are kept: whether there are others is what matters, not all of them."""
        latest = list(link.others(record_id).items())[1 - limits.LINK_MEMBERS :]
        return {"Put": self._put(link, {**dict(latest), record_id: entry})}

    def _put(self, link: Link, members: Mapping[str, str]) -> Any:
        item = {
            "record_id": link.item_id,
            "members": [[member, entry] for member, entry in members.items()],
            "version": link.version + 1,
            "expires_at": int(self._clock()) + self._settings.retention_days * _DAY,
        }
        return {"TableName": self._settings.cards_table, "Item": marshalled(item), **_unchanged(link)}

    def _read(self, item_ids: Iterable[str]) -> dict[str, Link]:
        found = {link.item_id: link for link in map(_link, self._items(item_ids))}
        return {item_id: found.get(item_id, Link(item_id)) for item_id in item_ids}

    def _items(self, item_ids: Iterable[str]) -> list[dict[str, Any]]:
        table = self._settings.cards_table
        items: list[dict[str, Any]] = []
        keys = [marshalled({"record_id": item_id}) for item_id in item_ids]
        request: Any = {table: {"Keys": keys, "ConsistentRead": True}} if keys else {}
        for attempt in range(_READ_TRIES):
            if not request:
                return items
            if attempt:
                time.sleep(0.05 * 2**attempt)
            answer = self._dynamodb.batch_get_item(RequestItems=request)
            items += [plain(item) for item in answer["Responses"].get(table, ())]
            request = answer["UnprocessedKeys"]
        raise RuntimeError("DynamoDB leaves keys of a batch unread")


def _entry(card: Card, side: Side | None = None) -> str:
    return f"{card.document_type}/{side or card.side}"


def _holding(case: Link, record_id: str, wanted: AbstractSet[str]) -> list[str]:
    """Members of the case that hold one of the wanted sides."""
    return [member for member, entry in case.others(record_id).items() if wanted & set(entry.split(","))]


def _card_of(item: Mapping[str, Any]) -> Card | None:
    """The record's card; None when it has been erased or uploaded anew since it joined the case."""
    try:
        return _card.validate_python(item.get("card"))
    except ValidationError:
        return None


def _told(item: Mapping[str, Any], card: Card) -> dict[str, Any]:
    told = {name: item[name] for name in ("record_id", "quality", "risk", "reasons")}
    return {**told, "document_type": card.document_type}


def number_link(key: bytes, country: str, document_type: str, number: str) -> str:
    """The id of the item that lists the records with this number, written as records have it."""
    return _hashed(key, "number", f"{country}/{document_type}/{number}")


def _hashed(key: bytes, kind: str, value: str) -> str:
    """`image_...`, `number_...`: HMAC-SHA256, its first 128 bits."""
    return f"{kind}_{hmac.new(key, f'{kind}\n{value}'.encode(), hashlib.sha256).hexdigest()[:32]}"


def _link(item: Mapping[str, Any]) -> Link:
    return Link(item["record_id"], dict(item.get("members", ())), item.get("version", 0))


def _unchanged(link: Link) -> dict[str, Any]:
    if link.version == 0:
        return {"ConditionExpression": "attribute_not_exists(record_id)"}
    return {
        "ConditionExpression": "#version = :seen",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": marshalled({":seen": link.version}),
    }
