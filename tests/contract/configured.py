"""Every provider, configured so that all that its answers can carry is read: detectors, crops, faces."""

from typing import Any

from cardintake.providers import REGISTRY
from cardintake.providers.protocol import Provider

_SECRETS: dict[str, dict[str, Any]] = {
    "ctyun": {
        "base_url": "https://ctyun.example", "service_code": "service", "app_key": "key", "app_secret": "hush",
        "keep_face": True,
    },
    "waiqin365": {
        "base_url": "https://waiqin365.example", "openid": "100", "app_key": "hush",
        "options": {"card_cropping": True, "photo_detection": True},
    },
    "huaweicloud": {
        "base_url": "https://huaweicloud.example", "project_id": "p0", "access_key": "ak", "secret_key": "hush",
        "options": {
            "return_text_location": True, "return_portrait_location": True, "return_portrait_image": True,
            "return_adjusted_image": True,
        },
    },
    "ihuyi": {"base_url": "https://ihuyi.example", "account": "me", "api_key": "hush"},
    "accuauth": {
        "base_url": "https://accuauth.example", "api_id": "id", "api_secret": "hush", "options": {"detect_face": 1},
    },
}  # fmt: skip

PROVIDERS: dict[str, Provider] = {
    name: kind.configured(_SECRETS[name], allow_http=False) for name, kind in REGISTRY.items()
}
