"""The closed environment of everything that runs on the laptop: no real account can be reached, whatever is set up."""

import os
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
VENVS = REPOSITORY / ".venvs"
BUILD = REPOSITORY / "build"
REGION = "eu-west-1"

# The emulator enforces IAM for everybody but these, its root user.
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
_CLOSED = {
    **_CREDENTIALS,
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "SAM_CLI_TELEMETRY": "0",
}
# Before it connects to these, no client asks a proxy.
_LOCAL_HOSTS = ("127.0.0.1", "localhost", "host.docker.internal")


def closed_environment(endpoint_url: str | None = None) -> dict[str, str]:
    """This process's environment without anything of AWS, with dummy credentials, for the emulator if one is given.

    What people set up for their package managers, their container engine and their PATH stays.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_CLI_"))}
    hosts = [host for host in kept.get("no_proxy", kept.get("NO_PROXY", "")).split(",") if host]
    no_proxy = ",".join(dict.fromkeys([*hosts, *_LOCAL_HOSTS]))
    kept |= _CLOSED | {"NO_PROXY": no_proxy, "no_proxy": no_proxy}
    if endpoint_url is not None:
        kept["AWS_ENDPOINT_URL"] = endpoint_url
    return kept


def closed_variables(endpoint_url: str) -> dict[str, str]:
    """What closes an environment, and leads to the emulator."""
    return {**_CLOSED, "AWS_ENDPOINT_URL": endpoint_url}


def close_environment() -> None:
    """Makes this very process's environment a closed one. To be called before the first AWS client is made."""
    closed = closed_environment()
    for name in os.environ.keys() - closed.keys():
        del os.environ[name]
    os.environ.update(closed)


def bare_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """An environment from nothing, for the emulator: its functions inherit it, and must see what Lambda shows."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", **_CLOSED, **variables}
