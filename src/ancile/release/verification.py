"""Whether a release holds: its bundle against the bytes at hand, the signers who count, the clock.

Nothing is parsed before its signature holds except what says which key to try; see ``ancile.trust.evidence``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.release.pins import Pins, key_events, said_by
from ancile.trust.bundle import Bundle
from ancile.trust.dsse import unverified
from ancile.trust.events import Release
from ancile.trust.evidence import VerifiedEvidence, verify_entries
from ancile.trust.key import parse_public_key
from ancile.trust.leaf import parse_leaf
from ancile.trust.quorum import open_witnessed

Standing = Literal[
    "counts", "unknown signer", "revoked", "unknown log", "signed before", "unchecked", "unwitnessed"
]
Scheme = Literal["hybrid", "classical"]


class Differences(NamedTuple):
    """How the bytes at hand differ from the signed ones; paths are percent-encoded.

    changed   signed, and other bytes now
    missing   signed, and not there
    unsigned  there, and not signed
    ignored   unsigned, and let through by a pattern
    is_other  whether nothing of what was signed is at hand, and it has another name: it is another model
    """

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unsigned: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    is_other: bool = False
    uncovered: tuple[str, ...] = ()


class Signed(NamedTuple):
    """One signature of a release with its place in a log, and whether it counts.

    name  label that the signer's line carries; nothing rests on it
    why   it does not count, in words
    """

    signer: str
    name: str
    origin: str
    entry: int
    time: datetime | None
    standing: Standing
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Everything that the checks of a release look at.

    subject      at hand
    signed_name  what the bundle calls what it was made for
    scheme       hybrid: every signature is Ed25519 with ML-DSA-65
    broken       why the bundle itself does not hold, empty where it does; then nothing else is known
    time         at which a log took in the latest signature that counts
    scans        how many scans of these bytes the signer names
    revocations  how many signers, releases and digests the verifier knows to be taken back
    taken_back   why the release itself was revoked, empty where it was not
    has_logs     whether the verifier pinned any log
    told_by      file that named the signers, where it may have come with the model; empty else
    told_why     why it may, where that is not its place alone
    allow_classical  whether the verifier lets a signature without a post-quantum key through
    """

    subject: Subject
    now: datetime
    threshold: int
    has_logs: bool
    scheme: Scheme = "hybrid"
    broken: str = ""
    signed_name: str = ""
    differences: Differences = field(default_factory=Differences)
    signatures: tuple[Signed, ...] = ()
    time: datetime | None = None
    expires: datetime | None = None
    scans: int = 0
    revocations: int = 0
    taken_back: str = ""
    told_by: str = ""
    told_why: str = ""
    allow_classical: bool = False

    @property
    def counting(self) -> tuple[str, ...]:
        """Signers who count, each once."""
        return tuple(sorted({one.signer for one in self.signatures if one.standing == "counts"}))


def verify_release(
    bundle: Bundle, subject: Subject, pins: Pins, *, now: datetime, ignored: Iterable[str] = ()
) -> Verification:
    """What the bundle says of the subject under these pins.

    ignored  shell patterns of percent-encoded paths that need no signature
    AncileError where the bundle holds no release, or several.
    """
    try:
        found = _entries(bundle, pins)
        said = said_by(key_events(bundle))
    except AncileError as reason:
        why = f"{reason.what}: {reason.value}" if reason.value else reason.what
        return Verification(
            subject=subject,
            now=now,
            threshold=pins.threshold,
            has_logs=bool(pins.logs or pins.quorum),
            broken=plain(why, 300),
        )
    first, release = the_release(found)
    revoked = {**said.revoked, **pins.revoked}
    signatures = tuple(_standings(bundle, found, pins, revoked, links=said.rotated | pins.rotated))
    taken_back = [revoked[d] for d in (first.statement.digest, release.subject.digest) if d in revoked]
    return Verification(
        subject=subject,
        now=now,
        threshold=pins.threshold,
        has_logs=bool(pins.logs or pins.quorum),
        signed_name=release.subject.name,
        differences=differences(release.subject, subject, ignored=tuple(ignored)),
        signatures=signatures,
        time=max((one.time for one in signatures if one.time and one.standing == "counts"), default=None),
        expires=release.expires,
        scans=len(release.scans),
        revocations=len(revoked),
        taken_back=taken_back[0] if taken_back else "",
        told_by=pins.told_by,
        told_why=pins.told_why,
    )


