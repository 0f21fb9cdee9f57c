"""The provider sandbox as a process of its own, with credentials made up for this one run."""

import json
import secrets
import sys
from typing import TYPE_CHECKING, Any, Self

import httpx

from local.emulator import LOOPBACK, free_port
from local.environment import REPOSITORY, closed_environment
from local.processes import GuardedProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

_START_SECONDS = 120.0
"""Loading the OCR models from a cold disk, on a busy machine."""


class SandboxProcess:
    """A starting sandbox: `wait_until_ready` before the first call. Ends with `stop`, or with a `with`.

    bridge: the address of a container bridge, to listen there instead of on 127.0.0.1: this machine and its containers
    reach it by the same address then, which stands in the `credentials`.
    """

    def __init__(self, bridge: str | None = None) -> None:
        host = bridge or LOOPBACK
        port = free_port([host])
        self.base_url = f"http://{host}:{port}"
        self.credentials: Mapping[str, Mapping[str, str]] = made_up_credentials(self.base_url)
        arguments = [f"--host={host}", f"--port={port}", "--credentials=credentials.json", "--ready-file=ready.json"]
        self._process = GuardedProcess(
            "sandbox",
            [sys.executable, "-m", "local.sandbox", *arguments],
            closed_environment() | {"PYTHONPATH": str(REPOSITORY)},
            files={"credentials.json": json.dumps(self.credentials)},
        )
        self._ready = self._process.directory / "ready.json"

    def wait_until_ready(self) -> Self:
        self._process.wait_until_ready(self._ready.is_file, _START_SECONDS)
        return self

    def calls(self) -> dict[str, Any]:
        """The ledger: what each provider was asked, and how it answered."""
        answer = httpx.get(f"{self.base_url}/_sandbox/calls", trust_env=False)
        answer.raise_for_status()
        ledger: dict[str, Any] = answer.json()
        return ledger

    def order_fault(self, provider: str, fault: str, times: int = 1, **details: int) -> None:
        """Lets the next calls of a provider go wrong in a way that `local.sandbox.faults` names."""
        order = {"provider": provider, "fault": fault, "times": times, **details}
        httpx.post(f"{self.base_url}/_sandbox/faults", json=order, trust_env=False).raise_for_status()

    def pending_faults(self) -> list[dict[str, Any]]:
        """What is still to go wrong, in the order in which it was asked for."""
        answer = httpx.get(f"{self.base_url}/_sandbox/faults", trust_env=False)
        answer.raise_for_status()
        pending: list[dict[str, Any]] = answer.json()["pending"]
        return pending

    def clear_faults(self) -> None:
        """Lets every call go well from now on."""
        httpx.delete(f"{self.base_url}/_sandbox/faults", trust_env=False).raise_for_status()

    def stop(self) -> None:
        self._process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def made_up_credentials(base_url: str) -> dict[str, dict[str, str]]:
    """The content of the providers' secret, all five with the sandbox's address: new credentials at every call."""
    members = {
        "ctyun": ("service_code", "app_key", "app_secret"),
        "waiqin365": ("openid", "app_key"),
        "huaweicloud": ("project_id", "access_key", "secret_key"),
        "ihuyi": ("account", "api_key"),
        "accuauth": ("api_id", "api_secret"),
    }
    return {
        provider: {"base_url": base_url} | {name: secrets.token_hex(16) for name in names}
        for provider, names in members.items()
    }
