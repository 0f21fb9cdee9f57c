"""The template, as written and as it comes out on AWS, in a VPC, and on the emulator."""

import json
import subprocess
from typing import Any

import pytest

from tests.unit.template.cloudformation import REPOSITORY, Deployment, Template, load

_TRANSFORM = """
import json, sys
from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform
json.dump(transform(json.load(sys.stdin), {}, ManagedPolicyLoader(None)), sys.stdout)
"""


@pytest.fixture(scope="session")
def template() -> Template:
    return load()


@pytest.fixture(scope="session")
def on_aws(template: Template) -> Deployment:
    return Deployment(template)


@pytest.fixture(scope="session")
def in_vpc(template: Template) -> Deployment:
    return Deployment(template, {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"})


@pytest.fixture(scope="session")
def on_emulator(template: Template) -> Deployment:
    return Deployment(template, {"AwsEndpointUrl": "http://127.0.0.1:4566"})


@pytest.fixture(scope="session")
def transformed(template: Template) -> Template:
    """What SAM's own transform makes of the template: plain CloudFormation."""
    python = REPOSITORY / ".venvs" / "sam" / "bin" / "python"
    source = json.dumps(template)
    for layer in ("dependencies", "cardintake"):  # packaged code has an address
        source = source.replace(json.dumps(f"layers/{layer}"), json.dumps(f"s3://artifacts/{layer}.zip"))
    for function in ("recognize", "sweep", "quota", "backfill", "replay"):
        source = source.replace(json.dumps(f"functions/{function}"), json.dumps(f"s3://artifacts/{function}.zip"))
    for machine in ("backfill", "replay"):
        uploaded = {"Bucket": "artifacts", "Key": f"{machine}.asl.json"}
        source = source.replace(json.dumps(f"statemachines/{machine}.asl.json"), json.dumps(uploaded))
    done = subprocess.run(
        [python, "-c", _TRANSFORM],
        input=source,
        capture_output=True,
        text=True,
        check=False,
        env={"AWS_DEFAULT_REGION": "eu-west-1"},
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result
