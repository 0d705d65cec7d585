"""Around every request: who may ask, which headers each answer has, and how many there were."""

from __future__ import annotations

import re
import time
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bakeoff.deploy.observed import Observed

LOCAL = ("127.0.0.1", "localhost", "[::1]")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
]
CSP = b"content-security-policy"
_PORT = re.compile(r":\d*$")
NOTHING = (CSP, b"default-src 'none'; frame-ancestors 'none'")


def names(host: str) -> Collection[str] | None:
    """By which names a server that listens on `host` may be asked: on a network, by any."""
    return LOCAL if host in (*LOCAL, "::1") else None


class Guard:
    """An ASGI application around another one.

    `hosts` are the names that the server may be asked by, without port; None lets any. A page of another site can have
    a browser ask for things on this machine: by a name of its own that leads here, or by a form that is sent here.
    """

    def __init__(self, app: ASGIApp, observed: Observed, hosts: Collection[str] | None = LOCAL) -> None:
        self._app, self._observed = app, observed
        self._hosts = None if hosts is None else frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An event of the server, or a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                headers += HEADERS
                if not any(name == CSP for name, _ in headers):
                    headers.append(NOTHING)
                self._observed.request(scope["path"], message["status"], time.perf_counter() - began)
            await send(message)

        refused = self._refused(scope)
        await (self._app if refused is None else refused)(scope, receive, answer)

    def _refused(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        if self._hosts is not None and _PORT.sub("", headers.get("host", "").lower()) not in self._hosts:
            return JSONResponse({"error": "the server is not known by this name (the header Host)"}, 403)
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and scope["method"] != "GET":
            return JSONResponse({"error": "pages of other sites may not ask this server"}, 403)
        return None
