"""How Huawei Cloud tells who calls: signatures made with an access key, and tokens of its IAM.

From Huawei's API signing guide: SDK-HMAC-SHA256 over the request as it arrived, the 15 minutes that a clock may be off,
the key that is locked for five minutes after five failures in a row. From IAM's reference: the form of a token request
with a password and of its answer, the 24 hours.

The documents are silent on the following; these are the sandbox's own choices:

* The codes of signatures are spelled `APIGW` as in that guide, those of tokens `APIG` as in the gateway's own. Every
  failed check of a known key counts, the clock's too; a failure of an unknown key locks nothing. A right signature
  begins the count anew.
* `X-Sdk-Content-Sha256` is `UNSIGNED-PAYLOAD` or the body's true hash. A security token that the key does not have is
  as wrong as a missing one, and it has to be signed.
* A token is sealed, not stored: the tokens of an earlier run of the sandbox cannot be decrypted. One that was asked for
  without a project's scope is issued, and opens nothing.
* IAM knows one user, whose password never locks. An unknown project, domain or user is answered like a wrong password.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from pydantic import Field

from local.sandbox.ledger import Outcome
from local.sandbox.twins.protocol import Answer, Call, Clock, Credentials

AUTHORIZATION = re.compile(r"SDK-HMAC-SHA256 Access=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{64})")
ALWAYS_SIGNED = frozenset({"host", "x-sdk-date"})
SIGNED_DATE = "%Y%m%dT%H%M%SZ"
SIGNED_DATE_FORM = re.compile(r"[0-9]{8}T[0-9]{6}Z")
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
CLOCK_TOLERANCE_SECONDS = 15 * 60
FAILURES_BEFORE_LOCK = 5
LOCK_SECONDS = 5 * 60
TOKEN_SECONDS = 24 * 60 * 60
SEAL_BYTES = hashlib.sha256().digest_size

IAM_PROBLEM = "Incorrect IAM authentication information: "
WRONG_SIGNATURE = ("APIGW.0301", IAM_PROBLEM + "verify aksk signature fail")
UNKNOWN_KEY = ("APIGW.0301", IAM_PROBLEM + "Get secretKey failed,ak:******,err:ak not exist")
LOCKED_KEY = ("APIGW.0301", IAM_PROBLEM + "AK access failed to reach the limit,forbidden.")
SIGNATURE_EXPIRED = ("APIGW.0303", "Incorrect app authentication information: signature expired")
NO_TOKEN = ("APIG.0301", IAM_PROBLEM + "x-auth-token not found")
BROKEN_TOKEN = ("APIG.0301", IAM_PROBLEM + "decrypt token fail")
TOKEN_EXPIRED = ("APIG.0307", "The token must be updated.")


class AccessKey(Credentials):
    """A permanent access key, or a temporary one with its security token."""

    access_key: str = Field(repr=False)
    secret_key: str = Field(repr=False)
    security_token: str | None = Field(default=None, repr=False)


class IamUser(Credentials):
    """Who may have tokens, and for which project."""

    domain: str = Field(repr=False)
    username: str = Field(repr=False)
    password: str = Field(repr=False)
    project: str


class UnauthorizedError(Exception):
    """The gateway does not know the caller; HTTP 401. The message is the gateway's own, without a secret in it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SignatureGate:
    """Checks signatures, and locks the key of who fails too often. Safe between threads."""

    def __init__(self, key: AccessKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._guard = threading.Lock()
        self._failures = 0
        self._locked_until = 0.0

    def check(self, call: Call) -> None:
        """UnauthorizedError unless `call` is signed with the key."""
        found = AUTHORIZATION.fullmatch(call.headers.get("Authorization", ""))
        if not found:
            raise UnauthorizedError(*WRONG_SIGNATURE)
        if not _same(found[1], self._key.access_key):
            raise UnauthorizedError(*UNKNOWN_KEY)
        with self._guard:
            if self._clock() < self._locked_until:
                raise UnauthorizedError(*LOCKED_KEY)
        problem = self._problem(call, sorted(found[2].lower().split(";")), found[3])
        with self._guard:
            self._failures = self._failures + 1 if problem else 0
            if self._failures >= FAILURES_BEFORE_LOCK:
                self._failures, self._locked_until = 0, self._clock() + LOCK_SECONDS
        if problem:
            raise UnauthorizedError(*problem)

    def _problem(self, call: Call, signed: list[str], signature: str) -> tuple[str, str] | None:
        if not ALWAYS_SIGNED.issubset(signed) or any(name not in call.headers for name in signed):
            return WRONG_SIGNATURE
        date = call.headers["x-sdk-date"].strip()
        if not SIGNED_DATE_FORM.fullmatch(date):
            return SIGNATURE_EXPIRED
        try:
            signed_at = datetime.strptime(date, SIGNED_DATE).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return SIGNATURE_EXPIRED
        if abs(signed_at - self._clock()) > CLOCK_TOLERANCE_SECONDS:
            return SIGNATURE_EXPIRED
        if not _same(call.headers.get("X-Security-Token", ""), self._key.security_token or ""):
            return WRONG_SIGNATURE
        if self._key.security_token and "x-security-token" not in signed:
            return WRONG_SIGNATURE
        payload_hash = _payload_hash(call)
        if payload_hash is None:
            return WRONG_SIGNATURE
        canonical = hashlib.sha256(_canonical_request(call, signed, payload_hash)).hexdigest()
        text = f"SDK-HMAC-SHA256\n{date}\n{canonical}"
        right = hmac.new(self._key.secret_key.encode(), text.encode(), hashlib.sha256).hexdigest()
        return None if _same(signature, right) else WRONG_SIGNATURE


def _payload_hash(call: Call) -> str | None:
    """What stands for the body in the canonical request; None when the client's own word for it is untrue."""
    true = hashlib.sha256(call.body).hexdigest()
    declared = call.headers.get("X-Sdk-Content-Sha256", "").strip()
    if not call.body or not declared:
        return true
    return declared if declared in {true, UNSIGNED_PAYLOAD} else None


def _canonical_request(call: Call, signed: list[str], payload_hash: str) -> bytes:
    path = "/".join(quote(part, safe="~") for part in unquote(call.path).split("/"))
    pairs = sorted(
        (unquote(name), unquote(value))
        for name, _, value in (pair.partition("=") for pair in call.query.split("&") if pair)
    )
    lines = [
        call.method.upper(),
        path if path.endswith("/") else path + "/",
        "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs),
        # not every white space: in Latin-1 some of it is part of a character in UTF-8
        *(f"{name}:{call.headers[name].strip(' \t')}" for name in signed),
        "",
        ";".join(signed),
        payload_hash,
    ]
    # the bytes as they came: servers read headers as Latin-1
    return "\n".join(lines).encode("latin-1")


class TokenOffice:
    """IAM: issues tokens for a password, and tells what a token is worth."""

    def __init__(self, user: IamUser, project_id: str, clock: Clock) -> None:
        self._user = user
        self._project_id = project_id
        self._clock = clock
        self._seal = secrets.token_bytes(SEAL_BYTES)

    def issue(self, call: Call) -> Answer:
        """The answer to a token request: 201 and the header `X-Subject-Token`, or IAM's form of an error."""
        try:
            auth = json.loads(call.body)["auth"]
        except (ValueError, RecursionError, LookupError, TypeError):
            return _iam_error(400, "Bad Request", "Request parameter 'auth' is invalid.", Outcome.MALFORMED)
        user = _at(auth, "identity", "password", "user")
        given = _at(user, "domain", "name"), _at(user, "name"), _at(user, "password")
        if _at(auth, "identity", "methods") != ["password"] or not all(isinstance(text, str) for text in given):
            return _iam_error(400, "Bad Request", "Request parameter 'identity' is invalid.", Outcome.MALFORMED)
        right = (self._user.domain, self._user.username, self._user.password)
        scope = _at(auth, "scope", "project")
        asked = {name: _at(scope, name) for name in ("id", "name") if _at(scope, name) is not None}
        project = {"id": self._project_id, "name": self._user.project}
        if given != right or not asked.items() <= project.items():
            return _iam_error(401, "Unauthorized", "The username or password is wrong.", Outcome.CREDENTIALS)
        return self._issued(scoped=bool(asked), catalog="nocatalog=true" not in call.query.split("&"))

    def is_for_project(self, token: str) -> bool:
        """Whether `token` has the project's scope. UnauthorizedError for one that is broken or expired."""
        try:
            sealed = base64.b64decode(token, validate=True)
        except ValueError:
            raise UnauthorizedError(*BROKEN_TOKEN) from None
        seal, claims = sealed[:SEAL_BYTES], sealed[SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._sealing(claims)):
            raise UnauthorizedError(*BROKEN_TOKEN)
        said = json.loads(claims)
        if self._clock() >= said["expires"]:
            raise UnauthorizedError("APIG.0301", f"{IAM_PROBLEM}token expires, expires_at: {_iso(said['expires'])}")
        return bool(said["scoped"])

    def _issued(self, *, scoped: bool, catalog: bool) -> Answer:
        now = self._clock()
        expires = now + TOKEN_SECONDS
        claims = json.dumps({"scoped": scoped, "expires": expires, "nonce": secrets.token_hex(16)}).encode()
        domain = {"name": self._user.domain, "id": _stable_id(self._user.domain)}
        token: dict[str, Any] = {
            "expires_at": _iso(expires),
            "issued_at": _iso(now),
            "methods": ["password"],
            "roles": [{"id": "0", "name": "te_admin"}],
            "user": {
                "domain": domain,
                "id": _stable_id(self._user.username),
                "name": self._user.username,
                "password_expires_at": "",
            },
        }
        token |= {"project": {"domain": domain, "id": self._project_id, "name": self._user.project}} if scoped else {}
        token |= {"catalog": [{"name": "ocr", "type": "ocr", "endpoints": []}]} if catalog else {}
        headers = {
            "X-Subject-Token": base64.b64encode(self._sealing(claims) + claims).decode(),
            "X-Request-Id": uuid.uuid4().hex,
        }
        return Answer(201, {"token": token}, outcome=None, headers=headers)

    def _sealing(self, claims: bytes) -> bytes:
        return hmac.new(self._seal, claims, hashlib.sha256).digest()


def _at(document: object, *path: str) -> object:
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def _iam_error(status: int, title: str, message: str, outcome: Outcome) -> Answer:
    content = {"error": {"code": status, "message": message, "title": title}}
    return Answer(status, content, outcome, headers={"X-Request-Id": uuid.uuid4().hex})


def _stable_id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
