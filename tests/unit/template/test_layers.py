"""The layers' makefiles: compiled, reproducible, for either processor, and plain about what they lack."""

import marshal
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.unit.template.cloudformation import REPOSITORY

_LAYERS = REPOSITORY / "layers"


def make(layer: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-C", str(_LAYERS / layer), *arguments],  # noqa: S607 - the one that sam build finds
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHON": sys.executable} | variables,
    )


def build(target: Path) -> dict[str, bytes]:
    done = make("cardintake", "build-CardintakeLayer", ARTIFACTS_DIR=str(target))
    assert done.returncode == 0, done.stderr
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def test_our_layer_is_compiled_the_same_everywhere(tmp_path: Path) -> None:
    first, second = build(tmp_path / "here"), build(tmp_path / "some where else")
    assert first == second
    sources = {name for name in first if name.endswith(".py")}
    compiled = {name: content for name, content in first.items() if name.endswith(".pyc")}
    assert "python/cardintake/intake.py" in sources
    assert len(compiled) == len(sources)
    for name, content in compiled.items():
        # PEP 552: flag 1 says that the next eight bytes are the source's hash, flag 2 that they have to be checked
        assert int.from_bytes(content[4:8], "little") == 1, name
        assert marshal.loads(content[16:]).co_filename.startswith("/opt/python/cardintake/")  # noqa: S302 - just made


@pytest.mark.parametrize(
    ("layer", "machine"), [("DependenciesArm64Layer", "aarch64"), ("DependenciesX86Layer", "x86_64")]
)
def test_the_dependencies_are_wheels_with_hashes_for_the_processor(layer: str, machine: str) -> None:
    done = make("dependencies", "--dry-run", f"build-{layer}", ARTIFACTS_DIR="/nowhere")
    assert done.returncode == 0, done.stderr
    install = next(line for line in done.stdout.replace("\\\n", " ").splitlines() if "pip install" in line).split()
    assert {"--require-hashes", "--only-binary=:all:", "requirements.txt"} <= set(install)
    assert install[install.index("--python-version") + 1] == "3.13"
    assert install[install.index("--implementation") + 1] == "cp"
    platforms = {value for option, value in pairwise(install) if option == "--platform"}
    assert {platform.removesuffix(f"_{machine}") for platform in platforms} >= {"manylinux2014", "manylinux_2_28"}
    for platform in platforms - {f"manylinux2014_{machine}"}:
        _, major, minor, *_ = platform.split("_")
        assert (int(major), int(minor)) <= (2, 34), "Amazon Linux 2023 has glibc 2.34"


def test_every_requirement_is_pinned_with_hashes() -> None:
    lines = (
        (_LAYERS / "dependencies" / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    )
    requirements = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(requirements) >= 5
    for line in requirements:
        assert "==" in line.split()[0]
        assert "--hash=sha256:" in line
    names = {line.partition("==")[0] for line in requirements}
    assert not names & {"boto3", "botocore"}, "they come with the runtime"


@pytest.mark.parametrize(
    ("layer", "target"), [("dependencies", "DependenciesX86Layer"), ("cardintake", "CardintakeLayer")]
)
def test_a_missing_python_is_said(layer: str, target: str, tmp_path: Path) -> None:
    done = make(layer, f"build-{target}", PYTHON="/nowhere/python3.13", ARTIFACTS_DIR=str(tmp_path / "layer"))
    assert done.returncode != 0
    assert "needs Python 3.13" in done.stderr
    assert "/nowhere/python3.13" in done.stderr
    assert not (tmp_path / "layer").exists()
