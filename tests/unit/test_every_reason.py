"""Every reason code, produced by the whole pipeline, and absent from the nearest scan that does not deserve it."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from cardintake.reasons import Reason
from tests.contract.recorded import recorded
from tests.unit.conftest import encoded, picture
from tests.unit.test_every_provider import response, world_of
from tests.unit.world import EMBLEM, LOOKUP, PORTRAIT, DiedError, World, ctyun_answer

pytestmark = pytest.mark.thorough

KEY = "up/C-1/scan.jpg"
WAIQIN, CTYUN = "waiqin.test", "ctyun.test"

type Scenario = Callable[[World], None]


def uploaded(world: World, body: bytes | None = None) -> None:
    world.deliver(world.upload(KEY, body if body is not None else encoded(picture())))


def waiqin(*, without_fields: bool = False, **said: object) -> Scenario:
    """waiqin365 says this of the picture."""

    def scenario(world: World) -> None:
        document = recorded("waiqin365", "portrait")
        data = json.loads(document["response_data"]) | said
        if without_fields:
            data["recognition_results"] = {}
        world.provider.default[WAIQIN] = lambda: response(document | {"response_data": json.dumps(data)})
        uploaded(world)

    return scenario


def quality(**flags: int) -> Scenario:
    return waiqin(card_quality={"IsClear": 1, "IsComplete": 1, "IsNoCover": 1} | flags)


def ctyun(detail: dict[str, str], claim: dict[str, str] | None = None, **result: object) -> Scenario:
    def scenario(world: World) -> None:
        world.provider.default[CTYUN] = lambda: ctyun_answer(detail, **result)
        world.deliver(world.upload(KEY, encoded(picture()), **(claim or {})))

    return scenario


def picture_of(body: Callable[[], bytes]) -> Scenario:
    return lambda world: uploaded(world, body())


def provider_says(answer: Callable[[], httpx.Response], deliveries: int = 1) -> Scenario:
    def scenario(world: World) -> None:
        world.provider.default[CTYUN] = answer
        event = world.upload(KEY, encoded(picture()))
        for _ in range(deliveries):
            world.deliver(event)
            world.let_leases_run_out()
            world.let_pauses_run_out()

    return scenario


def code(number: int, status: int = 200) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(status, json={"code": number, "message": "error"})


def several(world: World) -> None:
    both = PORTRAIT | {"org": EMBLEM["org"], "validperiod": EMBLEM["validperiod"]}
    ctyun(both)(world)


def other_side_of_another_card(world: World) -> None:
    world.provider.script = [ctyun_answer(EMBLEM | {"org": "另外市公安局"}, note="front")]
    world.deliver(world.upload("up/C-1/back.jpg", encoded(picture(2))))
    uploaded(world)


def seen_elsewhere(world: World) -> None:
    world.deliver(world.upload("up/C-2/scan.jpg", encoded(picture())))
    uploaded(world)


def crashes(world: World) -> None:
    event = world.upload(KEY, encoded(picture()))
    for _ in range(5):
        world.die = (3, "before")
        world.new_process()
        with pytest.raises(DiedError):
            world.deliver(event)
        world.die = None
        world.let_leases_run_out()
    world.new_process()
    world.deliver(event)


def waited(world: World) -> None:
    world.provider.default[CTYUN] = lambda: httpx.Response(429)
    event = world.upload(KEY, encoded(picture()))
    world.deliver(event)
    world.set_number(KEY, "waiting_since", 1)
    world.let_leases_run_out()
    world.deliver(event)


def ihuyi_without_money(world: World) -> None:
    world.new_process(PROVIDERS="ihuyi")
    used_up = {"code": 4051, "msg": "剩余次数不足", "ocrid": "0", "content": {}}
    world.provider.default["ihuyi.test"] = lambda: response(used_up)
    uploaded(world)


def beyond_the_cap(calls: int) -> Scenario:
    """So many other pictures were paid for on a day with a cap of two."""

    def scenario(world: World) -> None:
        world.new_process(DAILY_CALL_CAP="2")
        for n in range(calls):
            world.deliver(world.upload(f"up/C-3/{n}.jpg", encoded(picture(100 + n))))
        uploaded(world)

    return scenario


def emblem(**changes: str) -> dict[str, str]:
    return EMBLEM | changes


GOOD = waiqin(card_quality={"IsClear": 1, "IsComplete": 1, "IsNoCover": 1}, risk_type="normal")
CLEAN = ctyun(PORTRAIT)

SCENARIOS: dict[Reason, tuple[Scenario, Scenario]] = {
    Reason.IMAGE_BLURRED: (waiqin(photo_status="blurred"), GOOD),
    Reason.IMAGE_OVEREXPOSED: (waiqin(photo_status="over_exposure"), GOOD),
    Reason.IMAGE_GLARE: (picture_of(lambda: encoded(with_spot(0.2))), picture_of(lambda: encoded(with_spot(0.05)))),
    Reason.IMAGE_UNDEREXPOSED: (waiqin(photo_status="over_dark"), GOOD),
    Reason.CARD_INCOMPLETE: (quality(IsComplete=0), GOOD),
    Reason.CARD_COVERED: (quality(IsNoCover=0), GOOD),
    Reason.FIELD_MISSING: (ctyun(PORTRAIT | {"addr": ""}), CLEAN),
    Reason.NO_CARD: (waiqin(without_fields=True, photo_status="no_IDcard"), GOOD),
    Reason.OTHER_DOCUMENT: (waiqin(without_fields=True, photo_status="other_type_card"), GOOD),
    Reason.UNKNOWN_PHOTO_STATUS: (waiqin(photo_status="not_complete"), GOOD),
    Reason.PHOTOCOPY: (ctyun(PORTRAIT, risk="copy"), CLEAN),
    Reason.SCREEN_RECAPTURE: (waiqin(risk_type="screen"), GOOD),
    Reason.TEMPORARY_CARD: (waiqin(risk_type="temporary"), GOOD),
    Reason.IMAGE_EDITED: (waiqin(edit_tool="Adobe Photoshop CS6"), waiqin(edit_tool="")),
    Reason.PROVIDER_RISK: (ctyun(PORTRAIT, risk="strange"), ctyun(PORTRAIT, risk="unknown")),
    Reason.ID_NUMBER_INVALID: (ctyun(PORTRAIT | {"idn": "990105199003070038"}), CLEAN),
    Reason.ID_NUMBER_BIRTH_MISMATCH: (ctyun(PORTRAIT | {"birthday": "1990-03-08"}), CLEAN),
    Reason.ID_NUMBER_SEX_MISMATCH: (ctyun(PORTRAIT | {"sex": "女"}), CLEAN),
    Reason.CARD_EXPIRED: (ctyun(emblem(validperiod="2005.01.01-2025.01.01")), ctyun(EMBLEM)),
    Reason.CARD_NOT_YET_VALID: (ctyun(emblem(validperiod="2095.01.01-2115.01.01")), ctyun(EMBLEM)),
    Reason.VALIDITY_TERM_UNUSUAL: (ctyun(emblem(validperiod="2019.06.06-2040.06.06")), ctyun(EMBLEM)),
    Reason.DATE_IMPOSSIBLE: (ctyun(PORTRAIT | {"birthday": "1990-02-30"}), CLEAN),
    Reason.SIDES_DISAGREE: (other_side_of_another_card, CLEAN),
    Reason.NUMBER_SEEN_IN_OTHER_CASE: (seen_elsewhere, CLEAN),
    Reason.IMAGE_SEEN_IN_OTHER_CASE: (seen_elsewhere, CLEAN),
    Reason.SIDE_REVERSED: (ctyun(EMBLEM, {"side": "portrait"}), ctyun(EMBLEM, {"side": "emblem"})),
    Reason.ID_NUMBER_NOT_CHECKABLE: (ctyun(PORTRAIT | {"idn": "990105********0037"}), CLEAN),
    Reason.SEVERAL_CARDS: (several, CLEAN),
    Reason.IMAGE_UNSUPPORTED: (picture_of(lambda: b"not an image at all"), CLEAN),
    Reason.IMAGE_TOO_LARGE: (picture_of(lambda: encoded(picture()) + bytes(50_000_000)), CLEAN),
    Reason.IMAGE_TOO_SMALL: (
        picture_of(lambda: encoded(picture(size=(32, 200)))), picture_of(lambda: encoded(picture(size=(300, 200)))),
    ),
    Reason.IMAGE_CORRUPT: (picture_of(lambda: encoded(picture())[:3000]), CLEAN),
    Reason.PROVIDER_REJECTED_IMAGE: (provider_says(code(4009)), CLEAN),
    Reason.PROVIDER_UNAVAILABLE: (provider_says(code(5000, 500), deliveries=6), CLEAN),
    Reason.PROVIDER_REFUSED_REQUEST: (provider_says(code(4001)), CLEAN),
    Reason.ANSWER_UNREADABLE: (provider_says(lambda: httpx.Response(200, content=b'{"half'), deliveries=6), CLEAN),
    Reason.PROCESSING_CRASHED: (crashes, CLEAN),
    Reason.WAITED_TOO_LONG: (waited, CLEAN),
    Reason.PROVIDER_THROTTLED: (provider_says(lambda: httpx.Response(429)), CLEAN),
    Reason.PROVIDER_MISCONFIGURED: (provider_says(code(401, 401)), CLEAN),
    Reason.PROVIDER_QUOTA: (ihuyi_without_money, CLEAN),
    Reason.SPENDING_CAP: (beyond_the_cap(2), beyond_the_cap(1)),
}  # fmt: skip


def with_spot(share: float) -> Image.Image:
    """A burnt spot inside of the picture, of this share of its sides."""
    image = picture(size=(800, 500))
    image.paste((255, 255, 255), (300, 200, 300 + round(800 * share), 200 + round(500 * share)))
    return image


def reasons_after(scenario: Scenario) -> set[str]:
    by_waiqin = scenario.__qualname__.startswith("waiqin")
    with world_of("waiqin365" if by_waiqin else "ctyun", LOOKUP_SECRET=LOOKUP) as world:
        world.provider.default[CTYUN] = ctyun_answer
        scenario(world)
        record: dict[str, Any] = world.record(KEY)
        return {*record.get("reasons", ()), record.get("waiting_for", "nothing")}


def test_there_is_a_scenario_for_every_reason() -> None:
    assert SCENARIOS.keys() == set(Reason)


@pytest.mark.parametrize("reason", SCENARIOS)
def test_every_reason_is_given_where_it_belongs_and_only_there(reason: Reason) -> None:
    deserved, not_deserved = SCENARIOS[reason]
    assert reason.value in reasons_after(deserved)
    assert reason.value not in reasons_after(not_deserved)
