"""Logs and metrics: what we say is JSON without identity data, and what libraries say reaches nobody."""

import inspect
import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from PIL import Image

from cardintake import telemetry
from cardintake.budget import Budget
from cardintake.images import probe
from cardintake.providers.client import ProviderClient
from cardintake.providers.errors import RetryableError
from cardintake.providers.protocol import Call
from tests.contract.test_client import Acme
from tests.unit.conftest import encoded, picture
from tests.unit.world import PORTRAIT, World, ctyun_answer

# what a log may never hold: of the card, of the key, of the secret, of the picture
CANARIES = ("张样例", "990105199003070037", "样例路", "ZHANG-YANGLI", "hush", "/9j/", "Sign", "EXIF-CANARY")


class Sink(logging.Handler):
    """Takes every record that reaches the root, whatever its level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.getMessage()} {vars(record)}")


@pytest.fixture
def sink() -> Iterator[Sink]:
    """The root logger at its most talkative, as LOG_LEVEL=DEBUG and a careless basicConfig would have it."""
    root, handler = logging.getLogger(), Sink()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


class Output:
    """What was written since the last look: log lines, then metrics, as CloudWatch would get them."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.log = io.StringIO()
        self._capsys = capsys

    def text(self) -> str:
        logged = self.log.getvalue()
        self.log.seek(0)
        self.log.truncate()
        printed = self._capsys.readouterr()
        return logged + printed.out + printed.err

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Iterator[Output]:
    telemetry.flush()
    watched = Output(capsys)
    (handler,) = [h for h in logging.getLogger("cardintake").handlers if isinstance(h, logging.StreamHandler)]
    before, handler.stream = handler.stream, watched.log
    yield watched
    telemetry.flush()
    telemetry._logger.remove_keys(["function_request_id"])
    handler.stream = before


@pytest.mark.parametrize("name", ["httpx", "httpcore", "botocore", "boto3", "urllib3", "s3transfer", "PIL"])
def test_no_library_reaches_the_root_logger(sink: Sink, name: str) -> None:
    for logger in (name, f"{name}.some.module"):
        logging.getLogger(logger).setLevel(logging.DEBUG)
        logging.getLogger(logger).critical("张样例")
    logging.getLogger(name).setLevel(logging.NOTSET)
    assert sink.lines == []


def test_libraries_at_work_say_nothing(sink: Sink) -> None:
    exif = Image.Exif()
    exif[0x010E] = "EXIF-CANARY"
    probe(encoded(picture(), exif=exif))
    probe(encoded(picture(), "PNG"))
    probe(encoded(picture(), "TIFF"))
    client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json={})))
    client.post("https://x.example/张样例?Sign=hush")
    boto3.client("s3", region_name="eu-west-1").generate_presigned_url(
        "get_object", Params={"Bucket": "b", "Key": "张样例"}
    )
    assert sink.lines == []


def test_a_scans_whole_way_says_nothing_of_whom_it_is_about(world: World, sink: Sink, output: Output) -> None:
    exif = Image.Exif()
    exif[0x010E] = "EXIF-CANARY"
    photo = encoded(picture(), exif=exif)
    for answer in (
        ctyun_answer(), ctyun_answer(PORTRAIT | {"addr": ""}, risk="张样例"), httpx.Response(200, json={"code": 4009}),
        httpx.Response(401, json={"message": "hush"}),
    ):  # fmt: skip
        world.provider.script = [answer]
        world.deliver(world.upload("uploads/ZHANG-YANGLI-1/张样例.jpg", photo))
        photo += b"\x00"
    world.deliver(world.remove("uploads/ZHANG-YANGLI-1/张样例.jpg"))
    telemetry.flush()
    everything = "\n".join([output.text(), *sink.lines])
    assert "scan_" in everything
    assert [canary for canary in CANARIES if canary in everything] == []


# our own lines --------------------------------------------------------------------------------------------------------


def test_a_line_of_ours_holds_what_was_given_and_nothing_else(output: Output) -> None:
    telemetry.invocation("request-1")
    telemetry.info("scan", record_id="scan_0", status="RECOGNIZED", reasons=iter(["A"]), paid_calls=0, milliseconds=7)
    (line,) = output.lines()
    assert line["level"] == "INFO"
    assert (line["message"], line["record_id"], line["status"]) == ("scan", "scan_0", "RECOGNIZED")
    assert (line["reasons"], line["paid_calls"], line["milliseconds"]) == (["A"], 0, 7)
    assert line["function_request_id"] == "request-1"
    assert not line.keys() & {"provider", "waiting_for", "attempts", "count", "delay_seconds"}


