"""The whole way of a scan with each of the five providers, and what only some of them bring with them."""

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from PIL import Image

from cardintake.providers import REGISTRY
from tests.contract.recorded import recorded
from tests.unit.conftest import encoded, picture
from tests.unit.world import ANSWERS, EMBLEM, World, a_world, ctyun_answer

pytestmark = pytest.mark.thorough

IAM = {
    "base_url": "http://huawei.test", "project_id": "p0", "iam_url": "http://iam.test", "domain": "D",
    "username": "U", "password": "hush", "project": "region-0",
}  # fmt: skip
SECRETS: dict[str, dict[str, Any]] = {
    "ctyun": {"base_url": "http://ctyun.test", "service_code": "svc0", "app_key": "key", "app_secret": "hush"},
    "waiqin365": {"base_url": "http://waiqin.test", "openid": "100", "app_key": "hush"},
    "huaweicloud": {"base_url": "http://huawei.test", "project_id": "p0", "access_key": "ak", "secret_key": "hush"},
    "ihuyi": {"base_url": "http://ihuyi.test", "account": "me", "api_key": "hush"},
    "accuauth": {"base_url": "http://accuauth.test", "api_id": "id", "api_secret": "hush"},
}
FRONTS = {
    "ctyun": ("portrait", None),
    "waiqin365": ("portrait", "547777451"),
    "huaweicloud": ("portrait", "r-1"),
    "ihuyi": ("front", "22101320041348318"),
    "accuauth": ("new_front", "TID8bf47ab6eda64476973cc5f5b6ebf57e"),
}
HOSTS = {secret["base_url"].removeprefix("http://"): name for name, secret in SECRETS.items()}


def response(document: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=document, headers={"X-Request-Id": "r-1"})


@contextmanager
def world_of(*providers: str, secrets: dict[str, dict[str, Any]] | None = None, **environment: str) -> Iterator[World]:
    with a_world(PROVIDERS=",".join(providers), **environment) as world:
        world.set_secret(SECRETS | (secrets or {}))
        for host, name in HOSTS.items():
            world.provider.default[host] = lambda name=name: response(recorded(name, FRONTS[name][0]))  # type: ignore[misc]
        yield world


def stored_keys(world: World) -> set[str]:
    return {entry["Key"] for entry in world.s3.list_objects_v2(Bucket=ANSWERS).get("Contents", ())}


@pytest.mark.parametrize("provider", REGISTRY)
def test_a_scan_becomes_a_record_whoever_reads_it(provider: str) -> None:
    with world_of(provider) as world:
        world.deliver(world.upload("c/C-1/front.jpg", encoded(picture())))
        record = world.record("c/C-1/front.jpg")
        assert (record["status"], record["provider"], record["paid_calls"]) == ("RECOGNIZED", provider, 1)
        assert record.get("provider_request_id") == FRONTS[provider][1]
        assert record["card"]["country"] == REGISTRY[provider].country
        assert record["card"]["birth_date"] in ("1990-03-07", "1994-05-16")
        assert (record["quality"], record["risk"]) == ("good", "none")
        assert "portrait_key" not in record
        assert len(stored_keys(world)) == 1
        world.deliver(world.upload("c/C-1/again.jpg", encoded(picture())))
        assert len(world.provider.calls) == 1, "the stored answer serves the same picture"


def test_the_side_that_is_claimed_is_sent_to_who_demands_one() -> None:
    with world_of("waiqin365") as world:
        world.deliver(world.upload("a/1.jpg", encoded(picture(1)), side="emblem"))
        world.deliver(world.upload("a/2.jpg", encoded(picture(2))))
        bodies = [json.loads(call.content) for call in world.provider.calls]
        assert [body["ID_card_side"] for body in bodies] == ["back", "front"]
        assert len({body["transfer_id"] for body in bodies}) == 2


def test_every_try_has_ids_of_its_own() -> None:
    with world_of("waiqin365") as world:
        refused = recorded("waiqin365", "call_refused") | {"return_msg": "系统繁忙"}
        world.provider.script = [response(refused), response(refused)]
        world.deliver(world.upload("a/1.jpg", encoded(picture())))
        assert world.record("a/1.jpg")["status"] == "RECOGNIZED"
        assert len({json.loads(call.content)["transfer_id"] for call in world.provider.calls}) == 3
        assert len({call.url.path.rpartition("/")[2] for call in world.provider.calls}) == 3


# what was cut out -----------------------------------------------------------------------------------------------------

FACE = encoded(Image.new("RGB", (90, 120), (200, 150, 130)))
CARD = encoded(Image.new("RGB", (300, 190), (190, 205, 225)), "PNG")


def with_crops() -> httpx.Response:
    answer = recorded("waiqin365", "portrait")
    data = json.loads(answer["response_data"])
    data |= {"ID_photo": base64.b64encode(FACE).decode(), "card": base64.b64encode(CARD).decode()}
    return response(answer | {"response_data": json.dumps(data)})


