"""The log's side of C2SP tlog-witness: a witness is asked to cosign a checkpoint.

The only part of this room that talks to the network, and only to the URL it is given, by the rule of
``core.place``; no redirect is followed.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Sequence
from contextlib import closing

from ancile.core.errors import AncileError
from ancile.core.place import Place, connection_to, place_of, within
from ancile.core.text import plain
from ancile.trust.checkpoint import parse_head
from ancile.trust.merkle import DECIMAL
from ancile.trust.note import open_note, parse_note, parse_signatures
from ancile.trust.witness import SIZE, Answer, Request, write_request

MAX_ANSWER_BYTES = 256 * 1024


def cosigned(
    note: str,
    url: str,
    *,
    prove: Callable[[int], Sequence[bytes]],
    vkeys: Sequence[str],
    old: int = 0,
    timeout_seconds: float = 30.0,
) -> str:
    """The checkpoint with the cosignatures of the witness at ``url`` added, each verified.

    url    the witness's submission prefix
    prove  consistency proof from a smaller size to the checkpoint's, as ``Ledger.consistency_proof`` gives
    vkeys  the witness's trusted keys; lines by other keys are dropped
    old    size that the witness is thought to have; it is asked once more with the one it answers
    AncileError: unreachable, refused, an answer that is no cosignature by these keys.
    """
    place = _place_of(url)
    head = parse_head(parse_note(note).text)
    answer = _post(place, _request(note, old, prove), timeout_seconds)
    if answer.status == 409 and answer.content_type == SIZE:
        size = answer.body.removesuffix("\n")
        if not DECIMAL.fullmatch(size) or int(size) > head.size:
            raise _refused(url, f"it has seen size {plain(size, 30)}, the checkpoint has {head.size}")
        answer = _post(place, _request(note, int(size), prove), timeout_seconds)
    if answer.status != 200:
        raise _refused(url, f"status {answer.status}: {plain(answer.body, 100)}")
    return _joined(note, answer.body, vkeys)


def _request(note: str, old: int, prove: Callable[[int], Sequence[bytes]]) -> bytes:
    return write_request(Request(old, tuple(prove(old)) if old else (), note))


def _joined(note: str, lines: str, vkeys: Sequence[str]) -> str:
    """The note with those lines that trusted keys signed, and that it did not have."""
    parsed, answered = parse_note(note), parse_signatures(lines)
    opened = open_note(f"{parsed.text}\n" + "".join(s.line for s in answered), vkeys)
    wanted = {(s.vkey.name, s.vkey.id) for s in opened.signed} - {(s.name, s.id) for s in parsed.signatures}
    return note + "".join(s.line for s in answered if (s.name, s.id) in wanted)


def _place_of(url: str) -> Place:
    try:
        return place_of(url, form="give the witness's submission prefix: http(s)://host/prefix")
    except AncileError as fault:
        raise _refused(fault.value, fault.what) from fault


def _post(place: Place, body: bytes, timeout_seconds: float) -> Answer:
    try:
        with (
            closing(
                connection_to(place, connect_seconds=timeout_seconds, seconds=timeout_seconds)
            ) as connection,
            within(connection, timeout_seconds),
        ):
            headers = {"Content-Type": "text/plain; charset=utf-8", "Host": place.authority()}
            connection.request("POST", f"{place.path}/add-checkpoint", body, headers)
            with connection.getresponse() as answer:
                text = answer.read(MAX_ANSWER_BYTES).decode("utf-8", "replace")
            return Answer(answer.status, text, answer.headers.get("Content-Type", ""))
    except (OSError, http.client.HTTPException) as reason:
        raise _refused(place.host, plain(str(reason))) from reason


def _refused(url: str, why: str) -> AncileError:
    return AncileError(
        "the witness gave no cosignature",
        value=f"{plain(url)}: {why}",
        remedy="check its URL, and that it knows this log and its keys",
    )
