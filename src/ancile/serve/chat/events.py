"""Server-sent events, cut where they end: https://html.spec.whatwg.org/multipage/server-sent-events.html.

Pieces of TCP and of chunks end anywhere; what goes on to a client is whole events, so that one of our own
can follow at any time. Which tokens were used the last events say.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from ancile.serve.refusal import Refused

LONGEST = 1 << 20  # bytes of one event
ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
LONGEST_END = max(map(len, ENDS))
DATA = re.compile(rb"^data: ?(.*?)\r?$", re.MULTILINE)


class Usage(NamedTuple):
    """Tokens as the upstream counts them; 0 where it says nothing."""

    asked: int = 0
    answered: int = 0


class _Counts(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Told(msgspec.Struct):
    usage: _Counts | None = None


_TOLD = msgspec.json.Decoder(_Told)


def usage_of(document: bytes) -> Usage | None:
    """What a JSON answer says of tokens; None where it is no such answer."""
    try:
        found = _TOLD.decode(document).usage
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return Usage() if found is None else Usage(max(found.prompt_tokens, 0), max(found.completion_tokens, 0))


class Events:
    """A stream of events."""

    __slots__ = ("_rest", "usage")

    def __init__(self) -> None:
        self._rest = bytearray()
        self.usage = Usage()

    def feed(self, data: bytes) -> bytes:
        """The events that are whole now; Refused for one that does not end."""
        rest = self._rest
        since = max(0, len(rest) - LONGEST_END + 1)  # what came before has been looked through
        rest += data
        end = max(at + len(mark) if (at := rest.rfind(mark, since)) >= 0 else 0 for mark in ENDS)
        whole = bytes(rest[:end])
        del rest[:end]
        if len(rest) > LONGEST:
            raise Refused(502, "the upstream's event does not end")
        if b'"usage"' in whole:
            self._count(whole)
        return whole

    def _count(self, whole: bytes) -> None:
        for line in DATA.finditer(whole):
            if b'"usage"' in line[1]:
                told = usage_of(line[1])
                if told is not None and told != Usage():
                    self.usage = told
