"""Cards with known names, numbers, addresses and keys go every way that a scan can go; none of it gets out anywhere.

The fixture `sinks` fails a test after which a canary is found. What is asserted here is that the ways were gone.
"""

import base64
import contextlib
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, get_args
from urllib.parse import quote, quote_plus

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError
from pydantic import ValidationError

from cardintake.bootstrap import wire
from cardintake.budget import Budget
from cardintake.cases import _card
from cardintake.images import FittedImage
from cardintake.providers import REGISTRY
from cardintake.providers.client import ProviderClient
from cardintake.providers.errors import ErrorClass, ProviderError
from cardintake.providers.protocol import Claim
from cardintake.record_model import parse_record
from cardintake.scans import record_id
from cardintake.settings import SettingsError
from local import dead_letters
from local.redrives import Deployment
from tests.canaries.answers import (
    BACKS,
    FRONTS,
    NO_CARDS,
    OUR_OWN,
    SECRETS,
    covers_the_registry,
    reading,
    refusals,
    troubles,
)
from tests.canaries.doors import FUNCTIONS, invoke
from tests.canaries.searching import found
from tests.canaries.sinks import Sinks
from tests.canaries.texts import EVERYTHING, NAME, NUMBER, OF_KEYS, OF_SECRETS, PATERNAL, SCAN, TALE, key
from tests.unit.conftest import picture
from tests.unit.local.test_dead_letters import EmulatedQueues
from tests.unit.world import LOOKUP, SCANS, SECRET, TABLE, DiedError, World, a_world, sqs_event

pytestmark = pytest.mark.thorough

_fresh = count(1000)
KEY = key("one")


def photo(seed: int | None = None, **spoiled: Any) -> bytes:
    """A picture of bytes that no other has, with a canary in them."""
    buffer = io.BytesIO()
    comment = f"{SCAN} {next(_fresh) if seed is None else seed}".encode()
    picture(1, **spoiled).save(buffer, "JPEG", comment=comment)
    return buffer.getvalue()


@contextlib.contextmanager
def a_listened(sinks: Sinks, *providers: str, **environment: str) -> Iterator[World]:
    settings = {"PROVIDERS": ",".join(providers), "LOOKUP_SECRET": LOOKUP, "ANNOUNCE": "all", "ANNOUNCE_CASES": "true"}
    with a_world(**settings | environment) as world:
        world.set_secret(SECRETS)
        world.provider.default |= {
            f"{name}.test": (lambda name=name: reading(name, FRONTS[name]))  # type: ignore[misc]
            for name in REGISTRY
        }
        sinks.watch(world)
        yield world
        sinks.items(world, TABLE)
        for event in world.heard_events():
            sinks.say("event", event)


def log_of(sinks: Sinks) -> str:
    """What the functions have logged since the last look for leaks."""
    return sinks.logged.getvalue()


# what a provider answers ----------------------------------------------------------------------------------------------


def test_whoever_adds_a_provider_adds_its_canaries() -> None:
    assert covers_the_registry()


def test_whoever_adds_a_class_of_errors_adds_its_canaries() -> None:
    def classes(kind: type[ProviderError]) -> set[str]:
        return {getattr(kind, "error_class", "")} | {one for below in kind.__subclasses__() for one in classes(below)}

    known = set(get_args(ErrorClass.__value__))
    assert classes(ProviderError) - {""} == known
    assert known > OUR_OWN


