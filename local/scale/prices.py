"""Published: AWS's prices and quotas, each with where and when it was read. Region us-east-1, US dollars.

AWS's own price pages build their numbers by script and could not be read; the prices are from pages that quote them.
"""

from dataclasses import dataclass

REGION = "us-east-1"
READ_ON = "2026-11-21"

_AWS = "https://docs.aws.amazon.com"
_BLOG = "https://www.factualminds.com/blog"
UNVERIFIED = "from memory, unverified"


@dataclass(frozen=True, slots=True)
class Price:
    """`dollars` for one `unit`."""

    what: str
    unit: str
    dollars: float
    per: int
    source: str

    @property
    def each(self) -> float:
        """Dollars for one."""
        return self.dollars / self.per


_LAMBDA = "https://wring.co/blog/aws-lambda-pricing-guide"

LAMBDA_SECOND = Price("Lambda, arm64", "GB-seconds", 13.3334, 1_000_000, _LAMBDA)
LAMBDA_REQUEST = Price("Lambda", "requests", 0.20, 1_000_000, _LAMBDA)
DYNAMODB_WRITE = Price(
    "DynamoDB on demand",
    "write units",
    0.625,
    1_000_000,
    "https://airbyte.com/data-engineering-resources/dynamodb-pricing",
)
DYNAMODB_READ = Price(
    "DynamoDB on demand",
    "read units",
    0.125,
    1_000_000,
    "https://airbyte.com/data-engineering-resources/dynamodb-pricing",
)
DYNAMODB_STORAGE = Price("DynamoDB storage", "GB-months", 0.25, 1, UNVERIFIED)
S3_PUT = Price(
    "S3 PUT, LIST",
    "requests",
    0.005,
    1_000,
    "https://devnotes.tech/understanding-aws-s3-pricing-a-complete-cost-breakdown-with-examples",
)
S3_GET = Price(
    "S3 GET",
    "requests",
    0.0004,
    1_000,
    "https://devnotes.tech/understanding-aws-s3-pricing-a-complete-cost-breakdown-with-examples",
)
S3_STORAGE = Price("S3 Standard storage", "GB-months", 0.023, 1, "https://cloudburn.io/blog/amazon-s3-pricing")
SQS_REQUEST = Price(
    "SQS standard", "requests", 0.40, 1_000_000, f"{_BLOG}/amazon-sqs-pricing-64kb-rule-fifo-vs-standard/"
)
EVENT = Price(
    "EventBridge, own events",
    "events",
    1.00,
    1_000_000,
    f"{_BLOG}/amazon-eventbridge-pricing-events-pipes-schema-archive/",
)
LOG_BYTE = Price(
    "CloudWatch Logs, taken in",
    "bytes",
    0.50,
    1_000_000_000,
    f"{_BLOG}/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/",
)
KMS_REQUEST = Price("KMS", "requests", 0.03, 10_000, f"{_BLOG}/aws-kms-pricing-keys-requests-multi-region/")
SECRET_REQUEST = Price(
    "Secrets Manager",
    "requests",
    0.05,
    10_000,
    "https://raw.githubusercontent.com/api-evangelist/amazon-secrets-manager/refs/heads/main/plans/"
    "amazon-secrets-manager-plans-pricing.yml",
)
EXPRESS_REQUEST = Price(
    "Step Functions, express",
    "executions",
    1.00,
    1_000_000,
    "https://www.wring.co/blog/aws-step-functions-pricing-guide",
)
STATE_TRANSITION = Price(
    "Step Functions, standard",
    "state transitions",
    25.00,
    1_000_000,
    "https://www.wring.co/blog/aws-step-functions-pricing-guide",
)
KMS_KEY = Price(
    "KMS key; one more after each of its first two rotations", "month", 1.00, 1, "https://aws.amazon.com/kms/pricing/"
)
SECRET = Price("Secrets Manager", "secret-months", 0.40, 1, SECRET_REQUEST.source)
ALARM = Price("CloudWatch alarm", "alarm-months", 0.10, 1, "https://c3x.dev/resources/aws/aws_cloudwatch_metric_alarm")
DASHBOARD = Price(
    "CloudWatch dashboard",
    "months",
    3.00,
    1,
    f"{_BLOG}/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/",
)
METRIC = Price(
    "CloudWatch, own metrics",
    "metric-months",
    0.30,
    1,
    "https://cal53.calculator.city/cloudwatch-custom-metrics-calculator/",
)
PRICES = (
    LAMBDA_SECOND, LAMBDA_REQUEST, DYNAMODB_WRITE, DYNAMODB_READ, DYNAMODB_STORAGE, S3_PUT, S3_GET, S3_STORAGE,
    SQS_REQUEST, EVENT, LOG_BYTE, KMS_REQUEST, KMS_KEY, SECRET_REQUEST, SECRET, ALARM, DASHBOARD, METRIC,
    EXPRESS_REQUEST, STATE_TRANSITION,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quota:
    """An account's default. `value` is the number that this design has to respect; `unit` says of what."""

    what: str
    value: int
    unit: str
    source: str


LAMBDA_CONCURRENCY = Quota(
    "Lambda: invocations at a time, whole account (new accounts have less)",
    1_000,
    "",
    f"{_AWS}/lambda/latest/dg/limits.html",
)
LAMBDA_RAMP = Quota(
    "Lambda: new environments of a function", 1_000, "every 10 s", f"{_AWS}/lambda/latest/dg/scaling-behavior.html"
)
SOURCE_CONCURRENCY = Quota(
    "Lambda: batches of one queue at a time",
    1_000,
    "",
    f"{_AWS}/lambda/latest/dg/services-sqs-scaling.html",
)
SOURCE_RAMP = Quota(
    "Lambda: more batches of one queue", 300, "a minute, from 5", f"{_AWS}/lambda/latest/dg/services-sqs-scaling.html"
)
SQS_IN_FLIGHT = Quota(
    "SQS: messages in flight",
    120_000,
    "",
    f"{_AWS}/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html",
)
PARTITION_WRITES = Quota(
    "DynamoDB: write units of a partition, and of any one item",
    1_000,
    "a second",
    "https://www.repost.aws/knowledge-center/on-demand-table-throttling-dynamodb",
)
PARTITION_READS = Quota(
    "DynamoDB: read units of a partition",
    3_000,
    "a second",
    "https://www.repost.aws/knowledge-center/on-demand-table-throttling-dynamodb",
)
NEW_TABLE_WRITES = Quota(
    "DynamoDB: write units of a new on-demand table; later twice the last peak",
    4_000,
    "a second",
    "https://www.repost.aws/knowledge-center/on-demand-table-throttling-dynamodb",
)
TABLE_WRITES = Quota(
    "DynamoDB: write units of a table",
    40_000,
    "a second",
    "https://docs.amazonaws.cn/en_us/amazondynamodb/latest/developerguide/Limits.html",
)
S3_WRITES = Quota(
    "S3: PUT, DELETE of a partitioned prefix",
    3_500,
    "a second",
    "https://repost.aws/es/knowledge-center/http-5xx-errors-s3",
)
S3_READS = Quota(
    "S3: GET, HEAD of a partitioned prefix",
    5_500,
    "a second",
    "https://repost.aws/es/knowledge-center/http-5xx-errors-s3",
)
PUT_EVENTS = Quota(
    "EventBridge: PutEvents (us-east-1; 2,400 and less elsewhere)",
    10_000,
    "a second",
    "https://docs.amazonaws.cn/eventbridge/latest/userguide/eb-quota.html",
)
SECRET_READS = Quota(
    "Secrets Manager: GetSecretValue",
    10_000,
    "a second",
    "https://aws.amazon.com/cn/about-aws/whats-new/2025/03/aws-secrets-manager-increases-api-requests-seconds",
)
KMS_REQUESTS = Quota("KMS: symmetric operations (least of any region)", 20_000, "a second", UNVERIFIED)
MAP_CHILDREN = Quota(
    "Step Functions: children of a distributed map at a time",
    10_000,
    "",
    "https://docs.amazonaws.cn/step-functions/latest/dg/state-map-distributed.md",
)
QUOTAS = (
    LAMBDA_CONCURRENCY, LAMBDA_RAMP, SOURCE_CONCURRENCY, SOURCE_RAMP, SQS_IN_FLIGHT, PARTITION_WRITES, PARTITION_READS,
    NEW_TABLE_WRITES, TABLE_WRITES, S3_WRITES, S3_READS, PUT_EVENTS, SECRET_READS, KMS_REQUESTS, MAP_CHILDREN,
)  # fmt: skip
