"""`make dead-letters`: looking loses nothing and shows no key, and only what is meant is sent again."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from local import dead_letters
from local.redrives import Deployment, listed, redrive, send_back
from tests.unit.conftest import encoded, picture
from tests.unit.world import TABLE, World, a_world, ctyun_answer, sqs_event

pytestmark = pytest.mark.thorough

SECRET = "张样例-990105199003070037"
KEY = f"uploads/C-1/{SECRET}.jpg"
RUBBISH = f"{{not json, {SECRET}"
STRANGE = json.dumps({"Records": [{"eventSource": SECRET}]})

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def world() -> Iterator[World]:
    with a_world(MAX_ATTEMPTS="1") as one:
        yield one


@pytest.fixture
def deployment(world: World) -> Deployment:
    dead = world.sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
    sqs: Any = EmulatedQueues(world.sqs)
    return Deployment(sqs, world.dynamodb, world.queue, dead, TABLE)


class EmulatedQueues:
    """SQS as emulators have it: without a redrive of its own. Knows at once that there is nothing more."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sqs, name)

    def receive_message(self, **request: Any) -> Any:
        return self._sqs.receive_message(**request | {"WaitTimeSeconds": 0})

    def start_message_move_task(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": "InvalidAction", "Message": "no such action"}}, "StartMessageMoveTask")


@pytest.fixture
def run(deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command: its exit code and what it printed on both streams, in which there is no key."""
    monkeypatch.setattr(dead_letters, "_deployment", lambda _stack: deployment)

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()  # what the functions have logged
        code = dead_letters.main(arguments)
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err
        return code, said.out, said.err

    return command


def put(deployment: Deployment, *bodies: object) -> None:
    """Messages end up among the dead letters."""
    for body in bodies:
        text = body if isinstance(body, str) else json.dumps(body)
        deployment.sqs.send_message(QueueUrl=deployment.dead_letter_queue_url, MessageBody=text)


def bodies(world: World, url: str) -> list[str]:
    """All messages that are in sight, which are taken."""
    found = []
    while messages := world.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            found.append(message["Body"])
            world.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return sorted(found)


def fail(world: World, key: str, photo: bytes) -> dict[str, Any]:
    world.provider.script = [httpx.Response(503)] * 3
    world.deliver(world.upload(key, photo))
    assert world.record(key)["status"] == "FAILED"
    world.provider.script = []
    world.let_pauses_run_out()
    world.new_process()
    return world.record(key)


def notification_of(world: World, key: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    return world.notification(key, None, None, name)


# the list -------------------------------------------------------------------------------------------------------------


def test_every_message_is_listed_with_its_records_and_none_is_lost(
    world: World, deployment: Deployment, run: Run, photo: bytes
) -> None:
    failed = fail(world, KEY, photo)
    two = notification_of(world, KEY)
    two["Records"] += notification_of(world, "uploads/never.jpg", "ObjectRemoved:Delete")["Records"]
    put(deployment, two, RUBBISH, STRANGE, {"Event": "s3:TestEvent"})
    code, printed, _ = run("--json")
    assert code == 0
    letters = json.loads(printed)["messages"]
    by_what = {letter.get("unparsable") or len(letter["scans"]): letter for letter in letters}
    assert by_what.keys() == {2, 0, "not JSON", "not an event of S3"}
    ours, never = by_what[2]["scans"]
    assert ours == {
        "record_id": failed["record_id"],
        "removed": False,
        "record": {
            "record_id": failed["record_id"], "status": "FAILED", "reasons": ["PROVIDER_UNAVAILABLE"], "attempts": 1,
            "updated_at": failed["updated_at"],
        },
    }  # fmt: skip
    assert (never["removed"], never["record"]) == (True, None)
    assert all(letter["sent_at"].endswith("Z") for letter in letters)
    again = json.loads(run("--json")[1])["messages"]
    assert sorted(map(repr, again)) == sorted(map(repr, letters))  # SQS promises no order
    assert bodies(world, deployment.dead_letter_queue_url) == sorted(
        [json.dumps(two), RUBBISH, STRANGE, '{"Event": "s3:TestEvent"}']
    )
    assert bodies(world, deployment.queue_url) == []


def test_the_list_for_people_says_why(world: World, deployment: Deployment, run: Run, photo: bytes) -> None:
    failed = fail(world, KEY, photo)
    world.provider.script = [httpx.Response(429)]
    world.deliver(world.upload("waits.jpg", encoded(picture(2))))
    put(deployment, notification_of(world, KEY), RUBBISH, notification_of(world, "none.jpg"), {"Event": "s3:TestEvent"})
    put(deployment, notification_of(world, "waits.jpg", "ObjectRemoved:Delete"))
    code, printed, _ = run()
    assert code == 0
    assert printed.startswith("Dead letters: 5\n")
    assert (
        f"  {failed['record_id']}  FAILED  PROVIDER_UNAVAILABLE  attempts 1  updated {failed['updated_at']}\n"
        in printed
    )
    assert "  removal  PROCESSING  waits for PROVIDER_THROTTLED  attempts 0  updated " in printed
    for line in ("  not parsable: not JSON\n", "  no record\n", "  no scan in it\n"):
        assert line in printed


def test_many_letters_are_each_listed_once(world: World, deployment: Deployment) -> None:
    put(deployment, *(f"rubbish {number}" for number in range(37)))
    letters = listed(deployment)
    assert len({letter["message_id"] for letter in letters}) == len(letters) == 37
    assert len(bodies(world, deployment.dead_letter_queue_url)) == 37


def test_an_interrupted_listing_gives_the_messages_back(
    world: World, deployment: Deployment, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(deployment, notification_of(world, KEY), notification_of(world, KEY), RUBBISH)

    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(deployment.dynamodb, "get_item", interrupt)
    assert run()[0] == 130
    assert len(bodies(world, deployment.dead_letter_queue_url)) == 3


def test_the_record_is_asked_for_no_more_than_status_readers_may_see(
    deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(deployment, notification_of(world, KEY))
    asked: list[dict[str, Any]] = []

    def nothing(**request: Any) -> dict[str, Any]:
        asked.append(request)
        return {}

    monkeypatch.setattr(deployment.dynamodb, "get_item", nothing)
    listed(deployment)
    (request,) = asked
    names = {request["ExpressionAttributeNames"][alias] for alias in request["ProjectionExpression"].split(", ")}
    assert names == {"record_id", "status", "waiting_for", "reasons", "attempts", "updated_at"}


# sending back ---------------------------------------------------------------------------------------------------------


def test_what_can_be_parsed_is_sent_back_and_the_rest_stays_in_sight(
    world: World, deployment: Deployment, run: Run
) -> None:
    good = [json.dumps(notification_of(world, f"{number}.jpg")) for number in range(12)]
    put(deployment, RUBBISH, *good, STRANGE)
    code, printed, _ = run("--send-back")
    assert (code, printed) == (0, "Sent back: 12, left: 2. Moved by this command, one by one.\n")
    assert bodies(world, deployment.queue_url) == sorted(good)
    assert bodies(world, deployment.dead_letter_queue_url) == sorted([RUBBISH, STRANGE])


def test_all_are_sent_back_where_that_is_asked_for(world: World, deployment: Deployment, run: Run) -> None:
    put(deployment, RUBBISH, STRANGE)
    assert run("--send-back")[1] == "Sent back: 0, left: 2. Moved by nobody: there was nothing to send.\n"
    code, printed, _ = run("--send-back", "--all", "--json")
    assert (code, json.loads(printed)) == (0, {"sent": 2, "left": 0, "by": "this command, one by one"})
    assert bodies(world, deployment.queue_url) == sorted([RUBBISH, STRANGE])
    assert bodies(world, deployment.dead_letter_queue_url) == []
    assert json.loads(run("--send-back", "--all", "--json")[1])["sent"] == 0


def test_a_message_is_deleted_only_when_it_has_been_sent(
    world: World, deployment: Deployment, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(deployment, notification_of(world, KEY))

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not allowed"}}, "SendMessage")

    monkeypatch.setattr(deployment.sqs, "send_message", refuse, raising=False)
    code, printed, complaint = run("--send-back")
    assert (code, printed) == (1, "")
    assert "AccessDenied" in complaint
    assert len(bodies(world, deployment.dead_letter_queue_url)) == 1


class AmazonsQueues(EmulatedQueues):
    """SQS with its own redrive, by the shapes of its API; counts what is moved otherwise."""

    def __init__(self, sqs: Any, *tasks: dict[str, Any]) -> None:
        super().__init__(sqs)
        self._stubbed = boto3.client("sqs", region_name="eu-west-1")
        self._stub = Stubber(self._stubbed)
        self._stub.add_response("start_message_move_task", {"TaskHandle": "t"}, self._between(DestinationArn="scans"))
        for task in tasks:
            self._stub.add_response("list_message_move_tasks", {"Results": [task]}, self._between())
        self._stub.activate()

    @staticmethod
    def _between(**others: str) -> dict[str, str]:
        named = {"SourceArn": "dead-letters", **others}
        return {name: f"arn:aws:sqs:eu-west-1:123456789012:{queue}" for name, queue in named.items()}

    def start_message_move_task(self, **request: Any) -> Any:
        return self._stubbed.start_message_move_task(**request)

    def list_message_move_tasks(self, **request: Any) -> Any:
        return self._stubbed.list_message_move_tasks(**request)

    def send_message(self, **_: object) -> None:
        pytest.fail("moved by hand what SQS can move")


def amazons(deployment: Deployment, world: World, *tasks: dict[str, Any]) -> Deployment:
    sqs: Any = AmazonsQueues(world.sqs, *tasks)
    return replace(deployment, sqs=sqs)


def test_on_aws_the_queues_own_redrive_moves_them(world: World, deployment: Deployment) -> None:
    put(deployment, notification_of(world, KEY))
    done = {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 1}
    waits: list[float] = []
    moved = send_back(
        amazons(deployment, world, {"Status": "RUNNING"}, {"Status": "RUNNING"}, done),
        everything=False,
        sleep=waits.append,
    )
    assert (moved.sent, moved.left, moved.by) == (1, 0, "SQS's own redrive (StartMessageMoveTask)")
    assert len(waits) == 2
    # given back before: SQS moves only what nobody holds
    assert len(bodies(world, deployment.dead_letter_queue_url)) == 1


def test_on_aws_what_is_to_stay_is_not_moved_with_the_rest(world: World, deployment: Deployment) -> None:
    put(deployment, notification_of(world, KEY), RUBBISH)
    on_aws = amazons(deployment, world)
    on_aws.sqs.send_message = world.sqs.send_message  # type: ignore[method-assign]
    moved = send_back(on_aws, everything=False)
    assert (moved.sent, moved.left) == (1, 1)
    assert bodies(world, deployment.dead_letter_queue_url) == [RUBBISH]


def test_a_redrive_that_sqs_gives_up_is_no_success(world: World, deployment: Deployment) -> None:
    put(deployment, RUBBISH)
    gone = {"Status": "FAILED", "FailureReason": "AccessDenied"}
    with pytest.raises(RuntimeError, match=r"is FAILED \(AccessDenied\)"):
        send_back(amazons(deployment, world, gone), everything=True)


# redrive of what has failed -------------------------------------------------------------------------------------------


def test_all_that_have_failed_are_redriven_and_read(
    world: World, deployment: Deployment, run: Run, photo: bytes
) -> None:
    failed = {fail(world, f"{number}/{SECRET}.jpg", encoded(picture(number)))["record_id"] for number in range(12)}
    world.deliver(world.upload("good.jpg", photo))
    code, printed, _ = run("--failed")
    assert code == 0
    assert printed.splitlines()[0] == "Redrives sent: 12"
    assert {line.strip() for line in printed.splitlines()[1:]} == failed
    world.provider.default["ctyun.test"] = ctyun_answer
    world.deliver(sqs_event(*world.messages()))
    assert {world.item(record_id)["status"] for record_id in failed} == {"RECOGNIZED"}
    assert json.loads(run("--failed", "--json")[1]) == {"sent": [], "refused": {}}


def test_named_records_are_redriven_and_others_refused_with_their_status(
    world: World, deployment: Deployment, run: Run, photo: bytes
) -> None:
    failed = fail(world, KEY, photo)["record_id"]
    fail(world, "other.jpg", encoded(picture(2)))
    world.deliver(world.upload("good.jpg", encoded(picture(3))))
    good, never = world.record("good.jpg")["record_id"], f"scan_{0:032}"
    code, printed, _ = run("--json", "--failed", failed, good, never, failed)
    assert (code, json.loads(printed)) == (1, {"sent": [failed], "refused": {good: "RECOGNIZED", never: "no record"}})
    code, printed, _ = run("--failed", good)
    assert (code, printed) == (1, f"Redrives sent: 0\n  {good}  refused: RECOGNIZED\n")
    (message,) = world.messages()
    world.deliver(message)
    assert world.record(KEY)["status"] == "RECOGNIZED"
    assert world.record("other.jpg")["status"] == "FAILED"


def test_a_redrive_that_the_queue_does_not_take_is_told(
    world: World, deployment: Deployment, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = fail(world, KEY, photo)["record_id"]
    trouble = {"Failed": [{"Id": failed, "Code": "InternalError", "SenderFault": False}]}
    monkeypatch.setattr(deployment.sqs, "send_message_batch", lambda **_: trouble, raising=False)
    redriven = redrive(deployment, ())
    assert (redriven.sent, redriven.refused) == ((), {failed: "not sent: InternalError"})


# the command line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--all"], "--all goes with --send-back"),
        (["--send-back", "--failed"], "not allowed with argument"),
        (["--failed", "scan_1"], "a record's id is scan_ and 32 hexadecimal digits"),
    ],
)
def test_a_wrong_command_line_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        dead_letters.main(arguments)
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


class Session:
    """The caller's own: CloudFormation tells of one stack, everything else is the world's."""

    def __init__(self, world: World, outputs: dict[str, str]) -> None:
        self._world = world
        self._cloudformation = boto3.client("cloudformation", region_name="eu-west-1")
        stack = {"StackName": "here", "StackStatus": "CREATE_COMPLETE", "CreationTime": 0}
        stack["Outputs"] = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
        stub = Stubber(self._cloudformation)
        stub.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "here"})
        stub.add_client_error("describe_stacks", "ValidationError", "Stack with id nowhere does not exist")
        stub.activate()

    def client(self, service: str) -> Any:
        return self._cloudformation if service == "cloudformation" else getattr(self._world, service)


def test_a_stack_is_found_by_its_name(
    world: World, deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {
        "QueueUrl": deployment.queue_url,
        "DeadLetterQueueUrl": deployment.dead_letter_queue_url,
        "CardsTableName": TABLE,
        "KeyArn": "another",
    }
    put(deployment, notification_of(world, KEY))
    session = Session(world, names)
    monkeypatch.setattr("boto3.Session", lambda: session)
    assert dead_letters.main(["--stack", "here"]) == 0
    assert capsys.readouterr().out.startswith("Dead letters: 1\n")
    assert dead_letters.main(["--stack", "nowhere"]) == 1
    assert "nowhere does not exist" in capsys.readouterr().err


def test_a_stack_of_another_template_is_told_apart(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(world, {"QueueUrl": "x"})
    monkeypatch.setattr("boto3.Session", lambda: session)
    assert dead_letters.main(["--stack", "here"]) == 1
    assert (
        capsys.readouterr().err == "The stack here has no output 'DeadLetterQueueUrl': it is none of this template.\n"
    )
