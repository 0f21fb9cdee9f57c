"""Least privilege: named actions on named resources, and docs/permissions.md says the same as the template."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.test_permissions import PROOFS
from tests.integration.test_policies import NOTIFIED, PROOFS_FOR_OTHERS
from tests.unit.template.cloudformation import REPOSITORY, Deployment, Template, statements, walk
from tests.unit.template.documented_statements import BY_DOCUMENTATION, documented, proven_on_the_emulator

_CODE = REPOSITORY / "layers" / "cardintake" / "python" / "cardintake"
_INTERFACES = {"LambdaMakesInterfaces", "CodeMakesNone"}
_ROLES = {
    "RecognizeRole": "recognize",
    "SweepRole": "sweep",
    "QuotaRole": "quota",
    "BackfillRole": "backfill",
    "ReplayRole": "replay",
}
_MACHINES = {"BackfillMachineRole": "backfill", "ReplayMachineRole": "replay"}
# How the code asks for what an action allows. S3 has no action for HEAD, a transaction none but its parts'.
_CALLS = {
    "dynamodb:BatchGetItem": r"\.batch_get_item\(",
    "dynamodb:ConditionCheckItem": r'"ConditionCheck":',
    "dynamodb:DeleteItem": r'\.delete_item\(|"Delete":',
    "dynamodb:GetItem": r"\.get_item\(",
    "dynamodb:PutItem": r'\.put_item\(|"Put":',
    "dynamodb:Scan": r"\.scan\(",
    "dynamodb:Query": r'get_paginator\("query"\)|\.query\(',
    "dynamodb:UpdateItem": r'\.update_item\(|"Update":',
    "events:PutEvents": r"\.put_events\(",
    "s3:DeleteObject": r"\.delete_object\(",
    "s3:ListBucket": r"\.list_objects_v2\(",
    "s3:GetObject": r"\.get_object\(",
    "s3:PutObject": r"\.put_object\(",
    "secretsmanager:GetSecretValue": r"\.get_secret_value\(",
    "sqs:SendMessage": r"\.send_message\(",
}


def role_statements(deployment: Deployment, role: str) -> list[dict[str, Any]]:
    return [
        statement
        for policy in deployment.properties(role)["Policies"]
        for statement in statements(policy["PolicyDocument"])
    ]


def policy_documents(deployment: Deployment) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every policy document of the template but who may assume a role, by logical id."""
    for name, resource in deployment.resources.items():
        for path, node in walk(resource.get("Properties", {})):
            if isinstance(node, dict) and "Statement" in node and not path.endswith("AssumeRolePolicyDocument"):
                yield name, node


@pytest.fixture(scope="module")
def granted(in_vpc: Deployment, transformed: Template) -> dict[str, dict[str, dict[str, Any]]]:
    """Section of the documentation, statement: everything that the template grants or denies anybody."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, document in policy_documents(in_vpc):
        for statement in statements(document):
            sid = statement.pop("Sid")
            assert sid not in found.setdefault(name, {}), "a name is used once"
            found[name][sid] = statement
    trusts = found["Trust"] = {}
    for name, role in in_vpc.of_type("AWS::IAM::Role").items():
        for statement in statements(role["AssumeRolePolicyDocument"]):
            service = statement["Principal"]["Service"]
            assert trusts.setdefault(service, statement) == statement, name
    found["Invocation"] = {
        permission["FunctionName"]["Ref"]: {
            "Effect": "Allow",
            "Principal": {"Service": permission["Principal"]},
            "Action": [permission["Action"]],
            "Resource": [f"<{permission['FunctionName']['Ref']}>"],
            "Condition": {"ArnLike": {"aws:SourceArn": f"<{'.'.join(permission['SourceArn']['Fn::GetAtt'])}>"}},
        }
        for resource in transformed["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Permission"
        for permission in [resource["Properties"]]
    }
    return found


def test_the_documentation_lists_every_statement_with_its_actions(granted: dict[str, Any]) -> None:
    actual = {
        section: {name: set(one["Action"]) for name, one in entries.items()} for section, entries in granted.items()
    }
    written = {
        section: {name: set(row["Actions"].split()) for name, row in rows.items()}
        for section, rows in documented().items()
    }
    assert written == actual


def test_each_statement_has_one_of_two_proofs() -> None:
    for section, rows in documented().items():
        for name, row in rows.items():
            pages = re.findall(r"\((https://docs\.aws\.amazon\.com/[^)]+)\)", row["Proof"])
            assert (row["Proof"] == "emulator") != bool(pages), f"{section} {name}: {row['Proof']}"


def test_what_the_emulator_proves_is_taken_away_there() -> None:
    taken = {section: set(proofs) for section, proofs in (PROOFS | PROOFS_FOR_OTHERS).items()}
    assert {name: proofs for name in documented() if (proofs := proven_on_the_emulator(name))} == taken | NOTIFIED


def test_what_no_emulator_proves_says_exactly_this(granted: dict[str, Any]) -> None:
    by_a_page = {
        section: names
        for section, rows in documented().items()
        if (names := {name for name, row in rows.items() if row["Proof"] != "emulator"})
    }
    assert {section: set(entries) for section, entries in BY_DOCUMENTATION.items()} == by_a_page
    for section, entries in BY_DOCUMENTATION.items():
        for name, statement in entries.items():
            assert granted[section][name] == statement, f"{section} {name}"


def test_a_service_may_do_nothing_for_anybody_else(granted: dict[str, Any]) -> None:
    """Confused deputies: whoever makes AWS's services act may not make them act on what is ours."""
    sources = {"aws:SourceArn", "aws:SourceAccount", "kms:EncryptionContext:aws:logs:arn"}
    sources |= {"kms:EncryptionContext:SourceArn"}
    for section, entries in granted.items():
        for name, statement in entries.items():
            principal = statement.get("Principal", {})
            assert isinstance(principal, dict) or statement["Effect"] == "Deny", f"{section} {name} is public"
            if statement["Effect"] == "Deny" or not principal:
                continue
            if (section, name) in {("Key", "AccountByIam"), ("Trust", "lambda.amazonaws.com")}:
                continue  # no service; only functions of this account can be given the role
            condition = statement["Condition"]
            assert sources & {key for keys in condition.values() for key in keys}, f"{section} {name}"


