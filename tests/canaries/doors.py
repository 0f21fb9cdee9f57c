"""The functions as Lambda runs them: through their own handlers, what they answer and what they raise written down."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.canaries.sinks import Sinks
from tests.unit.world import World

_FOLDER = Path(__file__).parents[2] / "functions"
FUNCTIONS = sorted(path.parent.name for path in _FOLDER.glob("*/app.py"))


class _Context:
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


def _loaded(function: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"functions_{function}", _FOLDER / function / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_MODULES = {function: _loaded(function) for function in FUNCTIONS}


def invoke(world: World, sinks: Sinks, event: object, function: str = "recognize", seconds: float = 60) -> Any:
    """The function's answer as JSON; None when it raised, which the runtime prints."""
    module: Any = _MODULES[function]
    module.application = lambda: world.process
    world.log.clear()
    try:
        answer = json.loads(json.dumps(module.handler(event, _Context(seconds))))
    except Exception as error:  # noqa: BLE001 - as the runtime does
        sinks.exception(f"error of {function}", error)
        return None
    sinks.say(f"output of {function}", answer)
    return answer
