"""docs/events.md against the code: which events there are, when, its examples, and what its patterns match."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cardintake.events import EVENTS, SOURCE
from local.schema_examples import EVENTS as EXAMPLES
from tests.unit.template.cloudformation import REPOSITORY, load

PAGE = (REPOSITORY / "docs" / "events.md").read_text(encoding="utf-8")
PATTERNS = [
    (names.split(", "), json.loads(text)) for names, text in re.findall(r"```json pattern: (.*)\n(.*)\n```", PAGE)
]


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """As EventBridge does, for nested members, exact values and prefixes. Raises for what is not known here."""
    return all(
        matches(wanted, event.get(name, {})) if isinstance(wanted, dict) else _one_of(wanted, event.get(name))
        for name, wanted in pattern.items()
    )


def _one_of(wanted: Sequence[Any], value: Any) -> bool:
    return any(_fits(each, one) for each in wanted for one in (value if isinstance(value, list) else [value]))


def _fits(wanted: Any, value: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(wanted == value)
    (prefix,) = [wanted[operator] for operator in wanted if operator == "prefix"]
    return isinstance(value, str) and value.startswith(prefix)


def published() -> list[dict[str, Any]]:
    return [
        {"source": SOURCE, "detail-type": name, "detail": detail}
        for name, details in EXAMPLES.items()
        for detail in details
    ]


def test_every_event_is_listed() -> None:
    rows = re.findall(r"^\| `([A-Z][A-Za-z ]+)` \|", PAGE, re.MULTILINE)
    assert rows == [event.detail_type for event in EVENTS]


@pytest.mark.parametrize(("names", "pattern"), PATTERNS, ids=[str(number) for number in range(len(PATTERNS))])
def test_a_pattern_matches_the_events_that_it_says_and_no_others(names: list[str], pattern: dict[str, Any]) -> None:
    assert {event["detail-type"] for event in published() if matches(pattern, event)} == set(names)


def test_there_are_patterns() -> None:
    assert len(PATTERNS) == PAGE.count("```json pattern:") > 5


def test_the_examples_are_the_published_ones() -> None:
    shown = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    assert [event["detail-type"] for event in shown] == ["Card Low Quality", "Case Complete", "Provider Quota Low"]
    for event in shown:
        assert event["detail"] == EXAMPLES[event["detail-type"]][0]


def test_two_patterns_for_pictures_to_be_taken_again_are_those_of_the_example() -> None:
    template = load(REPOSITORY / "examples" / "better-photo" / "template.yaml")
    rules = [
        resource["Properties"]["EventPattern"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Events::Rule"
    ]
    assert rules == [pattern for _, pattern in PATTERNS[:2]]
    # A rejected picture of low quality is announced twice, and asked for once.
    low = EXAMPLES["Card Rejected"][1]["data"]
    both = [
        {"source": SOURCE, "detail-type": name, "detail": {"data": low}}
        for name in ("Card Low Quality", "Card Rejected")
    ]
    assert [matches(rule, event) for event in both for rule in rules] == [True, False, False, False]


def test_the_review_queues_pattern_matches_suspected_cards_only() -> None:
    template = load(REPOSITORY / "examples" / "review-queue" / "template.yaml")
    pattern = template["Resources"]["RiskSuspected"]["Properties"]["EventPattern"]
    assert {event["detail-type"] for event in published() if matches(pattern, event)} == {"Card Risk Suspected"}
