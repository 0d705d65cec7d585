"""A network behind HTTP: `application` makes the ASGI application, `run` serves it until a signal ends it."""

from __future__ import annotations

import asyncio
import base64
import ctypes
import hashlib
import io
import json
import re
import signal
import socket
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Annotated, Any
from urllib.parse import parse_qsl

import numpy as np
import uvicorn
from fastapi import FastAPI, Query, Request
from fastapi.routing import APIRoute
from PIL import Image
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bakeoff.deploy import answers, guard
from bakeoff.deploy.answers import MOST_TOP, Options
from bakeoff.deploy.batching import Batcher, Ticket, Unreadable
from bakeoff.deploy.connections import connection
from bakeoff.deploy.guard import LOCAL, Guard
from bakeoff.deploy.limits import BUSY, Held, Limits, Rejected
from bakeoff.deploy.observed import Observed
from bakeoff.deploy.session import Floats, Pixels, Predictor
from bakeoff.deploy.uploads import Upload, body_of, uploads

PATHS = frozenset({"/", "/predict", "/healthz", "/info", "/metrics", "/openapi.json"})
DEFAULT = Options()
Ranked = tuple[list[int], list[float]]
"""Numbers of classes, the most probable first, and their probabilities."""
to_json = json.JSONEncoder(separators=(",", ":")).encode


class Service:
    """The network, what is asked of it at the moment, and what was."""

    def __init__(self, predictor: Predictor, limits: Limits, most: int, decoders: int) -> None:
        self.predictor, self.limits, self.most, self._decoders = predictor, limits, most, decoders
        self.observed = Observed(PATHS)
        self._memory, self._waiting = Held(limits.memory), Held(limits.waiting)
        self.observed.gauge("waiting_images", "Images without an answer yet.", lambda: self._waiting.now)
        self.observed.gauge("held_bytes", "Bytes of bodies in memory.", lambda: self._memory.now)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """The threads run."""
        self._batcher = Batcher(
            lambda data: self.predictor.decode(data, self.limits.pixels),
            self._ranked,
            self.most,
            self._decoders,
            self.observed.batch,
        )
        try:
            yield
        finally:
            self._batcher.close()

    async def predict(self, request: Request, options: Options) -> list[dict[str, Any]]:
        """The entries of the answer. Raises Rejected."""
        if options.maps and not self.predictor.explains:
            raise Rejected(422, "maps: this server was not started with --backend torch, which they need")
        late = Rejected(408, f"the body did not arrive within {self.limits.seconds:g} seconds")
        with self._memory.some() as memory, self._waiting.some() as waiting:
            try:
                async with asyncio.timeout(self.limits.seconds) as alarm:
                    headers = dict(request.scope["headers"])
                    body = await body_of(headers, request.receive, self.limits, memory)
                    late = Rejected(503, f"no answer was ready within {self.limits.seconds:g} seconds; ask again")
                    alarm.reschedule(asyncio.get_running_loop().time() + self.limits.seconds)
                    sent = uploads(body, headers.get(b"content-type", b""), self.limits)
                    del body
                    waiting.more(len(sent))
                    ticket = self._batcher.submit([upload.data for upload in sent])
                    rows = await ticket.done
                    pictures = await self._maps(ticket) if options.maps else [None] * len(sent)
            except Unreadable as error:
                raise Rejected(422, f"{_which(sent, error.number)} {error}") from None
            except TimeoutError:
                raise late from None
        return [self._entry(*each, options.top) for each in zip(sent, rows, pictures, strict=True)]

    def _ranked(self, batch: Pixels) -> list[Ranked]:
        """As predict.top_of for each image, but for all at once."""
        probabilities = self.predictor.predict(batch)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :MOST_TOP]
        sorted_ = np.take_along_axis(probabilities, order, axis=1)
        return list(zip(order.tolist(), sorted_.tolist(), strict=True))

    def _entry(self, upload: Upload, ranked: Ranked, picture: str | None, top: int) -> dict[str, Any]:
        labels = self.predictor.labels
        best = zip(ranked[0][:top], ranked[1], strict=False)
        found: dict[str, Any] = {
            "file": upload.name,
            "top": [{"label": labels[i], "probability": probability} for i, probability in best],
        }
        return found if picture is None else found | {"map": picture}

    async def _maps(self, ticket: Ticket[Ranked]) -> list[str | None]:
        pixels = np.stack([image for image in ticket.pixels if image is not None])
        found = await asyncio.to_thread(self.predictor.attention, pixels)
        return [_picture(each) for each in found]

    def info(self) -> dict[str, Any]:
        """The facts of the run, and how it is served."""
        served = {"backend": self.predictor.backend, "max_batch": self.most, "explains": self.predictor.explains}
        return self.predictor.info | served | {"limits": asdict(self.limits)}


def _which(sent: list[Upload], number: int) -> str:
    name = f" {sent[number].name!r}" if sent[number].name else ""
    return f"image {number + 1} of {len(sent)}{name}" if len(sent) > 1 else f"the image{name}"


