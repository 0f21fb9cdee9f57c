"""docs/local.md names every function of the template and every sample event, once."""

from pathlib import Path

from tests.e2e.documented import agree, invocations
from tests.unit.template.cloudformation import REPOSITORY, load

EVENTS = REPOSITORY / "events"


def test_every_sample_event_is_in_the_table_once() -> None:
    assert sorted(line.event for line in invocations()) == sorted(path.name for path in EVENTS.iterdir())


def test_every_function_is_in_the_table() -> None:
    resources = load()["Resources"].items()
    functions = {name for name, resource in resources if resource["Type"] == "AWS::Serverless::Function"}
    assert {line.function for line in invocations()} == functions


def test_a_row_that_cannot_be_read_would_be_noticed() -> None:
    page = Path(REPOSITORY / "docs" / "local.md").read_text(encoding="utf-8")
    assert page.count("Function` | ") == len(invocations())


def test_an_answer_is_held_against_the_table() -> None:
    written = {"report": "…", "errors": {}}
    assert agree(written, {"report": {"records": 1}, "errors": {}})
    assert not agree(written, {"report": {}, "errors": {"ihuyi": "quota"}})
    assert not agree(written, {"report": {}})
    assert not agree(written, {"errorType": "KeyError"})
