"""What `make doctor` looks at, one examination after the other; nothing here changes anything or costs money.

An examination yields findings. What the caller may not look at is a finding, too, and never an error.
"""

from collections.abc import Callable, Iterator, Mapping

from botocore.exceptions import BotoCoreError, ClientError

from cardintake.settings import SettingsError
from local.patient import FUNCTIONS, Finding, Patient, judged_skew
from local.provider_examinations import acceptance, reachability, secret, states

_ALARMS_A_PAGE = 100
NEEDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "recognize": {
        "scans/x": ("s3:GetObject",),
        "scans": ("s3:ListBucket",),
        "answers/x": ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
        "answers": ("s3:ListBucket",),
        "table": tuple(f"dynamodb:{it}Item" for it in ("Get", "BatchGet", "Put", "Update", "Delete")),
        "providers_secret": ("secretsmanager:GetSecretValue",),
        "lookup_secret": ("secretsmanager:GetSecretValue",),
        "bus": ("events:PutEvents",),
        "queue": ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage"),
        "key": ("kms:Decrypt", "kms:GenerateDataKey"),
    },
    "sweep": {
        "table/index/due": ("dynamodb:Query",),
        "table": ("dynamodb:Scan", *(f"dynamodb:{it}Item" for it in ("Get", "BatchGet", "Put", "Update", "Delete"))),
        "scans": ("s3:ListBucket",),
        "answers/x": ("s3:DeleteObject",),
        "bus": ("events:PutEvents",),
        "queue": ("sqs:SendMessage",),
        "key": ("kms:Decrypt", "kms:GenerateDataKey"),
    },
    "quota": {
        "table": ("dynamodb:GetItem", "dynamodb:UpdateItem"),
        "providers_secret": ("secretsmanager:GetSecretValue",),
        "bus": ("events:PutEvents",),
        "key": ("kms:Decrypt",),
    },
    "backfill": {
        "scans": ("s3:ListBucket",),
        "table": ("dynamodb:BatchGetItem",),
        "key": ("kms:Decrypt",),
    },
    "replay": {
        "scans/x": ("s3:GetObject",),
        "scans": ("s3:ListBucket",),
        "answers/x": ("s3:GetObject",),
        "answers": ("s3:ListBucket",),
        "table": ("dynamodb:Scan", "dynamodb:UpdateItem"),
        "bus": ("events:PutEvents",),
        "key": ("kms:Decrypt",),
    },
}
"""What each function's role has to allow, by resource; what Lambda does with the role itself is left out."""


type Examination = Callable[[Patient], Iterator[Finding]]


def examine(patient: Patient) -> Iterator[Finding]:
    """Every finding, in the order in which trouble in one explains trouble in the next."""
    for examination in _EXAMINATIONS:
        area = examination.__name__.strip("_")
        try:
            yield from examination(patient)
        except ClientError as error:
            yield _not_allowed(area, error)
        except SettingsError as error:
            yield Finding(area, "wrong", str(error), "change the stack's parameters and deploy again")
        except BotoCoreError as error:
            yield Finding(area, "unknown", f"AWS could not be asked ({type(error).__name__})", "look at your network")


def _not_allowed(area: str, error: ClientError) -> Finding:
    code = error.response.get("Error", {}).get("Code", "")
    said = f"could not be checked: {error.operation_name} was answered with {code}"
    refused = any(word in code for word in ("AccessDenied", "Unauthorized", "NotAuthorized", "AuthorizationError"))
    return Finding(area, "unknown", said, f"your role needs leave for {error.operation_name}" if refused else None)


# the stack ------------------------------------------------------------------------------------------------------------


