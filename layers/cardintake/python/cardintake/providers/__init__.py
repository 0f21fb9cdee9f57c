"""The providers: one module each, a protocol, typed errors, and one client that owns the HTTP."""

from cardintake.providers.accuauth import AccuAuth
from cardintake.providers.ctyun import CTYun
from cardintake.providers.huaweicloud import HuaweiCloud
from cardintake.providers.ihuyi import Ihuyi
from cardintake.providers.protocol import Provider
from cardintake.providers.waiqin365 import Waiqin365

REGISTRY: dict[str, type[Provider]] = {
    provider.name: provider for provider in (CTYun, Waiqin365, HuaweiCloud, Ihuyi, AccuAuth)
}