@pytest.mark.parametrize("function", [telemetry.info, telemetry.provider_error, telemetry.crashed, telemetry.count])
def test_there_is_no_way_to_pass_anything_else(function: object) -> None:
    assert callable(function)
    parameters = inspect.signature(function).parameters.values()
    assert not [
        parameter for parameter in parameters if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    assert not {parameter.name for parameter in parameters} & {"key", "bucket", "card", "answer", "event", "value_of"}


def test_a_providers_error_is_a_line_and_a_metric(output: Output) -> None:
    telemetry.provider_error("ctyun", "throttled", "HTTP 429", record_id="scan_0", request_id=None)
    telemetry.provider_error("accuauth", "quota", "OUT_OF_QUOTA", record_id=None, request_id="TID1")
    logged = [line for line in output.lines() if "message" in line]
    assert [(line["provider"], line["error_class"], line["code"]) for line in logged] == [
        ("ctyun", "throttled", "HTTP 429"), ("accuauth", "quota", "OUT_OF_QUOTA"),
    ]  # fmt: skip
    assert "provider_request_id" not in logged[0]
    assert logged[1]["provider_request_id"] == "TID1"


def test_provider_errors_are_counted_by_provider_and_class(output: Output) -> None:
    telemetry.provider_error("ctyun", "throttled", "HTTP 429", record_id="scan_0", request_id=None)
    (metric,) = [line for line in output.lines() if "_aws" in line]
    assert (metric["provider"], metric["error_class"], metric["ProviderErrors"]) == ("ctyun", "throttled", [1.0])
    assert "scan_0" not in str(metric)


def broken() -> None:
    secret = "张样例 990105199003070037"
    raise ValueError(secret)


def test_an_unexpected_error_is_told_by_type_and_place_and_never_by_its_text(
    output: Output,
) -> None:
    try:
        broken()
    except ValueError as error:
        telemetry.crashed(error, record_id="scan_0")
    said = output.text()
    line = json.loads(said)
    assert (line["level"], line["error"], line["record_id"]) == ("ERROR", "ValueError", "scan_0")
    assert "test_telemetry.py" in line["where"][-1]
    assert line["where"][-1].endswith(" broken")
    assert "张样例" not in said


def test_of_an_error_of_aws_the_code_is_told(output: Output) -> None:
    error = ClientError({"Error": {"Code": "AccessDenied", "Message": "张样例.jpg"}}, "GetObject")
    telemetry.crashed(error)
    said = output.text()
    assert json.loads(said)["aws_code"] == "AccessDenied"
    assert "张样例" not in said


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://x/hush"), EndpointConnectionError(endpoint_url="https://x/hush"),
        httpx.HTTPStatusError("hush", request=httpx.Request("GET", "https://x"), response=httpx.Response(500)),
        ClientError({}, "GetObject"), RuntimeError("hush"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_every_error_can_be_told(output: Output, error: Exception) -> None:
    telemetry.crashed(error, record_id="scan_0")
    said = output.text()
    assert json.loads(said)["error"] == type(error).__name__
    assert "hush" not in said


def test_an_error_that_was_never_raised_can_be_told_too(output: Output) -> None:
    telemetry.crashed(KeyError("张样例"))
    assert output.lines()[0]["where"] == []


def test_counts_are_written_once_at_the_end(output: Output) -> None:
    output.text()
    telemetry.count("ScansRecognized")
    telemetry.count("ScansRecognized", 2)
    assert output.lines() == []
    telemetry.flush()
    telemetry.flush()
    (metric,) = output.lines()
    assert metric["ScansRecognized"] == [1.0, 2.0]


def test_the_client_does_not_log_urls(sink: Sink) -> None:
    budget = Budget(time.monotonic() + 20)
    answered = ProviderClient(httpx.MockTransport(lambda _: httpx.Response(200, json={})))
    answered.recognise(Acme(), lambda _: Call("https://x.example/hush", {}, b""), budget)
    with pytest.raises(RetryableError):
        ProviderClient(sleep=lambda _: None).recognise(
            Acme(), lambda _: Call("http://127.0.0.1:9/hush", {}, b""), budget
        )
    assert sink.lines == []
