"""Connections that end when they keep the server waiting: uvicorn bounds neither the head of a request nor its time."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bakeoff.deploy.limits import Limits


class Connection(HttpToolsProtocol):
    """One of uvicorn's, with a limit for what comes before a request is known, and after it is answered.

    A head has at most `limits.head` bytes and comes within `limits.seconds`, or the connection is closed. A body that
    nobody wants any more, for its answer is out already, is received for as long: who sends all before reading should
    find the answer.
    """

    limits = Limits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count from here: the first head is due."""
        super().connection_made(transport)
        self._head_bytes = 0
        self._due: asyncio.TimerHandle | None = None
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Bytes of heads, or of a body."""
        at_work = self.cycle is not None and not self.cycle.response_complete
        super().data_received(data)
        if at_work or self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()  # the head is whole; the body is the application's
            return
        self._expect()
        unwanted = self.cycle is not None and self.cycle.more_body
        self._head_bytes += 0 if unwanted else len(data)
        if self._head_bytes > self.limits.head:
            self.send_400_response(f"The head of a request has at most {self.limits.head} bytes.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._forget()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._due is None:
            self._due = self.loop.call_later(self.limits.seconds, self.transport.close)

    def _forget(self) -> None:
        self._head_bytes = 0
        if self._due is not None:
            self._due.cancel()
            self._due = None


def connection(given: Limits) -> type[Connection]:
    """The class of connections with these limits, as uvicorn wants it."""

    class Limited(Connection):
        limits: Limits = given

    return Limited
