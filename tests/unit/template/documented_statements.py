"""What docs/permissions.md says, and the statements that only AWS's documentation demands, each of them whole.

The latter as they come out for a stack `cardintake` in aws-cn with `SubnetIds`; the page for each stands there.
"""

from typing import Any

from tests.unit.template.cloudformation import PSEUDO_PARAMETERS, REPOSITORY

_ACCOUNT = PSEUDO_PARAMETERS["AWS::AccountId"]
_HERE = f"{PSEUDO_PARAMETERS['AWS::Region']}:{_ACCOUNT}"
_S3 = "arn:aws-cn:s3:::"
_SCANS = f"{_S3}cardintake-scans-{_ACCOUNT}-{PSEUDO_PARAMETERS['AWS::Region']}"
_ANSWERS = f"{_S3}<AnswersBucket>"
_TLS = {"Bool": {"aws:SecureTransport": "false"}}
_FOR_THE_SCANS_BUCKET = {
    "StringEquals": {"aws:SourceAccount": _ACCOUNT},
    "ArnEquals": {"aws:SourceArn": _SCANS},
}
_FOR_THE_TABLE = {
    "StringEquals": {
        "kms:EncryptionContext:aws:dynamodb:tableName": "<CardsTable>",
        "kms:EncryptionContext:aws:dynamodb:subscriberId": _ACCOUNT,
    }
}
_FOR_ALARMS = {
    "StringEquals": {"aws:SourceAccount": _ACCOUNT},
    "ArnLike": {"aws:SourceArn": f"arn:aws-cn:cloudwatch:{_HERE}:alarm:cardintake-*"},
}
_INTERFACES = [
    *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
    *("ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
]
_LOG_DELIVERY = [
    *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery"),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
]
_LOG_GROUPS = [
    *("/aws/lambda/cardintake-recognize", "/aws/lambda/cardintake-sweep", "/aws/lambda/cardintake-quota"),
    *("/aws/lambda/cardintake-backfill", "/aws/vendedlogs/states/cardintake-backfill"),
    *("/aws/lambda/cardintake-replay", "/aws/vendedlogs/states/cardintake-replay"),
]
type Statement = dict[str, Any]


def _allow(actions: list[str], resources: list[str], **more: Any) -> Statement:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def _deny(action: str, resources: list[str], condition: Statement) -> Statement:
    return {"Effect": "Deny", "Principal": "*", "Action": [action], "Resource": resources, "Condition": condition}


def _of_a_function(name: str, *key_uses: str) -> dict[str, Statement]:
    function = f"arn:aws-cn:lambda:{_HERE}:function:cardintake-{name}"
    return {
        "UseTheKey": _allow([f"kms:{use}" for use in key_uses], ["<Key.Arn>"]),
        "WriteLogs": _allow(["logs:CreateLogStream", "logs:PutLogEvents"], [f"<{name.title()}LogGroup.Arn>"]),
        "LambdaMakesInterfaces": _allow(_INTERFACES, ["*"]),
        "CodeMakesNone": {
            **_allow(_INTERFACES, ["*"]),
            "Effect": "Deny",
            "Condition": {"ArnEquals": {"lambda:SourceFunctionArn": function}},
        },
    }


def _of_a_state_machine(name: str, *functions: str) -> dict[str, Statement]:
    executions = f"arn:aws-cn:states:{_HERE}:execution:cardintake-{name}"
    return {
        "InvokeFunctions": _allow(["lambda:InvokeFunction"], [f"<{function}.Arn>" for function in functions]),
        "StartItems": _allow(["states:StartExecution"], [f"arn:aws-cn:states:{_HERE}:stateMachine:cardintake-{name}"]),
        "WatchItems": _allow(
            ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
            [f"{executions}:*", f"{executions}/*"],
        ),
        "UseTheKey": _allow(["kms:Decrypt", "kms:GenerateDataKey"], ["<Key.Arn>"]),
        "DeliverLogs": _allow(_LOG_DELIVERY, ["*"]),
    }


def _service(name: str, actions: list[str], resources: list[str], condition: Statement) -> Statement:
    return _allow(actions, resources, Principal={"Service": name}, Condition=condition)


_LIST_BUCKETS = {
    "ListScans": _allow(["s3:ListBucket"], [_SCANS]),
    "ListAnswers": _allow(["s3:ListBucket"], [_ANSWERS]),
}
_USE_THE_KEY = ["kms:GenerateDataKey", "kms:Decrypt"]

BY_DOCUMENTATION: dict[str, dict[str, Statement]] = {
    "RecognizeRole": _of_a_function("recognize", "Decrypt", "GenerateDataKey")
    | _LIST_BUCKETS
    | {"TakeMessages": _allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], ["<Queue.Arn>"])},
    "SweepRole": _of_a_function("sweep", "Decrypt", "GenerateDataKey"),
    "QuotaRole": _of_a_function("quota", "Decrypt"),
    "BackfillRole": _of_a_function("backfill", "Decrypt"),
    "ReplayRole": _of_a_function("replay", "Decrypt") | _LIST_BUCKETS,
    "BackfillMachineRole": _of_a_state_machine("backfill", "RecognizeFunction", "BackfillFunction")
    | {
        "ListScans": _LIST_BUCKETS["ListScans"],
        "ReadInventories": _allow(["s3:GetObject"], [f"{_ANSWERS}/inventory/*"]),
        "WriteResults": _allow(
            ["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
            [f"{_ANSWERS}/backfills/*"],
        ),
        "CountItems": _allow(
            ["states:ListMapRuns", "states:DescribeMapRun"],
            [
                f"arn:aws-cn:states:{_HERE}:execution:cardintake-backfill:*",
                f"arn:aws-cn:states:{_HERE}:mapRun:cardintake-backfill/*",
            ],
        ),
    },
    "ReplayMachineRole": _of_a_state_machine("replay", "ReplayFunction"),
    "Key": {
        "AccountByIam": _allow(["kms:*"], ["*"], Principal={"AWS": f"arn:aws-cn:iam::{_ACCOUNT}:root"}),
        "GrantsForAwsServicesOnly": _deny(
            "kms:CreateGrant",
            ["*"],
            {"BoolIfExists": {"kms:GrantIsForAWSResource": "false", "aws:PrincipalIsAWSService": "false"}},
        ),
        "AlarmsToTheTopic": _service("cloudwatch.amazonaws.com", _USE_THE_KEY, ["*"], _FOR_ALARMS),
        "NotificationsToTheQueue": _service("s3.amazonaws.com", _USE_THE_KEY, ["*"], _FOR_THE_SCANS_BUCKET),
        "RulesToEncryptedQueues": _service(
            "events.amazonaws.com",
            _USE_THE_KEY,
            ["*"],
            {"ArnLike": {"aws:SourceArn": f"arn:aws-cn:events:{_HERE}:rule/cardintake/*"}},
        ),
        "LogGroupsOfThisStack": _service(
            "logs.cn-north-1.amazonaws.com.cn",
            [
                *("kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"),
                *("kms:GenerateDataKey", "kms:DescribeKey"),
            ],
            ["*"],
            {
                "ArnEquals": {
                    "kms:EncryptionContext:aws:logs:arn": [
                        f"arn:aws-cn:logs:{_HERE}:log-group:{group}" for group in _LOG_GROUPS
                    ]
                }
            },
        ),
        "LogsOfEncryptedStateMachines": _service(
            "delivery.logs.amazonaws.com",
            ["kms:Decrypt"],
            ["*"],
            {"StringEquals": {"kms:EncryptionContext:SourceArn": f"arn:aws-cn:logs:{_HERE}:*"}},
        ),
    },
    "QueuePolicy": {"TlsOnly": _deny("sqs:*", ["<Queue.Arn>"], _TLS)},
    "DeadLetterQueuePolicy": {"TlsOnly": _deny("sqs:*", ["<DeadLetterQueue.Arn>"], _TLS)},
    "AlarmTopicPolicy": {
        "AlarmsOfThisStack": _service("cloudwatch.amazonaws.com", ["sns:Publish"], ["<AlarmTopic>"], _FOR_ALARMS),
        "TlsOnly": _deny("sns:Publish", ["<AlarmTopic>"], _TLS),
    },
    "ScansBucketPolicy": {
        "TlsOnly": _deny("s3:*", [f"{_S3}<ScansBucket>", f"{_S3}<ScansBucket>/*"], _TLS),
        "UnderOurKeyOnly": _deny(
            "s3:PutObject",
            [f"{_S3}<ScansBucket>/*"],
            {
                "Null": {"s3:x-amz-server-side-encryption": "false"},
                "StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "<Key.Arn>"},
            },
        ),
    },
    "AnswersBucketPolicy": {
        "TlsOnly": _deny("s3:*", [_ANSWERS, f"{_ANSWERS}/*"], _TLS),
        "InventoriesOfTheScansBucket": _service(
            "s3.amazonaws.com", ["s3:PutObject"], [f"{_ANSWERS}/inventory/*"], _FOR_THE_SCANS_BUCKET
        ),
    },
    # In a table's own policy "*" is this table.
    "CardsTable": {"TlsOnly": _deny("dynamodb:*", ["*"], _TLS)},
    "Trust": {
        "lambda.amazonaws.com": _allow(["sts:AssumeRole"], [], Principal={"Service": "lambda.amazonaws.com"}),
        "states.amazonaws.com": _service(
            "states.amazonaws.com", ["sts:AssumeRole"], [], {"StringEquals": {"aws:SourceAccount": _ACCOUNT}}
        ),
    },
    "Invocation": {
        "SweepFunction": _service(
            "events.amazonaws.com",
            ["lambda:InvokeFunction"],
            ["<SweepFunction>"],
            {"ArnLike": {"aws:SourceArn": "<SweepFunctionEveryFiveMinutes.Arn>"}},
        ),
        "QuotaFunction": _service(
            "events.amazonaws.com",
            ["lambda:InvokeFunction"],
            ["<QuotaFunction>"],
            {"ArnLike": {"aws:SourceArn": "<QuotaFunctionAsOftenAsToldTo.Arn>"}},
        ),
    },
    "UploaderPolicy": {
        "EncryptScans": _allow(
            _USE_THE_KEY,
            ["<Key.Arn>"],
            Condition={"StringEquals": {"kms:EncryptionContext:aws:s3:arn": f"{_S3}<ScansBucket>"}},
        )
    },
    "RecordReaderPolicy": {"DecryptRecords": _allow(["kms:Decrypt"], ["<Key.Arn>"], Condition=_FOR_THE_TABLE)},
    "StatusReaderPolicy": {"DecryptRecords": _allow(["kms:Decrypt"], ["<Key.Arn>"], Condition=_FOR_THE_TABLE)},
}
"""Section of docs/permissions.md, statement: the statement, actions and resources as lists."""


def documented() -> dict[str, dict[str, dict[str, str]]]:
    """Section, statement, column: what docs/permissions.md says."""
    sections: dict[str, dict[str, dict[str, str]]] = {}
    header: list[str] = []
    section = ""
    for line in (REPOSITORY / "docs" / "permissions.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            section, header = line.removeprefix("### "), []
        if section.startswith("#") or not line.startswith("|") or set(line) <= set("|- "):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not header:
            header = cells
        else:
            sections.setdefault(section, {})[cells[0]] = dict(zip(header, cells, strict=True))
    return sections


def proven_on_the_emulator(section: str) -> set[tuple[str, str]]:
    """Statement and action of everything that the integration tests have to take away."""
    return {
        (name, action)
        for name, row in documented()[section].items()
        if row["Proof"] == "emulator"
        for action in row["Actions"].split()
    }
