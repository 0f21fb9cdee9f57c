"""The real template, deployed to an emulator of its own: what the demo and the tests run on."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from local.building import build, machine_architecture, run_sam
from local.emulator import Emulator, aws_client
from local.environment import REGION
from local.functions_runtime import rewrite_for_emulator

STACK_NAME = "cardintake"
_ARTIFACTS_BUCKET = "cardintake-artifacts"

type Progress = Callable[[str, float], None]
"""Is told what was done and how many seconds it took."""


@dataclass(frozen=True)
class Outputs:
    """The outputs of the deployed template."""

    scans_bucket: str
    answers_bucket: str
    cards_table: str
    event_bus: str
    queue_url: str
    dead_letter_queue_url: str
    providers_secret: str
    lookup_secret: str
    recognize_function: str
    sweep_function: str
    quota_function: str
    backfill_function: str
    replay_function: str
    backfill_machine: str
    replay_machine: str


_OUTPUT_KEYS = {
    "scans_bucket": "ScansBucketName",
    "answers_bucket": "AnswersBucketName",
    "cards_table": "CardsTableName",
    "event_bus": "EventBusName",
    "queue_url": "QueueUrl",
    "dead_letter_queue_url": "DeadLetterQueueUrl",
    "providers_secret": "ProvidersSecretArn",
    "lookup_secret": "LookupSecretArn",
    "recognize_function": "RecognizeFunctionName",
    "sweep_function": "SweepFunctionName",
    "quota_function": "QuotaFunctionName",
    "backfill_function": "BackfillFunctionName",
    "replay_function": "ReplayFunctionName",
    "backfill_machine": "BackfillMachineArn",
    "replay_machine": "ReplayMachineArn",
}


@dataclass(frozen=True)
class Stack:
    """The deployed application, and the emulator's address."""

    endpoint_url: str
    outputs: Outputs
    logs: Path
    """The folder of the functions' logs."""

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator's root user; one for each service."""
        return _client(self.endpoint_url, service)

    def put_credentials(self, credentials: Mapping[str, object]) -> None:
        """Stores the providers' secret."""
        self.client("secretsmanager").put_secret_value(
            SecretId=self.outputs.providers_secret, SecretString=json.dumps(credentials)
        )

    def subscribe(self, name: str) -> str:
        """Lets every event of the bus arrive in a queue of its own, as a downstream application would; its URL."""
        sqs, events = self.client("sqs"), self.client("events")
        url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        bus = self.outputs.event_bus
        events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": ["cardintake"]}))
        events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
        return url

    def function_log(self, function_name: str) -> list[str]:
        """Every line that a function has logged so far, oldest first."""
        log = self.logs / f"{function_name}.log"
        return log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []


@cache
def _client(endpoint_url: str, service: str) -> Any:
    return aws_client(endpoint_url, service)


@contextmanager
def running_stack(
    *,
    credentials: Mapping[str, object],
    providers: Sequence[str],
    routes: str = "",
    parameters: Mapping[str, str] | None = None,
    bridge: str | None = None,
    preferred_port: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Stack]:
    """Builds the application, starts an emulator, deploys the template with its parameters, stores the secret.

    credentials: content of the providers' secret. parameters: further ones of the template. bridge: address of a
    container bridge, to be reached from containers as well. All of it is gone when the `with` ends, and when this
    process dies. Raises ProcessFailedError with the tool's own words.
    """
    step = _Steps(progress)
    built = build()
    step("built")
    with Emulator(bridge, preferred_port) as emulator:
        step("emulator started")
        logs = emulator.directory / "logs"
        logs.mkdir()
        template = rewrite_for_emulator(built, emulator.directory / "application", logs)
        _deploy(
            emulator.endpoint_url,
            str(template),
            {
                "AwsEndpointUrl": emulator.endpoint_url,
                "Architecture": machine_architecture(),
                "Providers": ",".join(providers),
                "Routes": routes,
                **(parameters or {}),
            },
        )
        stack = Stack(emulator.endpoint_url, _outputs(emulator.endpoint_url), logs)
        stack.put_credentials(credentials)
        step("template deployed")
        yield stack


class _Steps:
    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._since = time.monotonic()

    def __call__(self, what: str) -> None:
        now = time.monotonic()
        if self._progress is not None:
            self._progress(what, now - self._since)
        self._since = now


def _deploy(endpoint_url: str, template: str, parameters: Mapping[str, str]) -> None:
    aws_client(endpoint_url, "s3").create_bucket(
        Bucket=_ARTIFACTS_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    run_sam(
        "deploy",
        "deploy",
        *("--template-file", template),
        *("--stack-name", STACK_NAME),
        *("--s3-bucket", _ARTIFACTS_BUCKET),
        *("--capabilities", "CAPABILITY_IAM"),
        "--no-confirm-changeset",
        "--no-progressbar",
        "--parameter-overrides",
        *(f'{name}="{value}"' for name, value in parameters.items() if value),
        endpoint_url=endpoint_url,
    )


def _outputs(endpoint_url: str) -> Outputs:
    described = aws_client(endpoint_url, "cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    values = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    return Outputs(**{field: values[key] for field, key in _OUTPUT_KEYS.items()})
