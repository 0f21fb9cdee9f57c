"""The container engine, where there is one: `sam local` needs it, nothing else does."""

import ipaddress
import json
import shutil
import subprocess

_ANSWER_SECONDS = 10


def bridge_address() -> str | None:
    """The address under which containers reach this machine; None without a container engine that answers.

    Nothing outside this machine reaches a server that listens there.
    """
    docker = shutil.which("docker")
    if docker is None:
        return None
    command = [docker, "network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    if answer.returncode != 0:
        return None
    network = json.loads(answer.stdout)[0]
    # Older engines do not name the gateway before their second start. It is the subnet's first address.
    return str(network.get("Gateway") or next(ipaddress.ip_network(network["Subnet"]).hosts()))
