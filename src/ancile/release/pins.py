"""On whom a verifier relies: signers, logs, how many signers must agree, and what was taken back."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.subject import DIGEST
from ancile.core.text import plain
from ancile.trust.bundle import Bundle, parse_bundle
from ancile.trust.dsse import unverified
from ancile.trust.events import KeyEvent
from ancile.trust.evidence import verify_bundle
from ancile.trust.key import PublicKey, parse_public_key
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import Ledger
from ancile.trust.note import parse_vkey
from ancile.trust.quorum import Policy
from ancile.trust.statement import parse_statement

LISTED = re.compile(r"(sha256:[0-9a-f]{64})(?:\s+(.*))?")
LARGEST_LIST = 64 << 20  # bytes of a revocation list: as of a bundle, which it may be


class Pins(NamedTuple):
    """What the verifier holds beforehand; nothing of it comes from the bundle.

    signers    ids of those who count
    lines      public keys that were given whole, where an id alone might meet a bundle without the key
    logs       C2SP verifier keys, both of each log; empty where none is pinned
    threshold  how many signers must have signed
    revoked    id of a signer, or digest of a statement or a subject, to the reason
    rotated    ids of two keys of one holder each: a key, and the one whose place it took
    quorum     logs and witnesses, of which enough must have cosigned; None asks for none
    told_by    file that named the signers, where it may have come with what is verified; empty else
    told_why   why it may, where that is not its place alone
    """

    signers: frozenset[str]
    lines: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    threshold: int = 1
    revoked: Mapping[str, str] = {}
    rotated: frozenset[tuple[str, str]] = frozenset()
    quorum: Policy | None = None
    told_by: str = ""
    told_why: str = ""


class Said(NamedTuple):
    """What key events say: keys that were revoked, with the reason, and pairs of keys of one holder."""

    revoked: dict[str, str]
    rotated: frozenset[tuple[str, str]]


def pins_of(
    signers: Iterable[str],
    *,
    logs: Iterable[str] = (),
    threshold: int = 1,
    revoked: Mapping[str, str] | None = None,
    rotated: Collection[tuple[str, str]] = (),
    quorum: Policy | None = None,
) -> Pins:
    """Pins from what a user gives; each fault is told.

    signers  ids, or lines ``author:v1:…``
    """
    keys, ids = [], set()
    for one in signers:
        if DIGEST.fullmatch(one):
            ids.add(one)
        else:
            keys.append(_author(one))
    ids |= {key.id for key in keys}
    if not 1 <= threshold <= max(len(ids), 1):
        raise AncileError(
            "threshold that nobody can reach",
            value=f"{threshold} of {len(ids)} signers",
            remedy="name as many signers as must sign, or lower --threshold",
        )
    _require_own_keys(keys)
    vkeys = tuple(dict.fromkeys(logs))
    _require_pairs(vkeys)
    lines = tuple(key.text for key in keys)
    return Pins(frozenset(ids), lines, vkeys, threshold, dict(revoked or {}), frozenset(rotated), quorum)


def _author(line: str) -> PublicKey:
    key = parse_public_key(line)
    if key.purpose != "author":
        raise AncileError(
            f"a {key.purpose} signs no release",
            value=plain(line, 60),
            remedy="give an author's line; a log is pinned with --log and its verifier keys",
        )
    return key


def _require_own_keys(keys: Iterable[PublicKey]) -> None:
    """One key under two ids would let one holder count twice."""
    parts = [part for key in {key.id: key for key in keys}.values() for part in (key.ed25519, key.mldsa)]
    if len(set(parts)) != len(parts):
        raise AncileError(
            "one key stands under two signers",
            value=f"{len(parts)} keys, {len(set(parts))} of them different",
            remedy="give each signer once, with keys of their own",
        )


def _require_pairs(vkeys: Collection[str]) -> None:
    kinds: dict[str, set[int]] = {}
    for vkey in map(parse_vkey, vkeys):
        kinds.setdefault(vkey.name, set()).add(vkey.kind)
    single = [name for name, found in kinds.items() if len(found) < 2]
    if single:
        raise AncileError(
            "a log signs with two keys, and one is given",
            value=plain(single[0], 100),
            remedy="give both, as `ancile keys list --public` prints them: --log VKEY --log VKEY",
        )


def said_by(events: Iterable[KeyEvent]) -> Said:
    """What the events take away. Who signed them is not asked: neither makes anybody count."""
    found = list(events)
    return Said(
        {event.id: event.reason for event in found if event.change == "revoked"},
        frozenset((event.after, event.id) for event in found if event.after is not None),
    )


def key_events(bundle: Bundle) -> Iterator[KeyEvent]:
    """Every key event that a bundle carries."""
    for carried in bundle.entries:
        said = parse_statement(unverified(carried.envelope.encode("utf-8", "surrogatepass")).payload)
        if isinstance(said.predicate, KeyEvent):
            yield said.predicate


def key_entries(ledger: Ledger) -> Iterator[tuple[int, KeyEvent]]:
    """Every key event that a ledger holds, with its index."""
    for entry in ledger.entries(0, ledger.size()):
        if entry.body is not None and parse_leaf(entry.leaf or b"").kind == "key":
            said = parse_statement(unverified(entry.body).payload).predicate
            if isinstance(said, KeyEvent):
                yield entry.index, said


def revocation_list(data: bytes, *, name: str) -> dict[str, str]:
    """What a file takes back: lines ``sha256:<hex> reason``, or evidence that holds key events.

    name  of the file, for a message
    A digest is that of a signer, of a release's statement, or of the released bytes.
    AncileError for what says nothing of any key, and for an empty file: each would take back nothing.
    """
    if not data.strip():
        raise _no_list(f"{name}: it is empty")
    if data.lstrip()[:1] == b"{":
        verify_bundle(data, logs=(), authors=())
        events = list(key_events(parse_bundle(data)))
        if not events:
            raise _no_list(f"{name}: evidence that says nothing of any key")
        return said_by(events).revoked
    found = {}
    for number, line in enumerate(_lines(data, name), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LISTED.fullmatch(line.strip())
        if match is None:
            raise _no_list(f"{name}, line {number}: {plain(line, 60)}")
        found[match[1]] = plain(match[2] or "no reason is given")
    return found


def _lines(data: bytes, name: str) -> list[str]:
    if len(data) > LARGEST_LIST:  # what is cut off would be believed not to be revoked
        raise _no_list(f"{name}: over {LARGEST_LIST} bytes")
    try:
        return data.decode("utf-8").split("\n")
    except UnicodeDecodeError as reason:
        raise _no_list(f"{name}: not UTF-8") from reason


def _no_list(value: str) -> AncileError:
    return AncileError(
        "not a list of what was revoked",
        value=value,
        remedy="a line each: sha256:<64 hex digits> and the reason; or what `ancile evidence export` wrote",
    )
