"""docs/runbook.md, the alarms, the dashboard and the saved queries against one another and against what the code emits.

Nothing here lists metrics or fields by hand: the code is run, and what it wrote is what there is.
"""

import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from functools import cache
from types import SimpleNamespace
from typing import Any

import botocore.session
import httpx
import pytest
from botocore.exceptions import ClientError

from cardintake import telemetry
from cardintake.budget import Budget
from cardintake.doors import UnexpectedError, door
from cardintake.providers import REGISTRY
from cardintake.providers.errors import ConfigurationError
from cardintake.reasons import Reason
from tests.unit.conftest import encoded, picture
from tests.unit.template.cloudformation import REPOSITORY, Deployment, Template, load
from tests.unit.test_balances import prepaid
from tests.unit.world import World, a_world, sqs_event

RUNBOOK = (REPOSITORY / "docs" / "runbook.md").read_text(encoding="utf-8")
STACK = "cardintake"
_SIGNS = {"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": ">=", "LessThanThreshold": "<"}

type Emitted = dict[tuple[str, frozenset[tuple[str, str]]], list[float]]
"""Name of a metric, its dimensions: the values that were written."""


# what the template has ------------------------------------------------------------------------------------------------


def alarms(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """By name, without the stack's."""
    found = deployment.of_type("AWS::CloudWatch::Alarm").values()
    return {alarm["AlarmName"].removeprefix(f"{STACK}-"): alarm for alarm in found}


def _threshold(alarm: Mapping[str, Any]) -> str:
    threshold = alarm["Threshold"]
    return f"`{threshold['Ref']}`" if isinstance(threshold, dict) else str(threshold)


def when(alarm: Mapping[str, Any]) -> str:
    """The sentence that says when an alarm is raised; `alarm` as the template writes it."""
    if "Metrics" in alarm:
        judged, *inputs = alarm["Metrics"]
        stats = [one["MetricStat"] for one in inputs]
        names = dict.fromkeys(stat["Metric"]["MetricName"] for stat in stats)
        what = f"{', '.join(f'`{name}`' for name in names)} ({stats[0]['Stat']}), {judged['Label']}"
        period = stats[0]["Period"]
    else:
        what = f"`{alarm['MetricName']}` ({alarm.get('Statistic') or alarm['ExtendedStatistic']})"
        period = alarm["Period"]
    periods = alarm["EvaluationPeriods"]
    missing = {"notBreaching": "No data is no alarm", "breaching": "No data is an alarm"}[alarm["TreatMissingData"]]
    sign = _SIGNS[alarm["ComparisonOperator"]]
    span = f"in {alarm.get('DatapointsToAlarm', periods)} of {periods} × {period // 60} minutes"
    return f"Raised: {what} {sign} {_threshold(alarm)}, {span}. {missing}."


def inputs(alarm: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, str], str]]:
    """Namespace, name, dimensions and statistic of every metric that an alarm looks at."""
    plain = {"MetricStat": {"Metric": alarm, "Stat": alarm.get("Statistic") or alarm.get("ExtendedStatistic")}}
    for one in alarm.get("Metrics", [plain]):
        if "MetricStat" in one:
            metric = one["MetricStat"]["Metric"]
            dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
            yield metric["Namespace"], metric["MetricName"], dimensions, one["MetricStat"]["Stat"]


@pytest.fixture(scope="module")
def everything(template: Template) -> Deployment:
    """The stack with every alarm that there can be."""
    return Deployment(
        template,
        {"DailyCallCap": "5", "DailyCallWarning": "4", "AlarmEmail": "night@example.org", "Routes": "cn/=ihuyi"},
    )


# what the code emits --------------------------------------------------------------------------------------------------


