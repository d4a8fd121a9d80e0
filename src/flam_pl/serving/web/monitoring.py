"""What the service counts, for Prometheus: requests, latency per part, batches, queue, photos."""

from __future__ import annotations

import prometheus_client as prometheus

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
BATCHES = (1, 2, 4, 8, 16, 32, 64)


class Monitoring:
    """The counters of one service, in a registry of its own."""

    def __init__(self) -> None:
        registry = self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=registry)  # memory, open files, CPU seconds
        self.requests = prometheus.Counter(
            "flam_requests", "Answered requests", ("method", "route", "status"), registry=registry
        )
        self.seconds = prometheus.Histogram(
            "flam_request_seconds",
            "Seconds per request",
            ("method", "route"),
            buckets=SECONDS,
            registry=registry,
        )
        self.parts = prometheus.Histogram(
            "flam_part_seconds",
            "Seconds per part of a request: decode, wait (in the queue), network, search, call",
            ("part",),
            buckets=SECONDS,
            registry=registry,
        )
        self.batch_size = prometheus.Histogram(
            "flam_batch_size",
            "Queries or photos that were answered together",
            ("kind",),
            buckets=BATCHES,
            registry=registry,
        )
        self.waiting = prometheus.Gauge(
            "flam_waiting", "Queries and photos in the queue", registry=registry
        )
        self.photos = prometheus.Gauge("flam_photos", "Photos of the gallery", registry=registry)

    def page(self) -> bytes:
        """The counters in the text format of Prometheus."""
        return prometheus.generate_latest(self.registry)
