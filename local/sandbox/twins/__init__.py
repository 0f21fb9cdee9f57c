"""The twins: one module a provider, each playing it as its document describes it. To add one, add its class to `TWINS`.

A request goes to the first twin that owns its path, so that narrow owners stand before wide ones: ihuyi's two paths
below `/ocr` before AccuAuth, which owns the rest of it.
"""

from local.sandbox.twins.accuauth import AccuAuthTwin
from local.sandbox.twins.ctyun import CtyunTwin
from local.sandbox.twins.huaweicloud import HuaweiCloudTwin
from local.sandbox.twins.ihuyi import IhuyiTwin
from local.sandbox.twins.protocol import Answer, Call, Clock, CredentialsError, Twin, TwinMaker
from local.sandbox.twins.waiqin365 import Waiqin365Twin

__all__ = [
    "TWINS",
    "AccuAuthTwin",
    "Answer",
    "Call",
    "Clock",
    "CredentialsError",
    "CtyunTwin",
    "HuaweiCloudTwin",
    "IhuyiTwin",
    "Twin",
    "TwinMaker",
    "Waiqin365Twin",
]

TWINS: tuple[TwinMaker, ...] = (CtyunTwin, Waiqin365Twin, HuaweiCloudTwin, IhuyiTwin, AccuAuthTwin)
