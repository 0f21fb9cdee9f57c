"""What is left with a prepaid provider: who is asked, what is told, and that nothing is told twice or lost."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cardintake.balances import Asked, Balances, NoBalanceError
from cardintake.budget import Budget
from cardintake.providers.client import ProviderClient
from cardintake.providers.ihuyi import Ihuyi
from tests.unit.conftest import encoded, picture
from tests.unit.world import CREDENTIALS, DiedError, World, a_world, sqs_event

IHUYI = {"base_url": "http://ihuyi.test", "account": "account-hush", "api_key": "hush"}
PROVIDER = "provider_ihuyi"
THRESHOLD = 100


class Account:
    """What ihuyi answers for an account that has so many recognitions left; `refusal` is a code for everything."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.refusal: int | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.refusal is not None:
            return httpx.Response(200, json={"code": self.refusal, "msg": "refused", "num": 0})
        if request.url.path == "/ocr/GetNum.json":
            return httpx.Response(200, json={"code": 2, "msg": "查询成功", "num": self.left})
        if not self.left:
            return httpx.Response(200, json={"code": 4051, "msg": "none left", "ocrid": "0"})
        self.left -= 1
        content = {
            "type": "front", "name": "张样例", "gender": "男", "ethnicity": "汉", "data_of_birth": "1990-03-07",
            "domicile": "样例省样例市样例路1号", "id_number": "990105199003070037",
        }  # fmt: skip
        return httpx.Response(200, json={"code": 2, "msg": "ok", "ocrid": "164", "content": content})


def prepaid(world: World, left: int) -> Account:
    """Gives the deployment an account with ihuyi."""
    account = Account(left)
    world.set_secret(CREDENTIALS | {"ihuyi": IHUYI})
    world.provider.default["ihuyi.test"] = lambda: account  # type: ignore[return-value,assignment]
    return account


def a_prepaid_world(**environment: str) -> Any:
    return a_world(**{"PROVIDERS": "ihuyi", "BALANCE_THRESHOLD": str(THRESHOLD)} | environment)


def ask(world: World, seconds: float = 50) -> Asked:
    """One run of the schedule, in a process of its own, as an hour later."""
    world.new_process()
    return world.process.balances.run(Budget(time.monotonic() + seconds))


def sweep(world: World) -> None:
    world.new_process()
    world.process.sweep.run(Budget(time.monotonic() + 60))


def current_version(world: World) -> str:
    """The version of the secret's content."""
    version: str = world.secrets.get_secret_value(SecretId="providers")["VersionId"]
    return version


def scan(world: World, name: str) -> dict[str, Any]:
    """Uploads a card and has it read by a process of its own; its record."""
    world.new_process()
    world.deliver(world.upload(f"{name}.jpg", encoded(picture(sum(name.encode())))))
    return world.record(f"{name}.jpg")


def heard(world: World) -> list[tuple[str, dict[str, Any]]]:
    """The provider events since the last look."""
    events = [(event["detail-type"], event["detail"]["data"]) for event in world.heard_events()]
    return [(detail_type, data) for detail_type, data in events if detail_type.startswith("Provider")]


def low(balance: int) -> tuple[str, dict[str, Any]]:
    return "Provider Quota Low", {"provider": "ihuyi", "error_class": "quota", "balance": balance}


def recovered(balance: int) -> tuple[str, dict[str, Any]]:
    return "Provider Recovered", {"provider": "ihuyi", "error_class": "quota", "balance": balance}


REFUSED = ("Provider Quota Low", {"provider": "ihuyi", "error_class": "quota"})
MISCONFIGURED = ("Provider Misconfigured", {"provider": "ihuyi", "error_class": "configuration"})


# who is asked ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "balances"),
    [
        ({"PROVIDERS": "ctyun,accuauth"}, {}),
        ({"PROVIDERS": "ctyun,ihuyi"}, {"ihuyi": 900}),
        ({"PROVIDERS": "ctyun", "ROUTES": "cn/=accuauth|ihuyi"}, {"ihuyi": 900}),
        ({"PROVIDERS": "ihuyi", "ROUTES": "cn/=ihuyi,cn/x/=ihuyi"}, {"ihuyi": 900}),
    ],
)
def test_each_prepaid_provider_that_is_named_is_asked_once(
    environment: dict[str, str], balances: dict[str, int]
) -> None:
    with a_prepaid_world(**environment) as world:
        prepaid(world, 900)
        assert ask(world) == Asked(balances, {})
        assert [str(call.url) for call in world.provider.calls] == ["http://ihuyi.test/ocr/GetNum.json"] * len(balances)
        assert heard(world) == []


