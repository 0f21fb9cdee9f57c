"""The shape of the package: imports point one way, and what runs on AWS needs nothing that is only for the laptop."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from cardintake.providers import REGISTRY

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "cardintake" / "python"
PACKAGE = LAYER / "cardintake"

# the story and its wiring; everything below them is a step
STORY = {"intake", "worklist", "sweeping", "balances", "backfilling", "replaying", "bootstrap", "doors"}
# which other steps a step may know, beside `cards`, `reasons`, `limits` and what is in the same folder
VOCABULARY = {
    "scans": set(), "settings": {"thresholds"}, "budget": set(), "telemetry": set(), "reasons": set(), "limits": set(),
    "reason_texts": set(), "events": {"record_model"}, "record_model": {"reason_texts"},  # for consumers
    "aws": set(), "items": {"aws"}, "image_structure": set(), "images": {"image_structure"},
    "announcements": {"telemetry"},
    "routing": {"providers", "settings"}, "findings": set(), "signals": {"findings", "providers"},
    "card_checks": {"findings"}, "thresholds": {"signals"},
    "assessment": {"card_checks", "findings", "images", "providers", "signals", "thresholds"},
    "cropping": {"images", "providers"}, "cases": {"assessment", "findings", "items", "settings"},
    "uploads": {"aws", "images", "providers", "scans"}, "secret_store": {"aws", "providers", "telemetry"},
    "records": {"announcements", "aws", "items", "scans", "settings"},
    "journal": {"aws", "items", "providers", "records", "settings"},
    "provider_states": {"announcements", "items", "providers", "settings"},
    "recognition": {
        "budget", "images", "journal", "provider_states", "providers", "records", "secret_store", "spending",
        "telemetry",
    },
    "spending": {"items", "providers", "settings", "telemetry"},
    "orphans": {"budget", "items", "scans", "settings", "telemetry"},
    "providers": {"budget", "images"}, "cards": set(),
}  # fmt: skip
EVERYBODYS = {"cards", "reasons", "limits"}


def modules_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imported_by(path: Path) -> set[str]:
    """Every module that a file imports, in full; names imported from a package count as its modules."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def parts_known_to(path: Path) -> set[str]:
    """The modules and folders right below `cardintake` that a file imports."""
    ours = {name.split(".")[1] for name in imported_by(path) if name.startswith("cardintake.")}
    return ours & ({child.stem for child in PACKAGE.iterdir()} - {"__init__"})


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules_below(PACKAGE), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    part, known = part_of(path), parts_known_to(path)
    if part == "cards":
        assert known <= {"cards"}
    elif part in STORY:
        assert not known & ({"bootstrap"} if part != "bootstrap" else set())
    elif part != "__init__":
        assert not known & STORY, "a step knows the story that it is a step of"
        assert known <= VOCABULARY[part] | EVERYBODYS | {part}


def test_every_part_has_its_place() -> None:
    found = {part_of(path) for path in modules_below(PACKAGE)} - {"__init__"}
    assert found == STORY | VOCABULARY.keys()


def test_no_import_goes_round_in_a_circle() -> None:
    paths = {
        ".".join(path.relative_to(LAYER).with_suffix("").parts).removesuffix(".__init__"): path
        for path in modules_below(PACKAGE)
    }

    def module_of(name: str) -> str:
        """The module that `name` is, or is defined in."""
        while name not in paths and "." in name:
            name = name.rpartition(".")[0]
        return name

    needs = {
        module: {module_of(name) for name in imported_by(path)} & paths.keys() - {module}
        for module, path in paths.items()
    }
    finished: set[str] = set()
    while ready := {module for module in paths if module not in finished and needs[module] <= finished}:
        finished |= ready
    assert paths.keys() - finished == set()


@pytest.mark.parametrize(
    "path", modules_below(PACKAGE) + modules_below(ROOT / "functions"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_what_runs_on_aws_knows_nothing_of_the_laptop(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported_by(path)} & {"local", "tests", "moto", "pytest"}


@pytest.mark.parametrize("path", modules_below(ROOT / "functions"), ids=lambda path: path.parent.name)
def test_a_function_is_one_file_that_knows_the_story_and_its_vocabulary(path: Path) -> None:
    assert path.name == "app.py"
    assert parts_known_to(path) <= STORY | {"scans", "limits", "telemetry", "budget"}
    ours = {name.split(".")[0] for name in imported_by(path)}
    assert ours <= {"cardintake", *sys.stdlib_module_names}, "third-party packages are the layer's business"


def test_a_provider_knows_no_other_provider_and_does_no_io() -> None:
    shared = {"protocol", "errors", "secrets", "crops", "chinese_id", "bodies"}
    with_io = {"client", "tokens", "transport", "roots", "__init__"}
    providers = {path.stem for path in (PACKAGE / "providers").glob("*.py")} - shared - with_io
    assert providers >= REGISTRY.keys()
    for name in providers | shared:
        imported = imported_by(PACKAGE / "providers" / f"{name}.py")
        own = name.partition("_")[0]  # what has grown too large for one file lies beside it: NAME_signing.py
        others = {f"cardintake.providers.{other}" for other in providers if other.partition("_")[0] != own}
        assert not {i for i in imported if any(i == other or i.startswith(f"{other}.") for other in others)}, name
        io = {"boto3", "botocore", "socket", "urllib.request", "requests", "os", "time"}
        assert not {i for i in imported if i in io or i.split(".")[0] in io}, name
        assert not any(i.startswith("cardintake.providers.client") for i in imported), name


def test_only_bootstrap_and_the_clients_read_the_process_environment() -> None:
    readers = {path.stem for path in modules_below(PACKAGE) if {"os", "os.environ"} & imported_by(path)}
    # the metrics' namespace is wanted before there is an application, as Powertools' own settings are
    assert readers == {"bootstrap", "telemetry"}


@pytest.mark.thorough
def test_importing_a_function_connects_to_nothing_and_needs_no_environment() -> None:
    code = (
        "import socket, sys; sys.path[:0] = sys.argv[1:];"
        "socket.socket.connect = socket.getaddrinfo = None;"
        "import app, cardintake.bootstrap as b; assert b.application.cache_info().currsize == 0;"
        "assert not {'moto', 'pytest', 'local', 'tests'} & set(sys.modules)"
    )
    for function in (ROOT / "functions").iterdir():
        subprocess.run([sys.executable, "-I", "-c", code, str(LAYER), str(function)], check=True, env={})
