"""The parts of the provider secret that all providers share, and its errors, which name fields and never values."""

from typing import Annotated
from urllib.parse import urlsplit

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
    parts = urlsplit(value)
    if parts.scheme == "http" and not (info.context or {}).get("allow_http"):
        raise ValueError("must be https")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL with scheme and host")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("must have no query, fragment or credentials")
    return value.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_base_url)]
Credential = Annotated[SecretStr, Field(min_length=1)]


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
