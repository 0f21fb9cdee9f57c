"""What is published: schemas/ and docs/reasons.md say what the code does, and keep the promises of earlier versions."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError as SchemaError
from pydantic import TypeAdapter, ValidationError

import local.schemas
from cardintake import announcements, reason_texts
from cardintake.cards.models import Card
from cardintake.events import EVENTS, CardLowQuality, UnknownEventError, parse_event
from cardintake.items import plain
from cardintake.providers import REGISTRY
from cardintake.reasons import Reason
from cardintake.record_model import PROVIDERS, Finding, RecognizedRecord, parse_record
from local import schema_examples
from local.schemas import RECORD, REPOSITORY, SCHEMA_VERSION, schemas, stale
from tests.contract.recorded import all_recorded, recorded
from tests.unit.conftest import encoded, picture
from tests.unit.schema_compatibility import breaks
from tests.unit.test_balances import IHUYI, ask, prepaid
from tests.unit.test_every_provider import SECRETS, response, world_of
from tests.unit.world import (
    CREDENTIALS,
    EMBLEM,
    LOOKUP,
    PORTRAIT,
    TABLE,
    DiedError,
    World,
    a_world,
    ctyun_answer,
    sqs_event,
)

type Document = dict[str, Any]

PUBLISHED = Path(__file__).parent / "published"
SCHEMAS = schemas()
VALIDATORS = {
    name: Draft202012Validator(schema, format_checker=FormatChecker(["date"])) for name, schema in SCHEMAS.items()
}
FILE_OF = {schema["title"]: name for name, schema in SCHEMAS.items()}
EVENT_OF = {event.detail_type: event for event in EVENTS}
STATUSES = ("PROCESSING", "RECOGNIZED", "REJECTED", "FAILED", "ERASED")
# attributes of a record that are the service's own
INTERNAL = {
    "lease_owner",
    "lease_until",
    "ticket",
    "outbox",
    "due_shard",
    "due_at",
    "answer_keys",
    "link_keys",
    "leaving",
}
_card: TypeAdapter[Card] = TypeAdapter(Card)


def resolved(schema: Any, document: Document) -> Any:
    return document["$defs"][schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema


def of_status(status: str) -> Document:
    """What the published schema says of records with this status."""
    kinds = (resolved(kind, SCHEMAS[RECORD]) for kind in SCHEMAS[RECORD]["oneOf"])
    found: Document = next(kind for kind in kinds if kind["properties"]["status"]["const"] == status)
    return found


# the files ------------------------------------------------------------------------------------------------------------


def test_what_is_on_disk_is_what_the_code_says() -> None:
    assert sorted(stale(REPOSITORY)) == [], "run `make schemas`"


def test_what_is_stale_is_said_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["local.schemas", *arguments])
        return local.schemas.main(), [line.split()[0] for line in capsys.readouterr().out.splitlines()]

    monkeypatch.setattr(local.schemas, "REPOSITORY", tmp_path)
    (tmp_path / "docs").mkdir()
    assert run()[0] == 0
    assert run("--check") == (0, [])
    (tmp_path / "docs" / "reasons.md").write_text("# Other reasons\n", encoding="utf-8")
    (tmp_path / "schemas" / "record.schema.json").unlink()
    (tmp_path / "schemas" / "card-sold.schema.json").write_text("{}", encoding="utf-8")
    changed = ["docs/reasons.md", "schemas/card-sold.schema.json", "schemas/record.schema.json"]
    for _ in range(2):
        code, named = run("--check")
        assert (code, sorted(named)) == (1, changed)
    code, named = run()
    assert (code, sorted(named)) == (0, changed)
    assert run("--check") == (0, [])


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_member_has_a_title_and_a_description(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name].keys() >= {"$schema", "$id", "title", "description", "examples"}
    for part in (SCHEMAS[name], *SCHEMAS[name]["$defs"].values()):
        for member, described in part.get("properties", {}).items():
            assert described is False or described.keys() >= {"title", "description"}, member


def test_there_is_one_for_every_event_and_it_says_its_name() -> None:
    assert {schema["title"] for name, schema in SCHEMAS.items() if name != RECORD} == EVENT_OF.keys()
    assert {schema["$id"] for schema in SCHEMAS.values()} == {
        f"urn:cardintake:{'record' if name == RECORD else 'event:' + name.partition('.')[0]}:{SCHEMA_VERSION}"
        for name in SCHEMAS
    }
    assert SCHEMA_VERSION == announcements.SCHEMA_VERSION


def test_the_providers_are_the_registrys() -> None:
    assert set(PROVIDERS) == REGISTRY.keys()


@pytest.mark.thorough
def test_the_functions_do_not_import_what_is_for_consumers() -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; import app, cardintake.bootstrap;"
        "print(*sorted({'cardintake.events', 'cardintake.record_model', 'cardintake.reason_texts'} & set(sys.modules)))"
    )
    layer = REPOSITORY / "layers" / "cardintake" / "python"
    for function in (REPOSITORY / "functions").iterdir():
        done = subprocess.run(
            [sys.executable, "-I", "-c", code, str(layer), str(function)],
            check=True, env={}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.split() == [], function.name


# the reasons ----------------------------------------------------------------------------------------------------------


def test_every_reason_is_explained_in_one_sentence_each_and_has_a_group() -> None:
    assert reason_texts.TEXTS.keys() == set(Reason)
    for reason, text in reason_texts.TEXTS.items():
        for sentence in text:
            assert re.fullmatch(r"[A-Z][^.|]*\.", sentence), reason
        assert re.match("Ask (for|a person)|Refuse|Wait|Nothing", text.advice), reason
        assert reason_texts.groups_of(reason), reason
    several = {reason for reason in Reason if len(reason_texts.groups_of(reason)) > 1}
    assert several == {Reason.PROVIDER_UNAVAILABLE}


def test_the_page_has_a_row_for_every_reason_in_every_group() -> None:
    page = (REPOSITORY / "docs" / "reasons.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(reason.value for group in reason_texts.GROUPS.values() for reason in group)


# the examples ---------------------------------------------------------------------------------------------------------


def test_the_examples_are_what_the_schemas_say() -> None:
    for name, schema in SCHEMAS.items():
        for example in schema["examples"]:
            VALIDATORS[name].validate(example)
            if name == RECORD:
                check_record(example)
            else:
                check_event({"source": "cardintake", "detail-type": schema["title"], "detail": example})
    cards = {name: part["examples"] for name, part in SCHEMAS[RECORD]["$defs"].items() if "examples" in part}
    assert cards == {name: [card] for name, card in schema_examples.CARDS.items()}
    for card in schema_examples.CARDS.values():
        assert _card.validate_python(card).values() == card
    assert {example["status"] for example in SCHEMAS[RECORD]["examples"]} == set(STATUSES)


def strings(document: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a document, with the name of its member."""
    match document:
        case str(text):
            yield name, text
        case dict(members):
            for key, member in members.items():
                yield from strings(member, key)
        case list(members):
            for member in members:
                yield from strings(member, name)


