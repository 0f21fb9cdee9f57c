"""Which providers may read a scan, in order of preference."""

from collections.abc import Mapping

from cardintake.providers.protocol import Claim, Provider
from cardintake.settings import Settings


def candidates(
    key: str, claim: Claim, settings: Settings, registry: Mapping[str, type[Provider]]
) -> tuple[type[Provider], ...]:
    """The providers that ROUTES names for the key's prefix (longest wins), else PROVIDERS, of these:

    those that read the claimed document type; without a claim, the first one and those after it of the same country.
    Empty when none reads the claimed type.
    """
    names = next((names for prefix, names in settings.routes if key.startswith(prefix)), settings.providers)
    preferred = tuple(registry[name] for name in dict.fromkeys(names))
    if claim.document_type is not None:
        return tuple(provider for provider in preferred if claim.document_type in provider.reads)
    return tuple(provider for provider in preferred if provider.country == preferred[0].country)