def test_portrait_and_card_are_stored_when_asked_for_and_erased_with_the_scan() -> None:
    asking = SECRETS["waiqin365"] | {"options": {"photo_detection": True, "card_cropping": True}}
    with world_of("waiqin365", secrets={"waiqin365": asking}) as world:
        world.provider.default["waiqin.test"] = with_crops
        world.deliver(world.upload("a/1.jpg", encoded(picture())))
        record = world.record("a/1.jpg")
        portrait, card = (
            world.s3.get_object(Bucket=ANSWERS, Key=record[name]) for name in ("portrait_key", "card_image_key")
        )
        assert (portrait["ContentType"], portrait["Body"].read()) == ("image/jpeg", FACE)
        assert (card["ContentType"], card["Body"].read()) == ("image/png", CARD)
        assert len(stored_keys(world)) == 3
        # a newer upload knows nothing of the older one's
        world.provider.default["waiqin.test"] = lambda: response(recorded("waiqin365", "emblem"))
        world.deliver(world.upload("a/1.jpg", encoded(picture(2))))
        assert not world.record("a/1.jpg").keys() & {"portrait_key", "card_image_key"}
        world.deliver(world.remove("a/1.jpg"))
        assert world.record("a/1.jpg")["status"] == "ERASED"
        assert stored_keys(world) == set()


def test_nothing_is_cut_out_that_nobody_asked_for() -> None:
    with world_of("waiqin365") as world:
        world.provider.default["waiqin.test"] = with_crops
        world.deliver(world.upload("a/1.jpg", encoded(picture())))
        assert not world.record("a/1.jpg").keys() & {"portrait_key", "card_image_key"}
        assert len(stored_keys(world)) == 1


def test_a_face_that_is_only_told_is_cut_out_of_the_picture_that_was_sent() -> None:
    asking = SECRETS["accuauth"] | {"options": {"detect_face": 1}}
    answer = recorded("accuauth", "new_front")
    answer["results"][0]["face_region"] = [[60, 40], [160, 40], [160, 180], [60, 180]]
    with world_of("accuauth", secrets={"accuauth": asking}) as world:
        world.provider.default["accuauth.test"] = lambda: response(answer)
        image = picture(size=(1200, 800))
        world.deliver(world.upload("a/1.webp", encoded(image, "WEBP", lossless=True)))
        stored = world.s3.get_object(Bucket=ANSWERS, Key=world.record("a/1.webp")["portrait_key"])["Body"].read()
        with Image.open(io.BytesIO(stored)) as cut:
            assert cut.size == (100, 140)


def test_ctyuns_face_is_kept_when_asked_for() -> None:
    asking = SECRETS["ctyun"] | {"keep_face": True}
    with world_of("ctyun", secrets={"ctyun": asking}) as world:
        world.provider.script = [
            ctyun_answer(idcard_face=base64.b64encode(FACE).decode()),
            ctyun_answer(EMBLEM, note="front"),
        ]
        world.deliver(world.upload("a/1.jpg", encoded(picture(1))))
        world.deliver(world.upload("a/2.jpg", encoded(picture(2))))
        key = world.record("a/1.jpg")["portrait_key"]
        assert world.s3.get_object(Bucket=ANSWERS, Key=key)["Body"].read() == FACE
        assert "portrait_key" not in world.record("a/2.jpg")


# PDF and grey pictures ------------------------------------------------------------------------------------------------


def test_a_pdf_goes_to_ihuyi_as_it_is_whoever_is_preferred() -> None:
    pdf = encoded(picture(), "PDF")
    with world_of("ctyun", "ihuyi") as world:
        world.deliver(world.upload("a/scan.pdf", pdf))
        record = world.record("a/scan.pdf")
        assert (record["status"], record["provider"], record["quality"]) == ("RECOGNIZED", "ihuyi", "unknown")
        (call,) = world.provider.calls
        assert base64.b64decode(parse_qs(call.content.decode())["img_base64"][0]) == pdf


@pytest.mark.parametrize("provider", [name for name in REGISTRY if name != "ihuyi"])
def test_a_pdf_is_unsupported_elsewhere(provider: str) -> None:
    with world_of(provider) as world:
        world.deliver(world.upload("a/scan.pdf", encoded(picture(), "PDF")))
        record = world.record("a/scan.pdf")
        assert (record["status"], record["reasons"], record["paid_calls"]) == ("REJECTED", ["IMAGE_UNSUPPORTED"], 0)
        assert world.provider.calls == []


def test_a_grey_picture_is_sent_to_ihuyi_all_the_same() -> None:
    with world_of("ihuyi") as world:
        world.deliver(world.upload("a/grey.jpg", encoded(picture().convert("L"))))
        record = world.record("a/grey.jpg")
        assert (record["status"], record["reasons"]) == ("RECOGNIZED", ["PHOTOCOPY"])


# tokens and times -----------------------------------------------------------------------------------------------------


