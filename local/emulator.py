"""The local AWS: ministack, with IAM enforced, on a port of this machine only."""

import http.client
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

from local.environment import REGION, VENVS, bare_environment
from local.processes import GuardedProcess

LOOPBACK = "127.0.0.1"
DOCUMENTED_PORT = 4566
"""Where `make up` puts the emulator when the port is free."""
_START_SECONDS = 60.0
_LOG_LEVEL = "WARNING"
_PORT_TRIES = 20


class Emulator:
    """A running emulator. Ends with `stop`, at the end of a `with`, and with the process that started it.

    bridge: the address of a container bridge, to listen there as well as on 127.0.0.1, for `sam local`.
    preferred_port: taken when it is free; else, and without it, any free port.
    """

    def __init__(self, bridge: str | None = None, preferred_port: int | None = None) -> None:
        hosts = [LOOPBACK, bridge] if bridge else [LOOPBACK]
        self.port = free_port(hosts, preferred_port)
        self.endpoint_url = f"http://{LOOPBACK}:{self.port}"
        # What `python -m ministack` does, which listens on one address only.
        command = [str(VENVS / "emulator" / "bin" / "python"), "-m", "hypercorn", "ministack.app:app"]
        command += ["--keep-alive", "75", "--graceful-timeout", "0", "--workers", "0", "--log-level", _LOG_LEVEL]
        command += [option for host in hosts for option in ("--bind", f"{host}:{self.port}")]
        self._process = GuardedProcess("emulator", command, bare_environment(self._variables()))
        try:
            self._process.wait_until_ready(self._is_ready, _START_SECONDS)
        except BaseException:
            self._process.stop()
            raise

    def _variables(self) -> dict[str, str]:
        return {
            "AUTH": "true",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "LOG_LEVEL": _LOG_LEVEL,
            # It would look for a container engine and open ports of its own.
            "DOCKER_HOST": "unix:///nonexistent.sock",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
        }

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/_ministack/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    @property
    def directory(self) -> Path:
        """A private folder that is removed with the emulator."""
        return self._process.directory

    def output(self) -> str:
        """The emulator's own log."""
        return self._process.output()

    def stop(self) -> None:
        self._process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def aws_client(endpoint_url: str, service: str) -> Any:
    """A boto3 client of the emulator's root user."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the emulator's documented root user
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2, "mode": "standard"}),
    )


def free_port(hosts: Sequence[str], preferred: int | None = None) -> int:
    """The preferred port when it is free on all those addresses, else one that is."""
    for port in (preferred or 0, *[0] * _PORT_TRIES):
        with ExitStack() as listeners:
            try:
                for host in hosts:
                    listener = listeners.enter_context(socket.socket())
                    # As servers do: a port whose last connections are still winding down is free.
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listener.bind((host, port))
                    port = int(listener.getsockname()[1])  # noqa: PLW2901 - the others have to get the same one
            except OSError:
                continue
            return port
    raise RuntimeError(f"No port can be opened on {', '.join(hosts)}")
