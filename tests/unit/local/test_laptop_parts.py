"""The closed environment, the sandbox's credentials, and the rewrite of a built template for the emulator."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cardintake.providers import REGISTRY
from local import building, environment
from local.building import machine_architecture
from local.functions_runtime import rewrite_for_emulator
from local.sandbox.reader import Reader
from local.sandbox.readings import ReadingDesk
from local.sandbox.twins import TWINS
from local.sandbox_process import made_up_credentials

MINE, OTHER = machine_architecture(), {"x86_64": "arm64", "arm64": "x86_64"}[machine_architecture()]


def layer(name: str, *architectures: str) -> dict[str, Any]:
    properties = {"ContentUri": name, "CompatibleArchitectures": list(architectures)}
    return {"Type": "AWS::Serverless::LayerVersion", "Properties": properties}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What `sam build` leaves: a template, a function and three layers, one of them for another processor."""
    function = {"CodeUri": "Function", "Handler": "app.handler", "LoggingConfig": {"LogFormat": "JSON"}}
    layers = [{"Fn::If": ["IsArm64", {"Ref": "Arm64Layer"}, {"Ref": "X86Layer"}]}, {"Ref": "OurLayer"}]
    template = {
        "Globals": {"Function": {"Runtime": "python3.13", "Layers": layers, "Timeout": 50}},
        "Resources": {
            "Function": {"Type": "AWS::Serverless::Function", "Properties": function},
            "Arm64Layer": layer("Arm64Layer", "arm64"),
            "X86Layer": layer("X86Layer", "x86_64"),
            "OurLayer": layer("OurLayer", "arm64", "x86_64"),
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 300}},
        },
    }
    folder = tmp_path / "built"
    for name in ("Function", "Arm64Layer/python", "X86Layer/python", "OurLayer/python"):
        (folder / name).mkdir(parents=True)
    (folder / "Function" / "app.py").write_text("def handler(event, context): ...\n")
    (folder / "template.yaml").write_text(yaml.safe_dump(template))
    return folder


def test_functions_run_under_their_own_runtime_and_the_rest_stays(built: Path, tmp_path: Path) -> None:
    before = (built / "template.yaml").read_text()
    template = yaml.safe_load(rewrite_for_emulator(built, tmp_path / "rewritten", tmp_path).read_text())
    assert template["Resources"].keys() == {"Function", "Queue"}
    function = template["Resources"]["Function"]["Properties"]
    assert (function["Runtime"], function["Handler"]) == ("provided.al2023", "app.handler")
    assert template["Globals"]["Function"] == {"Timeout": 50}
    assert template["Resources"]["Queue"] == yaml.safe_load(before)["Resources"]["Queue"]
    assert (tmp_path / "rewritten" / "Function" / "app.py").is_file()
    assert (built / "template.yaml").read_text() == before, "sam local still works from there"
    assert not (built / "Function" / "bootstrap").exists()


def test_the_search_path_is_the_task_and_then_the_last_layer_first(built: Path, tmp_path: Path) -> None:
    rewrite_for_emulator(built, tmp_path / "rewritten", tmp_path)
    bootstrap = tmp_path / "rewritten" / "Function" / "bootstrap"
    assert os.access(bootstrap, os.X_OK)
    said = bootstrap.read_text().replace("exec ", "echo $PYTHONPATH $AWS_LAMBDA_LOG_FORMAT; exit; ")
    done = subprocess.run(
        ["/bin/sh", "-c", said], env={"LAMBDA_TASK_ROOT": "/var/task"}, capture_output=True, text=True, check=True
    )
    mine = {"x86_64": "X86Layer", "arm64": "Arm64Layer"}[MINE]
    layers = [str(tmp_path / "rewritten" / name / "python") for name in ("OurLayer", mine)]
    assert done.stdout.split() == [":".join(["/var/task", *layers]), "JSON"]


def test_the_credentials_of_a_run_configure_every_provider_and_open_every_twin() -> None:
    made_up = made_up_credentials("http://127.0.0.1:1")
    assert made_up.keys() == REGISTRY.keys() == {maker.name for maker in TWINS}
    for name, provider in REGISTRY.items():
        assert provider.configured(made_up[name], allow_http=True).tokens is None, "keys, which need no further service"
    desk = ReadingDesk(Reader())
    for maker in TWINS:
        assert maker.open(made_up[maker.name], desk, lambda: 0.0).name == maker.name
    again = made_up_credentials("http://127.0.0.1:1")
    secrets = [value for member in (*made_up.values(), *again.values()) for value in member.values()]
    assert len(set(secrets) - {"http://127.0.0.1:1"}) == len(secrets) - 2 * len(made_up), "each is made up for itself"


def test_no_real_account_is_reached_from_a_closed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "SAM_CLI_POLL_DELAY"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREALLYMINE")
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example")
    monkeypatch.setenv("no_proxy", "intranet.example")
    closed = environment.closed_environment("http://127.0.0.1:1")
    assert not [
        value for name, value in closed.items() if name.startswith(("AWS_", "SAM_")) and "mine" in value.lower()
    ]
    assert (closed["AWS_CONFIG_FILE"], closed["AWS_SHARED_CREDENTIALS_FILE"]) == (os.devnull, os.devnull)
    assert closed["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert closed["PIP_INDEX_URL"] == "https://packages.example", "package managers are the user's own affair"
    assert closed["NO_PROXY"].split(",")[:2] == ["intranet.example", "127.0.0.1"]


def test_the_build_is_done_again_only_for_what_goes_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "REPOSITORY", tmp_path)
    function = tmp_path / "functions" / "recognize"
    function.mkdir(parents=True)
    (function / "app.py").write_text("one")
    first = building._inputs_digest()
    (function / "app.pyc").write_text("compiled")
    (tmp_path / "README.md").write_text("words")
    assert building._inputs_digest() == first
    (function / "app.py").write_text("two")
    assert building._inputs_digest() != first