def _picture(seen: Floats) -> str:
    """A map [H, W] in 0..1 as a PNG in base64: one colour, opaque where it is 1."""
    colour = np.full((*seen.shape, 4), (255, 80, 0, 0), np.uint8)
    colour[..., 3] = np.round(np.clip(seen, 0, 1) * 255)
    file = io.BytesIO()
    Image.fromarray(colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def application(
    predictor: Predictor,
    limits: Limits | None = None,
    most: int = 32,
    decoders: int = 1,
    hosts: Collection[str] | None = LOCAL,
) -> ASGIApp:
    """The ASGI application: at most `most` images of all requests are answered at once, `decoders` threads read them.

    `hosts` are the names that it may be asked by; None lets any.
    """
    service = Service(predictor, limits or Limits(), most, decoders)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.at_work():
            yield

    # The documentation pages of FastAPI load their scripts from elsewhere.
    app = FastAPI(title=f"bakeoff: {predictor.info['name']}", lifespan=lifespan, docs_url=None, redoc_url=None)
    _say_errors(app)

    async def predict(request: Request, options: Annotated[Options, Query()]) -> Response:
        """Which class images are of, with calibrated probabilities."""
        entries = await service.predict(request, options)
        return Response(to_json({"images": entries}), media_type="application/json")

    app.router.add_api_route(
        "/predict",
        predict,
        methods=["POST"],
        response_model=answers.Images,
        responses=answers.PREDICT,
        openapi_extra={"requestBody": answers.body(service.limits)},
        route_class_override=Direct,
    )

    @app.get("/healthz", response_model=answers.Health, responses=answers.responses(answers.FORBIDDEN))
    async def healthz() -> Response:
        """Whether the server is ready."""
        return JSONResponse({"status": "ok"})

    @app.get("/info", response_model=dict[str, Any], responses=answers.responses(answers.FORBIDDEN))
    async def info() -> Response:
        """The run: labels, metrics, provenance; and the limits of this server."""
        return JSONResponse(service.info())

    @app.get("/metrics", response_class=PlainTextResponse, responses=answers.responses(answers.FORBIDDEN))
    async def metrics() -> Response:
        """Counters in Prometheus' format."""
        return Response(service.observed.text(), media_type=service.observed.content_type)

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        text, policy = _page()
        return HTMLResponse(text, headers=guard.PAGE | {"Content-Security-Policy": policy})

    return Guard(app, service.observed, hosts)


class Direct(APIRoute):
    """A route that FastAPI describes and we call: its reading of parameters takes longer than decoding an image."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            query = scope["query_string"]
            request = Request(scope, receive)
            response: Response = await self.endpoint(request, _options(query.decode("latin-1")) if query else DEFAULT)
            await response(scope, receive, send)

        self.app = app


def _options(query: str) -> Options:
    try:
        return Options.model_validate(dict(parse_qsl(query, keep_blank_values=True)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Rejected(422, f"{first['loc'][-1]}: {first['msg']}") from None


def _say_errors(app: FastAPI) -> None:
    """Every error is one sentence, in one format."""

    async def rejected(_: Request, error: Exception) -> Response:
        assert isinstance(error, Rejected)
        headers = {"Retry-After": "1"} if error.status == 503 else None
        return JSONResponse({"error": str(error)}, error.status, headers)

    async def of_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)

    async def ours(_: Request, error: Exception) -> Response:
        if isinstance(error, MemoryError):
            return await rejected(_, Rejected(503, BUSY))
        return JSONResponse({"error": "the server failed; its log says why"}, 500)

    app.add_exception_handler(Rejected, rejected)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, ours)


@cache
def _page() -> tuple[str, str]:
    """The page, and a policy that lets it run its own script and style and ask this server, and nothing else."""
    text = (files("bakeoff.deploy") / "page.html").read_text(encoding="utf-8")

    def digest(tag: str) -> str:
        found = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert found is not None
        return f"'sha256-{base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()}'"

    return text, (
        f"default-src 'none'; script-src {digest('script')}; style-src {digest('style')}; img-src blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def server(app: ASGIApp, limits: Limits) -> uvicorn.Server:
    """uvicorn, quiet, with our limits of connections."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=connection(limits),
            ws="none",
            lifespan="on",
            access_log=False,
            log_level="error",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=round(2 * limits.seconds) + 1,
        )
    )


def run(app: ASGIApp, limits: Limits, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; then what was asked is answered, and nothing more is taken."""
    _give_memory_back()
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again at its end
        signal.signal(number, lambda *_: None)
    server(app, limits).run([listening])


def _give_memory_back() -> None:
    """glibc, having freed one large image, keeps the memory of the next ones, unless told from which size not to."""
    with suppress(OSError, AttributeError):  # another system's library
        ctypes.CDLL(None).mallopt(-3, 4 << 20)  # M_MMAP_THRESHOLD
