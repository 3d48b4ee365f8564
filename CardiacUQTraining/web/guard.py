"""The outermost layer: every request is checked, every answer says what a browser may do with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .session import MOST_BODY_BYTES, Doorkeeper

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing is loaded from, or sent to, anywhere but this server."""

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For reports, which carry everything inside and load nothing at all."""

_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
NAVIGABLE = ("/", "/open", "/cohort")
"""What a link of ``cohort.html`` or the terminal may lead to."""

OPEN_TO_ALL = ("/", "/open", "/login")
"""The empty page and its parts hold no data; without a session they say how to get one."""


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper) -> None:
        self.app = app
        self.doorkeeper = doorkeeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send = _with_headers(send)
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        navigable = scope["method"] == "GET" and scope["path"] in NAVIGABLE
        if reason := self.doorkeeper.refusal(scope["method"], headers, navigable=navigable):
            await _refuse(403, reason, scope, receive, send)
        elif "transfer-encoding" in headers:
            await _refuse(411, "the length of the request is not given", scope, receive, send)
        elif not length.isascii() or not length.isdigit() or int(length[:12]) > MOST_BODY_BYTES:
            await _refuse(413, "the request is too large", scope, receive, send)
        elif not _is_open(scope["path"]) and not self._has_session(scope):
            await _refuse(
                401, "there is no session; open the address that the terminal shows", scope, receive, send
            )
        else:
            await self.app(scope, receive, send)

    def _has_session(self, scope: Scope) -> bool:
        return self.doorkeeper.knows(HTTPConnection(scope).cookies.get(self.doorkeeper.cookie))


def _is_open(path: str) -> bool:
    return path in OPEN_TO_ALL or path.startswith("/static/")


async def _refuse(status: int, reason: str, scope: Scope, receive: Receive, send: Send) -> None:
    answer = JSONResponse({"error": reason}, status, {"Connection": "close"})
    await answer(scope, receive, send)


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        await send(message)

    return sending
