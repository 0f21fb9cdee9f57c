"""Fixtures: the template really deployed, once for all tests here, and the sandbox that plays the providers."""

import uuid
from collections.abc import Iterator

import pytest

from local.environment import close_environment
from local.laptop import Laptop, running_laptop
from local.sandbox_process import SandboxProcess
from local.stack import Stack
from tests.integration.pipeline import Pipeline

ROUTES = "cn/=ctyun,pe/=accuauth"


@pytest.fixture(scope="session")
def laptop() -> Iterator[Laptop]:
    close_environment()
    with running_laptop(routes=ROUTES) as running:
        yield running


@pytest.fixture(scope="session")
def stack(laptop: Laptop) -> Stack:
    return laptop.stack


@pytest.fixture(scope="session")
def sandbox(laptop: Laptop) -> SandboxProcess:
    return laptop.sandbox


@pytest.fixture
def pipeline(laptop: Laptop) -> Iterator[Pipeline]:
    """The running application, with a subscriber of this test's own."""
    name = f"subscriber-{uuid.uuid4().hex[:12]}"
    pipeline = Pipeline(laptop, laptop.stack.subscribe(name))
    yield pipeline
    pipeline.mend()
