"""What a warm scan does not do again, and how little memory a large picture takes."""

import base64
import io
import random
import ssl
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote_plus

import botocore.session
import httpx
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody
from PIL import Image

from cardintake import bootstrap, images, scans
from cardintake.aws import Clients
from cardintake.budget import Budget
from cardintake.images import FittedImage
from cardintake.provider_states import ProviderStates
from cardintake.providers import REGISTRY, bodies
from cardintake.providers.bodies import Base64, blocks, body_of, form_base64
from cardintake.providers.client import ProviderClient
from cardintake.providers.protocol import Attempt, Claim
from cardintake.providers.transport import DeadConnectionError, DeadlineTransport
from cardintake.scans import Scan
from cardintake.uploads import Uploads
from tests.benchmarks.warm import surroundings
from tests.benchmarks.warm_side import event
from tests.contract.test_client import Acme
from tests.contract.test_transport import ANSWER, Connection, serving
from tests.unit.conftest import encoded, picture
from tests.unit.world import World, a_world, ctyun_answer

KEY = "a/x.jpg"
LARGE = 10_000_000
OPTIONS: dict[str, list[dict[str, str]]] = {
    "ctyun": [
        {}, {"base64_alphabet": "urlsafe"}, {"auth_scheme": "eop", "access_key": "a", "secret_key": "h"},
    ],
    "waiqin365": [{}], "huaweicloud": [{}], "ihuyi": [{}], "accuauth": [{}, {"image_parameter": "image_base64"}],
}  # fmt: skip
SECRETS: dict[str, dict[str, str]] = {
    "ctyun": {"base_url": "https://x.example", "service_code": "s", "app_key": "k", "app_secret": "h"},
    "waiqin365": {"base_url": "https://x.example", "openid": "1", "app_key": "h"},
    "huaweicloud": {"base_url": "https://x.example", "project_id": "p", "access_key": "a", "secret_key": "h"},
    "ihuyi": {"base_url": "https://x.example", "account": "a", "api_key": "h"},
    "accuauth": {"base_url": "https://x.example", "api_id": "i", "api_secret": "h"},
}


