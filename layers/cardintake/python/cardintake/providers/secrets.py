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


def _base_url(value: str, info: ValidationInfo) -> str:
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:  # its text quotes the URL
        raise ValueError("must be a URL with scheme and host") from None
    if url.scheme == "http" and not (info.context or {}).get("allow_http"):
        raise ValueError("must be https")
    host = re.fullmatch(rb"[a-z0-9.:-]+", url.raw_host)
    if url.scheme not in ("http", "https") or not host or (url.port or 0) > 65535:
        raise ValueError("must be a URL with scheme and host")
    if "?" in value or "#" in value or url.userinfo:
        raise ValueError("must have no query, fragment or credentials")
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
    """The member as `model`; raises ConfigurationError that names every faulty field."""
    try:
        return model.model_validate(secret, context={"allow_http": allow_http})
    except ValidationError as error:
        faults = sorted(
            f"{'.'.join(str(part) for part in fault['loc']) or 'member'}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise ConfigurationError(provider, "secret is wrong: " + "; ".join(faults)) from None