class Watched:
    """What the code wrote while this was open: metrics as CloudWatch would take them, and lines of the log."""

    def __init__(self, printed: str, logged: str) -> None:
        self.lines = [json.loads(line) for line in logged.splitlines()]
        self.metrics: Emitted = {}
        for line in printed.splitlines():
            document = json.loads(line)
            for directive in document["_aws"]["CloudWatchMetrics"]:
                assert directive["Namespace"] == STACK
                for names in directive["Dimensions"]:
                    dimensions = frozenset((name, document[name]) for name in names)
                    for metric in directive["Metrics"]:
                        values = self.metrics.setdefault((metric["Name"], dimensions), [])
                        values += document[metric["Name"]]


def watched(story: Callable[[World], None], **environment: str) -> Watched:
    """Runs a story in a world of its own, each step as an invocation."""
    telemetry.flush()
    logged, printed = io.StringIO(), io.StringIO()
    (handler,) = [one for one in logging.getLogger(STACK).handlers if isinstance(one, logging.StreamHandler)]
    before, handler.stream = handler.stream, logged
    try:
        with redirect_stdout(printed), a_world(**environment) as world:
            story(world)
            telemetry.flush()
    finally:
        handler.stream = before
    return Watched(printed.getvalue(), logged.getvalue())


_PHOTO = encoded(picture(size=(320, 260)))  # as small as every provider takes it


def scan(world: World, *answers: httpx.Response | BaseException, key: str | None = None) -> None:
    """One upload, of a picture of its own, to which the provider gives these answers."""
    world.provider.script = list(answers)
    number = world.sequence
    world.deliver(world.upload(key or f"in/{number}.jpg", _PHOTO + number.to_bytes(4)))


def sweep(world: World) -> None:
    world.process.sweep.run(Budget(time.monotonic() + 60))


def no_card(world: World) -> None:
    scan(world, httpx.Response(200, json={"code": 4009, "message": "error", "result": []}))


def many(world: World) -> None:
    """Read, rejected, erased, throttled, unreadable, refused."""
    scan(world, key="in/kept.jpg")
    no_card(world)
    world.deliver(world.remove("in/kept.jpg"))
    world.deliver(sqs_event("{not JSON"))
    scan(world, httpx.Response(429))
    scan(world, httpx.Response(401, json={"message": "hush"}))
    sweep(world)


def failing(world: World) -> None:
    for _ in range(5):  # the circuit breaks meanwhile
        scan(world, *[httpx.Response(503)] * 4)
        world.let_pauses_run_out()
        world.new_process()
    sweep(world)


def running_out(world: World) -> None:
    prepaid(world, 3)
    world.process.balances.run(Budget(time.monotonic() + 60))
    sweep(world)


def nothing_left(world: World) -> None:
    prepaid(world, 0)
    scan(world)
    sweep(world)


def cap(world: World) -> None:
    scan(world)
    scan(world)


def uncertain(world: World) -> None:
    for _ in range(2):
        scan(world, httpx.ReadTimeout(""))
        world.let_pauses_run_out()
        world.new_process()


def deaf(world: World) -> None:
    """EventBridge refuses."""

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "PutEvents")

    world.events.put_events = refuse  # type: ignore[method-assign,assignment]
    no_card(world)


def crash(_: World) -> None:
    def broken(event: object, context: object) -> None:
        raise ValueError

    with pytest.raises(UnexpectedError):
        door(broken)({}, SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 0))


def late(world: World) -> None:
    """A scan has waited for two hours."""
    scan(world, httpx.Response(429), key="in/late.jpg")
    world.set_number("in/late.jpg", "waiting_since", int(time.time()) - 7200)
    sweep(world)


def rejecting(world: World) -> None:
    for number in range(4):
        (no_card if number % 2 else scan)(world)


def throttling(world: World) -> None:
    for number in range(4):
        scan(world, *([httpx.Response(429)] if number % 4 else []))


def good_day(world: World) -> None:
    for _ in range(4):
        scan(world)
    sweep(world)