def _stack(patient: Patient) -> Iterator[Finding]:
    usable = patient.status.endswith("COMPLETE") and patient.status != "ROLLBACK_COMPLETE"
    mend = None if usable else "look at the stack's events, and deploy again"
    yield Finding("stack", "ok" if usable else "wrong", patient.status, mend)
    key = patient.client("kms").describe_key(KeyId=patient.outputs["KeyArn"])["KeyMetadata"]["KeyState"]
    mend = None if key == "Enabled" else "enable the key, or cancel its deletion: without it nothing can be read"
    yield Finding("key", "ok" if key == "Enabled" else "wrong", key, mend)
    for function in FUNCTIONS:
        configuration = patient.configuration(function)
        state, update = configuration.get("State", "Active"), configuration.get("LastUpdateStatus", "Successful")
        area, said = f"function {function}", f"{state}, last update {update}"
        if "Failed" in (state, update):
            yield Finding(area, "wrong", said, "look at the function's configuration, and deploy again")
        elif state == "Pending" or update == "InProgress":
            yield Finding(area, "warning", said, "look again in a minute")
        else:
            yield Finding(area, "ok", said)


def _clock(patient: Patient) -> Iterator[Finding]:
    if patient.ahead is None:
        yield Finding("clock", "unknown", "AWS's answer bears no date")
        return
    off = patient.ahead
    said = f"this machine is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} AWS"
    verdict, mend = judged_skew(off, "set this machine's clock; the functions have AWS's")
    yield Finding("clock", verdict, said if verdict != "ok" else "this machine and AWS agree", mend)


# the way of an upload -------------------------------------------------------------------------------------------------


def _notification(patient: Patient) -> Iterator[Finding]:
    bucket = patient.outputs["ScansBucketName"]
    found = patient.client("s3").get_bucket_notification_configuration(Bucket=bucket).get("QueueConfigurations", ())
    queue = patient.outputs["QueueUrl"].rpartition("/")[2]
    events = {event for one in found if one["QueueArn"].endswith(f":{queue}") for event in one["Events"]}
    missing = [event for event in ("s3:ObjectCreated:*", "s3:ObjectRemoved:*") if event not in events]
    if missing:
        mend = (
            "somebody has changed the bucket: deploy again, then read what was missed by a backfill (docs/backfill.md)"
        )
        yield Finding("notification", "wrong", f"the bucket does not tell the queue of {' and '.join(missing)}", mend)
    else:
        yield Finding("notification", "ok", "the bucket tells the queue of uploads and removals")


def _mapping(patient: Patient) -> Iterator[Finding]:
    name = patient.outputs["RecognizeFunctionName"]
    mappings = patient.client("lambda").list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    queue = patient.outputs["QueueUrl"].rpartition("/")[2]
    ours = [one for one in mappings if one.get("EventSourceArn", "").endswith(f":{queue}")]
    if not ours:
        yield Finding("queue", "wrong", "nobody feeds it to the function", "deploy the stack again")
    for one in ours:
        if one["State"] in ("Disabled", "Disabling"):
            mend = f"aws lambda update-event-source-mapping --uuid {one['UUID']} --enabled"
            yield Finding("queue", "wrong", "it is not fed to the function: uploads wait", mend)
        else:
            yield Finding("queue", "ok", f"fed to the function ({one['State']})")


def _schedules(patient: Patient) -> Iterator[Finding]:
    for function, logical in (
        ("sweep", "SweepFunctionEveryFiveMinutes"),
        ("quota", "QuotaFunctionAsOftenAsToldTo"),
    ):
        rule = patient.resources[logical].rpartition("|")[2]
        found = patient.client("events").describe_rule(Name=rule)
        enabled = found["State"] == "ENABLED"
        mend = None if enabled else f"aws events enable-rule --name {rule}"
        said = f"runs by {found['ScheduleExpression']}" if enabled else "its schedule is disabled"
        yield Finding(f"schedule of {function}", "ok" if enabled else "wrong", said, mend)


