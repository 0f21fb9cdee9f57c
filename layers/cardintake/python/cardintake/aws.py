"""AWS clients: one session, each client made at first use and shared by all threads.

They are botocore's, which are what boto3 hands out: boto3 itself adds resources and transfers that nothing here uses,
and costs more at a cold start than three of these clients (docs/decisions/0050).
"""

import gzip
import json
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.loaders import JSONFileLoader

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_events import EventBridgeClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_sqs import SQSClient

_CONFIG = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,
    s3={"addressing_style": "path"},
    # a tenth of a call's CPU (docs/decisions/0051): AWS validates what it is sent, and our tests' clients do so before
    parameter_validation=False,
    user_agent="cardintake",
)


class _Descriptions(JSONFileLoader):
    """Reads the services' descriptions into plain dictionaries, which have kept their order since Python 3.7.

    botocore asks for OrderedDict, and so parses two megabytes of JSON in twice the time.
    """

    def load_file(self, file_path: str) -> Any:
        """The description at this path without its suffix; None where there is none."""
        for suffix, content in ((".json", Path.read_bytes), (".json.gz", _unpacked)):
            if (path := Path(file_path + suffix)).is_file():
                return json.loads(content(path))
        return None


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def _send_at_once(**request: Any) -> None:
    """Uploads without asking S3 first whether to go on: most answers are but a few kilobytes."""
    request["params"]["headers"].pop("Expect", None)


class Clients:
    """Lazily made; creating clients is not thread-safe in botocore, using them is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}

    @cached_property
    def _session(self) -> botocore.session.Session:
        session = botocore.session.get_session()
        session.get_component("data_loader").file_loader = _Descriptions()
        session.register("before-call.s3", _send_at_once)
        return session

    def _client(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                self._made[service] = self._session.create_client(service, config=_CONFIG)
            return self._made[service]

    @cached_property
    def s3(self) -> "S3Client":
        client: S3Client = self._client("s3")
        return client

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        client: DynamoDBClient = self._client("dynamodb")
        return client

    @cached_property
    def sqs(self) -> "SQSClient":
        client: SQSClient = self._client("sqs")
        return client

    @cached_property
    def events(self) -> "EventBridgeClient":
        client: EventBridgeClient = self._client("events")
        return client

    @cached_property
    def secretsmanager(self) -> "SecretsManagerClient":
        client: SecretsManagerClient = self._client("secretsmanager")
        return client


def error_code(error: Exception) -> str:
    """The code of a botocore ClientError."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
