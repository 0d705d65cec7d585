"""What a server counts about itself, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Observed:
    """Counters of one server, not of the process."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, paths: frozenset[str]) -> None:
        self._paths = paths
        registry = self._registry = CollectorRegistry()
        self._requests = Counter("bakeoff_requests", "Requests answered.", ["path", "status"], registry=registry)
        self._seconds = Histogram(
            "bakeoff_request_seconds",
            "From a request's head to its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._batch = Histogram("bakeoff_batch_images", "Images answered at once.", buckets=_SIZES, registry=registry)
        self._predict = Histogram("bakeoff_batch_seconds", "To answer a batch.", buckets=_SECONDS, registry=registry)

    def gauge(self, name: str, said: str, value: Callable[[], float]) -> None:
        """Something that is looked up when somebody asks."""
        Gauge(f"bakeoff_{name}", said, registry=self._registry).set_function(value)

    def request(self, path: str, status: int, seconds: float) -> None:
        """One request has been answered."""
        path = path if path in self._paths else "other"
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def batch(self, size: int, seconds: float) -> None:
        """One batch has been answered."""
        self._batch.observe(size)
        self._predict.observe(seconds)

    def text(self) -> bytes:
        """All of it, in Prometheus' format."""
        return generate_latest(self._registry)