def test_the_people_of_the_examples_are_invented() -> None:
    invented = {"张样例", "JUAN", "ESPÉCIMEN", "MUESTRA", "ESPÉCIMEN MUESTRA"}
    texts = [each for schema in SCHEMAS.values() for each in strings(schema["examples"])]
    texts += [each for card in schema_examples.CARDS.values() for each in strings(card)]
    people = [(name, text) for name, text in texts if name == "name" or name.endswith(("surname", "given_names"))]
    numbers = [text for name, text in texts if name == "id_number"]
    assert len(people) >= 9
    assert len(numbers) >= 4
    assert {text for _, text in people} <= invented
    assert all(number.startswith("99") for number in numbers), "no region begins with 99"
    for name, text in texts:
        assert not re.search(r"[\u4e00-\u9fff]{2}", text) or "样例" in text, text
        assert name != "address" or "样例" in text or "MUESTRA" in text, text
        assert not re.search(r"(?<!\d)(?!99)\d{17}[\dX](?![\dA-F])", text), text


# what the service writes is what is published -------------------------------------------------------------------------


def as_json(item: Mapping[str, Any]) -> Document:
    found: Document = json.loads(json.dumps(dict(item), default=sorted))
    return found


def check_record(item: Mapping[str, Any]) -> None:
    """By the schema, by the models, and without anything that nobody has described."""
    VALIDATORS[RECORD].validate(as_json(item))
    assert parse_record(item).status == item["status"]
    assert item.keys() - INTERNAL <= of_status(item["status"])["properties"].keys()
    for card in [item["card"], *item.get("other_cards", ())] if "card" in item else ():
        _card.validate_python(card)
    for finding in item.get("findings", ()):
        assert finding.keys() <= Finding.model_fields.keys()