_STORIES: Mapping[str, tuple[Callable[[World], None], dict[str, str]]] = {
    "many": (many, {}),
    "failing": (failing, {}),
    "running out": (running_out, {"PROVIDERS": "ctyun,ihuyi"}),
    "nothing left": (nothing_left, {"PROVIDERS": "ihuyi"}),
    "cap": (cap, {"DAILY_CALL_CAP": "1"}),
    "uncertain": (uncertain, {"MAX_ATTEMPTS": "1"}),
    "deaf": (deaf, {}),
    "crash": (crash, {}),
    "late": (late, {}),
    "rejecting": (rejecting, {}),
    "throttling": (throttling, {}),
    "good day": (good_day, {"DAILY_CALL_CAP": "100"}),
}


@cache
def told(name: str) -> Watched:
    """What a story wrote; each is run once."""
    story, environment = _STORIES[name]
    return watched(story, **environment)


def stories() -> list[Watched]:
    return [told(name) for name in _STORIES]


def emitted() -> Emitted:
    """All that any story wrote."""
    together: Emitted = {}
    for story in stories():
        for metric, values in story.metrics.items():
            together.setdefault(metric, []).extend(values)
    return together


def fields() -> set[str]:
    return {name for story in stories() for line in story.lines for name in line}


_QUERIES = sorted(name for name, one in load()["Resources"].items() if one["Type"] == "AWS::Logs::QueryDefinition")


# template and code ----------------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_every_metric_of_ours_under_alarm_is_one_that_the_code_writes(everything: Deployment) -> None:
    names = {name for name, _ in emitted()}
    found = 0
    for alarm in alarms(everything).values():
        for namespace, name, dimensions, _ in inputs(alarm):
            if namespace.startswith("AWS/"):
                continue
            assert namespace == STACK
            assert name in names, name
            # a class of error is written when it occurs: `request` is our bug, and has no story
            assert (name, frozenset(dimensions.items())) in emitted() or dimensions.get("error_class") == "request", (
                name,
                dimensions,
            )
            found += 1
    assert found >= 25


def test_every_metric_on_the_dashboard_is_one_that_the_code_writes_with_these_dimensions(
    everything: Deployment,
) -> None:
    body = json.loads(everything.properties("Dashboard")["DashboardBody"])
    shown = set()
    for widget in body["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], dict):
                searched = re.fullmatch(
                    r"SEARCH\('\{(\w+),([\w,]+)\} MetricName=\"(\w+)\"', '\w+', \d+\)", metric[0]["expression"]
                )
                assert searched, metric
                assert searched[1] == STACK
                sets = {frozenset(name for name, _ in dims) for name, dims in emitted() if name == searched[3]}
                assert frozenset(searched[2].split(",")) in sets, metric
                shown.add(searched[3])
            elif metric[0] == STACK:
                parts = [part for part in metric[2:] if isinstance(part, str)]
                dimensions = frozenset(zip(parts[::2], parts[1::2], strict=True))
                assert (metric[1], dimensions) in emitted(), metric
                shown.add(metric[1])
            else:
                assert metric[0] in ("AWS/SQS", "AWS/Lambda", "AWS/States")
    assert shown == {name for name, _ in emitted()}, "a metric that nobody sees, or one that nobody writes"
    named = {arn.rpartition(f":alarm:{STACK}-")[2] for arn in body["widgets"][0]["properties"]["alarms"]}
    assert named == alarms(everything).keys() - {"spending-cap", "paid-calls"}, "those that are always there"


def test_the_logs_and_metrics_in_the_operators_page_are_those_of_the_code() -> None:
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## Logs and metrics")[2].partition("\n## ")[0]
    lists = "\n".join(re.findall(r"^(?:\* |  ).+$", section, re.MULTILINE))
    written = set(re.findall(r"`([A-Z][A-Za-z]+)`", lists))
    assert written == {name for name, _ in emitted()}


@pytest.mark.parametrize("name", _QUERIES)
def test_a_saved_query_asks_for_fields_that_the_code_writes(everything: Deployment, name: str) -> None:
    query = everything.properties(name)["QueryString"]
    bare = re.sub(r'"[^"]*"|/[^/]*/', " ", query)
    made = set(re.findall(r"\bas (\w+)", bare))
    words = set(re.findall(r"(?<![@\w])[a-z_]+(?![\w(])", bare))
    words -= {"fields", "filter", "sort", "limit", "stats", "by", "as", "and", "or", "like", "asc", "desc", "m"} | made
    assert words, query
    assert words <= fields(), words - fields()
    assert set(re.findall(r"@\w+", query)) <= {"@timestamp", "@message", "@log"}
    for command in query.replace("\n  ", " ").split("\n"):
        assert re.match(r"(\| )?(fields|filter|stats|sort|limit) ", command), command
    messages = set(re.findall(r'message = "([^"]+)"', query))
    assert messages <= {line["message"] for story in stories() for line in story.lines}
    groups = everything.of_type("AWS::Logs::LogGroup")
    assert {group.strip("<>") for group in everything.properties(name)["LogGroupNames"]} <= groups.keys()


# every alarm is raised by what it is for, and is quiet on a good day --------------------------------------------------


def _filled(series: list[float] | None, otherwise: float) -> float:
    return otherwise if series is None else series[0]


def _statistic(values: list[float] | None, statistic: str) -> float | None:
    if not values:
        return None
    match statistic:
        case "Sum":
            return sum(values)
        case "Maximum":
            return max(values)
        case "SampleCount":
            return float(len(values))
        case "p95":
            return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]
        case _:
            raise ValueError(statistic)


