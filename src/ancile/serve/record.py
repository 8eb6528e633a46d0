"""What is kept of a verdict: who, when, what was said and why; of an input only a keyed digest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

import msgspec

from ancile.serve.inference import Infer
from ancile.serve.tensors import BYTES
from ancile.serve.verdict import Verdict

DIGEST_BYTES = 16


class VerdictRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One verdict, or several alike of one second that were refused before their body was read.

    time   Unix time in microseconds
    who    identity; empty where it could not be told
    said   the reaction: allow, flag, throttle, deny
    guard  that said it
    input  keyed digest of the tensors: equal inputs have equal ones; without the key nobody can try inputs
    changed  what the answer was beside rounded: noise, degrade, watermark
    tokens_in, tokens_out  of a chat, where the upstream tells; those of a stream come with its end
    n      how many; 0 for the end of a stream, whose verdict was recorded when it began
    """

    time: int
    who: str = ""
    role: str = ""
    model: str = ""
    said: str
    guard: str = ""
    why: str = ""
    status: int
    input: str = ""
    rows: int = 0
    changed: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    n: int = 1


class Refusal(NamedTuple):
    """What refusals are counted by."""

    who: str
    role: str
    said: str
    guard: str
    status: int
    why: str = ""


def line_of(record: VerdictRecord) -> bytes:
    """A line of the journal."""
    return msgspec.json.encode(record) + b"\n"


class Counted:
    """Refusals that cost nothing but a count, so that a flood of them does not fill the disk.

    write  takes a line
    heard  takes each kind with how many there were, once they are written
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        heard: Callable[[Refusal, int], None] = lambda *_: None,
    ) -> None:
        self._write, self._heard = write, heard
        self._counts: Counter[Refusal] = Counter()

    def add(self, refusal: Refusal) -> None:
        """One more."""
        self._counts[refusal] += 1

    def flush(self, time: int) -> None:
        """Write a record for each kind; what cannot be written stays counted."""
        for one, count in list(self._counts.items()):
            self._write(
                line_of(
                    VerdictRecord(
                        time=time,
                        who=one.who,
                        role=one.role,
                        said=one.said,
                        guard=one.guard,
                        why=one.why,
                        status=one.status,
                        n=count,
                    )
                )
            )
            del self._counts[one]
            self._heard(one, count)


def digest_of_input(infer: Infer, key: bytes) -> bytes:
    """Half of SHA-256 over key, names, datatypes, shapes and values.

    The key goes first, and half of the state is never shown: nothing can be appended to what was hashed.
    """
    hashed = hashlib.sha256(key)
    for name, datatype, array in infer.inputs:
        hashed.update(_described(name, datatype, array.shape))
        if datatype == BYTES:
            hashed.update(b"".join(texts(array.ravel())))
        else:
            hashed.update(array.data if array.flags.c_contiguous else array.tobytes())
    return hashed.digest()[:DIGEST_BYTES]


@lru_cache(maxsize=256)
def _described(name: str, datatype: str, shape: tuple[int, ...]) -> bytes:
    return repr((name, datatype, shape)).encode()


def texts(values: Iterable[object]) -> list[bytes]:
    """Each behind its length."""
    return [len(one).to_bytes(4, "big") + one for one in values if isinstance(one, bytes)]


ANONYMOUS = Refusal("", "", "deny", "identity", 401)


def framing_refusal(status: int) -> Refusal:
    """A request that was none."""
    return Refusal("", "", "deny", "framing", status)


def refusal_of(verdict: Verdict, *, who: str, role: str, status: int) -> Refusal:
    """A verdict on somebody, before the body."""
    why = verdict.why if verdict.guard == "permission" else ""  # which policies: as few as there are
    return Refusal(who, role, verdict.reaction, verdict.guard, status, why)
