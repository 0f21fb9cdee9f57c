"""The parts of the provider secret that all providers share, and its errors, which name fields and never values."""

import re
from typing import Annotated

import httpx
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
)

from cardintake.providers.errors import ConfigurationError

_MAX_FAULTS, _MAX_NAME = 10, 60
_LABEL = rb"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rb"(%s)([.]%s)*[.]?|[0-9a-f]*:[0-9a-f:.]+" % (_LABEL, _LABEL))
_PATH = re.compile("(/(?![.]{1,2}(/|$))[A-Za-z0-9._~-]*)*")


def _base_url(value: str, info: ValidationInfo) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("must be printable ASCII")
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:  # its text quotes the URL
        raise ValueError("must be a URL with scheme and host") from None
    if url.scheme == "http" and not (info.context or {}).get("allow_http"):
        raise ValueError("must be https")
    usable = len(url.raw_host) <= 253 and _HOST.fullmatch(url.raw_host) and url.port != 0 and (url.port or 1) <= 65535
    if url.scheme not in ("http", "https") or not usable:
        raise ValueError("must be a URL with scheme and host")
    if "?" in value or "#" in value or "@" in value:
        raise ValueError("must have no query, fragment or credentials")
    path = re.sub("^[^/]*//[^/]*", "", value)  # not httpx's: it has no dots and spaces any more
    if len(path) > 1000 or not _PATH.fullmatch(path):
        raise ValueError("must have a plain path, without escapes or dots for folders")
    return value.rstrip("/")


def _header_safe(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable() and text == text.strip()):
        raise ValueError("must be printable ASCII without spaces around it")
    return value


BaseUrl = Annotated[str, AfterValidator(_base_url)]
Credential = Annotated[SecretStr, Field(min_length=1), AfterValidator(_header_safe)]


class ProviderOptions(BaseModel):
    """The provider's own request options, by documented name; one that the document does not list is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ProviderSecret(BaseModel):
    """One member of the secret; unknown members are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    base_url: BaseUrl


def validated[S: ProviderSecret](model: type[S], provider: str, secret: object, *, allow_http: bool) -> S:
    """The member as `model`; raises ConfigurationError that names the faulty fields, the first ten of them."""
    try:
        return model.model_validate(secret, context={"allow_http": allow_http})
    except ValidationError as error:
        faults = sorted(
            f"{'.'.join(_named(part) for part in fault['loc']) or 'member'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False, include_context=False)
        )
        more = [f"and {len(faults) - _MAX_FAULTS} more"] if len(faults) > _MAX_FAULTS else []
        raise ConfigurationError(provider, "secret is wrong: " + "; ".join(faults[:_MAX_FAULTS] + more)) from None


def _named(part: str | int) -> str:
    """A field's name; one that no document has, such as a whole file pasted in the wrong place, is not repeated."""
    text = str(part)
    return text if re.fullmatch(rf"[\w.-]{{1,{_MAX_NAME}}}", text, re.ASCII) else "(an unprintable or long name)"
