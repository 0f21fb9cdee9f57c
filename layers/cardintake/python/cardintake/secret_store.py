"""The provider secret: read at first use, kept for minutes, read again when a provider says that it is wrong."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cardintake import limits, telemetry
from cardintake.aws import error_code
from cardintake.providers.errors import ConfigurationError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

# anything else is AWS's own trouble, which passes
_OPERATORS_TROUBLE = frozenset(
    {"ResourceNotFoundException", "AccessDeniedException", "DecryptionFailure", "InvalidRequestException"}
)


@dataclass(frozen=True, slots=True)
class SecretContent:
    """The secret's members by provider. `version` changes with every new content; `fault` says what is wrong."""

    version: str
    members: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fault: str | None = None

    def member(self, provider: str) -> object:
        """The provider's member. Raises ConfigurationError, which names the field."""
        if self.fault is not None:
            raise ConfigurationError(provider, self.fault)
        if provider not in self.members:
            raise ConfigurationError(provider, f"secret has no member {provider!r}")
        return self.members[provider]


class LookupKey:
    """The key of the hashes by which numbers and pictures are looked up: the whole string of a generated secret."""

    def __init__(self, secretsmanager: "SecretsManagerClient", secret_id: str) -> None:
        self._secretsmanager = secretsmanager
        self._secret_id = secret_id
        self._lock = threading.Lock()
        self._key: bytes | None = None

    def __call__(self) -> bytes | None:
        """The key, read once: with another one, everything that was looked up before is forgotten.

        None, and a line in the log, when the secret is missing, empty, or may not be read: cards are read all the same.
        """
        with self._lock:
            if self._key is None:
                try:
                    answer = self._secretsmanager.get_secret_value(SecretId=self._secret_id)
                except ClientError as error:
                    if error_code(error) not in _OPERATORS_TROUBLE:
                        raise
                    return self._without(f"cannot be read ({error_code(error)})")
                if not (text := answer.get("SecretString")):
                    return self._without("is empty")
                self._key = text.encode("utf-8", "surrogatepass")
            return self._key

    @staticmethod
    def _without(fault: str) -> None:
        telemetry.provider_error("LOOKUP_SECRET", "configuration", fault, record_id=None, request_id=None)


class SecretStore:
    """Caches the content for all threads."""

    def __init__(
        self, secretsmanager: "SecretsManagerClient", secret_id: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._secretsmanager = secretsmanager
        self._secret_id = secret_id
        self._clock = clock
        self._lock = threading.Lock()
        self._content: SecretContent | None = None
        self._read_at = 0.0

    def content(self, max_age: float = limits.SECRET_SECONDS) -> SecretContent:
        """The content, at most `max_age` seconds old."""
        with self._lock:
            if self._content is None or self._clock() - self._read_at > max_age:
                self._content = self._read()
                self._read_at = self._clock()
            return self._content

    def _read(self) -> SecretContent:
        try:
            answer = self._secretsmanager.get_secret_value(SecretId=self._secret_id)
        except ClientError as error:
            if error_code(error) not in _OPERATORS_TROUBLE:
                raise
            return SecretContent("none", fault=f"PROVIDERS_SECRET cannot be read ({error_code(error)})")
        version = answer["VersionId"]
        try:
            members = json.loads(answer.get("SecretString", ""))
        except (ValueError, RecursionError):
            return SecretContent(version, fault="PROVIDERS_SECRET is not JSON")
        if not isinstance(members, dict):
            return SecretContent(version, fault="PROVIDERS_SECRET is not a JSON object")
        return SecretContent(version, members)