@pytest.mark.parametrize("role", _ROLES)
def test_roles_name_actions_and_resources(in_vpc: Deployment, role: str) -> None:
    for statement in role_statements(in_vpc, role):
        assert not [action for action in statement["Action"] if "*" in action], statement["Sid"]
        if statement["Sid"] in _INTERFACES:
            assert statement["Resource"] == ["*"], "EC2's describing actions know no resource"
            continue
        assert statement["Effect"] == "Allow"
        for resource in statement["Resource"]:
            named = resource.removesuffix("/*") if statement["Action"][0].startswith("s3:") else resource
            assert "*" not in named, f"{statement['Sid']}: {resource}"


def test_interfaces_are_made_in_a_vpc_only(on_aws: Deployment) -> None:
    for role in _ROLES:
        assert not _INTERFACES & {statement["Sid"] for statement in role_statements(on_aws, role)}


@pytest.mark.parametrize("role", _ROLES)
def test_the_code_makes_the_calls_that_it_may_make(role: str) -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted(_CODE.rglob("*.py")))
    for _, action in proven_on_the_emulator(role):
        assert re.search(_CALLS[action], code), f"{role} may {action}, and nothing asks for it"


def test_the_lookup_secret_may_be_read_when_the_code_reads_it(on_aws: Deployment) -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in _CODE.rglob("*.py") if path.name != "settings.py")
    readable = {resource for one in role_statements(on_aws, "RecognizeRole") for resource in one["Resource"]}
    assert ("<LookupSecret.Id>" in readable) == ("lookup_secret" in code)


def test_each_function_has_a_role_of_its_own_and_sam_makes_none(transformed: Template, on_aws: Deployment) -> None:
    roles = {name for name, resource in transformed["Resources"].items() if resource["Type"] == "AWS::IAM::Role"}
    assert roles == _ROLES.keys() | _MACHINES.keys()
    functions = on_aws.of_type("AWS::Serverless::Function")
    assert {name: function["Role"] for name, function in functions.items()} == {
        f"{function.title()}Function": f"<{role}.Arn>" for role, function in _ROLES.items()
    }
    for role in roles:
        assert "ManagedPolicyArns" not in on_aws.properties(role)
        (trust,) = on_aws.properties(role)["AssumeRolePolicyDocument"]["Statement"]
        service = "states" if role in _MACHINES else "lambda"
        assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}


