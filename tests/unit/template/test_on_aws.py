"""What only AWS looks at: encryption, TLS, public access, retention, the order of creation, what outlives the stack."""

import re
from typing import Any

import pytest

from tests.unit.template.cloudformation import Deployment, Template, statements, walk

_SCANS = "cardintake-scans-111122223333-cn-north-1"
_SCANS_ARN = f"arn:aws-cn:s3:::{_SCANS}"
_BUCKETS = ["ScansBucket", "AnswersBucket"]
_TLS = {"Bool": {"aws:SecureTransport": "false"}}


def references(value: Any) -> set[str]:
    """Logical ids that a value refers to."""
    found: set[str] = set()
    for _, node in walk(value):
        if isinstance(node, dict) and len(node) == 1:
            ((function, argument),) = node.items()
            if function == "Ref":
                found.add(argument)
            elif function == "Fn::GetAtt":
                found.add(argument[0])
            elif function == "Fn::Sub":
                found |= {name.partition(".")[0] for name in re.findall(r"\$\{([^}]+)\}", argument)}
    return found


def key_policy(deployment: Deployment) -> dict[str, dict[str, Any]]:
    return {one["Sid"]: one for one in statements(deployment.properties("Key")["KeyPolicy"])}


# ── the key ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_key_rotates_and_is_the_accounts(on_aws: Deployment) -> None:
    assert on_aws.properties("Key")["EnableKeyRotation"] is True
    account = key_policy(on_aws)["AccountByIam"]
    assert account["Principal"] == {"AWS": "arn:aws-cn:iam::111122223333:root"}
    assert on_aws.properties("KeyAlias")["TargetKeyId"] == "<Key>"


def test_logs_may_use_the_key_for_our_groups_by_their_encryption_context(on_aws: Deployment) -> None:
    statement = key_policy(on_aws)["LogGroupsOfThisStack"]
    assert statement["Principal"] == {"Service": "logs.cn-north-1.amazonaws.com.cn"}
    groups = on_aws.of_type("AWS::Logs::LogGroup").values()
    assert statement["Condition"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"] == [
        f"arn:aws-cn:logs:cn-north-1:111122223333:log-group:{group['LogGroupName']}" for group in groups
    ]


def test_nobody_else_may_use_the_key(on_aws: Deployment) -> None:
    assert len(key_policy(on_aws)) == 7
    assert [name for name, one in key_policy(on_aws).items() if one["Effect"] == "Deny"] == ["GrantsForAwsServicesOnly"]


