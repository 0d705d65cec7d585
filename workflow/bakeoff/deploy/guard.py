"""Around every request: who may ask, which headers each answer has, and how many there were."""

from __future__ import annotations

import re
import time
from collections.abc import Collection

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bakeoff.deploy.observed import Observed

LOCAL = ("127.0.0.1", "localhost", "[::1]")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
PAGE = {"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "X-Frame-Options": "DENY"}
_PORT = re.compile(rb":\d*$")


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
        self._hosts = None if hosts is None else frozenset(host.lower().encode() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An event of the server, or a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += HEADERS
                self._observed.request(scope["path"], message["status"], time.perf_counter() - began)
            await send(message)

        refused = self._refused(scope)
        await (self._app if refused is None else refused)(scope, receive, answer)

    def _refused(self, scope: Scope) -> ASGIApp | None:
        headers = dict(scope["headers"])
        if self._hosts is not None and _PORT.sub(b"", headers.get(b"host", b"").lower()) not in self._hosts:
            return JSONResponse({"error": "the server is not known by this name (the header Host)"}, 403)
        if headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site") and scope["method"] != "GET":
            return JSONResponse({"error": "pages of other sites may not ask this server"}, 403)
        return None
