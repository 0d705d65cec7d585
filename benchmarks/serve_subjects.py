"""What benchmarks/serve.py puts beside `bakeoff serve`, each in a process of its own.

    python -m benchmarks.serve_subjects plain|plain_async|constant|loop FOLDER

A server prints its port. `loop` prints its best batch, and answers each line of seconds with images per second.
"""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, UploadFile

from bakeoff.commands.machine import cpu_cores
from bakeoff.deploy import server
from bakeoff.deploy.batching import best_batch
from bakeoff.deploy.limits import Limits
from bakeoff.deploy.predict import top_of
from bakeoff.deploy.session import FOLDER, MODEL, Floats, Pixels, Predictor, load

MOST = 64


def plain(predictor: Predictor, asynchronous: bool) -> FastAPI:
    """What one writes first: decode and predict in the handler, one image at a time, by the same functions as ours."""
    app = FastAPI()

    def answer(data: bytes) -> dict[str, Any]:
        row = predictor.predict(predictor.decode(data)[None])[0]
        top = [{"label": label, "probability": p} for label, p in top_of(row, predictor.labels, 5)]
        return {"images": [{"top": top}]}

    if asynchronous:

        @app.post("/predict")
        async def predict(image: UploadFile) -> dict[str, Any]:
            return answer(await image.read())

    else:

        @app.post("/predict")
        def predict_in_a_thread(image: UploadFile) -> dict[str, Any]:
            return answer(image.file.read())

    return app


def constant(predictor: Predictor) -> Predictor:
    """Reads images as ever, and says the same of all."""

    def same(batch: Pixels) -> Floats:
        return np.full((len(batch), len(predictor.labels)), 1 / len(predictor.labels), np.float32)

    return replace(predictor, _probabilities=same)


def blank(predictor: Predictor) -> Pixels:
    return np.zeros((predictor.size, predictor.size, predictor.channels), np.uint8)


def serve_plain(app: FastAPI, listening: socket.socket) -> None:
    import uvicorn

    uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="error")).run([listening])


def loop(run: Path, predictor: Predictor) -> None:
    import onnxruntime

    folder = run / FOLDER if (run / "run.json").is_file() else run
    session = onnxruntime.InferenceSession(folder / MODEL, providers=["CPUExecutionProvider"])  # as it comes

    def predict(batch: Pixels) -> object:
        return session.run(["probabilities"], {"images": batch})

    size = best_batch(predict, blank(predictor), MOST)
    batch = np.random.default_rng(0).integers(0, 256, (size, *blank(predictor).shape), dtype=np.uint8)
    print(size, flush=True)
    for line in sys.stdin:
        count, began = 0, time.perf_counter()
        while (now := time.perf_counter()) < began + float(line):
            predict(batch)
            count += size
        print(count / (now - began), flush=True)


def main() -> None:
    subject, predictor = sys.argv[1], load(Path(sys.argv[2]))
    if subject == "loop":
        loop(Path(sys.argv[2]), predictor)
        return
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        print(listening.getsockname()[1], flush=True)
        if subject == "constant":
            server.run(
                server.application(constant(predictor), most=MOST, decoders=min(4, cpu_cores())), Limits(), listening
            )
        else:
            serve_plain(plain(predictor, subject == "plain_async"), listening)


if __name__ == "__main__":
    main()
