"""What keeps other pages out: identity pictures are handled here, and any page in a browser can reach loopback.

Host: a name of ours, so that a foreign name that was bound to 127.0.0.1 afterwards (DNS rebinding) is refused. Origin
and Sec-Fetch-Site: a request that another page makes is refused, whatever it asks for. Nothing may be framed, cached,
or loaded from anywhere else. Rules: https://fetch.spec.whatwg.org/#origin-header, https://www.w3.org/TR/fetch-metadata/.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_NAMES = ("127.0.0.1", "localhost")
_READING = ("GET", "HEAD")
_OF_OURS = ("same-origin", "none")
"""`none`: somebody has typed the address."""


class Guard:
    """Middleware around the whole application. What is ours follows from the port of the socket that was reached."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if scope["type"] == "http" and (refusal := _refusal(scope)):
            await JSONResponse({"error": refusal}, 403)(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


def _refusal(scope: Scope) -> str | None:
    method, headers = scope["method"], Headers(scope=scope)
    hosts = [f"{name}:{scope['server'][1]}" for name in _NAMES]
    named = headers.getlist("host")
    if len(named) != 1 or named[0] not in hosts:
        return "foreign_host"
    origin = headers.get("origin")
    if origin is None and method not in _READING:
        return "foreign_origin"
    if origin is not None and origin not in [f"http://{host}" for host in hosts]:
        return "foreign_origin"
    if headers.get("sec-fetch-site", "none") not in _OF_OURS:
        follows_a_link = scope["path"] == "/" and method in _READING and _is_navigation(headers)
        return None if follows_a_link else "foreign_origin"
    return None


def _is_navigation(headers: Headers) -> bool:
    """Somebody follows a link to the page itself, which shows nothing by itself."""
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