def check_event(event: Mapping[str, Any]) -> None:
    """By the schema, by the models, and without anything that nobody has described."""
    name = event["detail-type"]
    VALIDATORS[FILE_OF[name]].validate(event["detail"])
    parsed = parse_event(event)
    assert type(parsed) is EVENT_OF[name]
    assert event["detail"].keys() == {"metadata", "data"}
    assert event["detail"]["metadata"].keys() == type(parsed.metadata).model_fields.keys()
    assert event["detail"]["data"].keys() <= type(parsed.data).model_fields.keys()


def check(world: World) -> tuple[list[Document], list[str]]:
    """Checks all that can be seen of a world now; its records, and its events' types since the last look."""
    items = [plain(item) for item in world.dynamodb.scan(TableName=TABLE)["Items"]]
    records = [item for item in items if item["record_id"].startswith("scan_")]
    events = world.heard_events()
    for record in records:
        check_record(record)
    for event in events:
        check_event(event)
    return records, [event["detail-type"] for event in events]


def scan(world: World, key: str = "uploads/C-1001/front.jpg", body: bytes | None = None, **metadata: str) -> None:
    world.deliver(world.upload(key, encoded(picture(sum(key.encode()))) if body is None else body, **metadata))


def clean(world: World) -> None:
    scan(world)


def flagged(world: World) -> None:
    detail = PORTRAIT | {"idn": "990105199003070038", "addr": "", "birthday": "1990-02-30"}
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(detail, risk="copy")
    scan(world, side="emblem")


def rejected_unread(world: World) -> None:
    for number, body in enumerate((b"", b"no image", encoded(picture())[:3000], encoded(picture(size=(30, 200))))):
        scan(world, f"a/{number}.jpg", body)


def rejected_by_the_provider(world: World) -> None:
    world.provider.script = [httpx.Response(200, json={"code": 4011, "message": "error", "details": "x"})]
    scan(world)


def without_a_card(world: World) -> None:
    world.provider.default["ctyun.test"] = lambda: ctyun_answer(dict.fromkeys(PORTRAIT, ""), risk="copy")
    scan(world)


def failed(world: World) -> None:
    world.provider.script = [httpx.Response(200, json={"code": 4003, "message": "error", "details": "x"})]
    scan(world)


def unavailable(world: World) -> None:
    world.provider.default["ctyun.test"] = lambda: httpx.Response(502, text="<html>")
    for number in range(6):
        scan(world, f"a/{number}.jpg")


def throttled(world: World) -> None:
    world.provider.script = [httpx.Response(429)]
    scan(world)


def misconfigured(world: World) -> None:
    world.provider.script = [httpx.Response(401, json={"message": "no"})]
    scan(world)


def misconfigured_for_a_while(world: World) -> None:
    misconfigured(world)
    world.set_secret(CREDENTIALS | {"changed": True})
    world.new_process()
    world.deliver(sqs_event(*world.messages_without_delay()))


def died_in_the_middle(world: World) -> None:
    event = world.upload("uploads/C-1001/front.jpg", encoded(picture()))
    world.die = (4, "after")
    with pytest.raises(DiedError):
        world.deliver(event)


def erased(world: World) -> None:
    scan(world)
    world.deliver(world.remove("uploads/C-1001/front.jpg"))


def gone_before_it_was_read(world: World) -> None:
    event = world.upload("a/x.jpg", encoded(picture()))
    world.s3.delete_object(Bucket="scans-here", Key="a/x.jpg")
    world.deliver(event)


def uploaded_anew(world: World) -> None:
    scan(world)
    world.deliver(world.remove("uploads/C-1001/front.jpg"))
    world.provider.script = [httpx.Response(429)]
    scan(world, body=encoded(picture(3)))


def several_cards(world: World) -> None:
    world.set_secret(SECRETS)
    world.provider.default["accuauth.test"] = lambda: response(recorded("accuauth", "several_cards"))
    scan(world)


def sides_of_one_card(world: World) -> None:
    world.provider.script = [ctyun_answer(PORTRAIT), ctyun_answer(EMBLEM)]
    scan(world)
    scan(world, "uploads/C-1001/back.jpg")