@pytest.mark.parametrize("provider", REGISTRY)
def test_a_card_that_is_read(provider: str, sinks: Sinks) -> None:
    with a_listened(sinks, provider) as world:
        event = world.upload(KEY, photo(1))
        invoke(world, sinks, event)
        record = world.record(KEY)
        assert {NAME, NUMBER} <= set(record["card"].values()) or PATERNAL in record["card"].values()
        assert found(record["key"], OF_KEYS) == set(OF_KEYS)
        invoke(world, sinks, event)
        world.provider.script = [reading(provider, BACKS[provider])]
        invoke(world, sinks, world.upload(key("other side"), photo()))
        world.provider.script = [reading(provider, NO_CARDS[provider])] * 2
        invoke(world, sinks, world.upload(key("no card"), photo()))
        assert world.record(key("no card"))["status"] == "REJECTED"
        world.provider.script.clear()
        invoke(world, sinks, world.upload(key("twin"), photo(1)))
        invoke(world, sinks, world.upload(key("poor"), photo(size=(200, 60))))
        invoke(world, sinks, world.upload(key("no picture"), TALE.encode()))
        invoke(world, sinks, world.upload(key("two/C-2002/elsewhere"), photo()))
        assert {"event", "representation of Verdict"} <= {sink for sink, _ in sinks.said}
        for call in world.provider.calls:  # the picture goes to the provider, whose it is is nobody's business
            assert found(str(call.url), EVERYTHING) <= set(OF_SECRETS)
            assert found(re.sub(rb"[A-Za-z0-9+/%=_-]{400,}", b"", call.content), OF_KEYS) == set()


def test_what_is_looked_at_is_what_holds_identity_data(sinks: Sinks) -> None:
    with a_listened(sinks, "ctyun") as world:
        invoke(world, sinks, world.upload(KEY, photo()))
    expected = {"Scan", "Upload", "Picture", "FittedImage", "Answer", "Reading", "Recognised", "Verdict", "Lease"}
    assert expected <= sinks.seen


# what the texts of errors are is tested for all below; here is what becomes of them
_ONE_FAST = [pytest.param(one, marks=[pytest.mark.thorough] if one != "ctyun" else []) for one in REGISTRY]


@pytest.mark.parametrize("provider", _ONE_FAST)
def test_every_documented_error(provider: str, sinks: Sinks) -> None:
    with a_listened(sinks, provider, MAX_ATTEMPTS="2") as world:
        for error_class, answers in refusals(provider).items():
            world.new_process()
            world.let_pauses_run_out()
            world.provider.default[f"{provider}.test"] = lambda answers=answers: answers[-1]  # type: ignore[misc]
            event = world.upload(key(error_class), photo())
            invoke(world, sinks, event)
            if error_class == "image":
                assert world.record(key(error_class))["reasons"] == ["PROVIDER_REJECTED_IMAGE"]
                continue
            assert f'"error_class":"{error_class}"' in log_of(sinks)
            invoke(world, sinks, json.loads(event["Records"][0]["body"]))  # directly: it raises for a retry


@pytest.mark.parametrize("provider", REGISTRY)
def test_every_documented_code_and_every_strange_answer(provider: str, sinks: Sinks) -> None:
    configured = REGISTRY[provider].configured(SECRETS[provider], allow_http=True)
    image = FittedImage(photo(), "JPEG", 600, 400)
    budget = Budget(time.monotonic() + 50)
    answers = [answer for many in refusals(provider).values() for answer in many]
    script: list[httpx.Response | Exception] = []
    client = ProviderClient(httpx.MockTransport(lambda _: raised(script[0])), sleep=lambda _: None)
    for answer in (*answers, *troubles().values()):
        script[:] = [answer]
        try:
            given = client.recognise(configured, lambda attempt: configured.call(image, Claim(), attempt), budget)
            configured.read(given)
        except ProviderError as error:
            sinks.exception("error", error)
        else:
            raise AssertionError("a reading of what is none")


def test_every_strange_answer_on_a_scans_whole_way(sinks: Sinks) -> None:
    with a_listened(sinks, "ctyun") as world:
        for name, trouble in troubles().items():
            world.provider.default["ctyun.test"] = lambda trouble=trouble: raised(trouble)  # type: ignore[misc]
            world.new_process()
            world.let_pauses_run_out()
            invoke(world, sinks, world.upload(key(name), photo()))
            assert world.record(key(name))["status"] in ("PROCESSING", "REJECTED")