# once warm ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts clients and SSL contexts as they are made."""
    counter: Counter[str] = Counter()

    def counted(owner: type, name: str, what: str) -> None:
        whole: Callable[..., Any] = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            counter[what] += 1
            return whole(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    counted(botocore.session.Session, "create_client", "AWS client")
    counted(DeadlineTransport, "__init__", "HTTP client")
    counted(httpx.Client, "__init__", "HTTP client")
    counted(ssl.SSLContext, "__new__", "SSL context")
    return counter


@pytest.mark.thorough
def test_a_warm_scan_makes_no_client_no_context_no_connection_and_reads_no_secret(
    made: Counter[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "small.jpg").write_bytes(encoded(picture()))
    with surroundings(tmp_path) as (stubs, environment):
        environment |= {
            "CARDS_TABLE": "cards", "ANSWERS_BUCKET": "answers", "EVENT_BUS": "bus", "PROVIDERS": "ctyun",
            "PROVIDERS_SECRET": "providers", "RETENTION_DAYS": "30",
        }  # fmt: skip
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        trusted = ssl.create_default_context(cafile=environment["AWS_CA_BUNDLE"])
        process = bootstrap.wire(environment, Clients(), lambda: ProviderClient(DeadlineTransport(trusted)))

        def delivered(number: int) -> list[str]:
            done = process.worklist.run(
                scans.parse(event(range(number, number + 1), "small.jpg")), Budget(time.monotonic() + 50)
            )
            return [outcome.status for outcome in done.outcomes]

        assert delivered(1) == ["RECOGNIZED"]
        assert made["SSL context"] > 0
        assert (made["AWS client"], made["HTTP client"], stubs.asked()["secretsmanager"]) == (3, 1, 1)
        made.clear()
        assert delivered(2) == delivered(3) == ["RECOGNIZED"]
        asked = stubs.asked()
    assert made == {}
    assert asked == {"dynamodb": 6, "s3": 4, "provider": 2}


class Unhurried:
    """A table that answers when it is told to, and counts how often it was asked."""

    def __init__(self, fails: bool) -> None:
        self.asked, self.answer = 0, threading.Event()
        self._fails = fails

    def get_item(self, **_: Any) -> dict[str, Any]:
        self.asked += 1
        assert self.answer.wait(10)
        if self._fails:
            raise EndpointConnectionError(endpoint_url="https://x.example")
        return {"Item": {"error_class": {"S": "quota"}}}


@pytest.mark.parametrize("fails", [False, True], ids=["answered", "failed"])
def test_ten_scans_that_begin_together_read_a_providers_state_once(world: World, fails: bool) -> None:
    table = Unhurried(fails)
    states = ProviderStates(cast("Any", table), world.process.settings, world.process.announcements)
    with ThreadPoolExecutor(10) as pool:
        asking = [pool.submit(states.trouble, "ctyun") for _ in range(10)]
        time.sleep(0.1)
        table.answer.set()
        told = [one.exception() or one.result() for one in asking]
    assert table.asked == 1
    if not fails:
        assert told == [("quota", False)] * 10
        return
    assert [type(error) for error in told] == [EndpointConnectionError] * 10
    with pytest.raises(EndpointConnectionError):  # a failure is not remembered
        states.trouble("ctyun")
    assert table.asked == 2


def test_the_colours_of_a_picture_are_measured_only_where_the_provider_looks_for_no_copies(
    world: World, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[float] = []
    whole = images._chroma

    def remembered(image: Image.Image) -> float:
        measured.append(whole(image))
        return measured[-1]

    monkeypatch.setattr(images, "_chroma", remembered)
    world.deliver(world.upload(KEY, photo))
    assert world.record(KEY)["risk"] == "none"
    assert measured == []
    seen = images.probe(photo).measures
    assert seen is not None
    assert (seen.chroma, len(measured)) == (seen.chroma, 1)


def test_a_picture_is_measured_while_its_provider_is_awaited(
    world: World, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = threading.Event()
    measure = images._of_luminance

    def noted(image: Image.Image) -> dict[str, float]:
        taken = measure(image)
        measured.set()
        return taken

    def answer_then(_: httpx.Request) -> httpx.Response:
        assert measured.wait(10)
        return ctyun_answer()

    monkeypatch.setattr(images, "_of_luminance", noted)
    world.provider.script = [answer_then]
    world.deliver(world.upload(KEY, photo))
    assert world.record(KEY)["status"] == "RECOGNIZED"


@pytest.mark.parametrize("size", [(600, 400), (1200, 800), (1600, 1000), (3300, 2000)])
def test_a_jpegs_luminance_alone_measures_as_its_colours_do(size: tuple[int, int]) -> None:
    jpeg = encoded(picture(1, size), quality=92)
    alone = images.probe(jpeg).measures
    assert alone is not None
    in_colour = images._of_luminance(images._in_colour(jpeg))
    assert alone.sharpness == pytest.approx(in_colour["sharpness"], rel=0.01)
    assert alone.brightness == pytest.approx(in_colour["brightness"], abs=1)
    assert (alone.burnt_share, alone.glare_share) == (in_colour["burnt_share"], in_colour["glare_share"])


# a connection that died -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("whole", "paid", "uncertain"), [(False, 1, 0), (True, 2, 1)])
def test_a_dead_connection_costs_no_attempt(world: World, photo: bytes, whole: bool, paid: int, uncertain: int) -> None:
    world.provider.script = [DeadConnectionError(whole=whole)]
    done = world.deliver(world.upload(KEY, photo))
    record = world.record(KEY)
    assert (record["status"], record["attempts"]) == ("RECOGNIZED", 1)
    assert (record["paid_calls"], record["uncertain_calls"]) == (paid, uncertain)
    assert done.failed_messages == ()
    assert world.messages_without_delay() == []


def test_a_dead_connection_counts_against_the_spending_cap_where_it_may_be_billed(photo: bytes) -> None:
    with a_world(DAILY_CALL_CAP="1") as world:
        world.provider.script = [DeadConnectionError(whole=True)]
        world.deliver(world.upload(KEY, photo))
        record = world.record(KEY)
        assert (record["status"], record["waiting_for"]) == ("PROCESSING", "SPENDING_CAP")
        assert (record["paid_calls"], record["uncertain_calls"]) == (1, 1)
        assert len(world.provider.calls) == 1


# bodies ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 196_607, 196_608, 196_609, 999_999, 1_000_001, 1_179_648, 1_500_001])
def test_a_body_in_blocks_is_the_body_in_one_piece(size: int) -> None:
    data = random.Random(size).randbytes(size)
    for part, text in (
        (Base64(data), base64.b64encode(data)),
        (Base64(data, base64.urlsafe_b64encode), base64.urlsafe_b64encode(data)),
        (Base64(data, form_base64), quote_plus(base64.b64encode(data)).encode()),
    ):
        body = body_of(b"<", part, b">")
        assert isinstance(body, bytes) == (size < 999_999)
        assert b"".join(blocks(body)) == b"".join(blocks(body)) == b"<" + text + b">"


@pytest.mark.parametrize("name", REGISTRY)
def test_a_large_picture_is_signed_in_blocks_as_in_one_piece(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for options in OPTIONS[name]:
        provider = REGISTRY[name].configured(SECRETS[name] | options, allow_http=False)
        image, attempt = (
            FittedImage(random.Random(1).randbytes(1_234_567), "JPEG", 900, 900),
            Attempt(datetime.now(UTC)),
        )
        in_blocks = provider.call(image, Claim(), attempt)
        with monkeypatch.context() as patched:
            patched.setattr(bodies, "_SMALL", 10**9)
            in_one = provider.call(image, Claim(), attempt)
        assert not isinstance(in_blocks.body, bytes)
        assert isinstance(in_one.body, bytes)
        assert (in_blocks.url, in_blocks.headers, in_blocks.content) == (in_one.url, in_one.headers, in_one.body)


# memory ---------------------------------------------------------------------------------------------------------------


@contextmanager
def peak_over_image() -> Iterator[list[float]]:
    """What Python allocated at most, above what there was before, in sizes of the large image."""
    found: list[float] = []
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        yield found
        found.append((tracemalloc.get_traced_memory()[1] - before) / LARGE)
    finally:
        tracemalloc.stop()


def test_an_upload_is_read_without_a_second_copy() -> None:
    class Stored:
        def get_object(self, **_: object) -> dict[str, object]:
            body = StreamingBody(io.BytesIO(image), LARGE)
            return {"ContentLength": LARGE, "ETag": '"etag"', "Metadata": {}, "Body": body}

    image = bytes(LARGE)
    stored: Any = Stored()
    with peak_over_image() as peak:
        upload = Uploads(stored).fetch(Scan(bucket="scans", key=KEY, etag="etag", size=LARGE))
    assert upload.data == image
    assert peak[0] < 1.2


@pytest.mark.parametrize("name", REGISTRY)
def test_a_large_picture_is_sent_without_a_copy_of_its_size(name: str) -> None:
    received, buffer = 0, bytearray(65536)

    def swallow(connection: Connection) -> None:
        nonlocal received
        head = connection.talk.recv(65536)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        received = len(head.partition(b"\r\n\r\n")[2])
        while received < length:
            received += connection.talk.recv_into(buffer)
        connection.talk.sendall(ANSWER)

    with serving(swallow) as server:
        secret = SECRETS[name] | {"base_url": f"http://127.0.0.1:{server.port}"}
        provider = REGISTRY[name].configured(secret, allow_http=True)
        image = FittedImage(random.Random(1).randbytes(LARGE), "JPEG", 900, 900)
        client = ProviderClient()
        with peak_over_image() as peak:
            client.recognise(
                Acme(), lambda attempt: provider.call(image, Claim(), attempt), Budget(time.monotonic() + 50)
            )
    assert received > LARGE
    assert peak[0] < 0.2
