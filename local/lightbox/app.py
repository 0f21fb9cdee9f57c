"""The lightbox as an ASGI application: the page, and what it asks for. Nothing of it is logged.

| request | does |
|---|---|
| `GET /` and files beside it | the page |
| `GET /api/about` | who reads which keys, what can be printed, claimed, filtered for, and ordered to go wrong |
| `GET /api/texts/{en or zh}` | every sentence of the page |
| `GET /api/samples?kind=&change=&seed=` | a printed sample, JPEG |
| `POST /api/scans?reader=&claim=&fault=&times=` | uploads the body; `{"record_id"}` |
| `GET /api/scans?status=&quality=&risk=&reason=` | earlier scans, newest first |
| `GET /api/scans/{id}` | record, way, findings, events |
| `GET /api/scans/{id}/{picture, portrait or card}` | JPEG, or 404 |
| `GET` or `DELETE /api/faults` | what is still to go wrong |

An error is `{"error": code}`; section `error` of the texts says it in words.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx
from botocore.exceptions import BotoCoreError, ClientError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cardintake import limits
from cardintake.reason_texts import TEXTS, groups_of
from cardintake.thresholds import MEASURES
from local.cardprinter.printing import DOCUMENTS
from local.demo.providers import PERUVIAN
from local.lightbox import samples
from local.lightbox.archive import CROPS, FILTERS, Archive, UnknownScanError
from local.lightbox.guarding import Guard
from local.lightbox.texts import LANGUAGES, texts
from local.lightbox.way import is_over, way
from local.sandbox.faults import Fault

PAGE = Path(__file__).with_name("page")
LARGEST_UPLOAD = limits.MAX_OBJECT_BYTES
MOST_FAULTS = 20
CLAIMS = tuple(dict.fromkeys(f"{document_type},{side}" for _, document_type, side in DOCUMENTS.values()))
STATUSES = ("PROCESSING", "RECOGNIZED", "REJECTED", "FAILED", "ERASED")
QUALITIES = ("good", "low", "unknown")
RISKS = ("none", "suspected", "unknown")


class Sandbox(Protocol):
    """What plays the providers, as far as it is controlled from here."""

    def order_fault(self, provider: str, fault: str, times: int) -> None: ...
    def pending_faults(self) -> list[dict[str, Any]]: ...
    def clear_faults(self) -> None: ...


def readers(routes: str) -> dict[str, str]:
    """By key prefix, who reads what lies there; `routes` as the template's parameter, one provider for each prefix."""
    return dict(route.split("=", 1) for route in routes.split(","))


