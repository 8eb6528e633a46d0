"""Public and private keys of one holder: always Ed25519 and ML-DSA together, with one id for both.

Ed25519 is RFC 8032, ML-DSA is FIPS 204. An author signs DSSE envelopes with ML-DSA-65; a log and a witness
sign checkpoints with ML-DSA-44, the type that C2SP tlog-cosignature defines.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Literal, TypeAlias, TypeVar, overload

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.encoding import b64, unb64
from ancile.trust.note import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Vkey

Purpose = Literal["author", "log", "witness"]
NoteUse = Literal["log", "witness"]

ED25519_BYTES = 32  # public key: RFC 8032, section 5.1.5
SEED_BYTES = 32  # of Ed25519, and xi of ML-DSA: FIPS 204, algorithm 1
MLDSA_BYTES: dict[Purpose, int] = {"author": 1952, "log": 1312, "witness": 1312}  # FIPS 204, table 2
NAME = re.compile(r"[!-*,-~]{1,255}")  # ASCII without space and "+"; tlog-cosignature counts it in one byte
TEXT = re.compile(r"(author|log|witness):v1:([^+]+)\+([0-9a-f]{8})\+(.+)")
KEY_ID = re.compile(r"sha256:[0-9a-f]{64}")

Mldsa = TypeVar("Mldsa", MLDSA44PrivateKey, MLDSA65PrivateKey)


@dataclass(frozen=True)
class PublicKey:
    """Both public keys of one author, log or witness.

    name     a log's origin or a witness's name in C2SP notes; a label for people where it is an author's
    ed25519  32 bytes
    mldsa    1,952 bytes (author, ML-DSA-65) or 1,312 (log and witness, ML-DSA-44)
    """

    purpose: Purpose
    name: str
    ed25519: bytes
    mldsa: bytes

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise AncileError(
                "not the name of a key",
                value=plain(self.name),
                remedy="use 1 to 255 ASCII characters without space and +, such as example.org/ancile",
            )
        if len(self.ed25519) != ED25519_BYTES or len(self.mldsa) != MLDSA_BYTES[self.purpose]:
            raise AncileError(
                "public key has a wrong length",
                value=f"{self.purpose}: {len(self.ed25519)} and {len(self.mldsa)} bytes",
                remedy=f"an {self.purpose} key has {ED25519_BYTES} and {MLDSA_BYTES[self.purpose]} bytes",
            )

    @cached_property
    def id_bytes(self) -> bytes:
        """SHA-256 of purpose, name (not of an author, whose name is a label) and both public keys."""
        name = "" if self.purpose == "author" else self.name
        head = f"ancile-key/v1\n{self.purpose}\n{name}\n".encode("ascii")
        return hashlib.sha256(head + self.ed25519 + self.mldsa).digest()

    @property
    def id(self) -> str:
        """``sha256:<hex>``: how a policy, a leaf and a decision name this key."""
        return f"sha256:{self.id_bytes.hex()}"

    @property
    def text(self) -> str:
        """One line for exchange: ``<purpose>:v1:<name>+<8 hex digits of the id>+<base64 of both keys>``."""
        keys = b64(self.ed25519 + self.mldsa)
        return f"{self.purpose}:v1:{self.name}+{self.id_bytes.hex()[:8]}+{keys}"

    @property
    def vkeys(self) -> tuple[str, ...]:
        """C2SP verifier keys of a log or a witness, Ed25519 first; an author has none."""
        if self.purpose == "author":
            return ()
        ed25519 = ED25519 if self.purpose == "log" else COSIGNATURE_ED25519
        kinds = ((ed25519, self.ed25519), (COSIGNATURE_MLDSA44, self.mldsa))
        return tuple(Vkey(self.name, kind, public).text for kind, public in kinds)


def parse_public_key(text: str) -> PublicKey:
    """The key in a line that ``PublicKey.text`` wrote."""
    match = TEXT.fullmatch(text)
    if match is None:
        raise AncileError(
            "not a public key of ancile",
            value=plain(text, 80),
            remedy="give the line that `ancile keys list --public` prints",
        )
    purpose, name, _, encoded = match.groups()
    keys = unb64(encoded, name="public key")
    key = PublicKey(_purpose(purpose), name, ed25519=keys[:ED25519_BYTES], mldsa=keys[ED25519_BYTES:])
    if key.text != text:
        raise AncileError(
            "public key does not have the id that is written before it",
            value=plain(text, 80),
            remedy="copy the whole line once more",
        )
    return key


def _purpose(word: str) -> Purpose:
    purposes: dict[str, Purpose] = {"author": "author", "log": "log", "witness": "witness"}
    return purposes[word]


@dataclass(frozen=True)
class Seeds:
    """What both private keys are made from; it never appears in a message."""

    ed25519: bytes
    mldsa: bytes

    def __repr__(self) -> str:
        return "Seeds(…)"


@dataclass(frozen=True)
class PrivateKey(Generic[Mldsa]):
    """Both private keys with their public parts."""

    public: PublicKey
    ed25519: Ed25519PrivateKey
    mldsa: Mldsa

    @property
    def seeds(self) -> Seeds:
        """The 32 bytes behind each key."""
        return Seeds(self.ed25519.private_bytes_raw(), self.mldsa.private_bytes_raw())


AuthorKey: TypeAlias = PrivateKey[MLDSA65PrivateKey]
NoteKey: TypeAlias = PrivateKey[MLDSA44PrivateKey]


@overload
def private_key(purpose: Literal["author"], name: str, seeds: Seeds | None = None) -> AuthorKey: ...


@overload
def private_key(purpose: NoteUse, name: str, seeds: Seeds | None = None) -> NoteKey: ...


@overload
def private_key(purpose: Purpose, name: str, seeds: Seeds | None = None) -> AuthorKey | NoteKey: ...


def private_key(purpose: Purpose, name: str, seeds: Seeds | None = None) -> AuthorKey | NoteKey:
    """The private key made from its seeds; a new one without."""
    ed25519 = Ed25519PrivateKey.from_private_bytes(seeds.ed25519) if seeds else Ed25519PrivateKey.generate()
    if purpose == "author":
        mldsa65 = MLDSA65PrivateKey.from_seed_bytes(seeds.mldsa) if seeds else MLDSA65PrivateKey.generate()
        return PrivateKey(_public(purpose, name, ed25519, mldsa65), ed25519, mldsa65)
    mldsa44 = MLDSA44PrivateKey.from_seed_bytes(seeds.mldsa) if seeds else MLDSA44PrivateKey.generate()
    return PrivateKey(_public(purpose, name, ed25519, mldsa44), ed25519, mldsa44)


def _public(
    purpose: Purpose, name: str, ed25519: Ed25519PrivateKey, mldsa: MLDSA44PrivateKey | MLDSA65PrivateKey
) -> PublicKey:
    return PublicKey(
        purpose,
        name,
        ed25519=ed25519.public_key().public_bytes_raw(),
        mldsa=mldsa.public_key().public_bytes_raw(),
    )