def raised(trouble: httpx.Response | Exception) -> httpx.Response:
    if isinstance(trouble, Exception):
        raise trouble
    return httpx.Response(trouble.status_code, content=trouble.content, headers=dict(trouble.headers))


# what dies, and what AWS says -----------------------------------------------------------------------------------------


def quoting(name: str) -> list[Exception]:
    """Errors of AWS that say what they should not."""
    operation = name.partition(".")[2]
    item = {"key": {"S": KEY}, "card": {"M": {"name": {"S": NAME}}}}
    reasons: Any = [{"Code": "ConditionalCheckFailed", "Item": item}, {"Code": "None"}]
    return [
        ClientError({"Error": {"Code": "InternalServerError", "Message": TALE}, "Item": item}, operation),  # type: ignore[typeddict-unknown-key]
        ClientError({"Error": {"Code": "AccessDenied", "Message": f"not authorized: arn:aws:s3:::b/{KEY}"}}, operation),
        ClientError(
            {
                "Error": {"Code": "ConditionalCheckFailedException", "Message": TALE},
                "Item": item | {"status": {"S": "X"}},
            },  # type: ignore[typeddict-unknown-key]
            operation,
        ),
        ClientError(
            {"Error": {"Code": "TransactionCanceledException", "Message": TALE}, "CancellationReasons": reasons},
            operation,
        ),
        EndpointConnectionError(endpoint_url=f"https://s3.test/b/{quote(KEY)}?prefix={quote_plus(KEY)}"),
        ParamValidationError(report=f"Invalid type for parameter Key, value: {TALE}"),
        KeyError(KEY),
        UnicodeDecodeError("utf-8", TALE.encode(), 0, 1, KEY),
        json.JSONDecodeError(KEY, TALE, 0),
    ]


def raising(world: World, number: int, error: BaseException) -> Any:
    """Outside calls of which the n-th fails after it was made."""
    outside = world.outside

    def call(name: str, call: Any) -> Any:
        answer = outside(name, call)
        if len(world.log) == number:
            raise error
        return answer

    return call


type Event = tuple[object, str]


def an_upload(world: World, sinks: Sinks, name: str) -> Event:
    return world.upload(name, photo()), "recognize"


def a_removal(world: World, sinks: Sinks, name: str) -> Event:
    invoke(world, sinks, world.upload(name, photo()))
    return world.remove(name), "recognize"


def a_backfill(world: World, sinks: Sinks, name: str) -> Event:
    world.s3_put(name, photo())
    return {"bucket": SCANS, "prefix": OF_KEYS[0]}, "backfill"


def a_sweep(world: World, sinks: Sinks, name: str) -> Event:
    world.provider.script = [httpx.Response(429, text=TALE)]
    invoke(world, sinks, world.upload(name, photo()))
    invoke(world, sinks, world.upload(f"{name}.gone", photo()))
    world.s3.delete_object(Bucket=SCANS, Key=f"{name}.gone")
    world.let_leases_run_out()
    return {}, "sweep"


def a_replay(world: World, sinks: Sinks, name: str) -> Event:
    invoke(world, sinks, world.upload(name, photo()))
    return {"segment": 0, "segments": 1, "apply": True, "announce": True}, "replay"


def a_question(world: World, sinks: Sinks, name: str) -> Event:
    world.provider.script = [httpx.Response(200, json={"code": 2, "msg": TALE, "num": 3})]
    return {}, "quota"


@pytest.mark.parametrize("at_work", [an_upload, a_backfill])
def test_whatever_s3_says_of_the_key_that_it_was_asked_for(
    at_work: Callable[[World, Sinks, str], Event], sinks: Sinks
) -> None:
    with a_listened(sinks, "ctyun") as world:
        for number, error in enumerate(quoting("s3.GetObject")):
            event, function = at_work(world, sinks, key(number))
            outside, failed = world.outside, set[str]()

            def failing(
                name: str, call: Any, error: Exception = error, whole: Any = outside, done: Any = failed
            ) -> Any:
                if name.startswith("s3.") and not done:
                    done.add(name)
                    raise error
                return whole(name, call)

            world.outside = failing  # type: ignore[method-assign]
            invoke(world, sinks, event, function)
            world.outside = outside  # type: ignore[method-assign]
            assert failed


