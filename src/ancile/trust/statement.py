"""in-toto Statement v1 around a report, a decision, or an event of ``ancile.trust.events``.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md; canonical by RFC 8785, so that one
statement has one digest.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec

from ancile.core.decision import Decision
from ancile.core.errors import AncileError
from ancile.core.report import Report
from ancile.core.subject import Subject, digest_of, percent_encoded
from ancile.core.text import plain
from ancile.core.wire import builtins
from ancile.trust.canonical import canonical, parse_canonical
from ancile.trust.events import Erasure, KeyEvent, Loss, Release, Review, RunStarted, Segment, UserEvent

TYPE = "https://in-toto.io/Statement/v1"
LARGEST = 16 << 20  # bytes; a report with 100 pictures of 64 KiB is about 9 MB

Predicate: TypeAlias = (
    Report | Decision | RunStarted | Release | KeyEvent | UserEvent | Review | Segment | Erasure | Loss
)

# what a leaf calls it: (predicateType, the noun)
KINDS: dict[str, tuple[str, type[Predicate]]] = {
    "report": ("urn:ancile:report:v1", Report),
    "decision": ("urn:ancile:decision:v1", Decision),
    "run": ("urn:ancile:run:v1", RunStarted),
    "release": ("urn:ancile:release:v1", Release),
    "key": ("urn:ancile:key-event:v1", KeyEvent),
    "review": ("urn:ancile:review:v1", Review),
    "segment": ("urn:ancile:segment:v1", Segment),
    "user": ("urn:ancile:user-event:v1", UserEvent),
    "erasure": ("urn:ancile:erasure:v1", Erasure),
    "loss": ("urn:ancile:loss:v1", Loss),
}


class Statement(NamedTuple):
    """A statement that was read.

    kind      the entry's type in a leaf: one of KINDS
    digest    of the statement's exact bytes
    subjects  name to ``sha256:<hex>``: the whole first, then its parts as ``<whole>/<part>``
    """

    kind: str
    digest: str
    subjects: dict[str, str]
    predicate: Predicate

    def covers(self, digest: str) -> bool:
        """Whether it speaks of a file, or of something with a part, of this digest."""
        return digest in self.subjects.values()


def statement_of(predicate: Predicate) -> bytes:
    """The canonical bytes of the statement that carries ``predicate``."""
    data = canonical(
        {
            "_type": TYPE,
            "subject": _descriptors(subjects_of(predicate)),
            "predicateType": KINDS[kind_of(predicate)][0],
            "predicate": builtins(predicate),
        }
    )
    if len(data) > LARGEST:
        raise AncileError(
            "statement is too large",
            value=f"{len(data)} bytes",
            remedy=f"leave out exhibits, or name many files by one manifest: at most {LARGEST}",
        )
    return data


def kind_of(predicate: Predicate) -> str:
    """What a leaf calls a statement about ``predicate``."""
    return next(kind for kind, (_, noun) in KINDS.items() if isinstance(predicate, noun))


def subjects_of(predicate: Predicate) -> dict[str, str]:
    """Name to digest of everything that ``predicate`` speaks of; names are percent-encoded and unique."""
    if isinstance(predicate, KeyEvent):
        return {"key": predicate.id}
    if isinstance(predicate, Segment):
        return {f"{predicate.stream}/{predicate.journal}": predicate.root}
    if isinstance(predicate, UserEvent | Review):
        return _of_people(predicate)
    if isinstance(predicate, Erasure):
        return {f"entry-{predicate.entry}": predicate.leaf}
    if isinstance(predicate, Loss):
        return {"ledger": predicate.root}
    subject: Subject = predicate.subject
    try:
        whole = percent_encoded(subject.name) or subject.kind
    except UnicodeEncodeError as reason:
        raise _refused("the name of its subject is no text") from reason
    return {whole: subject.digest} | {
        f"{whole}/{part}": digest for part, digest in sorted(subject.parts.items())
    }


def _of_people(predicate: UserEvent | Review) -> dict[str, str]:
    if isinstance(predicate, Review):
        return {"review": digest_of(predicate.review.encode("utf-8"))}
    keys = {f"key-{number}": key for number, key in enumerate(predicate.keys)}
    return {"user": digest_of(predicate.user.encode("utf-8")), **keys}


def parse_statement(data: bytes) -> Statement:
    """The statement in ``data``; bytes that ``statement_of`` would not have written are refused.

    A field that this version does not know is let through: it is signed, and later versions may add some.
    """
    if len(data) > LARGEST:
        raise AncileError("statement is too large", value=f"{len(data)} bytes", remedy=f"at most {LARGEST}")
    whole = parse_canonical(data, name="statement")
    if not isinstance(whole, dict) or set(whole) != {"_type", "subject", "predicateType", "predicate"}:
        raise _refused("not the four fields of a statement")
    kinds = {predicate_type: (kind, noun) for kind, (predicate_type, noun) in KINDS.items()}
    kind, noun = kinds.get(str(whole["predicateType"]), ("", None))
    if whole["_type"] != TYPE or noun is None:
        raise _refused(f"type {whole['_type']!r} about {whole['predicateType']!r}")
    try:
        predicate = msgspec.convert(whole["predicate"], noun)
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise _refused(str(reason)) from reason
    subjects = subjects_of(predicate)
    if whole["subject"] != _descriptors(subjects):
        raise _refused("its subjects are not those of its predicate")
    return Statement(kind, digest_of(data), subjects, predicate)


def _descriptors(subjects: dict[str, str]) -> list[dict[str, object]]:
    return [
        {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
        for name, digest in subjects.items()
    ]


def _refused(reason: str) -> AncileError:
    return AncileError(
        "not a statement of ancile", value=plain(reason), remedy="read it with the version that wrote it"
    )
