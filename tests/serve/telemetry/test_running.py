"""A running gateway shows counts, a log and traces, and of its callers no more than it should."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.terminal import Place
from tests.loopback import free_port, web
from tests.serve.small import running
from tests.serve.test_command import key, soon

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector's URL, and what it was sent."""
    came: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with web(Handler) as url:
        yield f"{url}/v1/traces", came


def configured(home: Place, **settings: object) -> None:
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    path = home.folder / "ancile.toml"
    path.write_text(path.read_text("utf-8") + "\n[serve.telemetry]\n" + "\n".join(lines) + "\n", "utf-8")


@pytest.mark.slow
def test_counts_log_traces_and_the_overhead_of_a_request(home: Place) -> None:
    alice = key(home, "alice")
    with collector() as (url, came):
        configured(
            home,
            access_log="access.log",
            addresses="network",
            metrics_port=free_port(),
            traces=url,
            sample=0.0,
        )
        with running(home, "line.onnx") as gateway:
            client = gateway.client(alice)
            body = json.dumps(
                {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
            )
            asked = client(
                "POST", "/v2/models/line/infer", body.encode(), ancile_overhead="1", traceparent=PARENT
            )
            assert asked.status == 200, (asked, gateway.said.read_text("utf-8"))
            assert 0 < int(asked.headers["ancile-overhead-us"]) < 10**6
            assert "ancile-overhead-us" not in client.infer(1.0, 2.0).headers
            assert client.infer(float("1e30"), 2.0, model="absent").status == 404
            assert gateway.client().infer(1.0, 1.0).status == 401
            shown = re.search(r"Prometheus: (\S+)", gateway.said.read_text("utf-8"))
            assert shown is not None
            assert soon(lambda: samples(shown[1]).get("ancile_refused_total identity deny 401") == 2.0)
            found = samples(shown[1])
            assert gateway.end() == 0
    assert found.get("ancile_requests_total  line allow service 200") == 2.0, found
    assert found["ancile_overhead_seconds_count"] == found["ancile_model_seconds_count"] == 2.0
    assert 0 < found["ancile_overhead_seconds_sum"] < 1
    assert "alice" not in "".join(found)
    lines = [
        json.loads(line)
        for line in (home.folder / ".ancile/serve/access.log").read_text("utf-8").splitlines()
    ]
    first = next(line for line in lines if line.get("trace"))
    assert (first["who"], first["status"], first["network"]) == ("alice", 200, "127.0.0.0/24")
    assert first["trace"] == PARENT[3:35]
    assert sum(line.get("n", 1) for line in lines if line["status"] == 401) == 2
    assert alice not in (home.folder / ".ancile/serve/access.log").read_text("utf-8")
    spans = [
        span
        for body in came
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert {span.name for span in spans} == {"/infer line", "model"}
    assert {span.trace_id.hex() for span in spans} == {PARENT[3:35]}
    outer = next(span for span in spans if span.name != "model")
    assert outer.parent_span_id.hex() == PARENT[36:52]
    assert next(span for span in spans if span.name == "model").parent_span_id == outer.span_id
    assert outer.start_time_unix_nano < outer.end_time_unix_nano


@pytest.mark.slow
def test_counts_of_several_workers_add_up_and_their_log_has_whole_lines(home: Place) -> None:
    keys = [key(home, name) for name in ("alice", "bob", "carol", "dave")]
    configured(home, access_log="access.log", metrics_port=free_port())
    with running(home, "line.onnx", "--workers", "2") as gateway:
        for _ in range(10):
            for one in keys:
                assert gateway.client(one).infer(1.0, 2.0).status == 200
        shown = re.search(r"Prometheus: (\S+)", gateway.said.read_text("utf-8"))
        assert shown is not None
        assert soon(lambda: samples(shown[1]).get("ancile_requests_total  line allow service 200") == 40.0)
        assert len(list((home.folder / ".ancile" / "serve" / "metrics").glob("*.json"))) == 2
        assert gateway.end() == 0
    lines = (home.folder / ".ancile/serve/access.log").read_text("utf-8").splitlines()
    answered = [one for one in map(json.loads, lines) if one.get("ask")]
    assert len(answered) == 40
    assert {one["who"] for one in answered} == {"alice", "bob", "carol", "dave"}
    assert all("network" not in one for one in map(json.loads, lines))


def samples(url: str) -> dict[str, float]:
    """What Prometheus reads: name and values of the labels, to the value."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        text = answer.read().decode("utf-8")
    return {
        " ".join((sample.name, *(value for _, value in sorted(sample.labels.items())))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"access_log": "absent/a.log"}, "the access log cannot be written"),
        ({"traces": "http://169.254.169.254/v1/traces"}, "not to be asked"),
        ({"sample": 2.0}, "sample 0 to 1"),
    ],
)
def test_what_cannot_be_shown_is_told_at_the_start(
    home: Place, settings: dict[str, object], said: str
) -> None:
    configured(home, **settings)
    ended = home("serve", "line.onnx", "--port", "0")
    assert (ended.code, said in ended.err) == (2, True), ended.err


def test_a_port_of_metrics_that_is_taken_is_told(home: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configured(home, metrics_port=taken.getsockname()[1])
        ended = home("serve", "line.onnx", "--port", "0")
    assert (ended.code, "metrics cannot be shown" in ended.err) == (2, True)
