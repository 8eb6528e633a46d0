"""Counts add up over workers, logs lose nothing silently, traces follow the W3C's form."""

from __future__ import annotations

import json
import os
import resource
import socket
from pathlib import Path
from random import Random

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ancile.serve.call import Call
from ancile.serve.caller import Caller
from ancile.serve.config import Role
from ancile.serve.keys import Identity
from ancile.serve.record import Refusal
from ancile.serve.routes import Route
from ancile.serve.telemetry.access_log import AccessLog, Line, network_of
from ancile.serve.telemetry.counters import BOUNDS, Counters, clear, keep, kept
from ancile.serve.telemetry.exposition import exposition
from ancile.serve.telemetry.traces import MOST_ASKED, MOST_WAITING, Traces
from ancile.serve.verdict import ALLOW

NOWHERE = "http://127.0.0.1:9/v1/traces"


def test_counts_of_workers_add_up_and_what_is_no_count_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    assert kept(folder).answered == {}
    for worker in ("1", "2"):
        counters = Counters()
        counters.add(("m", "analyst", "allow", "", 200), 3e-4, 0.02)
        counters.add(("m", "analyst", "allow", "", 200), 99.0, 0.0)
        counters.refused(Refusal("alice", "analyst", "deny", "route", 404), 5)
        keep(counters.snapshot(), folder, worker=worker)
    (folder / "3.json").write_text("{", "utf-8")
    (folder / "3.json").chmod(0o600)
    total = kept(folder)
    assert total.answered == {"m\tanalyst\tallow\t\t200": 4}
    assert total.turned == {"deny\troute\t404": 10}
    assert (sum(total.overhead), total.overhead[-1], sum(total.model)) == (4, 2, 2)
    families = {one.name: one for one in text_string_to_metric_families(exposition(folder).decode("utf-8"))}
    assert families["ancile_refused"].samples[0].value == 10
    assert len(families["ancile_overhead_seconds"].samples) == len(BOUNDS) + 3
    assert "alice" not in exposition(folder).decode("utf-8")
    clear(folder)
    assert kept(folder).answered == {}


def test_a_log_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "a.log", networks=False)
    log.add(Line(time=1, status=200))
    log.tick(2)
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    log.tick(3)
    log.add(Line(time=4, status=404, who="alice"))
    log.refused(401, "192.0.2.7")
    log.refused(401, "192.0.2.8")
    log.close(5)
    assert (tmp_path / "a.log.1").read_text("utf-8") == '{"time":1,"status":200}\n'
    lines = [json.loads(line) for line in (tmp_path / "a.log").read_text("utf-8").splitlines()]
    assert lines == [{"time": 4, "who": "alice", "status": 404}, {"time": 5, "status": 401, "n": 2}]


def test_refusals_from_many_networks_are_bounded(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "a.log", networks=True)
    for n in range(3000):
        log.refused(401, f"10.{n // 256}.{n % 256}.1")
    log.close(1)
    lines = [json.loads(line) for line in (tmp_path / "a.log").read_text("utf-8").splitlines()]
    assert len(lines) == 1001
    assert sum(line.get("n", 1) for line in lines) == 3000


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", ""),
    ],
)
def test_an_address_is_cut_to_its_network(address: str, network: str) -> None:
    assert network_of(address) == network


def test_lines_that_a_full_disk_takes_are_counted(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:  # a limit on the size of files stands for a full disk, and only in this child
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        log = AccessLog(tmp_path / "a.log", networks=False)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30, 30))
        for n in range(4):
            log.add(Line(time=n, status=200))
        log.tick(1)
        os._exit(log.lost)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


def call() -> Call:
    return Call(Caller(Identity("alice", "analyst"), Role()), Route("/infer", "m"), ALLOW)


def begun(traces: Traces, given: bytes | None) -> Call:
    one = call()
    traces.begin({} if given is None else {b"traceparent": given}, one)
    return one


def test_a_callers_trace_is_taken_over_with_his_decision() -> None:
    traces = Traces(NOWHERE, sample=1.0, rng=Random(0))
    id_, span = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
    yes = begun(traces, b"00-" + id_ + b"-" + span + b"-01")
    assert (yes.sampled, yes.trace[3:35], yes.parent) == (True, id_, span)
    assert yes.trace[36:52] != span
    no = begun(traces, b"00-" + id_ + b"-" + span + b"-00")
    assert (no.sampled, no.trace[:35], no.trace[-2:]) == (False, b"00-" + id_, b"00")
    traces.close()


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-" + b"0" * 16 + b"-01",
        b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nX: y",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01, 00-4b",
    ],
)
def test_what_is_no_traceparent_begins_nothing(given: bytes) -> None:
    traces = Traces(NOWHERE, sample=0.0, rng=Random(0))
    one = begun(traces, given)
    assert (one.sampled, one.trace, one.parent) == (False, b"", b"")
    traces.close()


def test_callers_cannot_ask_for_any_number_of_traces() -> None:
    traces = Traces(NOWHERE, sample=0.0, rng=Random(0))
    given = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    sampled = sum(begun(traces, given).sampled for _ in range(3 * MOST_ASKED))
    assert MOST_ASKED <= sampled <= 2 * MOST_ASKED  # a second may end meanwhile
    traces.close()


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_collector_that_hangs_holds_nobody_up_for_long() -> None:
    """More waits than is kept, and nobody takes it: the gateway ends all the same."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        traces = Traces(f"http://127.0.0.1:{silent.getsockname()[1]}", sample=1.0, rng=Random(0))
        for _ in range(3 * MOST_WAITING):
            traces.end(begun(traces, None), 200)
        traces.close()


def test_the_share_that_is_drawn_is_the_sample() -> None:
    traces = Traces(NOWHERE, sample=0.25, rng=Random(0))
    assert 900 < sum(begun(traces, None).sampled for _ in range(4000)) < 1100
    traces.close()