# ── encryption ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_everything_that_holds_data_is_encrypted_under_the_key(on_aws: Deployment) -> None:
    """A new kind of resource fails this test until somebody says how it is encrypted."""
    how = {
        "AWS::S3::Bucket": lambda it: it["BucketEncryption"]["ServerSideEncryptionConfiguration"][0][
            "ServerSideEncryptionByDefault"
        ]["KMSMasterKeyID"],
        "AWS::SQS::Queue": lambda it: it["KmsMasterKeyId"],
        "AWS::DynamoDB::Table": lambda it: it["SSESpecification"]["KMSMasterKeyId"],
        "AWS::SecretsManager::Secret": lambda it: it["KmsKeyId"],
        "AWS::Logs::LogGroup": lambda it: it["KmsKeyId"],
        "AWS::StepFunctions::StateMachine": lambda it: it["EncryptionConfiguration"]["KmsKeyId"],
        "AWS::SNS::Topic": lambda it: it["KmsMasterKeyId"],
    }
    without_identity_data = {
        *("AWS::KMS::Key", "AWS::KMS::Alias", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy"),
        *("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::Events::EventBus", "AWS::Events::Archive"),
        *("AWS::Serverless::Function", "AWS::Serverless::LayerVersion"),
        *("AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Logs::QueryDefinition"),
        *("AWS::SNS::TopicPolicy", "AWS::SNS::Subscription"),
    }
    encrypted = 0
    for name, resource in on_aws.resources.items():
        if resource["Type"] in without_identity_data:
            continue
        assert how[resource["Type"]](resource["Properties"]) == "<Key.Arn>", name
        encrypted += 1
    assert encrypted == 17


@pytest.mark.parametrize("bucket", _BUCKETS)
def test_buckets_use_bucket_keys_and_are_private_and_unversioned(on_aws: Deployment, bucket: str) -> None:
    properties = on_aws.properties(bucket)
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"] is True
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert "VersioningConfiguration" not in properties, "erasure leaves no older version"


def test_the_bus_keeps_awss_own_key_and_has_an_archive(template: Template) -> None:
    deployment = Deployment(template, {"RetentionDays": "90"})
    assert deployment.properties("EventBus") == {"Name": "cardintake"}
    archive = deployment.properties("EventArchive")
    assert (archive["SourceArn"], archive["RetentionDays"]) == ("<EventBus.Arn>", "90")


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_buckets_queues_and_table_refuse_what_is_not_tls(on_aws: Deployment) -> None:
    policies = {
        "ScansBucket": on_aws.properties("ScansBucketPolicy"),
        "AnswersBucket": on_aws.properties("AnswersBucketPolicy"),
        "Queue": on_aws.properties("QueuePolicy"),
        "DeadLetterQueue": on_aws.properties("DeadLetterQueuePolicy"),
        "CardsTable": on_aws.properties("CardsTable")["ResourcePolicy"],
        "AlarmTopic": on_aws.properties("AlarmTopicPolicy"),
    }
    holds_data = on_aws.of_type("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::SNS::Topic")
    assert policies.keys() == holds_data.keys()
    for name, policy in policies.items():
        (tls,) = [one for one in statements(policy["PolicyDocument"]) if one["Sid"] == "TlsOnly"]
        assert (tls["Effect"], tls["Principal"], tls["Condition"]) == ("Deny", "*", _TLS)
        service = tls["Action"][0].partition(":")[0]
        assert tls["Action"] == (["sns:Publish"] if service == "sns" else [f"{service}:*"]), "SNS takes no wildcard"
        covered = {
            "s3": [f"arn:aws-cn:s3:::<{name}>", f"arn:aws-cn:s3:::<{name}>/*"],
            "sqs": [f"<{name}.Arn>"],
            "sns": [f"<{name}>"],
            "dynamodb": ["*"],  # in a table's own policy: this table
        }
        assert tls["Resource"] == covered[service]
        attached = policy.get("Bucket") or policy.get("Queues") or policy.get("Topics")
        assert attached in (f"<{name}>", [f"<{name}>"], None)


def test_the_emulator_gets_everything_but_what_it_cannot_have(on_aws: Deployment, on_emulator: Deployment) -> None:
    assert on_aws.resources.keys() - on_emulator.resources.keys() == {
        "ScansBucketPolicy",
        "AnswersBucketPolicy",
        "DeadLetterQueuePolicy",
        "EventArchive",
        "AlarmTopicPolicy",
        *on_aws.of_type("AWS::Logs::QueryDefinition"),
        *(name for name, alarm in on_aws.of_type("AWS::CloudWatch::Alarm").items() if "Metrics" in alarm),
    }
    assert "SecureTransport" not in repr(on_emulator.resources)
    for role in on_aws.of_type("AWS::IAM::Role"):
        assert on_emulator.properties(role) == on_aws.properties(role)


# ── names, order, partition ──────────────────────────────────────────────────────────────────────────────────────────
def test_the_scans_buckets_name_is_computed_where_policies_name_it(template: Template, on_aws: Deployment) -> None:
    assert on_aws.properties("ScansBucket")["BucketName"] == _SCANS
    for name in ("Key", "QueuePolicy", "RecognizeRole", "BackfillRole", "ReplayRole", "BackfillMachineRole"):
        assert "ScansBucket" not in references(template["Resources"][name]), name
        assert _SCANS_ARN in repr(on_aws.resources[name])


def test_the_bucket_comes_after_the_policy_that_lets_it_notify(template: Template) -> None:
    assert template["Resources"]["ScansBucket"]["DependsOn"] == "QueuePolicy"


def test_nothing_waits_for_itself(template: Template) -> None:
    resources = template["Resources"]
    waits = {
        name: (references(resource) | set([resource["DependsOn"]] if "DependsOn" in resource else []))
        & resources.keys()
        for name, resource in resources.items()
    }
    shared = references(template["Globals"]) & resources.keys()
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Serverless::Function":
            waits[name] |= shared
    while waits:
        free = {name for name, others in waits.items() if not others}
        assert free, f"in a circle: {sorted(waits)}"
        waits = {name: others - free for name, others in waits.items() if name not in free}


def test_no_arn_names_a_partition(template: Template) -> None:
    for path, node in walk(template["Resources"]):
        assert not (isinstance(node, str) and re.search(r"\barn:(?!\$\{AWS::Partition\})", node)), path


def test_secrets_are_passed_as_arns(template: Template) -> None:
    """Ref of a secret is its name on the emulator."""
    for path, node in walk(template):
        assert node not in ({"Ref": "ProvidersSecret"}, {"Ref": "LookupSecret"}), path


def test_what_holds_data_outlives_the_stack(template: Template) -> None:
    retained = {
        name
        for name, resource in template["Resources"].items()
        if (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")) == ("Retain", "Retain")
    }
    assert retained == {"Key", "ScansBucket", "AnswersBucket", "CardsTable"}


# ── queue, table, secrets, retention ─────────────────────────────────────────────────────────────────────────────────
def test_uploads_and_removals_are_notified(on_aws: Deployment) -> None:
    queues = on_aws.properties("ScansBucket")["NotificationConfiguration"]["QueueConfigurations"]
    assert queues == [
        {"Event": "s3:ObjectCreated:*", "Queue": "<Queue.Arn>"},
        {"Event": "s3:ObjectRemoved:*", "Queue": "<Queue.Arn>"},
    ]


def test_dead_letters_come_from_our_queue_after_ten_receives(on_aws: Deployment) -> None:
    queue, dead = on_aws.properties("Queue"), on_aws.properties("DeadLetterQueue")
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": "<DeadLetterQueue.Arn>", "maxReceiveCount": 10}
    arn = f"arn:aws-cn:sqs:cn-north-1:111122223333:{queue['QueueName']}"
    assert dead["RedriveAllowPolicy"] == {"redrivePermission": "byQueue", "sourceQueueArns": [arn]}
    assert queue["MessageRetentionPeriod"] == dead["MessageRetentionPeriod"] == 14 * 86400


def test_the_table(on_aws: Deployment) -> None:
    table = on_aws.properties("CardsTable")
    assert table["KeySchema"] == [{"AttributeName": "record_id", "KeyType": "HASH"}]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": "<Key.Arn>"}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    due, cases = table["GlobalSecondaryIndexes"]
    assert cases == {
        "IndexName": "cases",
        "KeySchema": [
            {"AttributeName": "case_id", "KeyType": "HASH"},
            {"AttributeName": "record_id", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    assert due == {
        "IndexName": "due",
        "KeySchema": [
            {"AttributeName": "due_shard", "KeyType": "HASH"},
            {"AttributeName": "due_at", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    assert types == {"record_id": "S", "due_shard": "S", "due_at": "N", "case_id": "S"}


def test_no_secret_stands_in_the_template(on_aws: Deployment) -> None:
    assert on_aws.properties("ProvidersSecret")["SecretString"] == "{}"
    lookup = on_aws.properties("LookupSecret")
    assert lookup["GenerateSecretString"]["PasswordLength"] >= 43, "256 bits of letters and digits"
    assert "SecretStringTemplate" not in lookup["GenerateSecretString"], "the whole string is the key"


def test_retention_is_one_parameter(template: Template) -> None:
    deployment = Deployment(template, {"RetentionDays": "731"})
    for bucket in _BUCKETS:
        (rule,) = deployment.properties(bucket)["LifecycleConfiguration"]["Rules"]
        assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", "731")
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
        assert "Prefix" not in rule
    for group in deployment.of_type("AWS::Logs::LogGroup").values():
        assert group["RetentionInDays"] == "731"
    variables = deployment.resolve(template["Globals"]["Function"]["Environment"]["Variables"])
    assert variables["RETENTION_DAYS"] == "731"
