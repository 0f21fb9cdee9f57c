"""Least privilege: named actions on named resources, and docs/permissions.md says the same as the template."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.template.cloudformation import REPOSITORY, Deployment, Template, statements, walk

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


def documented() -> dict[str, dict[str, dict[str, str]]]:
    """Section, statement, column: what docs/permissions.md says."""
    sections: dict[str, dict[str, dict[str, str]]] = {}
    header: list[str] = []
    section = ""
    for line in (REPOSITORY / "docs" / "permissions.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("### "):
            section, header = line[4:], []
        if not line.startswith("|") or set(line) <= set("|- "):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not header:
            header = cells
        else:
            sections.setdefault(section, {})[cells[0]] = dict(zip(header, cells, strict=True))
    return sections


def test_the_documentation_lists_every_statement_with_its_actions(in_vpc: Deployment) -> None:
    granted: dict[str, dict[str, set[str]]] = {}
    for name, document in policy_documents(in_vpc):
        for statement in statements(document):
            assert statement["Sid"] not in granted.get(name, {}), "a name is used once"
            granted.setdefault(name, {})[statement["Sid"]] = set(statement["Action"])
    written = {
        section: {name: set(row["Actions"].split()) for name, row in rows.items()}
        for section, rows in documented().items()
    }
    assert written == granted


def test_each_statement_of_a_role_has_one_of_two_proofs() -> None:
    for role in _ROLES | _MACHINES:
        for name, row in documented()[role].items():
            proof = row["Proof"]
            pages = re.findall(r"\((https://docs\.aws\.amazon\.com/[^)]+)\)", proof)
            assert (proof == "emulator") != bool(pages), f"{role} {name}: {proof}"


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


@pytest.mark.parametrize(("role", "function"), _ROLES.items())
def test_the_documented_statements_touch_exactly_this(on_aws: Deployment, role: str, function: str) -> None:
    """Those that no emulator proves."""
    scans = "arn:aws-cn:s3:::cardintake-scans-111122223333-cn-north-1"
    use = ["kms:Decrypt"] if function == "backfill" else ["kms:Decrypt", "kms:GenerateDataKey"]
    expected = {
        "UseTheKey": (use, ["<Key.Arn>"]),
        "WriteLogs": (["logs:CreateLogStream", "logs:PutLogEvents"], [f"<{function.title()}LogGroup.Arn>"]),
    }
    if function == "recognize":
        poll = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        expected |= {
            "ListScans": (["s3:ListBucket"], [scans]),
            "ListAnswers": (["s3:ListBucket"], ["arn:aws-cn:s3:::<AnswersBucket>"]),
            "TakeMessages": (poll, ["<Queue.Arn>"]),
        }
    if function == "replay":
        expected |= {
            "ListScans": (["s3:ListBucket"], [scans]),
            "ListAnswers": (["s3:ListBucket"], ["arn:aws-cn:s3:::<AnswersBucket>"]),
        }
    found = {statement["Sid"]: statement for statement in role_statements(on_aws, role)}
    by_documentation = {name for name, row in documented()[role].items() if row["Proof"] != "emulator"}
    assert by_documentation - _INTERFACES == expected.keys()
    for name, (actions, resources) in expected.items():
        assert (found[name]["Action"], found[name]["Resource"]) == (actions, resources), name


@pytest.mark.parametrize(("role", "function"), _ROLES.items())
def test_interfaces_are_made_in_a_vpc_only_and_not_by_the_code(
    on_aws: Deployment, in_vpc: Deployment, role: str, function: str
) -> None:
    assert not _INTERFACES & {statement["Sid"] for statement in role_statements(on_aws, role)}
    found = {statement["Sid"]: statement for statement in role_statements(in_vpc, role)}
    allowed, denied = found["LambdaMakesInterfaces"], found["CodeMakesNone"]
    assert (allowed["Effect"], denied["Effect"]) == ("Allow", "Deny")
    assert allowed["Action"] == denied["Action"]
    arn = f"arn:aws-cn:lambda:cn-north-1:111122223333:function:cardintake-{function}"
    assert denied["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": arn}}


@pytest.mark.parametrize("role", _ROLES)
def test_the_code_makes_the_calls_that_it_may_make(on_aws: Deployment, role: str) -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted(_CODE.rglob("*.py")))
    proven = {name for name, row in documented()[role].items() if row["Proof"] == "emulator"}
    for statement in role_statements(on_aws, role):
        for action in statement["Action"] if statement["Sid"] in proven else []:
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
        assert (trust["Principal"], trust["Action"]) == ({"Service": f"{service}.amazonaws.com"}, "sts:AssumeRole")
        if role in _MACHINES:
            assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}


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


@pytest.mark.parametrize(("role", "machine"), _MACHINES.items())
def test_the_state_machines_may_do_exactly_this(on_aws: Deployment, role: str, machine: str) -> None:
    here, answers = "cn-north-1:111122223333", "arn:aws-cn:s3:::<AnswersBucket>"
    executions = f"arn:aws-cn:states:{here}:execution:cardintake-{machine}"
    invoked = (
        ["<RecognizeFunction.Arn>", "<BackfillFunction.Arn>"] if machine == "backfill" else ["<ReplayFunction.Arn>"]
    )
    expected = {
        "InvokeFunctions": (["lambda:InvokeFunction"], invoked),
        "StartItems": (["states:StartExecution"], [f"arn:aws-cn:states:{here}:stateMachine:cardintake-{machine}"]),
        "WatchItems": (
            ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
            [f"{executions}:*", f"{executions}/*"],
        ),
        "UseTheKey": (["kms:Decrypt", "kms:GenerateDataKey"], ["<Key.Arn>"]),
        "DeliverLogs": (documented()[role]["DeliverLogs"]["Actions"].split(), ["*"]),
    }
    if machine == "backfill":
        parts = ["s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"]
        runs = f"arn:aws-cn:states:{here}:mapRun:cardintake-backfill/*"
        expected |= {
            "ListScans": (["s3:ListBucket"], ["arn:aws-cn:s3:::cardintake-scans-111122223333-cn-north-1"]),
            "ReadInventories": (["s3:GetObject"], [f"{answers}/inventory/*"]),
            "WriteResults": (["s3:PutObject", "s3:GetObject", *parts], [f"{answers}/backfills/*"]),
            "CountItems": (["states:ListMapRuns", "states:DescribeMapRun"], [f"{executions}:*", runs]),
        }
    granted = {one["Sid"]: (one["Action"], one["Resource"]) for one in role_statements(on_aws, role)}
    assert granted == expected
    assert all(action.startswith("logs:") for action in granted["DeliverLogs"][0])


def test_sweep_lists_scans_and_reads_none(on_aws: Deployment) -> None:
    allowed = {one["Sid"]: one for one in role_statements(on_aws, "SweepRole")}
    scans = "arn:aws-cn:s3:::cardintake-scans-111122223333-cn-north-1"
    assert (allowed["FindScans"]["Action"], allowed["FindScans"]["Resource"]) == (["s3:ListBucket"], [scans])
    assert [one for one in allowed.values() if "s3:GetObject" in one["Action"]] == []


def test_only_the_schedules_may_call_a_function(transformed: Template) -> None:
    permissions = [
        resource["Properties"]
        for resource in transformed["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Permission"
    ]
    assert {permission["Principal"] for permission in permissions} == {"events.amazonaws.com"}
    assert {permission["FunctionName"]["Ref"]: permission["SourceArn"] for permission in permissions} == {
        "SweepFunction": {"Fn::GetAtt": ["SweepFunctionEveryFiveMinutes", "Arn"]},
        "QuotaFunction": {"Fn::GetAtt": ["QuotaFunctionAsOftenAsToldTo", "Arn"]},
    }


def test_only_s3_is_allowed_by_a_resource_policy_and_only_for_our_bucket(on_aws: Deployment) -> None:
    own = {*_ROLES, *_MACHINES, "UploaderPolicy", "RecordReaderPolicy", "StatusReaderPolicy", "Key"}
    allowed = [
        (name, statement)
        for name, document in policy_documents(on_aws)
        for statement in statements(document)
        if name not in own and statement["Effect"] == "Allow"
    ]
    assert [(name, statement["Action"], statement["Resource"]) for name, statement in allowed] == [
        ("QueuePolicy", ["sqs:SendMessage"], ["<Queue.Arn>"]),
        ("AnswersBucketPolicy", ["s3:PutObject"], ["arn:aws-cn:s3:::<AnswersBucket>/inventory/*"]),
    ]
    for _, statement in allowed:
        assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
        assert statement["Condition"] == {
            "StringEquals": {"aws:SourceAccount": "111122223333"},
            "ArnEquals": {"aws:SourceArn": "arn:aws-cn:s3:::cardintake-scans-111122223333-cn-north-1"},
        }


def test_uploaders_upload_and_nothing_else(on_aws: Deployment) -> None:
    upload, encrypt = statements(on_aws.properties("UploaderPolicy")["PolicyDocument"])
    assert (upload["Action"], upload["Resource"]) == (["s3:PutObject"], ["arn:aws-cn:s3:::<ScansBucket>/*"])
    assert encrypt["Resource"] == ["<Key.Arn>"]
    assert encrypt["Condition"] == {
        "StringEquals": {"kms:EncryptionContext:aws:s3:arn": "arn:aws-cn:s3:::<ScansBucket>"}
    }


def test_readers_read_records_only(on_aws: Deployment) -> None:
    for name in ("RecordReaderPolicy", "StatusReaderPolicy"):
        read, *find, decrypt = statements(on_aws.properties(name)["PolicyDocument"])
        assert [one["Resource"] for one in find] == [["<CardsTable.Arn>/index/cases"]] * (name == "RecordReaderPolicy")
        assert read["Resource"] == ["<CardsTable.Arn>"]
        assert read["Condition"]["ForAllValues:StringLike"] == {"dynamodb:LeadingKeys": ["scan_*"]}
        assert (decrypt["Action"], decrypt["Resource"]) == (["kms:Decrypt"], ["<Key.Arn>"])


def test_readers_of_the_status_get_nothing_that_names_a_person(on_aws: Deployment) -> None:
    read, _ = statements(on_aws.properties("StatusReaderPolicy")["PolicyDocument"])
    readable = set(read["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"])
    assert {"record_id", "status", "quality", "risk", "reasons"} <= readable
    named = {"card", "other_cards", "key", "bucket", "findings", "portrait_key", "card_image_key", "content_sha256"}
    assert not readable & named
    assert read["Condition"]["Null"] == {"dynamodb:Attributes": "false"}
    assert read["Condition"]["StringEqualsIfExists"] == {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}