def _dead_letters(patient: Patient) -> Iterator[Finding]:
    attributes = patient.client("sqs").get_queue_attributes(
        QueueUrl=patient.outputs["DeadLetterQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    count = int(attributes["ApproximateNumberOfMessages"])
    mend = "make dead-letters, and docs/runbook.md#dead-letters" if count else None
    yield Finding("dead letters", "warning" if count else "ok", f"about {count}" if count else "none", mend)


# permissions, alarms --------------------------------------------------------------------------------------------------


def _permissions(patient: Patient) -> Iterator[Finding]:
    """IAM's own simulation of what each function asks for; it sees boundaries, and no policy of a resource."""
    iam, arns = patient.client("iam"), _arns(patient)
    for function in FUNCTIONS:
        role = patient.configuration(function)["Role"]
        refused = []
        for resource, actions in NEEDS[function].items():
            simulated = iam.simulate_principal_policy(
                PolicySourceArn=role, ActionNames=list(actions), ResourceArns=[_arn(arns, resource)]
            )["EvaluationResults"]
            refused += [one["EvalActionName"] for one in simulated if one["EvalDecision"] != "allowed"]
        area = f"permissions of {function}"
        if refused:
            mend = (
                "somebody has changed the role, or a boundary or the organisation forbids it: see docs/permissions.md"
            )
            yield Finding(area, "wrong", f"IAM refuses {', '.join(refused)}", mend)
        else:
            yield Finding(area, "ok", "IAM allows what it asks for")


def _arns(patient: Patient) -> dict[str, str]:
    outputs = patient.outputs
    _, partition, _, region, account, *_ = outputs["EventBusArn"].split(":")
    return {
        "scans": f"arn:{partition}:s3:::{outputs['ScansBucketName']}",
        "answers": f"arn:{partition}:s3:::{outputs['AnswersBucketName']}",
        "table": f"arn:{partition}:dynamodb:{region}:{account}:table/{outputs['CardsTableName']}",
        "queue": f"arn:{partition}:sqs:{region}:{account}:{outputs['QueueUrl'].rpartition('/')[2]}",
        "bus": outputs["EventBusArn"],
        "key": outputs["KeyArn"],
        "providers_secret": outputs["ProvidersSecretArn"],
        "lookup_secret": outputs["LookupSecretArn"],
    }


def _arn(arns: Mapping[str, str], resource: str) -> str:
    name, slash, below = resource.partition("/")
    return arns[name] + slash + below


def _alarms(patient: Patient) -> Iterator[Finding]:
    topic = patient.outputs["AlarmTopicArn"]
    pages = patient.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscribers = [one["SubscriptionArn"] for page in pages for one in page["Subscriptions"]]
    waiting = [arn for arn in subscribers if not arn.startswith("arn:")]
    if not subscribers:
        mend = "deploy with AlarmEmail, or subscribe to the topic AlarmTopicArn"
        yield Finding("alarm topic", "warning", "nobody hears of an alarm", mend)
    elif waiting:
        mend = "confirm it by the mail that SNS has sent; deploy anew when it has expired"
        yield Finding("alarm topic", "warning", f"{len(waiting)} of {len(subscribers)} subscriptions wait", mend)
    else:
        yield Finding("alarm topic", "ok", f"{len(subscribers)} confirmed subscriptions")
    found = patient.client("cloudwatch").describe_alarms(
        AlarmNamePrefix=f"{patient.name}-", StateValue="ALARM", MaxRecords=_ALARMS_A_PAGE
    )
    raised = sorted(alarm["AlarmName"].removeprefix(f"{patient.name}-") for alarm in found["MetricAlarms"])
    for alarm in raised:
        yield Finding("alarm", "warning", alarm, f"docs/runbook.md#{alarm}")
    if not raised:
        yield Finding("alarm", "ok", "none is raised")


_EXAMINATIONS: tuple[Examination, ...] = (
    _stack,
    _clock,
    secret,
    reachability,
    acceptance,
    states,
    _notification,
    _mapping,
    _schedules,
    _dead_letters,
    _permissions,
    _alarms,
)
