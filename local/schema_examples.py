"""The examples in schemas/: records of every status, every card and event. Their people are invented, and look it."""

from typing import Any

_CREATED = "2026-01-15T08:30:00.123Z"
_ANSWERED = "2026-01-15T08:30:01.456Z"
_UPDATED = "2026-01-15T08:30:01.789Z"
_EXPIRES = 1_771_057_801
_SEQUENCER = "0055AED6DCD90281E5".ljust(64, "0")
_SHA256 = "3f0a5c1e9b7d2468ace013579bdf02468ace13579bdf0246813579bdf0246813"
_PORTRAIT_SCAN = "scan_7c1e0f3a9b2d4c5e8f60718293a4b5c6"
_EMBLEM_SCAN = "scan_1d2c3b4a59687766554433221100ffee"
_FRONT_SCAN = "scan_0a1b2c3d4e5f60718293a4b5c6d7e8f9"
_PORTRAIT_KEY = f"answers/accuauth/5e4d3c2b1a09f8e7d6c5b4a392817060/{_FRONT_SCAN.removeprefix('scan_')}/portrait"

CARDS: dict[str, dict[str, Any]] = {
    "ChineseIdPortrait": {
        "country": "CHN",
        "document_type": "cn_resident_id",
        "side": "portrait",
        "name": "张样例",
        "sex": "M",
        "ethnicity": "汉",
        "birth_date": "1990-03-07",
        "address": "样例省样例市样例路1号",
        "id_number": "990105199003070037",
    },
    "ChineseIdEmblem": {
        "country": "CHN",
        "document_type": "cn_resident_id",
        "side": "emblem",
        "issuing_authority": "样例市公安局",
        "valid_from": "2019-06-06",
        "valid_to": "2039-06-06",
    },
    "PeruvianDniFront": {
        "country": "PER",
        "document_type": "pe_dni",
        "side": "front",
        "edition": "new",
        "id_number": "99000006",
        "check_character": "4",
        "given_names": "JUAN",
        "paternal_surname": "ESPÉCIMEN",
        "maternal_surname": "MUESTRA",
        "sex": "M",
        "marital_status": "single",
        "birth_date": "1994-05-16",
        "birth_place": "990133",
        "issue_date": "2019-10-11",
        "expiry_date": "2027-10-11",
        "election_number": "053999",
        "organ_donor": False,
    },
    "PeruvianDniBack": {
        "country": "PER",
        "document_type": "pe_dni",
        "side": "back",
        "edition": "new",
        "address": "CALLE DE LA MUESTRA 100",
        "department": "LIMA",
        "province": "LIMA",
        "district": "LA MUESTRA",
    },
    "PeruvianForeignerCardFront": {
        "country": "PER",
        "document_type": "pe_foreigner_card",
        "side": "front",
        "id_number": "990045991",
        "surname": "ESPÉCIMEN MUESTRA",
        "given_names": "JUAN",
        "sex": "M",
        "marital_status": "single",
        "birth_date": "1991-03-07",
        "nationality": "VENEZOLANA",
        "migratory_quality": "ESP ESPECIAL",
    },
}

_TIMES = {"sequencer": _SEQUENCER, "updated_at": _UPDATED, "expires_at": _EXPIRES}
_UPLOAD: dict[str, Any] = {
    "record_id": _PORTRAIT_SCAN,
    "bucket": "example-scans",
    "key": "uploads/C-1001/portrait.jpg",
    "case_id": "C-1001",
    "etag": "9b2cf535f27731c974343645a3985328",
    "size": 183_204,
    **_TIMES,
    "paid_calls": 1,
    "uncertain_calls": 0,
    "attempts": 1,
    "schema_version": 1,
    "created_at": _CREATED,
}
_READ = {
    "status": "RECOGNIZED",
    "content_sha256": _SHA256,
    "provider": "waiqin365",
    "provider_request_id": "547777451",
    "recognized_at": _ANSWERED,
}
_OF_FRONT = {
    "record_id": _FRONT_SCAN,
    "key": "uploads/C-1002/front.jpg",
    "case_id": "C-1002",
    "provider": "accuauth",
    "provider_request_id": "TID8bf47ab6eda64476973cc5f5b6ebf57e",
}

