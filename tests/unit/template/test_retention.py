"""One parameter sets how long everything is kept; what AWS keeps for a time of its own is named in docs/erasure.md."""

from tests.unit.template.cloudformation import REPOSITORY, Deployment, Template


def test_one_parameter_reaches_everything_that_keeps_data(template: Template) -> None:
    """A new kind of resource fails this test until somebody says how long it keeps what."""
    deployment = Deployment(template, {"RetentionDays": "90"})
    kept: set[str] = set()
    for name, resource in deployment.resources.items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::S3::Bucket":
                (rule,) = properties["LifecycleConfiguration"]["Rules"]
                assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", "90"), name
                assert not rule.keys() & {"Prefix", "TagFilters", "ObjectSizeLessThan", "ObjectSizeGreaterThan"}, name
                assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}, name
                assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}, name
            case "AWS::DynamoDB::Table":
                # how long an item is kept, the functions are told
                assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
                assert (
                    deployment.resolve(template["Globals"]["Function"]["Environment"]["Variables"])["RETENTION_DAYS"]
                    == "90"
                )
            case "AWS::Logs::LogGroup":
                assert properties["RetentionInDays"] == "90", name
            case "AWS::Events::Archive":
                assert properties["RetentionDays"] == "90", name
            case "AWS::SQS::Queue":
                assert properties["MessageRetentionPeriod"] == 14 * 86400, name
            case "AWS::StepFunctions::StateMachine":
                assert "90 days" in (REPOSITORY / "docs" / "erasure.md").read_text(encoding="utf-8")
            case _:
                continue
        kept.add(resource["Type"])
    rest = {resource["Type"] for resource in deployment.resources.values()} - kept
    assert rest <= {
        *("AWS::KMS::Key", "AWS::KMS::Alias", "AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::Events::EventBus"),
        *("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SecretsManager::Secret"),
        *("AWS::Serverless::Function", "AWS::Serverless::LayerVersion"),
        # numbers and names of ours
        *("AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::Logs::QueryDefinition"),
        *("AWS::SNS::Topic", "AWS::SNS::TopicPolicy"),
    }
    assert len(kept) == 6
