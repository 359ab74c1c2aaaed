"""What the service counts, for Prometheus: a registry of its own for each application, so that two in one process do not mix."""

import logging
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

log = logging.getLogger(__name__)

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BATCH = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Attributes: registry, and the metrics in it."""

    def __init__(self):
        self.registry = CollectorRegistry()
        made: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("blockscope_requests", "Requests answered, by path and status code", ("path", "status"), **made)
        self.seconds = Histogram("blockscope_request_seconds", "Time from a request's head to the end of its answer", ("path",), buckets=SECONDS, **made)
        self.batches = Histogram("blockscope_batch_pictures", "Pictures in each forward pass", ("pack",), buckets=BATCH, **made)
        self.verdicts = Counter("blockscope_verdicts", "Verdicts given, by pack: ID or OOD", ("pack", "verdict"), **made)
        self.waiting = Gauge("blockscope_waiting_pictures", "Pictures on the way: arriving, decoded, waiting or judged", ("pack",), **made)


class Measured:
    """An ASGI application that counts and times the requests of another one. Args: paths: those that get a label of their own."""

    def __init__(self, app, *, metrics, paths):
        self.app, self.metrics, self.paths = app, metrics, paths

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 500
        path = scope["path"] if scope["path"] in self.paths else "other"  # a path that somebody made up is no label

        async def sent(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, sent)
        finally:
            seconds = time.perf_counter() - began
            self.metrics.requests.labels(path, status).inc()
            self.metrics.seconds.labels(path).observe(seconds)
            log.info("request answered", extra={"path": path, "status": status, "seconds": round(seconds, 4)})
