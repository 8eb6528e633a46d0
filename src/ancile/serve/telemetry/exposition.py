"""The counts of all workers as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ancile.core.extras import needs
from ancile.serve.telemetry.counters import BOUNDS, kept

if TYPE_CHECKING:
    import prometheus_client as prometheus
    from prometheus_client import core
else:
    prometheus = needs("prometheus_client", "telemetry")
    core = needs("prometheus_client.core", "telemetry")

CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST
ANSWERED = ("model", "role", "reaction", "guard", "status")
REFUSED = ("reaction", "guard", "status")


class Counts:
    """A collector that reads the files of counts when it is asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[core.Metric]:
        """Every metric, of all workers together."""
        found = kept(self._folder)
        yield _counter("requests", "requests that were admitted", ANSWERED, found.answered)
        yield _counter("refused", "requests that were refused before their body", REFUSED, found.turned)
        yield _histogram("overhead", "seconds that the gateway took", found.overhead, found.overhead_sum)
        yield _histogram("model", "seconds that model or upstream took", found.model, found.model_sum)
        yield core.CounterMetricFamily(
            "ancile_access_log_lost", "lines of the access log that could not be written", value=found.lost
        )


def exposition(folder: Path) -> bytes:
    """The metrics in Prometheus' text format; empty counts where no worker has shown any yet."""
    registry = prometheus.CollectorRegistry(auto_describe=False)
    registry.register(Counts(folder))
    return prometheus.generate_latest(registry)


def _counter(name: str, help_: str, labels: Sequence[str], counts: Mapping[str, int]) -> core.Metric:
    family = core.CounterMetricFamily(f"ancile_{name}", help_, labels=labels)
    for joined, count in sorted(counts.items()):
        values = joined.split("\t")
        if len(values) == len(labels):
            family.add_metric(values, count)
    return family


def _histogram(name: str, help_: str, counts: Iterable[int], total: float) -> core.Metric:
    family = core.HistogramMetricFamily(f"ancile_{name}_seconds", help_)
    buckets, below = [], 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=False):
        below += count
        buckets.append((bound, float(below)))
    family.add_metric([], buckets, sum_value=total)
    return family
