"""C2SP tlog-witness: cosigns a log's checkpoints as long as each extends the one before.

The judgement is a pure function. The state is the latest cosigned checkpoint itself, one file a log, durable
before the answer goes out. The server speaks HTTP on the loopback address unless told otherwise.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.checkpoint import Head, parse_head
from ancile.trust.encoding import b64, unb64
from ancile.trust.merkle import DECIMAL, EMPTY_ROOT, verify_consistency
from ancile.trust.note import (
    COSIGNATURE_ED25519,
    COSIGNATURE_MLDSA44,
    open_note,
    parse_note,
    parse_vkey,
    sign_line,
)
from ancile.trust.private_file import locked, read_private, write_private

MOST_PROOF_LINES = 63  # C2SP tlog-witness, add-checkpoint
MAX_REQUEST_BYTES = 256 * 1024  # 100 signature lines of ML-DSA-44 and the proof fit twice over half of it
IDLE_SECONDS = 30
TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"
MONITORED = re.compile(r"/([0-9a-f]{64})/checkpoint")


class Answer(NamedTuple):
    """What goes back over HTTP."""

    status: int
    body: str
    content_type: str = TEXT


class Judged(NamedTuple):
    """An answer, and the cosigned checkpoint to keep before it is given; None when nothing is to change."""

    answer: Answer
    keep: str | None = None


class Request(NamedTuple):
    """An add-checkpoint request as parsed."""

    old: int
    proof: tuple[bytes, ...]
    note: str


def write_request(request: Request) -> bytes:
    """The body of an add-checkpoint request."""
    lines = [f"old {request.old}", *map(b64, request.proof), "", request.note]
    return "\n".join(lines).encode()


def parse_request(body: bytes) -> Request:
    """The request in ``body``; AncileError for what ``write_request`` would not write."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    head, _, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    old = first.removeprefix("old ")
    if not first.startswith("old ") or not DECIMAL.fullmatch(old) or len(lines) > MOST_PROOF_LINES:
        raise AncileError(
            "the request is malformed",
            value=f"{len(body)} bytes",
            remedy="send `old <size>`, proof lines, a blank line and the checkpoint",
        )
    return Request(int(old), tuple(unb64(line, name="a proof line") for line in lines), note)


def add_checkpoint(
    body: bytes,
    latest: Callable[[str], Head | None],
    *,
    logs: Mapping[str, Sequence[str]],
    cosign: Callable[[str], str],
) -> Judged:
    """The judgement on an add-checkpoint request.

    latest  the latest cosigned checkpoint of an origin
    logs    origin to the verifier keys trusted for it; of each type among them one must have signed
    cosign  a checkpoint's text to the witness's signature lines
    """
    try:
        request = parse_request(body)
        note = parse_note(request.note)
        head = parse_head(note.text)
    except AncileError as reason:
        return Judged(Answer(400, f"{reason.what}\n"))
    if head.origin not in logs:
        return Judged(Answer(404, "this log is not known here\n"))
    try:
        opened = open_note(request.note, logs[head.origin])
    except AncileError as reason:
        return Judged(Answer(403, f"{reason.what}\n"))
    if {s.vkey.kind for s in opened.signed} != {parse_vkey(text).kind for text in logs[head.origin]}:
        return Judged(Answer(403, "a signature of the log is missing\n"))
    refusal = _refusal(request, head, latest(head.origin) or Head(head.origin, 0, EMPTY_ROOT))
    if refusal is not None:
        return Judged(refusal)
    lines = cosign(note.text)
    trusted = {(s.vkey.name, s.vkey.id) for s in opened.signed}
    kept = "".join(s.line for s in note.signatures if (s.name, s.id) in trusted)
    return Judged(Answer(200, lines), f"{note.text}\n{kept}{lines}")


