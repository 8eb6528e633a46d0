"""C2SP tlog-policy: which logs are trusted, which witnesses exist, and how many of them must have cosigned.

Lines ``log <vkey> [url]``, ``witness <name> <vkey> [url]``, ``group <name> <n|any|all> <member>…`` and one
``quorum <name|none>``. Names are opaque octets, carried here with Python's surrogateescape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.checkpoint import Checkpoint, open_checkpoint
from ancile.trust.note import (
    COSIGNATURE_ED25519,
    COSIGNATURE_MLDSA44,
    ED25519,
    Vkey,
    open_note,
    parse_note,
    parse_vkey,
)

MAX_BYTES = 1_000_000
FORBIDDEN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
NUMBER = re.compile(r"[1-9][0-9]{0,5}")
LOG_KINDS = frozenset({ED25519, COSIGNATURE_MLDSA44})
WITNESS_KINDS = frozenset({COSIGNATURE_ED25519, COSIGNATURE_MLDSA44})
NONE = "none"


class Log(msgspec.Struct, frozen=True):
    """A trusted key of a log; its name is the log's origin."""

    vkey: Vkey
    url: str | None = None


class Witness(msgspec.Struct, frozen=True):
    """A witness under its name in this policy."""

    name: str
    vkey: Vkey
    url: str | None = None


class Group(msgspec.Struct, frozen=True):
    """Witnesses and groups of which at least ``needed`` must have witnessed."""

    name: str
    needed: int
    members: tuple[str, ...]


class Policy(msgspec.Struct, frozen=True):
    """A policy as parsed; ``quorum`` names a witness or group, or is "none"."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str


class _Draft:
    """A policy while its lines are read."""

    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.quorum: str | None = None
        self.names: set[str] = {NONE}
        self.members: set[str] = set()

    def defined(self, name: str) -> bool:
        return name in self.names and name != NONE


def parse_policy(data: bytes) -> Policy:
    """The policy in ``data``; AncileError names the first line that is wrong."""
    if len(data) > MAX_BYTES or FORBIDDEN.search(data) or not data.endswith(b"\n"):
        raise _wrong("it has control characters, no newline at its end, or over 1 MB", plain(repr(data[:60])))
    draft = _Draft()
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        words = [word for word in re.split(r"[ \t]+", line) if word]
        if words and not words[0].startswith("#"):
            _read_line(draft, words, number)
    if draft.quorum is None:
        raise _wrong("there is no quorum line", "")
    return Policy(tuple(draft.logs), tuple(draft.witnesses), tuple(draft.groups), draft.quorum)


def _read_line(draft: _Draft, words: list[str], number: int) -> None:
    kind, *rest = words
    readers: dict[str, Callable[[_Draft, list[str]], str]] = {
        "log": _log,
        "witness": _witness,
        "group": _group,
        "quorum": _quorum,
    }
    reader = readers.get(kind)
    fault = reader(draft, rest) if reader else "it begins with none of log, witness, group, quorum"
    if fault:
        raise _wrong(fault, f"line {number}: {plain(' '.join(words), 100)}")


def _url(words: list[str]) -> str | None:
    return words[0] if words else None


def _log(draft: _Draft, words: list[str]) -> str:
    if len(words) not in {1, 2}:
        return "it is not `log <vkey> [<url>]`"
    log = Log(parse_vkey(words[0]), _url(words[1:]))
    if log.vkey.kind not in LOG_KINDS:
        return "a log signs with type 1 or 6"
    if any(log.vkey.public == other.vkey.public for other in draft.logs):
        return "this log's key stands there already"
    draft.logs.append(log)
    return ""


def _witness(draft: _Draft, words: list[str]) -> str:
    if len(words) not in {2, 3}:
        return "it is not `witness <name> <vkey> [<url>]`"
    witness = Witness(words[0], parse_vkey(words[1]), _url(words[2:]))
    if witness.vkey.kind not in WITNESS_KINDS:
        return "a witness signs with type 4 or 6"
    if witness.name in draft.names:
        return "this name is taken"
    if any(witness.vkey.public == other.vkey.public for other in draft.witnesses):
        return "this witness's key stands there already"
    draft.names.add(witness.name)
    draft.witnesses.append(witness)
    return ""


def _group(draft: _Draft, words: list[str]) -> str:
    if len(words) < 3:
        return "it is not `group <name> <n|any|all> <member>…`"
    name, threshold, *members = words
    needed = {"any": 1, "all": len(members)}.get(threshold)
    if needed is None:
        needed = int(threshold) if NUMBER.fullmatch(threshold) else 0
    if not 1 <= needed <= len(members):
        return f"its threshold is not any, all, or 1 to {len(members)}"
    if name in draft.names:
        return "this name is taken"
    if not all(draft.defined(member) for member in members):
        return "a member is not defined on a line before"
    if len(set(members)) < len(members) or draft.members & set(members):
        return "a name may be a member only once, in one group"
    draft.names.add(name)
    draft.members |= set(members)
    draft.groups.append(Group(name, needed, tuple(members)))
    return ""


def _quorum(draft: _Draft, words: list[str]) -> str:
    if len(words) != 1 or draft.quorum is not None:
        return "it is not the one line `quorum <name>`"
    if words[0] not in draft.names:
        return "the quorum is not defined on a line before"
    draft.quorum = words[0]
    return ""


def _wrong(what: str, value: str) -> AncileError:
    return AncileError(
        f"the policy of logs and witnesses is wrong: {what}",
        value=value,
        remedy="mend it as C2SP tlog-policy says",
    )


def has_quorum(policy: Policy, signed: Collection[Vkey]) -> bool:
    """Whether these cosigners are as many as the policy asks for."""
    witnessed = {witness.name for witness in policy.witnesses if witness.vkey in signed} | {NONE}
    for group in policy.groups:  # members stand on lines before their group
        if len(witnessed & set(group.members)) >= group.needed:
            witnessed.add(group.name)
    return policy.quorum in witnessed


def open_witnessed(note: str, policy: Policy) -> Checkpoint:
    """A checkpoint that a log of the policy signed, twice, and that its quorum of witnesses cosigned.

    AncileError as ``open_checkpoint``, when a known witness's cosignature fails, or without a quorum.
    """
    checkpoint = open_checkpoint(note, [log.vkey.text for log in policy.logs])
    known = {(witness.vkey.name, witness.vkey.id): witness.vkey for witness in policy.witnesses}
    present = [known[s.name, s.id] for s in parse_note(note).signatures if (s.name, s.id) in known]
    opened = open_note(note, [vkey.text for vkey in present]).signed if present else ()
    if not has_quorum(policy, [one.vkey for one in opened if one.when > 0]):
        raise AncileError(
            "too few witnesses cosigned this checkpoint",
            value=f"{plain(checkpoint.origin)} at size {checkpoint.size}: {len(opened)} of {len(known)}",
            remedy="ask the witnesses: `ancile ledger witness`",
        )
    return checkpoint
