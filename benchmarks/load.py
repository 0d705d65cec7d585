"""Clients of a server of images, in a light process of their own: each sends its next image when the last is answered.

    python -m benchmarks.load PORT CLIENTS SECONDS IMAGES

IMAGES is a .npz with `files` (bytes of image files, one after the other), `ends` and `labels` (the answer that each has
alone). The figures are printed as JSON: requests answered within the seconds, their latencies, and what went wrong.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

WARM_UP = 0.3  # seconds that do not count
PATIENCE = 20.0  # seconds for the last answers
HEAD = (
    "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    "Content-Length: {}\r\n\r\n"
)
FORM = '--b\r\nContent-Disposition: form-data; name="image"; filename="{}.png"\r\nContent-Type: image/png\r\n\r\n'


def request(number: int, file: bytes) -> bytes:
    """The bytes of an upload as browsers send it."""
    body = FORM.format(number).encode() + file + b"\r\n--b--\r\n"
    return HEAD.format(len(body)).encode() + body


@dataclass
class Load:
    """What all clients of a turn share."""

    requests: list[bytes]
    begin: float
    end: float
    next: int = 0
    sent: int = 0
    latencies: list[float] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    broken: int = 0


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, load: Load) -> None:
        self.load, self.ended = load, asyncio.get_running_loop().create_future()
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.send()

    def send(self) -> None:
        load = self.load
        if time.perf_counter() >= load.end:
            self.transport.close()
            return
        self.number = load.next % len(load.requests)
        load.next += 1
        load.sent += 1
        self.got, self.waiting, self.began = b"", True, time.perf_counter()
        self.transport.write(load.requests[self.number])

    def data_received(self, data: bytes) -> None:
        self.got += data
        head = self.got.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self.got.lower().index(b"content-length:") + 15
        if len(self.got) < head + 4 + int(self.got[at : self.got.index(b"\r\n", at)]):
            return
        now = time.perf_counter()
        if self.load.begin <= now <= self.load.end:
            self.load.latencies.append(now - self.began)
        self.load.answers.append((self.number, self.got))
        self.waiting = False
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        self.load.broken += self.waiting
        if not self.ended.done():
            self.ended.set_result(None)


async def turn(port: int, clients: int, seconds: float, requests: list[bytes]) -> Load:
    """All clients at once, for so many seconds after a short warm-up."""
    begin = time.perf_counter() + WARM_UP
    load = Load(requests, begin, begin + seconds)
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Client(load), "127.0.0.1", port) for _ in range(clients)]
    await asyncio.wait([client.ended for _, client in made], timeout=WARM_UP + seconds + PATIENCE)
    return load


def wrong(answers: list[tuple[int, bytes]], labels: list[str]) -> int:
    """Answers that are not what the image has alone."""

    def right(number: int, answer: bytes) -> bool:
        head, _, body = answer.partition(b"\r\n\r\n")
        return head.startswith(b"HTTP/1.1 200") and json.loads(body)["images"][0]["top"][0]["label"] == labels[number]

    return sum(not right(*each) for each in answers)


def main() -> None:
    import uvloop

    port, clients, seconds, path = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    with np.load(path) as archive:
        data, ends, labels = archive["files"].tobytes(), archive["ends"], archive["labels"].tolist()
    starts = [0, *ends[:-1]]
    requests = [request(i, data[start:end]) for i, (start, end) in enumerate(zip(starts, ends, strict=True))]
    began = time.process_time()
    load = uvloop.run(turn(port, clients, seconds, requests))
    used = time.process_time() - began
    milliseconds = np.array(load.latencies) * 1e3
    figures = {
        "per_second": len(milliseconds) / seconds,
        "p50": float(np.percentile(milliseconds, 50)) if len(milliseconds) else None,
        "p99": float(np.percentile(milliseconds, 99)) if len(milliseconds) else None,
        "answered": len(load.answers),
        "lost": load.sent - len(load.answers),
        "wrong": wrong(load.answers, labels),
        "cpu_share": used / (seconds + WARM_UP),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
