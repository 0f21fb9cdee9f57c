"""How Huawei Cloud knows the caller: SDK-HMAC-SHA256 over each request, or a token that IAM hands out for a password.

The signature covers method, path, query, headers, Host and the very bytes of the body. Its canonical path ends in `/`
whatever is sent, and the secret key signs directly: no key is derived from it, unlike in AWS's Signature Version 4.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import httpx

from cardintake.providers.bodies import Body, hex_digest
from cardintake.providers.errors import ConfigurationError, RetryableError, ThrottledError, UnreadableAnswerError
from cardintake.providers.protocol import Answer, Call, Token, json_object

NAME = "huaweicloud"

_ALGORITHM = "SDK-HMAC-SHA256"
_CODE = re.compile(r"[A-Za-z]{1,20}\.\d{1,8}")
_TOKEN_LIVES = timedelta(hours=24)
_ASSUMED_LIFE = timedelta(hours=23)  # where the answer does not say: the documented 24 hours and a margin
_PROCESS_KEY = secrets.token_bytes(32)


def sign(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: Body,
    *,
    access_key: str,
    secret_key: str,
    now: datetime,
) -> dict[str, str]:
    """The headers to send: those given, all of them signed, with Host, X-Sdk-Date and Authorization."""
    target = httpx.URL(url)
    path, _, query = target.raw_path.decode("ascii").partition("?")
    timestamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    # Host as httpx would write it: without the scheme's own port
    sent = {**headers, "Host": target.netloc.decode("ascii"), "X-Sdk-Date": timestamp}
    signed = sorted((name.lower(), value.strip()) for name, value in sent.items())
    names = ";".join(name for name, _ in signed)
    canonical = "\n".join(
        (
            method.upper(),
            _canonical_path(path),
            _canonical_query(query),
            *(f"{name}:{value}" for name, value in signed),
            "",
            names,
            hex_digest(hashlib.sha256(), body),
        )
    )
    to_sign = "\n".join((_ALGORITHM, timestamp, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(secret_key.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    sent["Authorization"] = f"{_ALGORITHM} Access={access_key}, SignedHeaders={names}, Signature={signature}"
    return sent


def _canonical_path(path: str) -> str:
    canonical = quote(unquote(path))
    return canonical if canonical.endswith("/") else canonical + "/"


def _canonical_query(query: str) -> str:
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)


class IamTokens:
    """Tokens of an IAM user, scoped to a project: POST {iam_url}/v3/auth/tokens, method `password`."""

    def __init__(self, *, iam_url: str, domain: str, username: str, password: str, project: str) -> None:
        user = {"name": username, "password": password, "domain": {"name": domain}}
        identity = {"methods": ["password"], "password": {"user": user}}
        document = {"auth": {"identity": identity, "scope": {"project": {"name": project}}}}
        self._call = Call(
            f"{iam_url}/v3/auth/tokens?nocatalog=true",
            {"Content-Type": "application/json;charset=utf8"},
            json.dumps(document).encode(),
        )

    @property
    def key(self) -> str:
        """A digest of place, user, project and password, keyed for this process: nobody can try passwords on it."""
        asked = self._call.url.encode() + b"\n" + self._call.content
        return hmac.new(_PROCESS_KEY, asked, hashlib.sha256).hexdigest()

    def call(self) -> Call:
        """The request for a token; it holds the password."""
        return self._call

    def token(self, answer: Answer) -> Token:
        """The token in header X-Subject-Token and its `expires_at`; one that cannot be right is not believed.

        Raises ConfigurationError (4xx: user, password, domain, project, path), ThrottledError, RetryableError.
        """
        status = answer.status
        document = _document(answer)
        if status == 429:
            raise ThrottledError(NAME, "IAM HTTP 429")
        if status >= 500 or status == 408:
            raise RetryableError(NAME, _described(document, status), request_id=answer.request_id)
        if status >= 400:
            raise ConfigurationError(
                NAME,
                f"{_described(document, status)} (check iam_url, domain, username, password, project)",
                request_id=answer.request_id,
            )
        value = answer.headers.get("x-subject-token", "")
        if not (value and value.isascii() and value.isprintable()):
            raise ConfigurationError(NAME, "iam_url: answer without X-Subject-Token", request_id=answer.request_id)
        return Token(value, _expiry(document, answer.answered_at))


def _document(answer: Answer) -> Mapping[str, Any]:
    """The body, or nothing: the HTTP status and the header decide."""
    try:
        return json_object(NAME, answer)
    except UnreadableAnswerError:
        return {}


def _described(document: Mapping[str, Any], status: int) -> str:
    """IAM answers `{"error": {"code", "message", "title"}}`, the gateway before it `{"error_code", "error_msg"}`."""
    code = document.get("error_code")
    return f"IAM HTTP {status}" + (f" {code}" if isinstance(code, str) and _CODE.fullmatch(code) else "")


def _expiry(document: Mapping[str, Any], answered_at: datetime) -> datetime:
    token = document.get("token")
    written = token.get("expires_at") if isinstance(token, dict) else None
    try:
        expires_at = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        expires_at = None
    # either clock may be off: a token that "has expired" as it arrives would be fetched anew for every call
    if expires_at is None or expires_at.tzinfo is None or not answered_at < expires_at <= answered_at + _TOKEN_LIVES:
        return answered_at + _ASSUMED_LIFE
    return expires_at
