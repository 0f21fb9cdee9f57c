"""AWS clients: one session, each client made at first use and shared by all threads."""

import threading
from functools import cached_property
from typing import TYPE_CHECKING

from boto3.session import Session
from botocore.config import Config

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
)


class Clients:
    """Lazily made; creating clients is not thread-safe in boto3, using them is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @cached_property
    def _session(self) -> Session:
        return Session()

    @cached_property
    def s3(self) -> "S3Client":
        with self._lock:
            return self._session.client("s3", config=_CONFIG)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        with self._lock:
            return self._session.client("dynamodb", config=_CONFIG)

    @cached_property
    def sqs(self) -> "SQSClient":
        with self._lock:
            return self._session.client("sqs", config=_CONFIG)

    @cached_property
    def events(self) -> "EventBridgeClient":
        with self._lock:
            return self._session.client("events", config=_CONFIG)

    @cached_property
    def secretsmanager(self) -> "SecretsManagerClient":
        with self._lock:
            return self._session.client("secretsmanager", config=_CONFIG)


def error_code(error: Exception) -> str:
    """The code of a botocore ClientError."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
