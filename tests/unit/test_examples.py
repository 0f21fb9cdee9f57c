"""The example subscribers by themselves: what a message says, what happens to repeats, what their templates grant."""

import importlib.util
import json
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cardintake.events import CardLowQuality, CardRejected, CardRiskSuspected, parse_event
from cardintake.reason_texts import GROUPS
from local.environment import REGION
from local.schema_examples import EVENTS
from tests.unit.template.cloudformation import REPOSITORY, Template, load

pytestmark = pytest.mark.thorough

EXAMPLES = REPOSITORY / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
TABLE, TOPIC_NAME = "asked", "please"


def module(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.replace("/", "_").removesuffix(".py"), EXAMPLES / path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def delivered(detail_type: str, number: int = 0, **data: object) -> dict[str, Any]:
    """A published example as EventBridge delivers it, with members of `data` changed."""
    detail = EVENTS[detail_type][number]
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "source": "cardintake",
        "detail-type": detail_type,
        "detail": {"metadata": {**detail["metadata"]}, "data": {**detail["data"], **data}},
    }


class Uploaders:
    """The example `better-photo` with its table and topic, and what the topic's subscribers got."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dynamodb, self._sqs = boto3.client("dynamodb"), boto3.client("sqs")
        self.dynamodb.create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": "event_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "event_id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        topic = boto3.client("sns").create_topic(Name=TOPIC_NAME)["TopicArn"]
        self._url = self._sqs.create_queue(QueueName="uploaders")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        boto3.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        for name, value in {"TOPIC": topic, "ASKED_TABLE": TABLE, "REMEMBER_DAYS": "30"}.items():
            monkeypatch.setenv(name, value)
        self.app = module("better-photo/ask/app.py")

    def deliver(self, event: dict[str, Any]) -> object:
        return self.app.handler(event, None)

    def heard(self) -> list[dict[str, Any]]:
        found = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]


@pytest.fixture
def uploaders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uploaders]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Uploaders(monkeypatch)


# ── better-photo ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_message_says_which_case_it_is_and_what_to_do(uploaders: Uploaders) -> None:
    event = delivered("Card Low Quality")
    assert uploaders.deliver(event) == {"asked": "yes"}
    (message,) = uploaders.heard()
    texts = uploaders.app.TEXTS
    assert message == {
        "event_id": event["detail"]["metadata"]["event_id"],
        "record_id": event["detail"]["data"]["record_id"],
        "case_id": "C-1001",
        "document_type": "cn_resident_id",
        "side": "portrait",
        "reasons": ["IMAGE_BLURRED", "IMAGE_GLARE"],
        "ask": {
            language: f"{texts['IMAGE_BLURRED'][language]} {texts['IMAGE_GLARE'][language]}"
            for language in ("en", "zh", "es")
        },
    }


def test_a_repeat_asks_nobody_again(uploaders: Uploaders) -> None:
    event = delivered("Card Low Quality")
    assert [uploaders.deliver(event) for _ in range(3)] == [{"asked": "yes"}, {"asked": "before"}, {"asked": "before"}]
    assert len(uploaders.heard()) == 1
    other = delivered("Card Rejected")
    assert uploaders.deliver(other) == {"asked": "yes"}


def test_what_is_being_worked_on_is_tried_again_and_what_broke_off_is_asked(
    uploaders: Uploaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = delivered("Card Low Quality")
    with monkeypatch.context() as broken:

        def refuse(**_: object) -> None:
            raise ConnectionError

        broken.setattr(uploaders.app, "_sns", type("Refusing", (), {"publish": staticmethod(refuse)}))
        with pytest.raises(ConnectionError):
            uploaders.deliver(event)
    with pytest.raises(uploaders.app.BeingAskedError):
        uploaders.deliver(event)
    assert uploaders.heard() == []
    later = time.time() + uploaders.app.CLAIM_SECONDS + 1
    monkeypatch.setattr(uploaders.app.time, "time", lambda: later)
    assert uploaders.deliver(event) == {"asked": "yes"}
    assert len(uploaders.heard()) == 1


def test_it_understands_events_of_later_versions(uploaders: Uploaders) -> None:
    event = delivered("Card Low Quality", reasons=["A_NEW_REASON"], a_new_member={"of": "any kind"})
    event["detail"]["metadata"]["also"] = "new"
    uploaders.deliver(event)
    (message,) = uploaders.heard()
    assert message["reasons"] == ["A_NEW_REASON"]
    assert message["ask"] == uploaders.app.TEXTS[""]
    assert "a_new_member" not in message


def test_a_new_reason_beside_a_known_one_adds_no_text(uploaders: Uploaders) -> None:
    data = delivered("Card Low Quality", reasons=["A_NEW_REASON", "IMAGE_GLARE", "PHOTOCOPY"])["detail"]["data"]
    assert uploaders.app.message_for("", data)["ask"] == uploaders.app.TEXTS["IMAGE_GLARE"]


def test_a_record_without_case_and_card_is_asked_for_all_the_same(uploaders: Uploaders) -> None:
    uploaders.deliver(delivered("Card Rejected"))
    (message,) = uploaders.heard()
    assert message.keys() == {"event_id", "record_id", "reasons", "ask"}
    assert message["ask"] == uploaders.app.TEXTS["IMAGE_UNSUPPORTED"]


def test_what_is_remembered_expires(uploaders: Uploaders) -> None:
    event = delivered("Card Low Quality")
    uploaders.deliver(event)
    key = {"event_id": {"S": event["detail"]["metadata"]["event_id"]}}
    item = uploaders.dynamodb.get_item(TableName=TABLE, Key=key)["Item"]
    days = (int(item["expires_at"]["N"]) - int(item["claimed_until"]["N"]) + uploaders.app.CLAIM_SECONDS) / 86_400
    assert days == 30


def test_there_is_a_text_for_every_reason_that_a_better_photo_mends(uploaders: Uploaders) -> None:
    texts = uploaders.app.TEXTS
    assert texts.keys() == {str(reason) for reason in GROUPS["quality"] | GROUPS["rejected"]} | {""}
    for spoken in texts.values():
        assert spoken.keys() == {"en", "zh", "es"}
        assert all(text.strip() == text != "" for text in spoken.values())
        assert any("\u4e00" <= letter <= "\u9fff" for letter in spoken["zh"])
    assert len({text for spoken in texts.values() for text in spoken.values()}) == 3 * len(texts)


def test_the_typed_models_read_what_both_examples_get() -> None:
    for event, kind in (
        (delivered("Card Low Quality"), CardLowQuality),
        (delivered("Card Rejected"), CardRejected),
        (delivered("Card Risk Suspected", a_new_member=1, reasons=["A_NEW_REASON"]), CardRiskSuspected),
    ):
        assert isinstance(parse_event(event), kind)


# ── review-queue ──────────────────────────────────────────────────────────────────────────────────────────────────────

QUEUE = "review"


class Reviewers:
    """The example `review-queue` without its stack: queue and tables of its own."""

    def __init__(self) -> None:
        self.sqs, self.dynamodb = boto3.client("sqs"), boto3.client("dynamodb")
        self.url = self.sqs.create_queue(QueueName=QUEUE, Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        for table, key in (("reviewed", "event_id"), ("cards", "record_id")):
            self.dynamodb.create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
        self.names = {"ReviewQueueUrl": self.url, "ReviewedTableName": "reviewed", "CardsTableName": "cards"}
        self.review = module("review-queue/review.py")
        self.queue = self.review.ReviewQueue(boto3.Session(), self.names)

    def send(self, event: dict[str, Any]) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps(event))


@pytest.fixture
def reviewers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reviewers]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Reviewers()


def test_a_decided_card_does_not_come_back_and_neither_does_its_repeat(reviewers: Reviewers) -> None:
    event = delivered("Card Risk Suspected", reasons=["A_NEW_REASON"], a_new_member=1)
    reviewers.send(event)
    waiting = reviewers.queue.next(0)
    assert waiting.event.data.reasons == ("A_NEW_REASON",)
    reviewers.queue.decide(waiting, "accepted")
    reviewers.send(event)
    assert reviewers.queue.next(0) is None


def test_an_undecided_card_comes_back(reviewers: Reviewers) -> None:
    reviewers.send(delivered("Card Risk Suspected"))
    first, second = reviewers.queue.next(0), reviewers.queue.next(0)
    assert first.event == second.event


def test_of_two_with_the_same_event_the_second_is_told(reviewers: Reviewers) -> None:
    for _ in range(2):
        reviewers.send(delivered("Card Risk Suspected"))
    mine, theirs = reviewers.queue.next(0), reviewers.queue.next(0)
    reviewers.queue.decide(mine, "accepted")
    with pytest.raises(reviewers.review.DecidedBeforeError):
        reviewers.queue.decide(theirs, "refused")
    key = {"event_id": {"S": mine.event.metadata.event_id}}
    item = reviewers.dynamodb.get_item(TableName="reviewed", Key=key)["Item"]
    assert item["decision"] == {"S": "accepted"}


def test_the_status_is_read_without_the_card(
    reviewers: Reviewers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviewers.review, "outputs_of", lambda *_: reviewers.names)
    event = delivered("Card Risk Suspected")
    record_id = event["detail"]["data"]["record_id"]
    card = {"M": {"name": {"S": "张样例"}}}
    item = {"record_id": {"S": record_id}, "status": {"S": "RECOGNIZED"}, "card": card, "key": {"S": "a/b.jpg"}}
    reviewers.dynamodb.put_item(TableName="cards", Item=item)
    reviewers.send(event)
    assert reviewers.review.main([]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {
        "event_id": event["detail"]["metadata"]["event_id"],
        "record_id": record_id,
        "status": "RECOGNIZED",
    }
    assert reviewers.review.main(["--card", "--decide", "accepted"]) == 0
    assert json.loads(capsys.readouterr().out)["card"] == {"name": "张样例"}
    assert reviewers.review.main([]) == 1


# ── Their templates ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=NAMES)
def example(request: pytest.FixtureRequest) -> Template:
    return load(EXAMPLES / request.param / "template.yaml")


def test_both_are_there() -> None:
    assert NAMES == ["better-photo", "review-queue"]


def test_what_is_imported_is_exported(example: Template, template_of_cardintake: Template) -> None:
    exported = {
        output["Export"]["Name"]["Fn::Sub"].split("}-")[1] for output in template_of_cardintake["Outputs"].values()
    }
    imported = {
        value["Fn::Sub"].removeprefix("${CardintakeStack}-") for value in found("Fn::ImportValue", example["Resources"])
    }
    assert imported
    assert imported <= exported


@pytest.fixture(scope="module")
def template_of_cardintake() -> Template:
    return load()


def test_everything_is_encrypted_has_dead_letters_and_grants_nothing_to_all(example: Template) -> None:
    key = {"Fn::ImportValue": {"Fn::Sub": "${CardintakeStack}-KeyArn"}}
    resources = example["Resources"]
    for resource in resources.values():
        properties = resource["Properties"]
        if resource["Type"] in ("AWS::SQS::Queue", "AWS::SNS::Topic"):
            assert properties["KmsMasterKeyId"] == key
        if resource["Type"] == "AWS::DynamoDB::Table":
            assert properties["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
            assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        if resource["Type"] == "AWS::Events::Rule":
            for target in properties["Targets"]:
                assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}
    granted = [statement for statement in statements(resources) if statement["Effect"] == "Allow"]
    assert granted
    for statement in granted:
        assert "*" not in json.dumps([statement["Action"], statement.get("Resource")]).replace("/*", "")
        if any(action.startswith("kms:") for action in listed(statement["Action"])):
            (condition,) = statement["Condition"]["StringEquals"]
            assert condition.startswith("kms:EncryptionContext:")


def statements(value: object) -> list[dict[str, Any]]:
    inner = [one for document in found("Statement", value) for one in document]
    return [one for each in inner for one in (each.get("Fn::If", [None, each])[1:]) if "Effect" in one]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def found(name: str, value: object) -> list[Any]:
    """The values of every member of this name, however deep."""
    if isinstance(value, dict):
        own = [inner for key, inner in value.items() if key == name]
        return own + [deep for inner in value.values() for deep in found(name, inner)]
    return [deep for inner in value for deep in found(name, inner)] if isinstance(value, list) else []
