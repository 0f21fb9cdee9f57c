"""The whole system on one machine: the sandbox that plays the providers, and the template deployed to an emulator."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from local.sandbox_process import SandboxProcess
from local.stack import Progress, Stack, running_stack

PROVIDERS = ("ctyun", "accuauth")
"""One for each country."""


@dataclass(frozen=True)
class Laptop:
    """Everything that runs."""

    stack: Stack
    sandbox: SandboxProcess


@contextmanager
def running_laptop(
    *,
    providers: Sequence[str] = PROVIDERS,
    routes: str = "",
    parameters: Mapping[str, str] | None = None,
    bridge: str | None = None,
    preferred_port: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Laptop]:
    """Starts everything, ready for the first upload, and ends it with the `with`. Arguments as for `running_stack`."""
    # The sandbox loads its models while the application is built and deployed.
    with (
        SandboxProcess(bridge) as sandbox,
        running_stack(
            credentials=sandbox.credentials,
            providers=providers,
            routes=routes,
            parameters=parameters,
            bridge=bridge,
            preferred_port=preferred_port,
            progress=progress,
        ) as stack,
    ):
        sandbox.wait_until_ready()
        yield Laptop(stack, sandbox)
