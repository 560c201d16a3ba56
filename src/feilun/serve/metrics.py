"""Figures for Prometheus (``/metrics``)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """One registry for each application, so that tests and several servers in a process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = Counter(
            "feilun_requests",
            "Generations by how they ended.",
            ["endpoint", "model", "status"],
            registry=self.registry,
        )
        self.tokens = Counter(
            "feilun_tokens", "Tokens read and written.", ["model", "kind"], registry=self.registry
        )
        self.running = Gauge(
            "feilun_requests_running", "Generations under way or waiting.", registry=self.registry
        )
        self.first_token = Histogram(
            "feilun_time_to_first_token_seconds",
            "From request to first word.",
            ["model"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.duration = Histogram(
            "feilun_generation_seconds",
            "From request to last word.",
            ["model"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.feedback = Counter("feilun_feedback", "Opinions by thumb.", ["rating"], registry=self.registry)

    def render(self) -> bytes:
        return generate_latest(self.registry)