def value(alarm: Mapping[str, Any], metrics: Emitted) -> float | None:
    """What an alarm judges, if these metrics were all of a period."""
    taken = [_statistic(metrics.get((name, frozenset(dims.items()))), stat) for _, name, dims, stat in inputs(alarm)]
    if "Metrics" not in alarm:
        return taken[0]
    expression = alarm["Metrics"][0]["Expression"]
    ids = [one["Id"] for one in alarm["Metrics"][1:]]
    known: dict[str, Any] = {name: None if one is None else [one] for name, one in zip(ids, taken, strict=True)}
    known |= {"FILL": _filled, "MAX": max}
    condition = re.fullmatch(r"IF\((.+ >= \d+), (.+), 0\)", expression)
    if condition:
        if not eval(condition[1], {"__builtins__": {}}, known):  # noqa: S307 - our own template
            return 0.0
        expression = condition[2]
    result: float = eval(expression, {"__builtins__": {}}, known)  # noqa: S307
    return result


def raised(alarm: Mapping[str, Any], metrics: Emitted) -> bool:
    """Whether periods like this one raise the alarm."""
    judged = value(alarm, metrics)
    if judged is None:
        return bool(alarm["TreatMissingData"] == "breaching")
    threshold = float(alarm["Threshold"])
    sign = _SIGNS[alarm["ComparisonOperator"]]
    return {">": judged > threshold, ">=": judged >= threshold, "<": judged < threshold}[sign]


def busy(metrics: Emitted) -> Emitted:
    """The same six times over: some alarms look at shares, of a number that is worth a look."""
    return {metric: values * 6 for metric, values in metrics.items()}


def aws(name: str, number: float, **dimensions: str) -> Emitted:
    return {(name, frozenset(dimensions.items())): [number]}


def test_a_good_day_wakes_nobody(everything: Deployment) -> None:
    metrics = busy(told("good day").metrics)
    few = {"paid-calls": metrics | aws("PaidCalls", 3, service=STACK)}
    assert [name for name, alarm in alarms(everything).items() if raised(alarm, few.get(name, metrics))] == []


def test_nothing_at_all_wakes_for_the_silence_only(everything: Deployment) -> None:
    assert [name for name, alarm in alarms(everything).items() if raised(alarm, {})] == ["sweep-silent"]


