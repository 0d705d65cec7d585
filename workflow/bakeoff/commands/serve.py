"""`bakeoff serve`: a finished run behind HTTP."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.commands.machine import cpu_cores
from bakeoff.errors import UserError

QUICK = 0.002
"""Seconds. Where an image takes less, requests take more than the network, which gets one core: the rest is theirs."""


def serve(
    run: Annotated[Path, typer.Argument(help="Folder of a run, such as results/runs/.../seed0, or of an export.")],
    port: Annotated[int, typer.Option(help="Port; 0 takes one that is free.", min=0, max=65535)] = 8000,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than 127.0.0.1 open it to the network.")
    ] = "127.0.0.1",
    backend: Annotated[str, typer.Option(help="onnxruntime or torch.")] = "onnxruntime",
    int8: Annotated[bool, typer.Option("--int8", help="By the quantised network of the export.")] = False,
    max_batch: Annotated[
        int | None, typer.Option(help="Images answered at once; default: found by measuring.", min=1, max=4096)
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads that work on a batch; default: by measuring, one or all.", min=1)
    ] = None,
    max_mb: Annotated[float, typer.Option(help="Megabytes of a request at most.", min=0.001, max=1000)] = 20,
    max_images: Annotated[int, typer.Option(help="Images of a request at most.", min=1)] = 64,
    max_pixels: Annotated[int, typer.Option(help="Pixels of an image at most.", min=1)] = 64_000_000,
    max_waiting: Annotated[int, typer.Option(help="Images that may wait for their answer.", min=1)] = 1024,
    seconds: Annotated[float, typer.Option(help="For a request to arrive, and for its answer.", min=0.1)] = 30,
    data: Annotated[
        Path | None, typer.Option(help="The run's prepared images; default: those of its results/.")
    ] = None,
) -> None:
    """Answer images sent by HTTP: /predict, and a page to drop them on. SIGTERM or Ctrl-C ends it, all answered."""
    try:
        from bakeoff.deploy import guard, server
    except ModuleNotFoundError as missing:
        raise UserError(
            f"serve: {missing.name} is not installed; get it by: uv sync --extra serve, or pip install 'bakeoff[serve]'"
        ) from None
    import numpy as np

    from bakeoff.deploy.batching import best_batch, seconds_of
    from bakeoff.deploy.limits import Limits
    from bakeoff.deploy.session import load

    if backend not in ("onnxruntime", "torch"):
        raise UserError(f"--backend: {backend!r} is neither onnxruntime nor torch")
    limits = Limits(
        bytes=round(max_mb * 1e6), images=max_images, pixels=max_pixels, seconds=seconds, waiting=max_waiting
    )
    with _listening(host, port) as listening:
        start = partial(load, run, "torch" if backend == "torch" else "onnxruntime", data=data, int8=int8)
        predictor = start(threads=threads or 1)
        blank = np.zeros((predictor.size, predictor.size, predictor.channels), np.uint8)
        if threads is None and seconds_of(predictor.predict, blank[None]) > QUICK:
            predictor = start(threads=cpu_cores())
        most = max_batch or best_batch(predictor.predict, blank, 64)
        app = server.application(predictor, limits, most, decoders=min(4, cpu_cores()), hosts=guard.names(host))
        place = f"[{host}]" if ":" in host else host
        print(f"http://{place}:{listening.getsockname()[1]} answers for {predictor.info['name']}", flush=True)
        server.run(app, limits, listening)
    print("bakeoff serve: all answered, the end", flush=True)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise UserError(f"serve: cannot listen on {host}, port {port}: {error.strerror}") from None
