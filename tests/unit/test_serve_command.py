"""`bakeoff serve` as a process: the study's answers under load, memory, signals, and mistakes."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from command_line import Call
from PIL import Image
from serve_fixture import Answer, classes, png, upload


@pytest.fixture
def process(deployed: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The server of a run, and its port."""
    command = [sys.executable, "-m", "bakeoff", "serve", str(deployed), "--port", "0", "--max-batch", "16"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert server.stdout is not None
    line = server.stdout.readline()
    assert "answers for digits lenet5 standard default seed 0" in line
    yield server, int(line.split()[0].rpartition(":")[2])
    server.kill()
    server.communicate()


def files_of(digits: Path) -> list[bytes]:
    found = []
    for pixels in np.load(digits / "test_pixels.npy")[:, 0]:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        found.append(file.getvalue())
    return found


def probabilities(answer: Answer) -> dict[str, float]:
    (image,) = answer.json["images"]
    return {each["label"]: each["probability"] for each in image["top"]}


def test_a_run_is_served(process: tuple[subprocess.Popen[str], int], deployed: Path, digits: Path) -> None:
    server, port = process
    files = files_of(digits)

    def ask(file: bytes) -> Answer:
        return upload(port, file, path="/predict?top=10")

    alone = [ask(file) for file in files[:40]]
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(ask, files))
    study = np.load(deployed / "predictions.npz")["logits"].argmax(axis=1)
    assert [classes(answer)[0] for answer in answers] == [str(i) for i in study]
    for one, under_load in zip(alone, answers, strict=False):
        assert probabilities(one) == pytest.approx(probabilities(under_load), abs=1e-5)

    memory = psutil.Process(server.pid).memory_info
    large = png(200, 5000)
    upload(port, large)
    before = memory().rss
    with ThreadPoolExecutor(4) as pool:
        assert {answer.status for answer in pool.map(lambda _: upload(port, large), range(8))} == {200}
    assert memory().rss < before + 20e6

    with ThreadPoolExecutor(24) as pool:
        waiting = [pool.submit(ask, file) for file in files[:100]]
        waiting[10].result()
        server.send_signal(signal.SIGTERM)
        done = [each for each in waiting if each.exception() is None]
    # Whoever was connected has the right answer, and who came later is told by the closed port.
    assert len(done) >= 11
    for i, each in enumerate(waiting):
        if each in done:
            assert classes(each.result()) == [str(study[i])]
        else:
            assert isinstance(each.exception(), OSError)
    out, err = server.communicate(timeout=20)
    assert (server.returncode, out, err) == (0, "bakeoff serve: all answered, the end\n", "")


def test_a_mistake_is_told_in_a_line(deployed: Path, tmp_path: Path, call: Call, monkeypatch: Any) -> None:
    def said(*arguments: str) -> str:
        done = call("serve", *arguments)
        assert done.status == 1
        return done.err

    assert "is neither the folder of a run" in said(str(tmp_path), "--port", "0")
    assert "'tensorflow' is neither onnxruntime nor torch" in said(str(deployed), "--backend", "tensorflow")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in said(
            str(deployed), "--port", str(port)
        )
    for name in [each for each in sys.modules if each.startswith(("bakeoff.deploy.", "fastapi"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("bakeoff.deploy.server", raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert "fastapi is not installed; get it by: uv sync --extra serve" in said(str(deployed))