def sides_of_two_cards(world: World) -> None:
    world.provider.script = [ctyun_answer(PORTRAIT), ctyun_answer(EMBLEM | {"org": "另外市公安局"})]
    scan(world)
    scan(world, "uploads/C-1001/back.jpg")


def seen_in_another_case(world: World) -> None:
    scan(world, "uploads/C-1001/front.jpg", encoded(picture(1)))
    scan(world, "uploads/C-1002/front.jpg", encoded(picture(1)))


def prepaid_runs_out(world: World) -> None:
    account = prepaid(world, 20)
    ask(world)
    account.left = 900
    ask(world)


def prepaid_is_used_up(world: World) -> None:
    world.set_secret({"ihuyi": IHUYI})
    prepaid(world, 0)
    scan(world)


type Scenario = tuple[Callable[[World], None], dict[str, str], set[str], set[str]]

CASES = {"ANNOUNCE_CASES": "true", "LOOKUP_SECRET": LOOKUP}
SCENARIOS: dict[str, Scenario] = {
    scenario[0].__name__: scenario
    for scenario in (
        (clean, {}, {"RECOGNIZED"}, set()),
        (flagged, {"ANNOUNCE": "all"}, {"RECOGNIZED"}, {"Card Low Quality", "Card Risk Suspected", "Card Recognized"}),
        (rejected_unread, {}, {"REJECTED"}, {"Card Rejected"}),
        (rejected_by_the_provider, {}, {"REJECTED"}, {"Card Rejected"}),
        (without_a_card, {}, {"REJECTED"}, {"Card Rejected", "Card Low Quality", "Card Risk Suspected"}),
        (failed, {}, {"FAILED"}, {"Card Failed"}),
        (unavailable, {"MAX_ATTEMPTS": "1"}, {"FAILED", "PROCESSING"}, {"Card Failed", "Provider Unavailable"}),
        (throttled, {}, {"PROCESSING"}, set()),
        (misconfigured, {}, {"PROCESSING"}, {"Provider Misconfigured"}),
        (misconfigured_for_a_while, {}, {"RECOGNIZED"}, {"Provider Misconfigured", "Provider Recovered"}),
        (died_in_the_middle, {}, {"PROCESSING"}, set()),
        (erased, {}, {"ERASED"}, {"Card Erased"}),
        (gone_before_it_was_read, {}, {"ERASED"}, set()),
        (uploaded_anew, {}, {"PROCESSING"}, {"Card Erased"}),
        (several_cards, {"PROVIDERS": "accuauth"}, {"RECOGNIZED"}, set()),
        (sides_of_one_card, CASES, {"RECOGNIZED"}, {"Case Complete"}),
        (sides_of_two_cards, CASES, {"RECOGNIZED"}, {"Card Risk Suspected", "Case Complete"}),
        (seen_in_another_case, CASES, {"RECOGNIZED"}, {"Card Risk Suspected"}),
        (prepaid_runs_out, {"PROVIDERS": "ihuyi"}, set(), {"Provider Quota Low", "Provider Recovered"}),
        (prepaid_is_used_up, {"PROVIDERS": "ihuyi"}, {"PROCESSING"}, {"Provider Quota Low"}),
    )
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_becomes_of_a_scan_is_as_published(name: str) -> None:
    act, environment, statuses, types = SCENARIOS[name]
    with a_world(**environment) as world:
        act(world)
        records, heard = check(world)
    assert {record["status"] for record in records} == statuses
    assert set(heard) == types


def test_nothing_is_published_that_no_scenario_shows() -> None:
    assert set().union(*(statuses for _, _, statuses, _ in SCENARIOS.values())) == set(STATUSES)
    assert set().union(*(types for _, _, _, types in SCENARIOS.values())) == EVENT_OF.keys()


@pytest.mark.thorough
@pytest.mark.parametrize("provider", REGISTRY)
def test_what_becomes_of_every_recorded_answer_is_as_published(provider: str) -> None:
    asking = {"waiqin365": {"photo_detection": True}, "accuauth": {"detect_face": 1}}.get(provider)
    secret = SECRETS[provider] | ({"options": asking} if asking else {})
    host = secret["base_url"].removeprefix("http://")
    with world_of(provider, secrets={provider: secret}, ANNOUNCE="all", MAX_ATTEMPTS="1") as world:
        for number, document in enumerate(all_recorded(provider)):
            world.provider.default[host] = lambda document=document: response(document)  # type: ignore[misc]
            scan(world, f"uploads/C-{number}/front.jpg")
            world.let_pauses_run_out()
            world.new_process()
        records, heard = check(world)
    assert len(records) == len(all_recorded(provider))
    assert {"RECOGNIZED"} < {record["status"] for record in records}
    assert "Card Recognized" in heard


def test_a_record_is_parsed_as_boto3_reads_it(world: World) -> None:
    scan(world)
    table = boto3.resource("dynamodb", region_name="eu-west-1").Table(TABLE)
    (item,) = (item for item in table.scan()["Items"] if str(item["record_id"]).startswith("scan_"))
    record = parse_record(item)
    assert isinstance(record, RecognizedRecord)
    assert (record.card.country, record.paid_calls) == ("CHN", 1)
    assert record.card.model_dump(mode="json", exclude_none=True) == item["card"]
    assert "张样例" not in repr(record)


# what they refuse, and what they bear ---------------------------------------------------------------------------------

BY_STATUS = {record["status"]: record for record in reversed(schema_examples.RECORDS)}


@pytest.mark.parametrize(
    ("status", "change"),
    [
        ("RECOGNIZED", {"status": "SOLD"}),
        ("RECOGNIZED", {"record_id": "scan_1"}),
        ("RECOGNIZED", {"quality": "fine"}),
        ("RECOGNIZED", {"reasons": ["a sentence"]}),
        ("RECOGNIZED", {"schema_version": 2}),
        ("RECOGNIZED", {"waiting_for": "PROVIDER_QUOTA"}),
        ("RECOGNIZED", {"recognized_at": "yesterday"}),
        ("RECOGNIZED", {"card": {"country": "CHN", "document_type": "cn_resident_id", "side": "front"}}),
        ("RECOGNIZED", {"card": schema_examples.CARDS["ChineseIdPortrait"] | {"sex": "男"}}),
        ("RECOGNIZED", {"card": schema_examples.CARDS["ChineseIdPortrait"] | {"birth_date": "1990-02-30"}}),
        ("RECOGNIZED", {"card": schema_examples.CARDS["ChineseIdPortrait"] | {"name": ""}}),
        ("RECOGNIZED", {"card": schema_examples.CARDS["ChineseIdEmblem"] | {"long_term": False}}),
        ("REJECTED", {"quality": "good"}),
        ("REJECTED", {"card": schema_examples.CARDS["ChineseIdPortrait"]}),
        ("FAILED", {"reasons": []}),
        ("FAILED", {"quality": "unknown"}),
        ("PROCESSING", {"reasons": []}),
        ("ERASED", {"key": "uploads/C-1001/portrait.jpg"}),
        ("ERASED", {"case_id": "C-1001"}),
    ],
)
def test_a_record_that_breaks_a_promise_is_refused(status: str, change: Document) -> None:
    check_record(BY_STATUS[status])
    broken = BY_STATUS[status] | change
    with pytest.raises(SchemaError):
        VALIDATORS[RECORD].validate(broken)
    with pytest.raises(ValidationError) as refusal:
        parse_record(broken)
    assert "张样例" not in str(refusal.value)


@pytest.mark.parametrize("status", STATUSES)
def test_a_record_without_a_certain_member_is_refused(status: str) -> None:
    for name in of_status(status)["required"]:
        broken = {member: value for member, value in BY_STATUS[status].items() if member != name}
        assert not VALIDATORS[RECORD].is_valid(broken), name
        with pytest.raises(ValidationError):
            parse_record(broken)


def test_an_absent_value_is_absent_and_never_null() -> None:
    for change in ({"provider_request_id": None}, {"card": BY_STATUS["RECOGNIZED"]["card"] | {"address": None}}):
        assert not VALIDATORS[RECORD].is_valid(BY_STATUS["RECOGNIZED"] | change)


def test_what_a_later_version_adds_is_borne() -> None:
    record = copy.deepcopy(BY_STATUS["RECOGNIZED"]) | {"link_keys": ["case_C-1001"], "new_attribute": {"a": 1}}
    record |= {"reasons": ["NEW_REASON"], "provider": "new_provider"}
    record["card"]["new_field"] = "new"
    VALIDATORS[RECORD].validate(record)
    parse_record(record)
    detail = copy.deepcopy(schema_examples.EVENTS["Card Low Quality"][0]) | {"new": 1}
    detail["data"] |= {"reasons": ["IMAGE_GLARE", "NEW_REASON"], "new_field": "new"}
    VALIDATORS["card-low-quality.schema.json"].validate(detail)
    event = parse_event({"source": "cardintake", "detail-type": "Card Low Quality", "detail": detail})
    assert isinstance(event, CardLowQuality)
    assert Reason.IMAGE_GLARE in event.data.reasons


@pytest.mark.parametrize("change", [{"detail-type": "Card Sold"}, {"source": "somebody"}, {"detail-type": None}])
def test_an_unknown_event_is_told_from_a_broken_one(change: Document) -> None:
    event = {"source": "cardintake", "detail-type": "Card Erased", "detail": schema_examples.EVENTS["Card Erased"][0]}
    check_event(event)
    with pytest.raises(UnknownEventError):
        parse_event(event | change)
    for name, schema in SCHEMAS.items():
        assert name == RECORD or not VALIDATORS[name].is_valid({"metadata": event["detail"], "data": {}}), schema[
            "title"
        ]
    with pytest.raises(ValidationError):
        parse_event(event | {"detail": {}})


# earlier versions -----------------------------------------------------------------------------------------------------


def published() -> list[Path]:
    """Every frozen schema of the present schema version."""
    return sorted(PUBLISHED.glob(f"{SCHEMA_VERSION}.*/*.schema.json"))


@pytest.mark.parametrize("path", published(), ids=lambda path: f"{path.parent.name}/{path.name.partition('.')[0]}")
def test_a_consumer_of_an_earlier_version_notices_nothing(path: Path) -> None:
    assert path.name in SCHEMAS, "an event is not announced any more"
    earlier = json.loads(path.read_text(encoding="utf-8"))
    assert breaks(earlier, SCHEMAS[path.name]) == [], "keep it, or raise the schema version (schemas/README.md)"
    validator = Draft202012Validator(earlier)
    for example in SCHEMAS[path.name]["examples"]:
        validator.validate(example)
    for example in earlier["examples"]:
        VALIDATORS[path.name].validate(example)


def test_every_schema_was_published_first_with_this_version() -> None:
    assert {path.name for path in published()} == SCHEMAS.keys(), "freeze what is new (schemas/README.md)"


@pytest.mark.parametrize(
    "path", sorted(PUBLISHED.glob(f"{SCHEMA_VERSION}.*/reasons.json")), ids=lambda p: p.parent.name
)
def test_a_reason_keeps_its_groups(path: Path) -> None:
    earlier = json.loads(path.read_text(encoding="utf-8"))
    assert len(earlier) >= 42
    assert {code: reason_texts.groups_of(Reason(code)) for code in earlier} == earlier


def defs(name: str) -> Callable[[Document], Any]:
    return lambda schema: schema["$defs"][name]["properties"]


RECOGNIZED, PORTRAIT_SIDE = defs("RecognizedRecord"), defs("ChineseIdPortrait")


def open_codes(schema: Document) -> list[str]:
    known: list[str] = schema["$defs"]["ReasonCode"]["anyOf"][0]["enum"]
    return known


BREAKING: dict[str, Callable[[Document], Any]] = {
    "a member removed": lambda s: RECOGNIZED(s).pop("provider_request_id"),
    "a card's member removed": lambda s: PORTRAIT_SIDE(s).pop("ethnicity"),
    "a certain member optional": lambda s: s["$defs"]["RecognizedRecord"]["required"].remove("quality"),
    "a card's kind optional": lambda s: s["$defs"]["ChineseIdPortrait"]["required"].remove("side"),
    "another type": lambda s: RECOGNIZED(s)["size"].update(type="string"),
    "a wider type": lambda s: RECOGNIZED(s)["size"].update(type="number"),
    "null as well": lambda s: RECOGNIZED(s)["version_id"].update(type=["string", "null"]),
    "a narrower type": lambda s: RECOGNIZED(s)["version_id"].update(type="integer"),
    "another form": lambda s: RECOGNIZED(s)["record_id"].update(pattern="^scan_[0-9A-F]{32}$"),
    "a form less": lambda s: RECOGNIZED(s)["created_at"].pop("format"),
    "a list of something else": lambda s: RECOGNIZED(s)["reasons"].update(items={"type": "integer"}),
    "a list of anything": lambda s: RECOGNIZED(s)["reasons"].pop("items"),
    "repeats in a list": lambda s: RECOGNIZED(s)["reasons"].pop("uniqueItems"),
    "a value less": lambda s: s["$defs"]["Quality"]["enum"].remove("unknown"),
    "a value more where all are known": lambda s: s["$defs"]["Risk"]["enum"].append("certain"),
    "another constant": lambda s: RECOGNIZED(s)["schema_version"].update(const=2),
    "a known code removed": lambda s: open_codes(s).remove("IMAGE_BLURRED"),
    "a known code renamed": lambda s: open_codes(s).__setitem__(0, "CARD_HIDDEN"),
    "another form of codes": lambda s: s["$defs"]["ReasonCode"]["anyOf"][1].update(pattern="^[a-z]+$"),
    "no further codes": lambda s: s["$defs"].update(ReasonCode={"enum": open_codes(s)}),
    "a status removed": lambda s: s["oneOf"].pop(),
    "a status more": lambda s: (
        s["oneOf"].append({"$ref": "#/$defs/Sold"}),
        s["$defs"].update(Sold={"properties": {"status": {"const": "SOLD"}}}),
    ),
    "a card's side removed": lambda s: resolved(RECOGNIZED(s)["card"], s)["oneOf"].pop(0),
    "what was erased may be there": lambda s: defs("ErasedRecord")(s).update(key={"type": "string"}),
    "what may be there is nowhere": lambda s: RECOGNIZED(s).update(case_id=False),
    "nothing beyond what is described": lambda s: s["$defs"]["ErasedRecord"].update(additionalProperties=False),
}
HARMLESS: dict[str, Callable[[Document], Any]] = {
    "nothing": dict,
    "another optional member": lambda s: RECOGNIZED(s).update(new={"type": "string"}),
    "another certain member": lambda s: (
        RECOGNIZED(s).update(new={"type": "string"}),
        s["$defs"]["RecognizedRecord"]["required"].append("new"),
    ),
    "an optional member certain": lambda s: s["$defs"]["RecognizedRecord"]["required"].append("findings"),
    "another member of a card": lambda s: PORTRAIT_SIDE(s).update(new={"type": "string"}),
    "a new code": lambda s: open_codes(s).append("NEW_REASON"),
    "a new provider": lambda s: s["$defs"]["ProviderName"]["anyOf"][0]["enum"].insert(0, "new"),
    "other words": lambda s: RECOGNIZED(s)["size"].update(title="Bytes", description="How large it is."),
    "other examples": lambda s: s["examples"].pop(),
    "another order": lambda s: s["oneOf"].reverse(),
    "the same under another name": lambda s: (
        s["$defs"].update(Grade=s["$defs"].pop("Quality")),
        RECOGNIZED(s)["quality"].update({"$ref": "#/$defs/Grade"}),
    ),
    "the same written out": lambda s: RECOGNIZED(s).update(risk=copy.deepcopy(s["$defs"]["Risk"])),
}


def changed(change: Callable[[Document], Any]) -> Document:
    later = copy.deepcopy(SCHEMAS[RECORD])
    change(later)
    return later


@pytest.mark.parametrize("name", BREAKING)
def test_a_change_that_would_break_a_consumer_is_found(name: str) -> None:
    assert breaks(SCHEMAS[RECORD], changed(BREAKING[name])) != []


@pytest.mark.parametrize("name", HARMLESS)
def test_an_addition_breaks_nobody(name: str) -> None:
    assert breaks(SCHEMAS[RECORD], changed(HARMLESS[name])) == []


def test_what_breaks_is_named() -> None:
    assert breaks(SCHEMAS[RECORD], changed(BREAKING["a member removed"])) == [
        "$(status RECOGNIZED).provider_request_id: removed"
    ]
    assert set(breaks(SCHEMAS[RECORD], changed(BREAKING["a known code removed"]))) == {
        f"$(status {status}).{path}: IMAGE_BLURRED removed"
        for status in ("RECOGNIZED", "REJECTED")
        for path in ("reasons[]", "findings[].reason")
    }
