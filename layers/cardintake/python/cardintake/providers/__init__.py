"""The providers: one module each, a protocol, typed errors, and one client that owns the HTTP."""

from cardintake.providers.accuauth import AccuAuth
from cardintake.providers.ctyun import CTYun
from cardintake.providers.protocol import Provider

REGISTRY: dict[str, type[Provider]] = {provider.name: provider for provider in (CTYun, AccuAuth)}
