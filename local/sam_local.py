"""What `sam local invoke` has to be told so that the built function finds a running emulator.

In a container `!Ref Table` is a logical id, not a name, and 127.0.0.1 is the container. So the deployed stack's names
and the engine's name for this machine are written down, for `--env-vars`.
"""

import json
from pathlib import Path
from urllib.parse import urlsplit

from local.stack import Stack

THIS_MACHINE = "host.docker.internal"
"""This machine's name in containers: known to every engine, on Linux by `--add-host`, which samconfig.toml has."""
_FUNCTIONS = {
    "RecognizeFunction": "recognize_function",
    "SweepFunction": "sweep_function",
    "QuotaFunction": "quota_function",
    "BackfillFunction": "backfill_function",
    "ReplayFunction": "replay_function",
}


def write_environment(stack: Stack, file: Path) -> None:
    """Writes the deployed functions' own variables, by logical id, with an endpoint that containers reach."""
    endpoint = f"http://{THIS_MACHINE}:{urlsplit(stack.endpoint_url).port}"
    variables = {}
    for logical_id, output in _FUNCTIONS.items():
        deployed = stack.client("lambda").get_function_configuration(FunctionName=getattr(stack.outputs, output))
        variables[logical_id] = {**deployed["Environment"]["Variables"], "AWS_ENDPOINT_URL": endpoint}
    file.write_text(json.dumps(variables, indent=2), encoding="utf-8")