RECORDS: list[dict[str, Any]] = [
    _UPLOAD
    | _READ
    | {
        "card": CARDS["ChineseIdPortrait"],
        "quality": "good",
        "risk": "none",
        "reasons": [],
        "findings": [],
    },
    _UPLOAD
    | _READ
    | _OF_FRONT
    | {
        "card": CARDS["PeruvianDniFront"] | {"check_character": "5"},
        "other_cards": [CARDS["PeruvianDniBack"]],
        "quality": "low",
        "risk": "suspected",
        "reasons": ["ID_NUMBER_INVALID", "IMAGE_BLURRED", "SEVERAL_CARDS"],
        "findings": [
            {
                "reason": "IMAGE_BLURRED",
                "source": "measure",
                "signal": "sharpness",
                "value": "41.7",
                "threshold": "100",
            },
            {"reason": "SEVERAL_CARDS", "source": "card", "signal": "cards", "value": "2"},
            {"reason": "ID_NUMBER_INVALID", "source": "card", "signal": "check_character"},
        ],
        "portrait_key": _PORTRAIT_KEY,
    },
    _UPLOAD
    | {
        "status": "PROCESSING",
        "waiting_for": "PROVIDER_QUOTA",
        "waiting_since": 1_768_465_801,
        "paid_calls": 0,
        "attempts": 0,
    },
    _UPLOAD
    | {
        "status": "REJECTED",
        "content_sha256": _SHA256,
        "quality": "unknown",
        "risk": "unknown",
        "reasons": ["IMAGE_CORRUPT"],
        "findings": [{"reason": "IMAGE_CORRUPT", "source": "measure", "signal": "image"}],
        "paid_calls": 0,
    },
    _UPLOAD | {"status": "FAILED", "reasons": ["PROVIDER_UNAVAILABLE"], "attempts": 5, "uncertain_calls": 1},
    {"record_id": _PORTRAIT_SCAN, "status": "ERASED", **_TIMES},
]


def _event(number: int, data: dict[str, Any]) -> dict[str, Any]:
    event_id = f"6f9619ff-8b86-4d01-b42d-00cf4fc9{number:04x}"
    return {"metadata": {"event_id": event_id, "schema_version": 1, "occurred_at": _UPDATED}, "data": data}


_PORTRAIT = {
    "record_id": _PORTRAIT_SCAN,
    "case_id": "C-1001",
    "status": "RECOGNIZED",
    "provider": "waiqin365",
    "document_type": "cn_resident_id",
    "side": "portrait",
}
_UNKNOWN = {"quality": "unknown", "risk": "unknown"}

EVENTS: dict[str, list[dict[str, Any]]] = {
    "Card Low Quality": [
        _event(1, _PORTRAIT | {"quality": "low", "risk": "none", "reasons": ["IMAGE_BLURRED", "IMAGE_GLARE"]})
    ],
    "Card Risk Suspected": [
        _event(2, _PORTRAIT | {"quality": "good", "risk": "suspected", "reasons": ["ID_NUMBER_INVALID", "PHOTOCOPY"]})
    ],
    "Card Rejected": [
        _event(3, {"record_id": _PORTRAIT_SCAN, "status": "REJECTED", **_UNKNOWN, "reasons": ["IMAGE_UNSUPPORTED"]}),
        _event(
            4,
            {
                "record_id": _PORTRAIT_SCAN,
                "case_id": "C-1001",
                "status": "REJECTED",
                "provider": "waiqin365",
                "quality": "low",
                "risk": "unknown",
                "reasons": ["NO_CARD"],
            },
        ),
    ],
    "Card Failed": [
        _event(
            5,
            {
                "record_id": _PORTRAIT_SCAN,
                "case_id": "C-1001",
                "status": "FAILED",
                **_UNKNOWN,
                "reasons": ["WAITED_TOO_LONG"],
            },
        )
    ],
    "Card Recognized": [_event(6, _PORTRAIT | {"quality": "good", "risk": "none", "reasons": []})],
    "Card Erased": [
        _event(7, {"record_id": _PORTRAIT_SCAN, "case_id": "C-1001", "status": "ERASED", **_UNKNOWN, "reasons": []})
    ],
    "Case Complete": [
        _event(
            8,
            {
                "case_id": "C-1001",
                "records": [_EMBLEM_SCAN, _PORTRAIT_SCAN],
                "document_type": "cn_resident_id",
                "quality": "good",
                "risk": "suspected",
                "reasons": ["SIDES_DISAGREE"],
            },
        )
    ],
    "Provider Unavailable": [_event(9, {"provider": "ctyun", "error_class": "unavailable"})],
    "Provider Quota Low": [
        _event(10, {"provider": "ihuyi", "error_class": "quota", "balance": 120}),
        _event(11, {"provider": "huaweicloud", "error_class": "quota"}),
    ],
    "Provider Misconfigured": [_event(12, {"provider": "huaweicloud", "error_class": "configuration"})],
    "Provider Recovered": [
        _event(13, {"provider": "huaweicloud", "error_class": "configuration"}),
        _event(14, {"provider": "ihuyi", "error_class": "quota", "balance": 20_000}),
    ],
}
