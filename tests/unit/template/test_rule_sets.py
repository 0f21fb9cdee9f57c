"""External rule sets find nothing in the template but what it declares to be meant; each does find what was spoiled."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from local.auditing import rule_sets
from local.auditing.rule_sets import AuditFailedError, audit, read_cfn_guard, read_cfn_lint, read_checkov
from local.auditing.suppressions import Finding, judge, owner, suppressions
from tests.unit.template.cloudformation import Template


def written(*entries: dict[str, Any]) -> Template:
    return {"Metadata": {"SuppressedRules": list(entries)}, "Resources": {"Queue": {}, "Sweep": {}, "SweepRole": {}}}


# ── what is suppressed ───────────────────────────────────────────────────────────────────────────────────────────────


def test_every_suppression_has_a_reason_worth_reading(template: Template) -> None:
    reasons = suppressions(template)
    assert len(reasons) >= 50
    assert all(len(reason.split()) >= 8 for reason in reasons.values())


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ([{"Rules": ["R1"], "Resources": ["Queue"]}], "no Reason"),
        ([{"Rules": ["R1"], "Resources": ["Queue"], "Reason": "  "}], "no Reason"),
        ([{"Rules": ["R1"], "Resources": ["Topic"], "Reason": "because"}], "no resource"),
        ([{"Rules": ["R1"], "Resources": ["Queue"], "Reason": "because"}] * 2, "twice"),
    ],
)
def test_a_bad_suppression_is_refused(entries: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        suppressions(written(*entries))


def test_a_suppression_covers_its_rule_and_resource_and_nothing_else() -> None:
    template = written({"Rules": ["R1"], "Resources": ["Queue"], "Reason": "because"})
    here, other_rule, other_resource = (
        Finding("R1", "Queue", ""),
        Finding("R2", "Queue", ""),
        Finding("R1", "Sweep", ""),
    )
    verdict = judge([here, other_rule, other_resource], template)
    assert verdict.suppressed == (here,)
    assert set(verdict.unsuppressed) == {other_rule, other_resource}
    assert not verdict.unneeded


def test_a_suppression_that_suppresses_nothing_is_a_finding() -> None:
    template = written({"Rules": ["R1", "R2"], "Resources": ["Queue"], "Reason": "because"})
    verdict = judge([Finding("R1", "Queue", "")], template)
    assert verdict.unneeded == (("R2", "Queue"),)


def test_what_sam_made_belongs_to_what_it_was_made_from() -> None:
    names = ["Sweep", "SweepRole", "Queue"]
    assert owner("SweepEveryFiveMinutes", names) == "Sweep"
    assert owner("SweepRole", names) == "SweepRole"
    assert owner("Elsewhere", names) == "Elsewhere"


# ── what the tools say ───────────────────────────────────────────────────────────────────────────────────────────────


def test_cfn_lints_answer_is_read() -> None:
    about_queue = {
        "Rule": {"Id": "ES6000"},
        "Message": "no",
        "Location": {"Path": ["Resources", "Queue", "Properties"]},
    }
    about_all = {"Rule": {"Id": "E1001"}, "Message": "bad", "Location": {"Path": []}}
    assert read_cfn_lint([about_queue, about_all]) == [
        Finding("ES6000", "Queue", "no"),
        Finding("E1001", "template", "bad"),
    ]


def test_checkovs_answer_is_read() -> None:
    failed = {"check_id": "CKV_AWS_27", "resource": "AWS::SQS::Queue.Queue", "check_name": "Ensure"}
    answer = {"summary": {"passed": 0, "failed": 1, "parsing_errors": 0}, "results": {"failed_checks": [failed]}}
    assert read_checkov(answer) == [Finding("CKV_AWS_27", "Queue", "Ensure")]


@pytest.mark.parametrize(
    "summary", [{"passed": 0, "failed": 0, "parsing_errors": 0}, {"passed": 9, "failed": 0, "parsing_errors": 1}]
)
def test_a_checkov_that_read_nothing_has_not_passed(summary: dict[str, int]) -> None:
    with pytest.raises(AuditFailedError, match="read nothing"):
        read_checkov({"summary": summary, "results": {"failed_checks": []}})


def test_cfn_guards_answer_is_read() -> None:
    messages = {"custom_message": "\n  [CT.SQS.PR.2]: Require encryption\n  [FIX]: do it", "error_message": None}
    checks = [
        {"Clause": {"path": f"/Resources/{name}/Properties", "messages": messages}} for name in ("Queue", "Sweep")
    ]
    answer = {"compliant": [], "not_compliant": [{"Rule": {"name": "rule", "checks": checks}}]}
    assert read_cfn_guard(answer) == [
        Finding("CT.SQS.PR.2", "Queue", "Require encryption"),
        Finding("CT.SQS.PR.2", "Sweep", "Require encryption"),
    ]


@pytest.mark.parametrize("broken", [[], [{"Rule": {"name": "rule", "checks": []}}]])
def test_a_cfn_guard_that_applied_no_rule_has_not_passed(broken: list[Any]) -> None:
    with pytest.raises(AuditFailedError):
        read_cfn_guard({"compliant": [], "not_compliant": broken})


def test_without_the_tools_nothing_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_sets, "_AUDIT", tmp_path / "not made")
    with pytest.raises(AuditFailedError):
        audit()


# ── the template ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.thorough
def test_the_rule_sets_find_nothing_but_what_is_meant() -> None:
    verdict = audit()
    assert verdict.unsuppressed == ()
    assert verdict.unneeded == ()


@pytest.mark.thorough
def test_each_rule_set_finds_what_was_spoiled(template: Template, tmp_path: Path) -> None:
    spoiled = copy.deepcopy(template)
    for resource in spoiled["Resources"].values():
        if resource["Type"] == "AWS::SQS::Queue":
            resource["Properties"].pop("KmsMasterKeyId", None)
            resource["Properties"].pop("RedrivePolicy", None)
    spoiled["Resources"]["ScansBucket"]["Properties"].pop("PublicAccessBlockConfiguration")
    spoiled["Resources"]["SweepFunction"]["Properties"]["Runtime"] = "python2.7"
    file = tmp_path / "template.json"
    file.write_text(json.dumps(spoiled), encoding="utf-8")
    found = {(finding.rule, finding.resource) for finding in audit(file).unsuppressed}
    assert {
        ("CKV_AWS_27", "Queue"),  # checkov: a queue without encryption
        ("CKV_AWS_53", "ScansBucket"),  # checkov: public ACLs
        ("ES6000", "Queue"),  # the serverless rules: no dead letters
        ("E2533", "SweepFunction"),  # cfn-lint: a runtime that Lambda has given up
        ("CT.SQS.PR.2", "Queue"),  # cfn-guard: a queue without encryption
        ("CT.S3.PR.1", "ScansBucket"),  # cfn-guard: a bucket that can be made public
    } <= found
