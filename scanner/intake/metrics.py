"""Metrics for Prometheus: what this process counts, and what the journal knows of the others.

Names are ``streamwarden_`` with base units. A process reports of itself through its heartbeat:
numbers become gauges ``streamwarden_<process>_<name>``, a table of numbers a gauge with the label
``of``, and texts one ``_info`` with a label each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from scanner.store.operation_queries import Heartbeat

__all__ = ["CONTENT_TYPE", "RequestMetrics", "ServiceReading", "render_metrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class RequestMetrics:
    """Counters of the requests of this process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "streamwarden_web_requests",
            "Requests that were answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "streamwarden_web_request_seconds",
            "Time from the headers of a request to the end of its answer.",
            ["route"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._bytes = Counter(
            "streamwarden_web_received_bytes",
            "Bytes of media that were received.",
            registry=self.registry,
        )
        ProcessCollector(namespace="streamwarden_web", registry=self.registry)

    def count(self, *, method: str, route: str, status: int, seconds: float, size: int) -> None:
        """Count a request that has ended; ``size`` is the bytes of media that it brought."""
        self._requests.labels(method=method, route=route, status=str(status)).inc()
        self._seconds.labels(route=route).observe(seconds)
        if size:
            self._bytes.inc(size)


class ServiceReading(Collector):
    """Metrics of the whole service, as read from the journal."""

    def __init__(
        self,
        *,
        gauges: Mapping[str, tuple[str, float]],
        totals: Mapping[str, Mapping[str, float]],
        heartbeats: Iterable[Heartbeat],
        alarms: Iterable[Mapping[str, Any]],
        now: float,
    ) -> None:
        """``gauges`` has texts and values by name, ``totals`` values by counter and label."""
        self._gauges = gauges
        self._totals = totals
        self._heartbeats = heartbeats
        self._alarms = alarms
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        for name, (text, value) in self._gauges.items():
            yield GaugeMetricFamily(f"streamwarden_{name}", text, value)
        for name, values in sorted(self._totals.items()):
            total = CounterMetricFamily(
                f"streamwarden_{_word(name)}", f"Total of {name}, by kind.", labels=["kind"]
            )
            for label, value in sorted(values.items()):
                total.add_metric([label], value)
            yield total
        yield self._lasting_alarms()
        yield self._heartbeat_ages()
        for beat in self._heartbeats:
            yield from _heartbeat_metrics(beat)

    def _lasting_alarms(self) -> Metric:
        counts: dict[str, int] = {}
        for alarm in self._alarms:
            counts[alarm["kind"]] = counts.get(alarm["kind"], 0) + 1
        gauge = GaugeMetricFamily("streamwarden_alarms", "Alarms that last.", labels=["kind"])
        for kind, count in sorted(counts.items()):
            gauge.add_metric([kind], count)
        return gauge

    def _heartbeat_ages(self) -> Metric:
        gauge = GaugeMetricFamily(
            "streamwarden_heartbeat_age_seconds",
            "Time since the latest heartbeat of a process.",
            labels=["process"],
        )
        for beat in self._heartbeats:
            gauge.add_metric([beat.process], max(0.0, self._now - beat.at))
        return gauge


def render_metrics(requests: RequestMetrics, reading: ServiceReading) -> bytes:
    """Return all metrics as text."""
    registry = CollectorRegistry()
    registry.register(reading)
    return generate_latest(registry) + generate_latest(requests.registry)


def _heartbeat_metrics(beat: Heartbeat) -> Iterator[Metric]:
    prefix, texts = f"streamwarden_{_word(beat.process)}", {}
    for name, value in sorted(beat.body.items()):
        text = f"{name} as the process {beat.process} reports it."
        if isinstance(value, Mapping):
            gauge = GaugeMetricFamily(f"{prefix}_{_word(name)}", text, labels=["of"])
            for of, number in sorted(value.items()):
                if isinstance(number, int | float):
                    gauge.add_metric([str(of)], float(number))
            yield gauge
        elif isinstance(value, int | float):
            yield GaugeMetricFamily(f"{prefix}_{_word(name)}", text, float(value))
        elif isinstance(value, str):
            texts[_word(name)] = value
    if texts:
        info = GaugeMetricFamily(
            f"{prefix}_info", f"Facts of the process {beat.process}.", labels=list(texts)
        )
        info.add_metric(list(texts.values()), 1.0)
        yield info


def _word(name: str) -> str:
    """Return a name as a part of a metric's name."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
