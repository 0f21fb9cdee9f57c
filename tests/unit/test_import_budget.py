"""What a cold start imports: a change that adds a costly import to a function's start fails here, not on the bill.

Each function's handler is imported by a fresh process that has what Lambda has: the standard library, the layers'
packages and the SDK. Anything else that is installed here is hidden from it, because libraries import more where they
find more. Counted are modules, since a clock would say something else each time; `make bench` has the instructions.
"""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "cardintake" / "python"
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))

# Modules that each package may bring to a start. Measured, and a few more; docs/decisions/0050 has what they cost.
BUDGET = {
    "PIL": 31, "annotated_types": 1, "anyio": 2, "aws_lambda_powertools": 42, "botocore": 78, "cardintake": 60,
    "certifi": 2, "dateutil": 11, "h11": 11, "httpcore": 26, "httpx": 22, "idna": 5, "jmespath": 8, "pydantic": 44,
    "pydantic_core": 3, "six": 3, "typing_extensions": 1, "typing_inspection": 3, "urllib3": 29,
}  # fmt: skip
# In the runtime, and 190 million instructions more than the part of it that is used.
SDK = {"boto3", "s3transfer"}
# Of the standard library, what costs most and is not needed; each would come with something that looks harmless.
NEEDLESS = {
    "asyncio", "ctypes", "doctest", "email.mime", "http.server", "multiprocessing", "pdb", "pydoc", "sqlite3",
    "unittest", "xmlrpc",
}  # fmt: skip
# Of ours, what `recognize` leaves to other functions, and to consumers.
ELSEWHERE = {"backfilling", "events", "orphans", "record_model", "replaying", "sweeping"}

_START = """
import importlib.abc, json, sys
sys.path[:0] = sys.argv[1:3]
known = set(sys.argv[3].split()) | sys.stdlib_module_names | {"app"}
class Elsewhere(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if path is None and name not in known and not name.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(name, name=name)
before = set(sys.modules)
sys.meta_path.insert(0, Elsewhere())
import app
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@cache
def imported_by(function: str) -> list[str]:
    """Names of the modules that importing this function's handler adds to a bare interpreter."""
    hidden_but = " ".join(BUDGET.keys() | SDK | {"dateutil", "jmespath"})
    command = [sys.executable, "-I", "-c", _START, str(LAYER), str(ROOT / "functions" / function), hidden_but]
    done = subprocess.run(command, capture_output=True, text=True, env={}, check=False)
    assert done.returncode == 0, done.stderr
    names: list[str] = json.loads(done.stdout)
    return names


def third_party(names: list[str]) -> dict[str, list[str]]:
    by_package: dict[str, list[str]] = {}
    for name in names:
        package = name.partition(".")[0]
        if package not in sys.stdlib_module_names | {"app"} and not package.startswith("_"):
            by_package.setdefault(package, []).append(name)
    return by_package


@pytest.mark.thorough
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_start_imports_no_more_than_was_agreed(function: str) -> None:
    for package, names in third_party(imported_by(function)).items():
        assert len(names) <= BUDGET.get(package, 0), f"{package}: {len(names)} modules: {', '.join(names)}"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_start_imports_nothing_heavy_and_needless(function: str) -> None:
    assert NEEDLESS.isdisjoint(imported_by(function))


def test_recognizing_does_not_wait_for_what_other_functions_do() -> None:
    assert {f"cardintake.{name}" for name in ELSEWHERE}.isdisjoint(imported_by("recognize"))


def test_the_budget_has_no_room_for_a_utility_more() -> None:
    """Every package's budget is near what is used: within three modules, or a tenth."""
    used = third_party(imported_by("recognize"))
    assert used.keys() == BUDGET.keys()
    for package, names in used.items():
        assert BUDGET[package] - len(names) <= max(3, len(names) // 10), package


def test_every_package_of_the_budget_is_deployed() -> None:
    locked = (ROOT / "layers" / "dependencies" / "requirements.txt").read_text(encoding="utf-8")
    runtime = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    names = {name.replace("-", "_") for name in re.findall(r"^([a-z0-9-]+)==", locked + runtime, re.MULTILINE)}
    modules = {"PIL": "pillow", "dateutil": "python_dateutil"}
    assert {modules.get(package, package) for package in BUDGET} - names == {"cardintake"}


# A snapshot is taken after the import, and started many times: what was made then would be the same in all of them.
_SNAPSHOT = """
import functools, importlib, os, random, socket, ssl, sys, threading, time, uuid
sys.path.insert(0, sys.argv[1])
ours = []
def made(what, function):
    @functools.wraps(function)
    def called(*args, **kwargs):
        frame = sys._getframe(1)
        while frame is not None and frame.f_globals.get("__name__") != "importlib._bootstrap":
            if frame.f_globals.get("__name__", "").split(".")[0] in ("app", "cardintake"):
                ours.append(f"{what} in {frame.f_globals['__name__']}")
            frame = frame.f_back
        return function(*args, **kwargs)
    return called
for module, names in {
    os: ("urandom",), uuid: ("uuid1", "uuid4"), random: ("random", "randbytes", "randrange", "getrandbits"),
    time: ("time", "time_ns", "monotonic", "perf_counter"), socket: ("create_connection", "getaddrinfo"),
    ssl: ("create_default_context",),
}.items():
    for name in names:
        setattr(module, name, made(name, getattr(module, name)))
threading.Thread.start = made("Thread.start", threading.Thread.start)
socket.socket.__init__ = made("socket", socket.socket.__init__)
exec(sys.argv[2])
print(ours)
"""


_EVERY_FUNCTION = """
for folder in sys.argv[3:]:
    sys.path.insert(0, folder)
    import app
    assert sys.modules.pop("app").__file__.startswith(folder), app
    del sys.path[0]
"""


def made_by(statements: str) -> str:
    folders = [str(ROOT / "functions" / function) for function in FUNCTIONS]
    command = [sys.executable, "-I", "-c", _SNAPSHOT, str(LAYER), statements, *folders]
    done = subprocess.run(command, capture_output=True, text=True, env={}, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nothing_unique_timed_or_connected_is_made_at_import() -> None:
    assert made_by(_EVERY_FUNCTION) == "[]"


def test_what_would_be_the_same_in_every_start_is_seen() -> None:
    used = "from cardintake.providers.client import ProviderClient; ProviderClient()"
    assert "create_default_context in cardintake.providers.roots" in made_by(used)