class Lightbox:
    """The handlers. `routes`: see `readers`."""

    def __init__(self, archive: Archive, sandbox: Sandbox, routes: str) -> None:
        self._archive = archive
        self._sandbox = sandbox
        self._readers = readers(routes)
        self.app = Starlette(
            routes=[
                Route("/api/about", self._about),
                Route("/api/texts/{language}", self._texts),
                Route("/api/samples", self._sample),
                Route("/api/scans", self._upload, methods=["POST"]),
                Route("/api/scans", self._search),
                Route("/api/scans/{record_id}", self._scan),
                Route("/api/scans/{record_id}/{picture}", self._picture),
                Route("/api/faults", self._faults),
                Route("/api/faults", self._clear_faults, methods=["DELETE"]),
                Mount("/", StaticFiles(directory=PAGE, html=True)),
            ],
            middleware=[Middleware(Guard)],
            exception_handlers={
                HTTPException: _told,
                UnknownScanError: lambda *_: JSONResponse({"error": "unknown_scan"}, 404),
                BotoCoreError: _no_answer,
                ClientError: _no_answer,
                httpx.HTTPError: _no_answer,
            },
        )

    def _about(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "readers": [
                    {"prefix": prefix, "provider": provider, "country": "PER" if provider == PERUVIAN else "CHN"}
                    for prefix, provider in self._readers.items()
                ],
                "claims": CLAIMS,
                "samples": samples.catalogue(),
                "faults": list(Fault),
                "most_faults": MOST_FAULTS,
                "largest_upload": LARGEST_UPLOAD,
                "filters": {"status": STATUSES, "quality": QUALITIES, "risk": RISKS, "reason": list(TEXTS)},
                "groups": {reason: groups_of(reason) for reason in TEXTS},
            }
        )

    def _texts(self, request: Request) -> Response:
        language = request.path_params["language"]
        if language not in LANGUAGES:
            raise HTTPException(404)
        return JSONResponse(texts(language))

    def _sample(self, request: Request) -> Response:
        asked = request.query_params
        try:
            picture = samples.printed(asked["kind"], asked.get("change", samples.AS_IT_IS), int(asked.get("seed", "1")))
        except (KeyError, ValueError):
            raise HTTPException(400, "unknown_sample") from None
        return Response(picture, media_type="image/jpeg")

    async def _upload(self, request: Request) -> Response:
        asked = request.query_params
        prefix, claim, fault = asked.get("reader", ""), asked.get("claim", ""), asked.get("fault", "")
        if prefix not in self._readers:
            raise HTTPException(400, "unknown_reader")
        if claim and claim not in CLAIMS:
            raise HTTPException(400, "unknown_claim")
        times = _times(asked.get("times", "1"))
        if fault and (fault not in list(Fault) or times is None):
            raise HTTPException(400, "unknown_fault")
        data = await _body(request)
        metadata = dict(zip(("document-type", "side"), claim.split(","), strict=True)) if claim else {}
        if fault and times is not None:
            await run_in_threadpool(self._sandbox.order_fault, self._readers[prefix], fault, times)
        record_id = await run_in_threadpool(self._archive.upload, prefix, data, metadata)
        return JSONResponse({"record_id": record_id}, 201)

    def _search(self, request: Request) -> Response:
        asked = request.query_params
        return JSONResponse(self._archive.search({name: asked[name] for name in FILTERS if asked.get(name)}))

    def _scan(self, request: Request) -> Response:
        record_id = request.path_params["record_id"]
        # The record first: an event that has arrived after it was read is none too few.
        record = self._archive.record(record_id)
        events = self._archive.events(record_id)
        return JSONResponse(
            {
                "record_id": record_id,
                "record": record,
                "way": [step.as_json() for step in way(record, events, self._archive.uploaded_at(record_id))],
                "over": is_over(record, events),
                "findings": [finding | _bound(finding) for finding in (record or {}).get("findings", ())],
                "crops": [crop for crop, attribute in CROPS.items() if attribute in (record or {})],
                "events": events,
                "provider_events": self._archive.provider_events(),
            }
        )

    def _picture(self, request: Request) -> Response:
        record_id, name = request.path_params["record_id"], request.path_params["picture"]
        if name != "picture" and name not in CROPS:
            raise HTTPException(404)
        archive = self._archive
        picture = archive.picture(record_id) if name == "picture" else archive.crop(record_id, name)
        if picture is None:
            raise HTTPException(404, "no_picture")
        return Response(picture, media_type="image/jpeg")

    def _faults(self, _request: Request) -> Response:
        return JSONResponse({"pending": self._sandbox.pending_faults()})

    def _clear_faults(self, _request: Request) -> Response:
        self._sandbox.clear_faults()
        return JSONResponse({"pending": []})


async def _body(request: Request) -> bytes:
    """At most what the product itself opens; counted, since a length may be told wrongly or not at all."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > LARGEST_UPLOAD:
        raise HTTPException(413, "too_large")
    body = bytearray()
    try:
        async for chunk in request.stream():
            if len(body) + len(chunk) > LARGEST_UPLOAD:
                raise HTTPException(413, "too_large")
            body += chunk
    except ClientDisconnect:
        raise HTTPException(400, "broken_off") from None
    return bytes(body)


def _times(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= MOST_FAULTS else None


def _bound(finding: Mapping[str, str]) -> dict[str, str]:
    """Which way a measure's threshold points: a share may be too large, all else too small."""
    if finding["source"] != "measure" or finding["signal"] not in MEASURES:
        return {}
    return {"bound": "at_most" if finding["signal"].endswith("_share") else "at_least"}


def _told(_request: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (400, "")
    return JSONResponse({"error": detail if detail in texts("en")["error"] else "not_understood"}, status)


def _no_answer(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "no_answer"}, 502)
