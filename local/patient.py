"""The stack that `make doctor` examines, and what a finding is."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Self

import httpx

from cardintake.providers import REGISTRY
from cardintake.providers.protocol import Provider
from cardintake.settings import Settings

type Verdict = Literal["ok", "warning", "wrong", "unknown"]

FUNCTIONS = ("recognize", "sweep", "quota", "backfill", "replay")
_SECONDS = 10.0
# A provider's signature is dated by the function's clock. Huawei refuses beyond 15 minutes, the others do not say.
_SKEW_NOTICED, _SKEW_REFUSED = 30.0, 300.0


@dataclass(frozen=True, slots=True)
class Finding:
    """`verdict`: wrong has to be mended, warning should be looked at, unknown could not be checked."""

    area: str
    verdict: Verdict
    said: str
    mend: str | None = None


@dataclass(slots=True)
class Patient:
    """One deployed stack.

    `ahead`: seconds that this machine's clock is ahead of AWS's, None when AWS did not say. `clock`: epoch seconds of
    this machine. `http`: how providers are reached.
    """

    name: str
    client: Callable[[str], Any]
    outputs: Mapping[str, str]
    status: str
    ahead: float | None
    clock: Callable[[], float]
    http: httpx.Client
    resources: Mapping[str, str]
    configurations: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    configured: dict[str, Provider] = field(default_factory=dict)

    @classmethod
    def examined(
        cls,
        name: str,
        client: Callable[[str], Any],
        clock: Callable[[], float] = time.time,
        transport: httpx.BaseTransport | None = None,
    ) -> Self:
        """Looks the stack up. Raises RuntimeError when it is none of this template, ClientError."""
        cloudformation = client("cloudformation")
        answer = cloudformation.describe_stacks(StackName=name)
        asked_at = clock()
        stack = answer["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}
        for output in ("RecognizeFunctionName", "ProvidersSecretArn", "ScansBucketName", "AlarmTopicArn"):
            if output not in outputs:
                raise RuntimeError(f"The stack {name} has no output {output}: it is none of this template.")
        listed = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        resources = {
            one["LogicalResourceId"]: one.get("PhysicalResourceId", "")
            for page in listed
            for one in page["StackResourceSummaries"]
        }
        http = httpx.Client(
            transport=transport, trust_env=False, follow_redirects=False, timeout=httpx.Timeout(_SECONDS)
        )
        said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        # what this machine's clock is to AWS's, in seconds, as far as a header that counts whole ones tells
        ahead = None if said is None else asked_at - parsedate_to_datetime(said).timestamp()
        return cls(name, client, outputs, stack["StackStatus"], ahead, clock, http, resources)

    def configuration(self, function: str) -> Mapping[str, Any]:
        """The function's configuration, asked for once."""
        if function not in self.configurations:
            name = self.outputs[f"{function.title()}FunctionName"]
            self.configurations[function] = self.client("lambda").get_function_configuration(FunctionName=name)
        return self.configurations[function]

    def settings(self) -> Settings:
        """What recognize was told. Raises SettingsError."""
        return Settings.from_environment(self.configuration("recognize")["Environment"]["Variables"], REGISTRY)


def judged_skew(seconds: float, mend: str) -> tuple[Verdict, str | None]:
    """What clocks that are so far apart come to; `mend` when it is something."""
    if abs(seconds) >= _SKEW_REFUSED:
        return "wrong", mend
    return ("warning", mend) if abs(seconds) >= _SKEW_NOTICED else ("ok", None)