def _refusal(request: Request, head: Head, latest: Head) -> Answer | None:
    """Why a checkpoint that the log signed is not cosigned; None when it is."""
    if request.old > head.size:
        return Answer(400, "the old size is beyond the checkpoint's\n")
    if request.old != latest.size:
        return Answer(409, f"{latest.size}\n", SIZE)
    if not verify_consistency(
        request.proof, old=request.old, new=head.size, old_root=latest.root, new_root=head.root
    ):
        return Answer(422, "the checkpoint does not extend the latest one\n")
    return None


class Witness:
    """A witness with its keys and its folder of latest checkpoints.

    logs   origin to the verifier keys trusted for it
    clock  gives the time of each cosignature
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        ed25519: Ed25519PrivateKey,
        mldsa44: MLDSA44PrivateKey,
        logs: Mapping[str, Sequence[str]],
        clock: Callable[[], datetime],
    ) -> None:
        self._folder = folder
        self._name = name
        self._ed25519 = ed25519
        self._mldsa44 = mldsa44
        self._logs = logs
        self._clock = clock

    def answer(self, body: bytes) -> Answer:
        """The answer to an add-checkpoint request; the new state is durable before it returns."""
        with locked(self._folder):  # check and store are one step, for all processes
            judged = add_checkpoint(body, self._latest, logs=self._logs, cosign=self._cosign)
            if judged.keep is not None:
                origin = judged.keep.partition("\n")[0]
                write_private(self._path(origin_hash(origin)), judged.keep.encode(), replace=True)
        return judged.answer

    def monitor(self, digest: str) -> Answer:
        """The latest cosigned checkpoint of the origin with this SHA-256 in hex."""
        if not self._path(digest).exists():
            return Answer(404, "no checkpoint of this log was cosigned here\n")
        return Answer(200, self._read(digest))

    def _path(self, digest: str) -> Path:
        return self._folder / digest

    def _read(self, digest: str) -> str:
        return read_private(self._path(digest), limit=2 * MAX_REQUEST_BYTES).decode("utf-8", "replace")

    def _latest(self, origin: str) -> Head | None:
        """What was cosigned last; a damaged file raises, for starting anew would allow a rollback."""
        digest = origin_hash(origin)
        return parse_head(parse_note(self._read(digest)).text) if self._path(digest).exists() else None

    def _cosign(self, text: str) -> str:
        when = int(self._clock().timestamp())
        return sign_line(self._name, COSIGNATURE_ED25519, self._ed25519, text=text, when=when) + sign_line(
            self._name, COSIGNATURE_MLDSA44, self._mldsa44, text=text, when=when
        )


def origin_hash(origin: str) -> str:
    """How an origin stands in a URL."""
    return hashlib.sha256(origin.encode()).hexdigest()


def witness_server(witness: Witness, *, host: str = "127.0.0.1", port: int = 0) -> ThreadingHTTPServer:
    """A server that is bound and not yet serving: call ``serve_forever``, close it in the end.

    port  0 takes a free one, which ``server_port`` tells
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_SECONDS

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not DECIMAL.fullmatch(length) or int(length) > MAX_REQUEST_BYTES:
                self.close_connection = True  # the body is not read
                self.send(Answer(413, "a request has a length, of 256 KiB at most\n"))
                return
            body = self.rfile.read(int(length))
            self.reply(lambda: witness.answer(body), known=self.path.endswith("/add-checkpoint"))

        def do_GET(self) -> None:
            match = MONITORED.search(self.path)
            self.reply(lambda: witness.monitor(match[1] if match else ""), known=match is not None)

        def reply(self, work: Callable[[], Answer], *, known: bool) -> None:
            try:
                self.send(work() if known else Answer(404, "nothing is here\n"))
            except AncileError as reason:
                self.send(Answer(500, f"{reason.what}\n"))

        def send(self, answer: Answer) -> None:
            body = answer.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Requests are not logged: the state says what was cosigned."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except (OSError, UnicodeError) as reason:
        raise AncileError(
            "the witness cannot listen there",
            value=plain(f"{host}:{port}: {getattr(reason, 'strerror', None) or reason}"),
            remedy="give an address of this machine and a port that is free",
        ) from reason
    server.daemon_threads = True
    return server
