"""The witness: each answer of C2SP tlog-witness, atomic state, and a real conversation over HTTP."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.ask_witness import cosigned
from ancile.trust.checkpoint import Head
from ancile.trust.ledger import Ledger
from ancile.trust.merkle import EMPTY_ROOT
from ancile.trust.note import ED25519, open_note, parse_note, sign_line
from ancile.trust.witness import (
    Answer,
    Request,
    Witness,
    add_checkpoint,
    origin_hash,
    parse_request,
    witness_server,
    write_request,
)
from tests.trust.ledger_help import (
    ORIGIN,
    VKEYS,
    WITNESS,
    WITNESS_ED,
    WITNESS_ML,
    WITNESS_VKEYS,
    checkpoint,
    drafts,
    opened,
    signed,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with opened(tmp_path / "ledger") as ledger:
        ledger.append(drafts(10))
        yield ledger


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return witness_in(tmp_path / "witness")


def witness_in(folder: Path) -> Witness:
    return Witness(
        folder,
        name=WITNESS,
        ed25519=WITNESS_ED,
        mldsa44=WITNESS_ML,
        logs={ORIGIN: VKEYS},
        clock=lambda: datetime(2026, 1, 2, tzinfo=UTC),
    )


def asked(ledger: Ledger, old: int, new: int) -> bytes:
    proof = ledger.consistency_proof(old, new)
    return write_request(Request(old, tuple(proof), signed(ledger, new)))


def test_a_witness_cosigns_what_extends_and_serves_the_latest(ledger: Ledger, witness: Witness) -> None:
    assert witness.monitor(origin_hash(ORIGIN)).status == 404
    for old, new in ((0, 0), (0, 3), (3, 3), (3, 8), (8, 10)):
        answer = witness.answer(asked(ledger, old, new))
        assert answer.status == 200
        note = f"{Head(ORIGIN, new, ledger.root(new)).text}\n{answer.body}"
        opened = open_note(note, WITNESS_VKEYS)
        assert [s.when for s in opened.signed] == [1_767_312_000] * 2
    latest = witness.monitor(origin_hash(ORIGIN))
    assert latest.status == 200
    assert len(open_note(latest.body, [*VKEYS, *WITNESS_VKEYS]).signed) == 4


def test_lines_of_keys_that_the_witness_does_not_know_are_not_kept(ledger: Ledger, witness: Witness) -> None:
    note = signed(ledger, 3) + sign_line("other", ED25519, WITNESS_ED, text="x\n")
    assert witness.answer(write_request(Request(0, (), note))).status == 200
    assert len(parse_note(witness.monitor(origin_hash(ORIGIN)).body).signatures) == 4


def test_each_refusal_has_its_status(ledger: Ledger, witness: Witness) -> None:
    assert witness.answer(asked(ledger, 0, 5)).status == 200
    good = asked(ledger, 5, 8)
    stripped = signed(ledger, 8).rpartition("\u2014")[0]
    cases = {
        400: [b"", b"\xff", b"old 5\n", good.replace(b"old 5", b"old 05"), asked(ledger, 0, 8)[:-1]],
        404: [good.replace(ORIGIN.encode(), b"example.com/other")],
        403: [
            good.replace(b"\n8\n", b"\n9\n"),
            write_request(Request(5, (), stripped)),
            write_request(Request(5, (), f"{Head(ORIGIN, 8, bytes(32)).text}\n\u2014 other AAAAAAA=\n")),
        ],
        422: [
            write_request(Request(5, (), signed(ledger, 8))),
            write_request(Request(5, (bytes(32),), signed(ledger, 8))),
            write_request(Request(5, (bytes(31),), signed(ledger, 8))),
            write_request(Request(5, (), checkpoint(5, bytes(32)))),
            write_request(Request(5, (bytes(32),), signed(ledger, 5))),
        ],
    }
    for status, bodies in cases.items():
        for body in bodies:
            assert witness.answer(body).status == status
    assert witness.answer(write_request(Request(9, (), signed(ledger, 8)))).status == 400
    assert witness.answer(asked(ledger, 0, 8)) == Answer(409, "5\n", "text/x.tlog.size")
    assert witness.answer(good).status == 200


def test_an_empty_log_has_the_empty_root(witness: Witness) -> None:
    assert witness.answer(write_request(Request(0, (), checkpoint(0, bytes(32))))).status == 422
    assert witness.answer(write_request(Request(0, (), checkpoint(0, EMPTY_ROOT)))).status == 200


def test_two_views_of_one_size_are_never_both_cosigned(ledger: Ledger, witness: Witness) -> None:
    assert witness.answer(asked(ledger, 0, 10)).status == 200
    other = checkpoint(10, bytes(32))
    assert witness.answer(write_request(Request(10, (), other))).status == 422
    assert witness.answer(write_request(Request(0, (), other))).status == 409


def test_a_damaged_state_stops_the_witness_and_does_not_start_it_anew(
    ledger: Ledger, witness: Witness, tmp_path: Path
) -> None:
    assert witness.answer(asked(ledger, 0, 10)).status == 200
    (tmp_path / "witness" / origin_hash(ORIGIN)).write_bytes(b"\xff")
    with pytest.raises(AncileError):
        witness.answer(asked(ledger, 0, 10))


def test_requests_read_back_and_63_lines_are_the_most() -> None:
    request = Request(7, (bytes(32),) * 63, "note\n")
    assert parse_request(write_request(request)) == request
    with pytest.raises(AncileError, match="malformed"):
        parse_request(write_request(Request(7, (bytes(32),) * 64, "note\n")))


@given(st.binary(max_size=300))
def test_hostile_requests_are_answered_and_change_nothing(body: bytes) -> None:
    request = write_request(Request(0, (), checkpoint(3, bytes(32))))
    for hostile in (body, b"old 0\n\n" + body, request[: len(body)] + body + request[len(body) :]):
        judged = add_checkpoint(hostile, lambda _: None, logs={ORIGIN: VKEYS}, cosign=lambda _: "lines\n")
        assert judged.answer.status in {200, 400, 403, 404, 409, 422}
        assert (judged.keep is None) == (judged.answer.status != 200)


@contextmanager
def serving(server: HTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_log_asks_a_witness_over_http(ledger: Ledger, witness: Witness) -> None:
    with serving(witness_server(witness)) as port:
        url = f"http://127.0.0.1:{port}/prefix/"
        first = cosigned(signed(ledger, 4), url, prove=lambda _: [], vkeys=WITNESS_VKEYS)
        assert len(open_note(first, [*VKEYS, *WITNESS_VKEYS]).signed) == 4
        assert cosigned(first, url, prove=lambda _: [], vkeys=WITNESS_VKEYS, old=4) == first
        again = cosigned(
            signed(ledger, 10),
            url,
            prove=lambda old: ledger.consistency_proof(old, 10),
            vkeys=WITNESS_VKEYS[1:],
        )
        assert len(open_note(again, [*VKEYS, *WITNESS_VKEYS]).signed) == 3
        with pytest.raises(AncileError, match="gave no cosignature"):
            cosigned(signed(ledger, 9), url, prove=lambda _: [], vkeys=WITNESS_VKEYS)
        with pytest.raises(AncileError, match="no trusted key"):
            cosigned(signed(ledger, 10), url, prove=lambda _: [], vkeys=VKEYS, old=10)


def exchanged(port: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.putrequest(method, path)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_server_refuses_what_it_will_not_read(ledger: Ledger, witness: Witness, tmp_path: Path) -> None:
    with serving(witness_server(witness)) as port:
        monitor = f"/{origin_hash(ORIGIN)}/checkpoint"
        assert exchanged(port, "GET", monitor, {})[0] == 404
        assert exchanged(port, "GET", "/", {})[0] == 404
        assert exchanged(port, "POST", "/nowhere", {"Content-Length": "0"})[0] == 404
        for length in ({}, {"Content-Length": "-1"}, {"Content-Length": "99999999"}):
            assert exchanged(port, "POST", "/add-checkpoint", length)[0] == 413
        witness.answer(asked(ledger, 0, 10))
        assert exchanged(port, "GET", monitor, {})[1].startswith(ORIGIN.encode())
        (tmp_path / "witness" / origin_hash(ORIGIN)).chmod(0o644)
        assert exchanged(port, "GET", monitor, {})[0] == 500


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "http://",
        "http://[",
        "http://user@127.0.0.1/",
        "http://127.0.0.1/?query",
        "http://127.0.0.1:99999/",
        "http://169.254.169.254/latest",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1%25lo]/",
        "http://[fd00:ec2::254]/",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://127.0.0.1:1/",
    ],
)
def test_a_url_that_leads_to_no_witness_is_refused(url: str) -> None:
    with pytest.raises(AncileError, match="gave no cosignature"):
        cosigned(checkpoint(0, EMPTY_ROOT), url, prove=lambda _: [], vkeys=WITNESS_VKEYS)


def answering(status: int, headers: dict[str, str], body: bytes) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return HTTPServer(("127.0.0.1", 0), Handler)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (302, {"Location": "http://127.0.0.1:1/"}, b""),
        (409, {"Content-Type": "text/x.tlog.size"}, b"11\n"),
        (409, {"Content-Type": "text/x.tlog.size"}, b"x\n"),
        (409, {"Content-Type": "text/x.tlog.size"}, b"3\n"),
        (200, {}, b""),
        (200, {}, b"\xff" * 400_000),
        (200, {}, "\u2014 example.org/witness AAAAAAA=\n".encode()),
        (500, {}, b"\x1b[31m"),
    ],
)
def test_a_hostile_witness_gets_nowhere(
    ledger: Ledger, status: int, headers: dict[str, str], body: bytes
) -> None:
    with serving(answering(status, headers, body)) as port, pytest.raises(AncileError):
        cosigned(
            signed(ledger),
            f"http://127.0.0.1:{port}",
            prove=lambda old: ledger.consistency_proof(old, 10),
            vkeys=WITNESS_VKEYS,
        )


def test_a_witness_that_does_not_speak_tls_is_refused(ledger: Ledger) -> None:
    with serving(answering(200, {}, b"")) as port, pytest.raises(AncileError) as caught:
        cosigned(signed(ledger), f"https://127.0.0.1:{port}", prove=lambda _: [], vkeys=WITNESS_VKEYS)
    assert isinstance(caught.value.__cause__, ssl.SSLError)
