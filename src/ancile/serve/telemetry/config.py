"""The table ``[serve.telemetry]``."""

from __future__ import annotations

from typing import Literal

import msgspec


class TelemetryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is shown of a running gateway, beside its records.

    access_log       file with a line of JSON for each request; relative to the gateway's folder; empty: none
    addresses        of clients in it: none, or their network (/24, /48)
    metrics_port     of loopback, where Prometheus may ask; 0: none
    overhead_header  whether a request with the header ancile-overhead is told what the gateway took
    traces           URL of a collector that takes OTLP over HTTP; empty: none
    sample           share of requests that are traced, where the caller does not say
    """

    access_log: str = ""
    addresses: Literal["none", "network"] = "none"
    metrics_port: int = 0
    overhead_header: bool = True
    traces: str = ""
    sample: float = 0.01

    def __post_init__(self) -> None:
        if not (0 <= self.metrics_port < 65536 and 0 <= self.sample <= 1):
            raise ValueError("metrics_port is a port, sample 0 to 1")