_PROVOKED = {
    "oldest-scan": "late",
    "provider-misconfigured": "many",
    "provider-quota": "nothing left",
    "provider-unavailable": "failing",
    "balance-low": "running out",
    "provider-errors": "failing",
    "provider-throttling": "throttling",
    "rejected-scans": "rejecting",
    "failed-scans": "uncertain",
    "spending-cap": "cap",
    "paid-calls": "good day",
    "uncertain-calls": "uncertain",
    "unexpected-errors": "crash",
    "events-refused": "deaf",
}
_BY_AWS = {
    "dead-letters": aws("ApproximateNumberOfMessagesVisible", 1, QueueName="<DeadLetterQueue.QueueName>"),
    "queue-stuck": aws("ApproximateAgeOfOldestMessage", 3000, QueueName="<Queue.QueueName>"),
    "sweep-silent": {},
    "provider-slow": aws("ProviderMilliseconds", 12000, service=STACK, error_class="none"),
    "function-errors": aws("Errors", 3, FunctionName="<SweepFunction>"),
    "function-timeouts": aws("Duration", 50000, FunctionName="<RecognizeFunction>"),
    "function-throttles": aws("Throttles", 1, FunctionName="<BackfillFunction>"),
    "state-machines": aws("ExecutionsTimedOut", 1, StateMachineArn="<ReplayMachine>"),
}


@pytest.mark.parametrize("name", _PROVOKED)
def test_an_alarm_is_raised_by_what_it_is_for(everything: Deployment, name: str) -> None:
    assert raised(alarms(everything)[name], busy(told(_PROVOKED[name]).metrics))


@pytest.mark.parametrize("name", _BY_AWS)
def test_an_alarm_on_numbers_of_aws_is_raised(everything: Deployment, name: str) -> None:
    assert raised(alarms(everything)[name], _BY_AWS[name])


def test_every_alarm_is_provoked_here(everything: Deployment) -> None:
    assert _PROVOKED.keys() | _BY_AWS.keys() == alarms(everything).keys()
    assert not _PROVOKED.keys() & _BY_AWS.keys()


# template and runbook -------------------------------------------------------------------------------------------------


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", RUNBOOK, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_alarm_has_its_section_and_says_so(template: Template) -> None:
    found = {
        one["Properties"]["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"): one["Properties"]
        for one in template["Resources"].values()
        if one["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert sections().keys() - {"First", "Who is woken"} == found.keys()
    for name, alarm in found.items():
        assert alarm["AlarmDescription"].endswith(f" docs/runbook.md#{name}")
        assert sections()[name].strip().startswith(when(alarm)), name
        for part in ("**Means:**", "**Look at:**", "**Do:**"):
            assert sections()[name].count(part) == 1, name
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}]


def test_the_price_counts_the_metrics_under_alarm(everything: Deployment) -> None:
    counted = sum(len(list(inputs(alarm))) for alarm in alarms(everything).values())
    assert f"$0.10 for each of the {counted} metrics" in " ".join(RUNBOOK.split())


def test_the_saved_queries_are_those_of_the_template(template: Template) -> None:
    saved = {
        one["Properties"]["Name"]["Fn::Sub"].removeprefix("${AWS::StackName}/"): one["Properties"]["QueryString"]
        for one in template["Resources"].values()
        if one["Type"] == "AWS::Logs::QueryDefinition"
    }
    assert set(re.findall(r"^\| ([a-z][^|]+) \|", sections()["First"], re.MULTILINE)) == saved.keys()
    meant = set(re.findall(r"[Ss]aved query \*([^*]+)\*", RUNBOOK))
    assert meant <= saved.keys()
    assert f"longer than {int(re.findall(r'milliseconds > (\d+)', saved['slow scans'])[0]) // 1000} seconds" in RUNBOOK


def test_the_graphs_that_one_is_sent_to_are_on_the_dashboard(everything: Deployment) -> None:
    widgets = json.loads(everything.properties("Dashboard")["DashboardBody"])["widgets"]
    titles = [widget["properties"]["title"] for widget in widgets]
    for named in re.findall(r"Dashboard: \*([^*]+)\*", RUNBOOK):
        assert any(title.startswith(named) for title in titles), named