def _entries(bundle: Bundle, pins: Pins) -> list[VerifiedEvidence]:
    """Entries with a release; that a signer is unknown is told by the pins, so doubts are about the log."""
    everyone = {
        f"sha256:{parse_leaf(one.leaf.encode('utf-8', 'surrogatepass')).author.hex()}"
        for one in bundle.entries
    }
    found = verify_entries(bundle, logs=pins.logs, authors=[*everyone, *pins.lines])
    return [one for one in found if isinstance(one.statement.predicate, Release)]


def the_release(found: Iterable[VerifiedEvidence]) -> tuple[VerifiedEvidence, Release]:
    """The one release that all entries sign, with the first of them."""
    entries = list(found)
    releases = {one.statement.digest: one.statement.predicate for one in entries}
    release = next(iter(releases.values()), None)
    if len(releases) != 1 or not isinstance(release, Release):
        raise AncileError(
            "this evidence holds no release, or several",
            value=f"{len(releases)} releases",
            remedy="give the file that `ancile sign` wrote for this model",
        )
    return entries[0], release


def statement_bytes(bundle: Bundle) -> bytes:
    """The exact bytes that the signers of a verified bundle's one release have signed."""
    bodies = [
        unverified(one.envelope.encode("utf-8", "surrogatepass")).payload
        for one in bundle.entries
        if _is_release(one.leaf)
    ]
    return bodies[0]


def _is_release(leaf: str) -> bool:
    return parse_leaf(leaf.encode("utf-8", "surrogatepass")).kind == "release"


def differences(signed: Subject, present: Subject, *, ignored: tuple[str, ...] = ()) -> Differences:
    """How what is present differs from what was signed; the name of a whole makes no difference.

    A file is never a folder: a text that is the manifest of a folder has that folder's digest.
    """
    if bool(signed.parts) != bool(present.parts):
        return Differences(is_other=True)
    if signed.digest == present.digest:
        return Differences()
    if not signed.parts:
        same_place = signed.name == present.name
        return Differences(changed=(present.name,)) if same_place else Differences(is_other=True)
    same_bytes = set(signed.parts.values()) & set(present.parts.values())
    if not same_bytes and (signed.name != present.name or not set(signed.parts) & set(present.parts)):
        return Differences(is_other=True)
    extra = [path for path in present.parts if path not in signed.parts]
    let_through = [path for path in extra if any(fnmatchcase(path, pattern) for pattern in ignored)]
    return Differences(
        changed=tuple(
            path for path, digest in signed.parts.items() if present.parts.get(path, digest) != digest
        ),
        missing=tuple(path for path in signed.parts if path not in present.parts),
        unsigned=tuple(sorted(set(extra) - set(let_through))),
        ignored=tuple(sorted(let_through)),
    )


def _standings(
    bundle: Bundle,
    found: Iterable[VerifiedEvidence],
    pins: Pins,
    revoked: Mapping[str, str],
    *,
    links: Collection[tuple[str, str]],
) -> Iterator[Signed]:
    """Each signature and whether it counts; a holder whose key was rotated counts once."""
    names = {key.id: key.name for key in map(parse_public_key, (*bundle.signers, *pins.lines))}
    counted: set[str] = set()
    for one in found:
        standing, why = _standing(one, pins, revoked, known=one.author in names)
        who = holder(one.author, links)
        if standing == "counts" and who in counted:
            standing, why = "signed before", "another signature of the same holder counts already"
        elif standing == "counts":
            counted.add(who)
        name = plain(names.get(one.author, ""), 60)
        yield Signed(one.author, name, plain(one.origin, 80), one.index, one.time, standing, why)


def _standing(
    one: VerifiedEvidence, pins: Pins, revoked: Mapping[str, str], *, known: bool
) -> tuple[Standing, str]:
    if one.author not in pins.signers:
        return "unknown signer", "nobody here relies on this signer"
    if not known:
        return "unchecked", "its public key is not at hand: give the signer's whole line"
    if one.author in revoked:
        return "revoked", plain(revoked[one.author])
    if pins.logs and one.doubts:
        return "unknown log", one.doubts[0]
    if pins.quorum is not None:
        try:
            open_witnessed(one.checkpoint, pins.quorum)
        except AncileError as reason:
            return "unwitnessed", plain(str(reason))
    return "counts", ""


def holder(id_: str, links: Collection[tuple[str, str]]) -> str:
    """One name for all keys that rotations join, whatever their order; a link more joins, and never parts."""
    group = {id_}
    while grown := {key for link in links if group & set(link) for key in link} - group:
        group |= grown
    return min(group)