def issued() -> httpx.Response:
    expires_at = (datetime.now(UTC) + timedelta(hours=24)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    document = recorded("huaweicloud", "iam_token")
    document["token"]["expires_at"] = expires_at
    return httpx.Response(201, json=document, headers={"X-Subject-Token": "token-0"})


def paths(world: World) -> list[str]:
    return [call.url.host for call in world.provider.calls]


def test_one_token_serves_many_scans() -> None:
    with world_of("huaweicloud", secrets={"huaweicloud": IAM}) as world:
        world.provider.default["iam.test"] = issued
        for number in range(3):
            world.deliver(world.upload(f"a/{number}.jpg", encoded(picture(number))))
        assert paths(world) == ["iam.test", "huawei.test", "huawei.test", "huawei.test"]
        assert {call.headers.get("X-Auth-Token") for call in world.provider.calls[1:]} == {"token-0"}


def test_an_expired_token_is_renewed_once() -> None:
    with world_of("huaweicloud", secrets={"huaweicloud": IAM}) as world:
        world.provider.default["iam.test"] = issued
        world.deliver(world.upload("a/0.jpg", encoded(picture(0))))
        world.provider.script = [response(recorded("huaweicloud", "token_expired"), 401)]
        world.deliver(world.upload("a/1.jpg", encoded(picture(1))))
        assert paths(world)[2:] == ["huawei.test", "iam.test", "huawei.test"]
        assert world.record("a/1.jpg")["paid_calls"] == 1


def test_a_wrong_password_is_said_once_and_tried_once() -> None:
    with world_of("huaweicloud", secrets={"huaweicloud": IAM}) as world:
        refusal = recorded("huaweicloud", "iam_refused")
        world.provider.default["iam.test"] = lambda: httpx.Response(401, json=refusal)
        for number in range(3):
            world.deliver(world.upload(f"a/{number}.jpg", encoded(picture(number))))
            record = world.record(f"a/{number}.jpg")
            assert (record["status"], record["waiting_for"]) == ("PROCESSING", "PROVIDER_MISCONFIGURED")
            assert record["paid_calls"] == 0
        assert paths(world) == ["iam.test"]
        assert [event["detail-type"] for event in world.heard_events()] == ["Provider Misconfigured"]


def test_a_time_that_was_refused_is_sent_anew_and_then_the_clock_is_wrong() -> None:
    late = {"code": 40501, "msg": "动态密码已过期", "ocrid": "0", "content": {}}
    with world_of("ihuyi") as world:
        world.provider.script = [response(late)]
        world.deliver(world.upload("a/1.jpg", encoded(picture(1))))
        assert world.record("a/1.jpg")["status"] == "RECOGNIZED"
        world.provider.script = [response(late), response(late)]
        world.deliver(world.upload("a/2.jpg", encoded(picture(2))))
        assert world.record("a/2.jpg")["waiting_for"] == "PROVIDER_MISCONFIGURED"
        assert len(world.provider.calls) == 4


# bad configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", REGISTRY)
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"base_url": "provider.test"}, "base_url"),
        ({"base_url": None}, "base_url"),
        ({"options": {"no_such_option": "hush"}}, "no_such_option"),
    ],
)
def test_a_bad_member_waits_and_is_named(
    provider: str, change: dict[str, Any], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    with world_of(provider, secrets={provider: SECRETS[provider] | change}) as world:
        world.deliver(world.upload("a/1.jpg", encoded(picture())))
        assert world.record("a/1.jpg")["waiting_for"] == "PROVIDER_MISCONFIGURED"
        assert world.provider.calls == []
    said = str([vars(line) for line in caplog.records])
    assert f"options.{named}" in said if "options" in change else named in said
    assert provider in said
    assert "hush" not in said


@pytest.mark.parametrize("provider", REGISTRY)
@pytest.mark.parametrize(
    ("answer", "waiting_for"),
    [
        (httpx.Response(302, headers={"Location": "http://169.254.169.254/"}), "PROVIDER_MISCONFIGURED"),
        (httpx.Response(200, content=b""), "PROVIDER_UNAVAILABLE"),
        (httpx.Response(200, content=b" " * 50_000_000), "PROVIDER_UNAVAILABLE"),
        (httpx.Response(502, content=b"<html>Bad Gateway</html>"), "PROVIDER_UNAVAILABLE"),
        (httpx.Response(429, json={}), "PROVIDER_THROTTLED"),
    ],
    ids=["redirect", "nothing", "50 MB", "gateway", "throttled"],
)
def test_a_bad_answer_waits_and_is_named(
    provider: str, answer: httpx.Response, waiting_for: str, caplog: pytest.LogCaptureFixture
) -> None:
    with world_of(provider) as world:
        host = SECRETS[provider]["base_url"].removeprefix("http://")
        world.provider.default[host] = lambda: httpx.Response(
            answer.status_code, content=answer.content, headers=dict(answer.headers)
        )
        world.deliver(world.upload("a/1.jpg", encoded(picture())))
        assert world.record("a/1.jpg")["waiting_for"] == waiting_for
    assert provider in str([vars(line) for line in caplog.records])