def test_a_balance_is_a_metric_and_a_line(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with a_prepaid_world() as world:
        prepaid(world, 4711)
        ask(world)
    (metric,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "ProviderBalance" in line]
    assert (metric["provider"], metric["ProviderBalance"]) == ("ihuyi", [4711])
    (described,) = metric["_aws"]["CloudWatchMetrics"]
    assert described["Namespace"] == "cardintake"
    assert described["Metrics"] == [{"Name": "ProviderBalance", "Unit": "Count"}]
    assert "provider" in described["Dimensions"][0]
    (line,) = [vars(record) for record in caplog.records if record.getMessage() == "balance"]
    assert (line["provider"], line["balance"]) == ("ihuyi", 4711)
    assert "hush" not in str([vars(record) for record in caplog.records])


# low and enough again -------------------------------------------------------------------------------------------------


def test_a_low_balance_is_announced_once_and_its_end_once() -> None:
    with a_prepaid_world() as world:
        account = prepaid(world, THRESHOLD)
        ask(world)
        assert heard(world) == [], "at the threshold is not below it"
        world.log.clear()
        ask(world)
        assert "dynamodb.update_item" not in world.log, "only changes are written"
        for left in (THRESHOLD - 1, THRESHOLD - 50, 0):
            account.left = left
            ask(world)
        assert heard(world) == [low(THRESHOLD - 1)]
        for left in (THRESHOLD, THRESHOLD + 1):
            account.left = left
            ask(world)
        assert heard(world) == [recovered(THRESHOLD)]
        account.left = 5
        ask(world)
        assert heard(world) == [low(5)], "a new shortage is news again"


def test_threshold_zero_leaves_it_to_the_refusal() -> None:
    with a_prepaid_world(BALANCE_THRESHOLD="0") as world:
        prepaid(world, 0)
        assert ask(world).balances == {"ihuyi": 0}
        assert heard(world) == []


def test_a_low_balance_pauses_nothing() -> None:
    with a_prepaid_world() as world:
        prepaid(world, 3)
        ask(world)
        assert [scan(world, name)["status"] for name in ("a", "b")] == ["RECOGNIZED"] * 2
        assert heard(world) == [low(3)]


def test_what_was_announced_as_low_is_not_announced_again_when_it_is_used_up() -> None:
    with a_prepaid_world() as world:
        account = prepaid(world, 1)
        ask(world)
        scan(world, "a")
        assert scan(world, "b")["waiting_for"] == "PROVIDER_QUOTA"
        ask(world)
        assert heard(world) == [low(1)]
        account.left = 900
        ask(world)
        assert heard(world) == [recovered(900)]
        assert scan(world, "c")["status"] == "RECOGNIZED"
        assert heard(world) == []


def test_what_a_scan_found_used_up_is_not_announced_again_as_low() -> None:
    with a_prepaid_world() as world:
        prepaid(world, 0)
        scan(world, "a")
        ask(world)
        ask(world)
        assert heard(world) == [REFUSED]
        assert "error_class" in world.item(PROVIDER), "an empty account stays paused"


def test_a_pause_ends_by_itself_when_there_is_enough_again() -> None:
    with a_prepaid_world() as world:
        account = prepaid(world, 0)
        assert scan(world, "a")["waiting_for"] == "PROVIDER_QUOTA"
        account.left = THRESHOLD
        ask(world)
        assert heard(world) == [REFUSED, recovered(THRESHOLD)]
        assert scan(world, "b")["status"] == "RECOGNIZED", "without waiting for the pause to run out"
        assert heard(world) == []


def test_a_little_more_leaves_the_end_of_the_pause_to_the_probe_and_is_no_recovery() -> None:
    with a_prepaid_world() as world:
        account = prepaid(world, 0)
        scan(world, "a")
        account.left = 7
        ask(world)
        calls = len(world.provider.calls)
        assert scan(world, "b")["waiting_for"] == "PROVIDER_QUOTA"
        assert len(world.provider.calls) == calls
        world.let_pauses_run_out()
        assert scan(world, "c")["status"] == "RECOGNIZED"
        assert heard(world) == [REFUSED], "it reads, and is still running out"
        account.left = 900
        ask(world)
        assert heard(world) == [recovered(900)]


def test_other_trouble_comes_and_goes_beside_a_low_balance() -> None:
    with a_prepaid_world() as world:
        account = prepaid(world, 50)
        ask(world)
        account.refusal = 405
        scan(world, "a")
        account.refusal = None
        world.let_pauses_run_out()
        scan(world, "b")
        assert heard(world) == [
            low(50),
            MISCONFIGURED,
            ("Provider Recovered", {"provider": "ihuyi", "error_class": "configuration"}),
        ]
        account.left = 900
        ask(world)
        assert heard(world) == [recovered(900)]


# two at once, and processes that die ----------------------------------------------------------------------------------


def during_the_question(world: World, happens: Callable[[], object], left: int) -> None:
    """Something else happens after ihuyi has counted and before we hear of it."""

    def answer(_: httpx.Request) -> httpx.Response:
        asking = world.process
        happens()
        world.process = asking
        return httpx.Response(200, json={"code": 2, "msg": "ok", "num": left})

    world.provider.script = [answer]


def test_a_pause_that_begins_after_the_question_stays() -> None:
    with a_prepaid_world() as world:
        account = prepaid(world, 900)
        ask(world)
        account.left = 0
        during_the_question(world, lambda: scan(world, "a"), left=900)
        ask(world)
        assert heard(world) == [REFUSED]
        assert world.item(PROVIDER)["error_class"] == "quota"


def test_two_who_notice_at_once_announce_once() -> None:
    with a_prepaid_world() as world:
        account = prepaid(world, 900)
        ask(world)
        account.left = 20
        during_the_question(world, lambda: ask(world), left=19)
        ask(world)
        assert heard(world) == [low(20)]


def test_two_who_write_at_once_announce_once() -> None:
    with a_prepaid_world() as world:
        prepaid(world, 900)
        ask(world)
        first, second = world.process.states, world.new_process().states
        permit = first.permit("ihuyi", current_version(world), "first")
        change: Any = first._change

        def later(*arguments: object) -> None:
            second.balance(permit, 20, low=True)
            change(*arguments)

        first._change = later
        first.balance(permit, 19, low=True)
        assert heard(world) == [low(20)]


def test_a_probe_that_works_ends_the_pause_and_not_the_shortage_found_meanwhile() -> None:
    with a_prepaid_world() as world:
        prepaid(world, 0)
        scan(world, "a")
        world.let_pauses_run_out()
        states = world.new_process().states
        permit = states.permit("ihuyi", current_version(world), "a scan")
        world.new_process().states.balance(permit, 7, low=True)
        states.worked(permit)
        state = world.item(PROVIDER)
        assert ("error_class" in state, "balance_low" in state) == (False, True)
        assert heard(world) == [REFUSED]


@pytest.mark.thorough
@pytest.mark.parametrize("before", [900, 20], ids=["low", "enough again"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_wherever_the_process_dies_the_change_is_announced_once(before: int, when: str) -> None:
    after = 920 - before

    def told(point: int) -> tuple[int, list[tuple[str, dict[str, Any]]]]:
        with a_prepaid_world() as world:
            account = prepaid(world, before)
            ask(world)
            heard(world)
            account.left = after
            world.log.clear()
            world.die = (point, when) if point else None
            try:
                ask(world)
                points = len(world.log)
            except DiedError:
                points = 0
            world.die = None
            world.let_leases_run_out()
            sweep(world)
            ask(world)
            ask(world)
            assert "outbox" not in world.item(PROVIDER)
            events = {event["detail"]["metadata"]["event_id"]: event for event in world.heard_events()}
            return points, [(event["detail-type"], event["detail"]["data"]) for event in events.values()]

    expected = [low(after) if after < THRESHOLD else recovered(after)]
    points, events = told(0)
    assert events == expected
    assert points >= 6  # secret, state, question, state, change, event, outbox
    for point in range(1, points + 1):
        assert told(point)[1] == expected, f"died {when} call {point}"


def test_an_event_that_is_refused_is_delivered_by_the_sweep() -> None:
    with a_prepaid_world() as world:
        prepaid(world, 20)
        world.new_process()
        events: Any = world.process.announcements._events()
        events.put_events = lambda **_: {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
        world.process.balances.run(Budget(time.monotonic() + 50))
        assert heard(world) == []
        world.let_leases_run_out()
        sweep(world)
        assert heard(world) == [low(20)]
        assert not world.item(PROVIDER).keys() & {"outbox", "due_at", "due_shard"}


# what can go wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "names"),
    [
        ({}, "secret has no member 'ihuyi'"),
        ({"ihuyi": IHUYI | {"api_key": ""}}, "api_key"),
        ({"ihuyi": IHUYI | {"base_url": "ihuyi.test"}}, "base_url"),
        ("hush", "PROVIDERS_SECRET is not JSON"),
    ],
)
def test_a_bad_secret_is_named_announced_and_not_tried(
    secret: object, names: str, caplog: pytest.LogCaptureFixture
) -> None:
    with a_prepaid_world() as world:
        prepaid(world, 900)
        world.set_secret(secret)
        for _ in range(2):
            assert ask(world) == Asked({}, {"ihuyi": "configuration"})
        assert world.provider.calls == []
        assert heard(world) == [MISCONFIGURED]
        world.set_secret(CREDENTIALS | {"ihuyi": IHUYI})
        assert ask(world) == Asked({"ihuyi": 900}, {})
        ((detail_type, data),) = heard(world)
        assert (detail_type, data["error_class"]) == ("Provider Recovered", "configuration")
    lines = str([vars(record) for record in caplog.records])
    assert names in lines
    assert "hush" not in lines


def test_a_process_that_lives_on_asks_with_the_secret_as_it_is_now() -> None:
    with a_prepaid_world() as world:
        account = prepaid(world, 900)
        ask(world)
        account.refusal = 405
        assert world.process.balances.run(Budget(time.monotonic() + 50)).errors == {"ihuyi": "configuration"}
        account.refusal = None
        world.set_secret({"ihuyi": IHUYI | {"renewed": True}})
        assert world.process.balances.run(Budget(time.monotonic() + 50)).balances == {"ihuyi": 900}


def test_refused_credentials_pause_the_provider_for_scans_too() -> None:
    with a_prepaid_world() as world:
        account = prepaid(world, 900)
        account.refusal = 405
        assert ask(world) == Asked({}, {"ihuyi": "configuration"})
        assert ask(world) == Asked({}, {"ihuyi": "configuration"})
        assert scan(world, "a")["waiting_for"] == "PROVIDER_MISCONFIGURED"
        assert len(world.provider.calls) == 1, "nothing is called in vain"
        assert heard(world) == [MISCONFIGURED]
        world.let_pauses_run_out()
        assert ask(world) == Asked({}, {"ihuyi": "configuration"})
        assert len(world.provider.calls) == 2, "one probe"
        account.refusal = None
        world.let_pauses_run_out()
        assert ask(world) == Asked({"ihuyi": 900}, {})
        ((detail_type, data),) = heard(world)
        assert (detail_type, data["error_class"]) == ("Provider Recovered", "configuration")
        assert scan(world, "b")["status"] == "RECOGNIZED"


def test_a_probe_may_find_a_low_balance() -> None:
    with a_prepaid_world() as world:
        account = prepaid(world, 50)
        account.refusal = 405
        ask(world)
        account.refusal = None
        world.let_pauses_run_out()
        ask(world)
        over = ("Provider Recovered", {"provider": "ihuyi", "error_class": "configuration", "balance": 50})
        assert heard(world) == [MISCONFIGURED, over, low(50)]


def test_a_frozen_account_is_out_of_quota_until_it_answers_again() -> None:
    with a_prepaid_world() as world:
        account = prepaid(world, 900)
        account.refusal = 4050
        assert ask(world) == Asked({}, {"ihuyi": "quota"})
        assert scan(world, "a")["waiting_for"] == "PROVIDER_QUOTA"
        ask(world)
        assert heard(world) == [REFUSED]
        account.refusal = None
        ask(world)
        assert heard(world) == [recovered(900)]


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("hush"), httpx.ReadTimeout("hush"), httpx.Response(502, text="<html>"),
        httpx.Response(200, json={"code": 1}), httpx.Response(200, text='{"code": 2, "nu'),
        httpx.Response(200, json={"code": 2, "msg": "ok"}), httpx.Response(429),
    ],
    ids=["connect", "timeout", "502", "1", "half", "no number", "429"],
)  # fmt: skip
def test_trouble_that_passes_changes_no_state_and_is_worth_another_try(
    trouble: httpx.Response | BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with a_prepaid_world() as world:
        prepaid(world, 900)
        ask(world)
        state = world.item(PROVIDER)
        world.provider.script = [trouble] * 3
        with pytest.raises(NoBalanceError, match=r"^No provider said what is left: ihuyi \((retryable|throttled)\)\.$"):
            ask(world)
        assert world.item(PROVIDER) == state
        assert heard(world) == []
        world.provider.script = []
        assert ask(world).balances == {"ihuyi": 900}
    (line,) = [vars(record) for record in caplog.records if record.getMessage() == "provider error"]
    assert (line["provider"], line["record_id"]) == ("ihuyi", None)


def test_trouble_with_a_secret_not_seen_to_work_gives_the_trial_back() -> None:
    with a_prepaid_world() as world:
        prepaid(world, 900)
        world.provider.script = [httpx.Response(429)]
        with pytest.raises(NoBalanceError):
            ask(world)
        assert not world.item(PROVIDER).keys() & {"trial_owner", "trial_until", "error_class"}
        assert scan(world, "a")["status"] == "RECOGNIZED"


def test_a_question_is_the_one_call_that_tries_a_new_secret() -> None:
    with a_prepaid_world() as world:
        prepaid(world, 900)
        world.provider.script = [lambda _: _while_asked(world)]
        assert ask(world) == Asked({"ihuyi": 900}, {})
        assert not world.item(PROVIDER).keys() & {"trial_owner", "trial_until"}
        calls = len(world.provider.calls)
        assert scan(world, "b")["status"] == "RECOGNIZED"
        assert len(world.provider.calls) == calls + 1


def _while_asked(world: World) -> httpx.Response:
    asking, calls = world.process, len(world.provider.calls)
    with pytest.raises(NoBalanceError):
        ask(world)
    assert len(world.provider.calls) == calls, "another call is trying the credentials"
    world.process = asking
    return httpx.Response(200, json={"code": 2, "msg": "ok", "num": "900"})


def test_a_scans_probe_under_way_is_not_disturbed() -> None:
    with a_prepaid_world() as world:
        prepaid(world, 1)
        scan(world, "a")
        scan(world, "b")
        world.let_pauses_run_out()
        states = world.new_process().states
        states.permit("ihuyi", current_version(world), "a scan")
        ask(world)
        assert world.item(PROVIDER)["trial_owner"] == "a scan"


def test_a_broken_circuit_keeps_nobody_from_asking_and_is_not_closed_by_it() -> None:
    with a_prepaid_world() as world:
        prepaid(world, 900)
        ask(world)
        world.process.states.pause("ihuyi", current_version(world), "unavailable", 30)
        heard(world)
        assert ask(world).balances == {"ihuyi": 900}
        assert world.item(PROVIDER)["error_class"] == "unavailable"
        assert heard(world) == []


def test_without_time_nobody_is_asked() -> None:
    with a_prepaid_world() as world:
        prepaid(world, 900)
        with pytest.raises(NoBalanceError):
            ask(world, seconds=2)
        assert world.provider.calls == []


class Second(Ihuyi):
    """Another provider that sells in advance."""

    name = "second"


@pytest.mark.parametrize(
    ("first", "error_class"),
    [
        (httpx.Response(200, json={"code": 405, "msg": "refused"}), "configuration"),
        (httpx.Response(200, json={"code": 4050, "msg": "frozen"}), "quota"),
        (httpx.Response(429), "throttled"),
        (RuntimeError("hush"), "crashed"),
    ],
    ids=["configuration", "quota", "throttled", "crashed"],
)
def test_one_providers_trouble_keeps_no_other_from_being_asked(
    first: httpx.Response | BaseException, error_class: str, caplog: pytest.LogCaptureFixture
) -> None:
    with a_prepaid_world() as world:
        prepaid(world, 30)
        world.set_secret({"ihuyi": IHUYI, "second": IHUYI})
        world.provider.script = [first]
        application = world.new_process()
        balances = Balances(
            ProviderClient(httpx.MockTransport(world.provider), sleep=lambda _: None),
            application.states,
            application.secrets,
            application.settings.model_copy(update={"providers": ("ihuyi", "second")}),
            {"ihuyi": Ihuyi, "second": Second},
            allow_http=True,
        )
        assert balances.run(Budget(time.monotonic() + 50)) == Asked({"second": 30}, {"ihuyi": error_class})
        told = [(detail_type, data["provider"]) for detail_type, data in heard(world)]
        assert told[-1] == ("Provider Quota Low", "second")
    assert "hush" not in str([vars(record) for record in caplog.records])


def test_a_waiting_scan_is_read_after_the_account_was_topped_up() -> None:
    with a_prepaid_world() as world:
        account = prepaid(world, 0)
        scan(world, "a")
        account.left = 900
        ask(world)
        world.new_process()
        world.deliver(sqs_event(*world.messages_without_delay()))
        assert world.record("a.jpg")["status"] == "RECOGNIZED"
