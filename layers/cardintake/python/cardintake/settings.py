"""The environment of a function as one validated model.

Raises `SettingsError`, whose sentence names the variable and what is wrong; values are named only where they are no
secret (provider names).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cardintake import thresholds

DEFAULT_CASE_ID = r"(?=.*[0-9])[A-Za-z0-9_-]{1,64}"


class SettingsError(Exception):
    """The function's environment is wrong: an operator has to mend it."""


def _names(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _routes(value: object) -> object:
    """`prefix=name|name,...`, longest prefix first."""
    if not isinstance(value, str):
        return value
    routes = []
    for entry in filter(None, (part.strip() for part in value.split(","))):
        prefix, equals, names = entry.rpartition("=")
        chosen = [name.strip() for name in names.split("|") if name.strip()]
        if not equals or not chosen:
            raise ValueError("write prefix=name|name,prefix=name")
        routes.append((prefix.strip(), tuple(chosen)))
    return sorted(routes, key=lambda route: len(route[0]), reverse=True)


def _thresholds(value: object) -> object:
    return thresholds.parsed(value) if isinstance(value, str) else value


class Settings(BaseModel):
    """What DESIGN calls the environment contract. Times in the unit of their names."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="ignore")

    cards_table: str
    answers_bucket: str
    event_bus: str
    providers: Annotated[tuple[str, ...], BeforeValidator(_names), Field(min_length=1)]
    providers_secret: str
    retention_days: Annotated[int, Field(ge=1)]
    lookup_secret: str | None = None
    routes: Annotated[tuple[tuple[str, tuple[str, ...]], ...], BeforeValidator(_routes)] = ()
    announce: Literal["flagged", "all"] = "flagged"
    announce_cases: bool = False
    thresholds: Annotated[Mapping[str, float], BeforeValidator(_thresholds), Field(default_factory=thresholds.parsed)]
    lease_seconds: Annotated[int, Field(ge=1)] = 60
    max_attempts: Annotated[int, Field(ge=1)] = 5
    max_wait_hours: Annotated[float, Field(gt=0)] = 72
    balance_threshold: Annotated[int, Field(ge=0)] = 500
    daily_call_cap: Annotated[int, Field(ge=1)] | None = None
    queue_url: str | None = None
    case_id_pattern: re.Pattern[str] = re.compile(DEFAULT_CASE_ID)
    aws_endpoint_url: str | None = None

    @property
    def providers_in_use(self) -> tuple[str, ...]:
        """Each provider once, in the order in which PROVIDERS and ROUTES name them."""
        routed = (name for _, names in self.routes for name in names)
        return tuple(dict.fromkeys((*self.providers, *routed)))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], known_providers: Iterable[str]) -> Self:
        """Reads the variables; an empty one counts as not set. Raises SettingsError."""
        try:
            settings = cls.model_validate({k.lower(): v for k, v in environment.items() if v.strip()})
        except ValidationError as error:
            faults = [
                f"{str(fault['loc'][0]).upper()}: {fault['msg']}"
                for fault in error.errors(include_input=False, include_url=False, include_context=False)
            ]
            raise SettingsError("The function's environment is wrong: " + "; ".join(sorted(faults))) from None
        known = sorted(known_providers)
        named = [("PROVIDERS", name) for name in settings.providers]
        named += [("ROUTES", name) for _, names in settings.routes for name in names]
        for variable, name in named:
            if name not in known:
                raise SettingsError(f"{variable} names the unknown provider {name!r}; known are: {', '.join(known)}")
        return settings
