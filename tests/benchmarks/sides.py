"""The two sides of every ratio: our built function and the reference handler, on the same packages.

Both run under the Python of `.venvs/bench`. Ours is imported from the built layers and function, as Lambda has them;
the reference from its source, compiled beforehand. `calls` is no side, but what lies below: a clean scan's calls alone,
from the built layers. All find boto3 where the Lambda runtime has it: outside of layers.
"""

import compileall
from pathlib import Path
from typing import Literal

from local import building
from local.environment import REPOSITORY, VENVS, bare_environment

type Side = Literal["ours", "reference", "calls"]

SIDES: tuple[Side, ...] = ("ours", "reference")
PYTHON = VENVS / "bench" / "bin" / "python"
_HERE = REPOSITORY / "tests" / "benchmarks"
REFERENCE = _HERE / "reference"
_CALLS = _HERE / "calls"
_DEPENDENCIES = {"x86_64": "DependenciesX86Layer", "arm64": "DependenciesArm64Layer"}
# What both handlers are told by their environment. The secret is the application's own (its member `ctyun`).
VARIABLES = {
    "CARDS_TABLE": "cards", "ANSWERS_BUCKET": "answers", "IDEMPOTENCY_TABLE": "idempotency", "EVENT_BUS": "bus",
    "PROVIDERS": "ctyun", "PROVIDERS_SECRET": "providers", "RETENTION_DAYS": "30",
}  # fmt: skip


def search_path(side: Side) -> list[Path]:
    """Where `import app` finds the side's handler, and that its packages."""
    if side == "reference":
        compileall.compile_dir(REFERENCE, quiet=1)
        return [REFERENCE]
    build = building.build()
    dependencies = _DEPENDENCIES[building.machine_architecture()]
    function = build / "RecognizeFunction" if side == "ours" else _CALLS
    return [function, build / "CardintakeLayer" / "python", build / dependencies / "python"]


def environment(side: Side, endpoint_url: str | None = None, **variables: str) -> dict[str, str]:
    """What a process of that side is started with: `[PYTHON, ...]`, then `from app import handler`."""
    path = search_path(side)
    return bare_environment(
        {
            "PYTHONPATH": ":".join(map(str, path)),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            # as on Lambda: without it the reference's tracer is switched off
            "LAMBDA_TASK_ROOT": str(path[0]),
            "AWS_LAMBDA_FUNCTION_NAME": "recognize",
            **({"AWS_ENDPOINT_URL": endpoint_url} if endpoint_url else {}),
            **VARIABLES,
            **variables,
        }
    )
