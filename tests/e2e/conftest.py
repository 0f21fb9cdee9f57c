"""Fixtures: a container engine, and the laptop where containers reach it."""

import os
from collections.abc import Iterator

import pytest

from local.containers import bridge_address
from local.environment import close_environment
from local.laptop import Laptop, running_laptop

NO_ENGINE = "NOT TESTED: `sam local invoke` needs a container engine, and no docker answers here"


@pytest.fixture(scope="session")
def bridge() -> str:
    """The address under which containers reach this machine."""
    address = bridge_address()
    if address is None:
        if os.environ.get("CI") == "true":
            pytest.fail(NO_ENGINE)
        pytest.skip(NO_ENGINE)
    return address


@pytest.fixture(scope="session")
def laptop(bridge: str) -> Iterator[Laptop]:
    """Everything deployed, but the deployed function asleep: what is read here, the function in the container reads."""
    close_environment()
    with running_laptop(bridge=bridge) as running:
        functions = running.stack.client("lambda")
        name = running.stack.outputs.recognize_function
        for mapping in functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        yield running