@pytest.mark.thorough
@pytest.mark.parametrize("at_work", [an_upload, a_removal, a_backfill, a_sweep, a_replay, a_question])
def test_whatever_aws_says_and_wherever_the_process_dies(
    at_work: Callable[[World, Sinks, str], Event], sinks: Sinks
) -> None:
    with a_listened(sinks, "ctyun", "ihuyi") as world:
        event, function = at_work(world, sinks, key("first"))
        assert invoke(world, sinks, event, function) is not None
        first = {name: number for number, name in reversed(list(enumerate(world.log, 1)))}
    for name, number in first.items():
        with a_listened(sinks, "ctyun", "ihuyi") as world:
            outside = world.outside
            for error in (*quoting(name)[number % 2 :: 2], DiedError(TALE)):
                world.new_process()
                world.let_leases_run_out()
                event, function = at_work(world, sinks, key(type(error).__name__))
                world.outside = raising(world, number, error)  # type: ignore[method-assign]
                with contextlib.suppress(DiedError):
                    invoke(world, sinks, event, function)
                world.outside = outside  # type: ignore[method-assign]


def test_failed_conditions_that_give_the_old_item_back(sinks: Sinks) -> None:
    with a_listened(sinks, "ctyun") as world:
        events: dict[str, Callable[[], Any]] = {
            "erased": lambda: world.remove(key("erased")),
            "replaced": lambda: world.upload(key("replaced"), photo()),
            "repeated": lambda: sqs_event(*[json.dumps(world.notification(key("repeated"), "0f", 3))] * 2),
        }

        def read_while(happens: Callable[[], Any], then: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
            def answer(_: httpx.Request) -> httpx.Response:
                log = list(world.log)
                invoke(world, sinks, happens())
                world.log[:] = log
                return then

            return answer

        invoke(world, sinks, world.upload(KEY, photo()))  # the credentials have been seen to work
        for then in (reading("ctyun", "portrait"), httpx.Response(429, text=TALE)):
            for name, happens in events.items():
                world.provider.script = [read_while(happens, then)]
                invoke(world, sinks, world.upload(key(name), photo()))


# the operator's ways --------------------------------------------------------------------------------------------------


def test_waiting_sweeping_redriving_erasing(sinks: Sinks, monkeypatch: pytest.MonkeyPatch) -> None:
    with a_listened(sinks, "ctyun", MAX_ATTEMPTS="1", DAILY_CALL_CAP="4") as world:
        invoke(world, sinks, world.upload(KEY, photo()))
        world.provider.script = [httpx.Response(429, text=TALE), httpx.Response(503, text=TALE)]
        world.provider.script += [httpx.Response(503, text=TALE)] * 2
        invoke(world, sinks, world.upload(key("waits"), photo()))
        invoke(world, sinks, world.upload(key("fails"), photo()))
        invoke(world, sinks, world.upload(key("has no time"), photo()), seconds=5)
        assert world.record(key("fails"))["status"] == "FAILED"
        again = world.messages_without_delay()
        assert {message["record_id"] for message in again} >= {record_id(SCANS, key("waits"))}
        assert "message of ours" in dict(sinks.said)
        world.let_leases_run_out()
        assert invoke(world, sinks, {}, "sweep")["sent_again"] >= 1
        by_aws = boto3.client("sqs", region_name="eu-west-1")
        dead = by_aws.create_queue(QueueName="dead-letters")["QueueUrl"]
        strange = (world.notification(key("lost"), "etag", 3), TALE, {"Records": [{"eventSource": TALE}]})
        for body in strange:
            by_aws.send_message(QueueUrl=dead, MessageBody=body if isinstance(body, str) else json.dumps(body))
        queues: Any = EmulatedQueues(world.sqs)
        deployment = Deployment(queues, world.dynamodb, world.queue, dead, TABLE)
        monkeypatch.setattr(dead_letters, "_deployment", lambda _: deployment)
        failed = record_id(SCANS, key("fails"))
        for arguments in ([], ["--json"], ["--failed", failed], ["--failed", "--json"]):
            assert dead_letters.main(arguments) == 0
        assert "message of ours" in dict(sinks.said)
        for message in world.messages_without_delay():
            invoke(world, sinks, sqs_event(message))
            invoke(world, sinks, message)
        assert world.record(key("fails"))["status"] in ("RECOGNIZED", "PROCESSING")
        for name in ("waits", "fails"):
            invoke(world, sinks, world.remove(key(name)))
        gone = key("unheard")
        invoke(world, sinks, world.upload(gone, photo()))
        world.s3.delete_object(Bucket=SCANS, Key=gone)
        invoke(world, sinks, {}, "sweep")


def test_backfill_replay_and_quota(sinks: Sinks) -> None:
    with a_listened(sinks, "ihuyi") as world:
        world.s3_put(KEY, photo())
        report = invoke(world, sinks, {"bucket": SCANS, "prefix": OF_KEYS[0]}, "backfill")
        assert report["report"]["to_read"] == 1
        direct = {
            "source": "aws.s3", "detail-type": "Object Created",
            "detail": {"bucket": {"name": SCANS}, "object": {"key": KEY}},
        }  # fmt: skip
        assert invoke(world, sinks, direct)["records"][0]["status"] == "RECOGNIZED"
        altered = {":card": {"M": {"name": {"S": NAME}}}}
        world.dynamodb.update_item(
            TableName=TABLE, Key={"record_id": {"S": record_id(SCANS, KEY)}}, UpdateExpression="SET card = :card",
            ExpressionAttributeValues=altered,
        )  # fmt: skip
        part = {"segment": 0, "segments": 1, "apply": True, "announce": True}
        replayed = invoke(world, sinks, part, "replay")
        assert replayed["report"]["applied"] == 1
        assert invoke(world, sinks, {"reports": [replayed["report"]]}, "replay")["report"]["applied"] == 1
        balance = {"code": 2, "msg": TALE, "num": 3}
        for answer in (
            httpx.Response(200, json=balance),
            *(each for many in refusals("ihuyi").values() for each in many),
        ):
            world.provider.script = [answer] * 3
            world.let_pauses_run_out()
            invoke(world, sinks, {}, "quota")
            world.provider.script.clear()


# mistakes -------------------------------------------------------------------------------------------------------------

RUBBISH: list[object] = [
    TALE, json.dumps(TALE), json.dumps([TALE]), f'{{"ctyun": "{NAME}', json.dumps({"ctyun": TALE}),
    {"ctyun": dict.fromkeys(SECRETS["ctyun"], TALE)}, {"ctyun": SECRETS["ctyun"] | {"base_url": f"ftp://{OF_SECRETS[0]}"}},
    {"ctyun": SECRETS["ctyun"] | {"base_url": f"https://{OF_SECRETS[0]}:x@h/?q"}},
    {"ctyun": SECRETS["ctyun"] | {"app_secret": [OF_SECRETS[0]], "base64_alphabet": OF_SECRETS[0]}},
    {"ctyun": SECRETS["ctyun"] | {"options": {"unknown": OF_SECRETS[0]}}},
    {"ctyun": SECRETS["ctyun"] | {"app_key": "秘密\n"}}, {"ctyun": {}}, {},
]  # fmt: skip


def test_rubbish_in_the_secret(sinks: Sinks) -> None:
    with a_listened(sinks, "ctyun") as world:
        for number, content in enumerate(RUBBISH):
            world.set_secret(content)
            world.new_process()
            invoke(world, sinks, world.upload(key(number), photo()))
            assert world.record(key(number))["waiting_for"] == "PROVIDER_MISCONFIGURED", number
        assert log_of(sinks).count('"message":"provider error"') >= len(RUBBISH)
        world.secrets.put_secret_value(SecretId=SECRET, SecretBinary=base64.b64encode(TALE.encode()))
        world.new_process()
        invoke(world, sinks, world.upload(key("binary"), photo()))


@pytest.mark.parametrize("provider", REGISTRY)
def test_wrong_members_of_each_provider(provider: str, sinks: Sinks) -> None:
    for name in SECRETS[provider]:
        for value in ([OF_SECRETS[0]], f" {OF_SECRETS[0]}\n", {OF_SECRETS[0]: OF_SECRETS[0]}):
            with pytest.raises(ProviderError) as refused:
                REGISTRY[provider].configured(SECRETS[provider] | {name: value}, allow_http=True)
            if name != "options":
                sinks.exception("error", refused.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"RETENTION_DAYS": TALE}, {"ANNOUNCE": TALE}, {"CASE_ID_PATTERN": f"({TALE}"}, {"ROUTES": TALE},
        {"ROUTES": f"{KEY}="}, {"ROUTES": f"{KEY}=nobody"}, {"THRESHOLDS": f"sharpness={TALE}"}, {"PROVIDERS": ","},
        {"LEASE_SECONDS": TALE, "MAX_WAIT_HOURS": TALE, "DAILY_CALL_CAP": TALE, "BALANCE_THRESHOLD": TALE},
    ],
    ids=lambda wrong: next(iter(wrong)),
)  # fmt: skip
def test_a_wrong_environment(wrong: dict[str, str], sinks: Sinks) -> None:
    with a_listened(sinks, "ctyun") as world, pytest.raises(SettingsError) as refused:
        wire(
            world.environment | wrong,
            world.process.clients,
            lambda: world.process.worklist._intake._recognition._client,
        )
    sinks.exception("error", refused.value)