def _known_words(template: Template) -> set[str]:
    functions = {
        one["Properties"]["FunctionName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
        for one in template["Resources"].values()
        if one["Type"] == "AWS::Serverless::Function"
    }
    classes = {dict(dims)["error_class"] for _, dims in emitted() if "error_class" in dict(dims)}
    schema = json.loads((REPOSITORY / "schemas" / "record.schema.json").read_text(encoding="utf-8"))
    attributes = {name for kind in schema["$defs"].values() for name in kind.get("properties", {})}
    machine = json.loads((REPOSITORY / "statemachines" / "backfill.asl.json").read_text(encoding="utf-8"))
    inputs_of_the_machine = set(re.findall(r"\w+", json.dumps(machine)))
    code = REPOSITORY / "layers" / "cardintake" / "python" / "cardintake"
    text = "".join(path.read_text(encoding="utf-8") for path in code.rglob("*.py"))
    announced = set(re.findall(r'"((?:Provider|Card) [A-Z][A-Za-z ]+)"', text))
    known: set[str] = set(template["Parameters"]) | functions | {name for name, _ in emitted()} | classes | attributes
    known |= {one.value for one in Reason} | {"PROCESSING", "REJECTED", "FAILED"} | announced | fields()
    known |= set(re.findall(r"class (\w+Error)\b", text)) | set(REGISTRY)
    return known | {"STACK", "cards"} | ({"max_concurrency"} & inputs_of_the_machine)


def test_every_name_in_the_runbook_exists(template: Template) -> None:
    known = _known_words(template)
    declared = template["Resources"].values()
    alarmed = [one["Properties"] for one in declared if one["Type"] == "AWS::CloudWatch::Alarm"]
    metrics = {name for alarm in alarmed for _, name, _, _ in inputs(alarm)}
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for quoted in re.findall(r"`([^`]+)`", RUNBOOK):
        if (made := re.match(r"make ([a-z-]+)", quoted)) is not None:
            assert made[1] in targets, quoted
            for variable in re.findall(r"([A-Z_]+)=", quoted):
                makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
                assert f"$({variable})" in makefile or f"$(if $({variable})" in makefile, quoted
        elif quoted.startswith(("aws ", "sam ", "tests/")):
            continue
        elif re.fullmatch(r"<\w+>|<Name>", quoted):
            assert quoted == "<Name>" or quoted.strip("<>") in template["Outputs"], quoted
        elif re.fullmatch(r"[a-z]+:[A-Za-z]+|ReadOnlyAccess|\w+…", quoted):
            continue  # of IAM
        else:
            assert quoted in known | metrics, quoted
    for output in re.findall(r"<([A-Z]\w+)>", RUNBOOK):
        assert output == "Name" or output in template["Outputs"], output


def test_every_command_of_awss_in_the_runbook_exists() -> None:
    session = botocore.session.get_session()
    commands = re.findall(r"`aws ([a-z-]+) ([a-z-]+)([^`]*)`", RUNBOOK)
    assert len(commands) >= 6
    for service, operation, rest in commands:
        model = session.get_service_model(service)
        camel = {name.lower(): name for name in model.operation_names}
        shape = model.operation_model(camel[operation.replace("-", "")]).input_shape
        assert shape is not None
        members = {name.lower() for name in shape.members}
        for option in re.findall(r" --([a-z-]+)", rest):
            # the CLI has another --endpoint already
            meant = {"notification-endpoint": "endpoint"}.get(option, option).replace("-", "")
            assert meant in members or meant.removeprefix("no") in members, (service, operation, option)


def test_every_link_of_the_runbook_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", RUNBOOK):
        page, _, anchor = target.partition("#")
        text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8") if page else RUNBOOK
        heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        headings = {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads}
        assert not anchor or anchor in headings, target


def test_what_is_said_of_refused_credentials_is_what_the_code_does() -> None:
    """The page sends people to class `configuration` and the field `code`."""
    line = next(line for line in told("many").lines if line.get("error_class") == ConfigurationError.error_class)
    assert line["message"] == "provider error"
    assert line["code"]
