"""Makes the built template run on the emulator under Lambda's own runtime client.

The emulator would run a python3.13 function inside its own Python, with its own packages, and report every error under
one name. It also runs `provided.al2023` functions, by starting their `bootstrap` against a Lambda Runtime API. So in a
copy of the build every function becomes one of those, and its bootstrap starts the runtime client of `.venvs/runtime`
with the search path that AWS documents: the task, then the layers. State machines get their concurrency as a number,
because the emulator does not look at a path and would start 64 functions at once. Nothing else is touched.
"""

import json
import platform
import shlex
import shutil
from pathlib import Path
from typing import Any

import yaml

from local.building import machine_architecture
from local.environment import VENVS

PYTHON_RUNTIME = "python3.13"
_FUNCTION = "AWS::Serverless::Function"
_LAYER = "AWS::Serverless::LayerVersion"
_STATE_MACHINE = "AWS::StepFunctions::StateMachine"
_MAP_CONCURRENCY = 4


def rewrite_for_emulator(build: Path, target: Path, logs: Path) -> Path:
    """Copies the built application to `target`, rewritten, and returns the path of its template.

    logs: the folder in which each function's log grows, `NAME.log`. The emulator's own CloudWatch Logs get a line only
    some time after it was written, or never.
    """
    if platform.system() != "Linux":
        raise RuntimeError("The layers hold Linux packages: the emulator needs Linux (or WSL, or a Linux machine).")
    template: dict[str, Any] = yaml.safe_load((build / "template.yaml").read_text(encoding="utf-8"))
    resources: dict[str, Any] = template["Resources"]
    defaults: dict[str, Any] = template.get("Globals", {}).get("Function", {})

    # An architecture that this machine does not have is not importable here.
    layers = _layers_in_order(template, resources)
    search_path = []
    for name in layers:
        shutil.copytree(build / resources[name]["Properties"]["ContentUri"], target / name)
        search_path.append(target / name / "python")
    for name in [name for name, resource in resources.items() if resource["Type"] == _LAYER]:
        del resources[name]

    defaults.pop("Layers", None)
    defaults.pop("Runtime", None)
    for name, resource in resources.items():
        if resource["Type"] == _STATE_MACHINE:
            definition = build / resource["Properties"]["DefinitionS3Location"]
            (target / definition.name).write_text(_with_literal_concurrency(definition.read_text(encoding="utf-8")))
            resource["Properties"]["DefinitionS3Location"] = definition.name
        if resource["Type"] != _FUNCTION:
            continue
        properties = resource["Properties"]
        properties.pop("Layers", None)
        properties["Runtime"] = "provided.al2023"
        shutil.copytree(build / properties["CodeUri"], target / name)
        properties["CodeUri"] = name
        log_format = properties.get("LoggingConfig", {}).get("LogFormat", "Text")
        bootstrap = target / name / "bootstrap"
        bootstrap.write_text(_bootstrap(search_path, log_format, logs), encoding="utf-8")
        bootstrap.chmod(0o755)

    path = target / "template.yaml"
    path.write_text(yaml.safe_dump(template, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def _with_literal_concurrency(definition: str) -> str:
    document: dict[str, Any] = json.loads(definition)
    for state in document["States"].values():
        if state.pop("MaxConcurrencyPath", None) is not None:
            state["MaxConcurrency"] = _MAP_CONCURRENCY
    return json.dumps(document)


def _layers_in_order(template: dict[str, Any], resources: dict[str, Any]) -> list[str]:
    """Logical ids of the layers that functions get on this machine; the one that wins on AWS (the last) first."""
    fits = machine_architecture()
    listed = template["Globals"]["Function"]["Layers"]
    names = [name for entry in listed for name in _referenced(entry)]
    return [name for name in reversed(names) if fits in resources[name]["Properties"]["CompatibleArchitectures"]]


def _referenced(value: Any) -> list[str]:
    if isinstance(value, dict):
        if "Ref" in value:
            return [value["Ref"]]
        return [name for inner in value.values() for name in _referenced(inner)]
    if isinstance(value, list):
        return [name for inner in value for name in _referenced(inner)]
    return []


def _bootstrap(search_path: list[Path], log_format: str, logs: Path) -> str:
    python = VENVS / "runtime" / "bin" / "python"
    layers = "".join(f":{path}" for path in search_path)
    return (
        "#!/bin/sh\n"
        f"export AWS_EXECUTION_ENV=AWS_Lambda_{PYTHON_RUNTIME} AWS_LAMBDA_LOG_FORMAT={log_format}\n"
        f'export PYTHONPATH="$LAMBDA_TASK_ROOT"{shlex.quote(layers)}\n'
        f'exec {shlex.quote(str(python))} -m awslambdaric "$_HANDLER" '
        f'>>{shlex.quote(str(logs))}/"$AWS_LAMBDA_FUNCTION_NAME".log 2>&1\n'
    )