STRANGE: list[Any] = [
    TALE, [TALE], {TALE: TALE}, {"Records": TALE}, {"Records": [TALE]}, {"record_id": TALE, "ticket": TALE},
    {"Records": [{"eventSource": "aws:s3", "eventName": TALE, "s3": {"bucket": {TALE: TALE}, "object": TALE}}]},
    {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {TALE: TALE}}]},
    {"source": "aws.s3", "detail-type": "Object Created", "detail": {"object": {"key": TALE, "sequencer": TALE}}},
    {"bucket": [TALE], "prefix": TALE}, {"bucket": TALE, "prefix": TALE, "price_per_card": TALE, "so_far": TALE},
    {"segment": TALE, "segments": TALE, "apply": TALE, "announce": TALE, "so_far": {"report": TALE}},
    {"reports": [TALE]}, {"reports": TALE}, {"reports": [{"records": TALE}]},
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_strange_events(function: str, sinks: Sinks) -> None:
    with a_listened(sinks, "ctyun,ihuyi") as world:
        for event in STRANGE[:2] if function in ("sweep", "quota") else STRANGE:  # which do not look at theirs
            invoke(world, sinks, event, function)
        if function == "recognize":
            done = invoke(world, sinks, sqs_event(*map(json.dumps, STRANGE)), function)
            assert done["batchItemFailures"]


def test_what_a_model_refuses_is_not_repeated(sinks: Sinks) -> None:
    card = {"document_type": "cn_resident_id", "side": "portrait", "name": {"text": TALE}, "birth_date": NAME}
    for check in (_card.validate_python, lambda card: parse_record({"status": "RECOGNIZED", "key": KEY, "card": card})):
        with pytest.raises(ValidationError) as refused:
            check(card)
        sinks.exception("error", refused.value)
