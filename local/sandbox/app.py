"""The sandbox as an ASGI application: finds the twin, applies faults, keeps the ledger; controlled below `/_sandbox`.

| request | does |
|---|---|
| `GET /_sandbox/health` | `{"status": "ready", "providers": [...]}` |
| `GET /_sandbox/calls` | the ledger's report, and `readings`: pictures `read` and `remembered` |
| `DELETE /_sandbox/calls` | starts counting from nothing |
| `GET /_sandbox/faults` | what is still to go wrong |
| `POST /_sandbox/faults` | `{"provider", "fault", "times"?: 1, "seconds"?: 5, "megabytes"?: 64}`, see `faults.Fault` |
| `DELETE /_sandbox/faults` | behave from now on |
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from local.sandbox.faults import Fault, FaultOrder, FaultPlan
from local.sandbox.ledger import Ledger, Outcome
from local.sandbox.readings import ReadingDesk
from local.sandbox.twins import Answer, Call, Twin

LARGEST_BODY = 128 * 1024 * 1024
"""The sandbox's own bound, for the sake of the machine that it runs on; above it, HTTP 413."""

CALLS_AT_ONCE = 64
"""Calls being checked or waiting for the reading desk, which has its own, narrower pool."""

GATEWAY_PAGE = (
    "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)
MEGABYTE_OF_SPACES = b" " * 1_000_000

log = logging.getLogger(__name__)


class Sandbox:
    """Everything that one running sandbox holds, and its ASGI application."""

    def __init__(self, twins: Sequence[Twin], desk: ReadingDesk) -> None:
        self._twins = tuple(twins)
        self._desk = desk
        self._pool = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="call")
        self.ledger = Ledger(twin.name for twin in twins)
        self.faults = FaultPlan()
        self.app = Starlette(
            routes=[
                Mount(
                    "/_sandbox",
                    routes=[
                        Route("/health", self._health),
                        Route("/calls", self._calls, methods=["GET", "DELETE"]),
                        Route("/faults", self._faults, methods=["GET", "POST", "DELETE"]),
                        Route("/elsewhere", self._elsewhere, methods=["GET", "POST", "PUT"]),
                    ],
                ),
                Mount("/", app=self._provide),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._desk.close()

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ready", "providers": [twin.name for twin in self._twins]})

    async def _calls(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.ledger.reset()
            return Response(status_code=204)
        return JSONResponse(self.ledger.report() | {"readings": self._desk.counts()})

    async def _faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
            return Response(status_code=204)
        if request.method == "POST":
            try:
                order = FaultOrder.model_validate_json(await request.body())
            except ValidationError as error:
                return JSONResponse(
                    {"error": [f"{problem['loc']}: {problem['msg']}" for problem in error.errors()]}, 400
                )
            if order.provider not in {twin.name for twin in self._twins}:
                return JSONResponse({"error": "no such provider here"}, 400)
            self.faults.add(order)
        return JSONResponse({"pending": self.faults.pending()})

    async def _elsewhere(self, _request: Request) -> Response:
        self.ledger.redirect_followed()
        return JSONResponse({"error": "nobody should have followed a redirect to here"}, 404)

    async def _provide(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every request that is not for the sandbox itself."""
        request = Request(scope, receive)
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        twin = next((twin for twin in self._twins if twin.owns(path)), None)
        if twin is None:
            await JSONResponse({"error": "no provider of this sandbox has such a path"}, 404)(scope, receive, send)
            return
        self.ledger.received(twin.name)
        order = self.faults.take(twin.name)
        try:
            body = await _body(request)
        except ClientDisconnect:
            self.ledger.answered(twin.name, Outcome.CLIENT_GONE)
            return
        if body is None:
            self.ledger.answered(twin.name, Outcome.MALFORMED)
            await JSONResponse({"error": "larger than this sandbox takes"}, 413)(scope, receive, send)
            return
        if order and order.fault in GATEWAY_FAULTS:
            response, outcome = GATEWAY_FAULTS[order.fault]
            self.ledger.answered(twin.name, outcome, fault=order.fault)
            await Response(**response)(scope, receive, send)
            return
        call = Call(request.method, path, request.headers, body, scope["query_string"].decode("latin-1"))
        answer, text = await asyncio.get_running_loop().run_in_executor(self._pool, _decide, twin, call, order)
        if answer.outcome:
            self.ledger.answered(twin.name, answer.outcome, answer.images, order.fault if order else None)
        await _deliver(answer, text, order, scope, receive, send)


GATEWAY_FAULTS: Mapping[Fault, tuple[Mapping[str, Any], Outcome]] = {
    Fault.HTML_502: ({"content": GATEWAY_PAGE, "status_code": 502, "media_type": "text/html"}, Outcome.UNAVAILABLE),
    Fault.REDIRECT: ({"status_code": 307, "headers": {"Location": "/_sandbox/elsewhere"}}, Outcome.REDIRECTED),
}
REFUSING_FAULTS = frozenset(
    {Fault.THROTTLE, Fault.CREDENTIALS, Fault.KEY_EXPIRED, Fault.PERMISSION, Fault.QUOTA, Fault.SERVER_ERROR}
)


async def _body(request: Request) -> bytes | None:
    """The request's body; None when it is larger than the sandbox takes."""
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > LARGEST_BODY:
            return None
        body += chunk
    return bytes(body)


def _decide(twin: Twin, call: Call, order: FaultOrder | None) -> tuple[Answer, bytes]:
    """The twin's answer and its text. Runs in the pool: signatures, base64 and JSON of megabytes take their time."""
    if order and order.fault in REFUSING_FAULTS:
        answer = twin.refuse(order.fault)
    else:
        try:
            answer = twin.answer(call)
        except Exception as error:  # noqa: BLE001  a provider answers whatever happens inside; what happened is not told
            log.error("%s failed inside: %s", twin.name, type(error).__name__)  # noqa: TRY400  a traceback may hold texts of cards
            answer = twin.refuse(Fault.SERVER_ERROR)
        if order and order.fault is Fault.LIE and answer.images:
            answer = twin.lie(answer)
    return answer, answer.body()


async def _deliver(
    answer: Answer, text: bytes, order: FaultOrder | None, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send the answer, or what the fault makes of it."""
    half = text[: len(text) // 2]
    status, headers = answer.status, answer.headers
    response: Response
    match order.fault if order else None:
        case Fault.CUT:
            response = Response(text, status, headers, media_type="application/json")
            await send({"type": "http.response.start", "status": status, "headers": response.raw_headers})
            await send({"type": "http.response.body", "body": half, "more_body": True})
            return  # before the body is complete: the server then closes the connection
        case Fault.HALF_JSON:
            response = Response(half, status, headers, media_type="application/json")
        case Fault.HUGE if order:
            response = StreamingResponse(_padded(text, order.megabytes), status, headers, media_type="application/json")
        case Fault.STALL if order:
            await asyncio.sleep(order.seconds)
            response = Response(text, status, headers, media_type="application/json")
        case _:
            response = Response(text, status, headers, media_type="application/json")
    await response(scope, receive, send)


async def _padded(text: bytes, megabytes: int) -> AsyncIterator[bytes]:
    for _ in range(megabytes):
        yield MEGABYTE_OF_SPACES
    yield text