def test_quota_keeps_the_providers_states_and_sees_no_record(on_aws: Deployment) -> None:
    (kept,) = [one for one in role_statements(on_aws, "QuotaRole") if one["Action"][0].startswith("dynamodb:")]
    assert kept["Resource"] == ["<CardsTable.Arn>"]
    assert kept["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["provider_*"]}}
    assert not [one for one in role_statements(on_aws, "QuotaRole") if one["Action"][0].startswith("s3:")]


@pytest.mark.parametrize(
    ("role", "statement", "action"),
    [
        ("BackfillRole", "LookUpRecords", "dynamodb:BatchGetItem"),
        ("ReplayRole", "ChangeRecords", "dynamodb:UpdateItem"),
    ],
)
def test_backfill_and_replay_see_to_records_only(on_aws: Deployment, role: str, statement: str, action: str) -> None:
    (granted,) = [one for one in role_statements(on_aws, role) if one["Sid"] == statement]
    assert (granted["Action"], granted["Resource"]) == ([action], ["<CardsTable.Arn>"])
    assert granted["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["scan_*"]}}


@pytest.mark.parametrize("role", ["BackfillRole", "ReplayRole", *_MACHINES])
def test_backfill_and_replay_read_no_secret(on_aws: Deployment, role: str) -> None:
    assert "secretsmanager" not in repr(role_statements(on_aws, role))


def test_sweep_lists_scans_and_reads_none(on_aws: Deployment) -> None:
    allowed = {one["Sid"]: one for one in role_statements(on_aws, "SweepRole")}
    scans = "arn:aws-cn:s3:::cardintake-scans-111122223333-cn-north-1"
    assert (allowed["FindScans"]["Action"], allowed["FindScans"]["Resource"]) == (["s3:ListBucket"], [scans])
    assert [one for one in allowed.values() if "s3:GetObject" in one["Action"]] == []


def test_uploads_and_removals_are_notified_by_our_bucket_only(on_aws: Deployment) -> None:
    notify, _ = statements(on_aws.properties("QueuePolicy")["PolicyDocument"])
    assert (notify["Action"], notify["Resource"]) == (["sqs:SendMessage"], ["<Queue.Arn>"])
    assert notify["Principal"] == {"Service": "s3.amazonaws.com"}
    assert notify["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "111122223333"},
        "ArnEquals": {"aws:SourceArn": "arn:aws-cn:s3:::cardintake-scans-111122223333-cn-north-1"},
    }


def test_no_resource_but_the_documented_has_a_policy(transformed: Template) -> None:
    """Secrets, bus, layers: what has no policy is reached from the account only."""
    kinds = {one["Type"] for one in transformed["Resources"].values() if re.search("Polic|Permission$", one["Type"])}
    assert kinds == {
        *("AWS::IAM::ManagedPolicy", "AWS::Lambda::Permission"),
        *("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"),
    }


def test_uploaders_upload_and_nothing_else(on_aws: Deployment) -> None:
    upload, _ = statements(on_aws.properties("UploaderPolicy")["PolicyDocument"])
    assert (upload["Action"], upload["Resource"]) == (["s3:PutObject"], ["arn:aws-cn:s3:::<ScansBucket>/*"])


def test_readers_read_records_only(on_aws: Deployment) -> None:
    for name in ("RecordReaderPolicy", "StatusReaderPolicy"):
        read, find, _ = statements(on_aws.properties(name)["PolicyDocument"])
        assert (find["Action"], find["Resource"]) == (["dynamodb:Query"], ["<CardsTable.Arn>/index/cases"])
        assert read["Resource"] == ["<CardsTable.Arn>"]
        assert read["Condition"]["ForAllValues:StringLike"] == {"dynamodb:LeadingKeys": ["scan_*"]}


def test_readers_of_the_status_get_nothing_that_names_a_person(on_aws: Deployment) -> None:
    read, *_ = statements(on_aws.properties("StatusReaderPolicy")["PolicyDocument"])
    readable = set(read["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"])
    assert {"record_id", "status", "quality", "risk", "reasons"} <= readable
    named = {"card", "other_cards", "key", "bucket", "findings", "portrait_key", "card_image_key", "content_sha256"}
    # They lead to the object, or to what the provider keeps of it.
    named |= {"etag", "size", "sequencer", "version_id", "provider_request_id"}
    schema = json.loads((REPOSITORY / "schemas" / "record.schema.json").read_text(encoding="utf-8"))
    records = [kind["properties"] for kind in schema["$defs"].values() if "record_id" in kind.get("properties", {})]
    assert readable | named == {name for properties in records for name in properties}, (
        "a new attribute is one or the other"
    )
    assert not readable & named
    assert read["Condition"]["Null"] == {"dynamodb:Attributes": "false"}
    assert read["Condition"]["StringEqualsIfExists"] == {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}
