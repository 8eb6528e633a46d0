"""Traces: W3C Trace Context in and out, spans to an OpenTelemetry collector by OTLP over HTTP.

https://www.w3.org/TR/trace-context/ (level 1). A span is made when its request is over, and only where it is
sampled; a thread of the library's sends them in batches. The collector's name is resolved once, at the start.
"""

from __future__ import annotations

import http.client
import logging
import math
import re
import time
from collections.abc import Mapping, Sequence
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from ancile.core.extras import needs
from ancile.core.place import Place, connection_to, place_of, within
from ancile.serve.call import Call
from ancile.version import __version__

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.common import trace_encoder
    from opentelemetry.sdk import resources
    from opentelemetry.sdk import trace as sdk
    from opentelemetry.sdk.trace import export
    from opentelemetry.sdk.util import instrumentation
else:
    trace = needs("opentelemetry.trace", "telemetry")
    trace_encoder = needs("opentelemetry.exporter.otlp.proto.common.trace_encoder", "telemetry")
    resources = needs("opentelemetry.sdk.resources", "telemetry")
    sdk = needs("opentelemetry.sdk.trace", "telemetry")
    export = needs("opentelemetry.sdk.trace.export", "telemetry")
    instrumentation = needs("opentelemetry.sdk.util.instrumentation", "telemetry")

PARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
MOST_ASKED = 100  # traces a second that callers may ask for; sampling goes on beside them
SEND_SECONDS = 3.0  # for one batch
END_SECONDS = 3.0  # for what waits when the gateway ends, beside the batch that is on its way
MOST_WAITING, BATCH, EVERY_MILLIS = 2048, 256, 1000.0  # spans; what is more is dropped
FAILED = 500  # statuses from here on are errors of the server's
SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)


class Traces:
    """Decides which requests are traced, and makes their spans. One thread.

    sample  share of requests without a caller's own decision
    rng     draws ids and samples
    """

    def __init__(self, url: str, *, sample: float, rng: Random | None = None) -> None:
        place = place_of(url, form="give a collector's URL like http://127.0.0.1:4318/v1/traces")
        self._sample, self._rng = sample, rng or SystemRandom()
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it tells of each span that is dropped
        self._export = _Export(place)
        self._sending = export.BatchSpanProcessor(
            self._export,
            max_queue_size=MOST_WAITING,
            schedule_delay_millis=EVERY_MILLIS,
            max_export_batch_size=BATCH,
        )
        self._resource = resources.Resource({"service.name": "ancile", "service.version": __version__})
        self._scope = instrumentation.InstrumentationScope("ancile.serve", __version__)
        self._second, self._asked = 0, 0

    def begin(self, headers: Mapping[bytes, bytes], call: Call) -> None:
        """Take over the caller's trace, or begin one where the request is drawn."""
        given = headers.get(b"traceparent")
        parent = None if given is None else PARENT.fullmatch(given)
        if parent is not None:
            call.parent = parent[2]
            call.sampled = bool(int(parent[3], 16) & 1) and self._may_ask()
        else:
            call.sampled = self._rng.random() < self._sample
        if parent is not None or call.sampled:
            id_ = parent[1] if parent is not None else b"%032x" % (self._rng.getrandbits(128) | 1)
            own = self._rng.getrandbits(64) | 1
            call.trace = b"00-%b-%016x-%02d" % (id_, own, call.sampled)

    def _may_ask(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._asked = second, 0
        self._asked += 1
        return self._asked <= MOST_ASKED

    def end(self, call: Call, status: int) -> None:
        """The spans of a request that is over: its own, and the model's, which an upstream was told of."""
        if not call.sampled:
            return
        id_, model = int(call.trace[3:35], 16), int(call.trace[36:52], 16)
        own = trace.SpanContext(id_, self._rng.getrandbits(64) | 1, is_remote=False, trace_flags=SAMPLED)
        parent = None
        if call.parent:
            parent = trace.SpanContext(id_, int(call.parent, 16), is_remote=True, trace_flags=SAMPLED)
        end, now = time.time_ns(), time.perf_counter()

        def at(moment: float) -> int:
            return end - int((now - moment) * 1e9)

        self._sending.on_end(
            sdk.ReadableSpan(
                name=f"{call.route.ask} {call.route.model}".strip(),
                context=own,
                parent=parent,
                resource=self._resource,
                attributes={
                    "http.response.status_code": status,
                    "enduser.id": call.caller.identity.name,
                    "ancile.reaction": call.verdict.reaction,
                    "ancile.guard": call.verdict.guard,
                    "ancile.overhead_us": round(call.spent * 1e6),
                },
                kind=trace.SpanKind.SERVER,
                instrumentation_scope=self._scope,
                status=trace.Status(trace.StatusCode.ERROR if status >= FAILED else trace.StatusCode.UNSET),
                start_time=at(call.came),
                end_time=end,
            )
        )
        if call.asked:
            self._sending.on_end(
                sdk.ReadableSpan(
                    name="model",
                    context=trace.SpanContext(id_, model, is_remote=False, trace_flags=SAMPLED),
                    parent=own,
                    resource=self._resource,
                    kind=trace.SpanKind.CLIENT,
                    instrumentation_scope=self._scope,
                    start_time=at(call.asked),
                    end_time=at(call.asked + call.model_seconds),
                )
            )

    def close(self) -> None:
        """Send what waits, within some seconds."""
        self._export.until = time.monotonic() + END_SECONDS
        self._sending.shutdown()  # type: ignore[no-untyped-call]  # the library says no types here


class _Export(export.SpanExporter):
    """Sends spans to one place, whatever becomes of its name; what cannot be sent is dropped.

    until  when it gives up, by time.monotonic
    """

    def __init__(self, place: Place) -> None:
        self._place, self.until = place, math.inf

    def export(self, spans: Sequence[sdk.ReadableSpan]) -> export.SpanExportResult:
        """Whether the collector took them."""
        if time.monotonic() > self.until:
            return export.SpanExportResult.FAILURE
        body = trace_encoder.encode_spans(spans).SerializeToString()
        headers = {"Host": self._place.authority(), "Content-Type": "application/x-protobuf"}
        try:
            connection = connection_to(self._place, connect_seconds=SEND_SECONDS, seconds=SEND_SECONDS)
            try:
                with within(connection, SEND_SECONDS):
                    connection.request("POST", self._place.path or "/v1/traces", body=body, headers=headers)
                    with connection.getresponse() as answer:
                        taken = answer.status < 300
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            taken = False
        return export.SpanExportResult.SUCCESS if taken else export.SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Nothing is kept open."""
