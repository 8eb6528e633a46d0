"""C2SP tlog-checkpoint v1.0.0, and ancile's rule on top: Ed25519 and ML-DSA-44, both by the log, both valid.

A stripped post-quantum line is refused, so an attacker who breaks one of the two schemes gains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.encoding import b64, unb64
from ancile.trust.merkle import DECIMAL, HASH_BYTES, MAX_SIZE
from ancile.trust.note import COSIGNATURE_MLDSA44, ED25519, Signed, checked_name, open_note, sign_line

HYBRID = frozenset({ED25519, COSIGNATURE_MLDSA44})


class Head(msgspec.Struct, frozen=True):
    """What a checkpoint says: which log (``origin``), how many leaves, and their root.

    extensions  further lines, which a cosignature of type 0x06 does not cover
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The signed text."""
        return "\n".join([self.origin, str(self.size), b64(self.root), *self.extensions, ""])


class Checkpoint(msgspec.Struct, frozen=True):
    """A signed tree head that was verified: both kinds of signature of the log hold.

    signed  the trusted keys that signed; ``when`` of the log's ML-DSA-44 line is the time of signing
    note    the whole note
    """

    origin: str
    size: int
    root: bytes
    signed: tuple[Signed, ...]
    note: str

    @property
    def when(self) -> int:
        """Unix seconds at which the log signed."""
        return max(s.when for s in self.signed if s.vkey.name == self.origin)


def parse_head(text: str) -> Head:
    """A checkpoint's text; AncileError unless it is exactly as we would write it."""
    lines = text.split("\n")
    if len(lines) < 4 or not DECIMAL.fullmatch(lines[1]) or "" in lines[:-1]:
        raise _malformed(text)
    root = unb64(lines[2], name="a checkpoint's root")
    head = Head(checked_name(lines[0]), int(lines[1]), root, tuple(lines[3:-1]))
    if len(root) != HASH_BYTES or head.size > MAX_SIZE or head.text != text:
        raise _malformed(text)
    return head


def _malformed(text: str) -> AncileError:
    return AncileError(
        "a checkpoint is malformed",
        value=plain(text, 100),
        remedy="take it again from the log: origin, size and base64 root, a line each",
    )


def sign_checkpoint(head: Head, *, ed25519: Ed25519PrivateKey, mldsa44: MLDSA44PrivateKey, when: int) -> str:
    """The note of a checkpoint with both of the log's signatures.

    when  unix seconds, not 0
    """
    text = head.text
    parse_head(text)
    return (
        f"{text}\n{sign_line(head.origin, ED25519, ed25519, text=text)}"
        f"{sign_line(head.origin, COSIGNATURE_MLDSA44, mldsa44, text=text, when=when)}"
    )


def open_checkpoint(note: str, vkeys: Sequence[str]) -> Checkpoint:
    """The checkpoint in ``note``, signed by the log with Ed25519 and with ML-DSA-44.

    vkeys  trusted keys. After a rotation give the old ones too; keys of witnesses may stand among them
    AncileError when malformed, when a trusted key's signature fails, when either kind is missing, or when
    it has extension lines (ML-DSA-44 would not cover them).
    """
    opened = open_note(note, vkeys)
    head = parse_head(opened.text)
    kinds = {s.vkey.kind for s in opened.signed if s.vkey.name == head.origin}
    if not kinds >= HYBRID:
        raise AncileError(
            "a checkpoint lacks one of the log's two signatures",
            value=f"{plain(head.origin)} at size {head.size}",
            remedy="ask for the note with both Ed25519 and ML-DSA-44, and give both of the log's keys",
        )
    if head.extensions:
        raise AncileError(
            "a checkpoint has lines that ML-DSA-44 does not cover",
            value=plain(head.extensions[0]),
            remedy="ask the log for a checkpoint without extension lines",
        )
    return Checkpoint(head.origin, head.size, head.root, opened.signed, note)
