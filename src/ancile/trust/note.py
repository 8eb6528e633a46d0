"""C2SP signed notes v1.0.0 and cosignatures v1.1.0: verifier keys, signature lines, opening.

A note is a text that ends in a newline, a blank line, and lines ``— <name> <base64 of id and signature>``.
Read strictly: what we would not write (another base64 spelling, doubled spaces, a key that signs twice) is
refused. Unknown keys are ignored, a known key whose signature fails rejects the note.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.trust.encoding import b64, unb64
from ancile.trust.merkle import DECIMAL

ED25519, COSIGNATURE_ED25519, COSIGNATURE_MLDSA44 = 0x01, 0x04, 0x06  # C2SP signed-note, signature types
KEY_BYTES = {ED25519: 32, COSIGNATURE_ED25519: 32, COSIGNATURE_MLDSA44: 1312}  # RFC 8032; FIPS 204, table 2
SIGNATURE_BYTES = {ED25519: 64, COSIGNATURE_ED25519: 8 + 64, COSIGNATURE_MLDSA44: 8 + 2420}
ID_BYTES = 4
MAX_NOTE = 1_000_000  # characters, as golang.org/x/mod/sumdb/note
MAX_SIGNATURES = 100  # as golang.org/x/mod/sumdb/note; C2SP asks for at least 16
DASH = "\u2014"
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")  # control characters; what is no UTF-8
MAX_NAME_BYTES = 255  # a cosignature of type 0x06 counts the name in one byte
PrivateKey: TypeAlias = Ed25519PrivateKey | MLDSA44PrivateKey


class Vkey(msgspec.Struct, frozen=True):
    """A verifier key: who signs (``name``), how (``kind``, a C2SP signature type) and the public key."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """The 4 bytes that, with the name, say which key a signature line belongs to."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[
            :ID_BYTES
        ]

    @property
    def text(self) -> str:
        """``<name>+<8 hex digits of the id>+<base64 of kind and key>``."""
        return f"{self.name}+{self.id.hex()}+{b64(bytes([self.kind]) + self.public)}"


class Signature(msgspec.Struct, frozen=True):
    """One signature line, not verified: key name, 4-byte key id, and what follows it."""

    name: str
    id: bytes
    blob: bytes

    @property
    def line(self) -> str:
        """The line as it stands in a note."""
        return f"{DASH} {self.name} {b64(self.id + self.blob)}\n"


class Note(msgspec.Struct, frozen=True):
    """A note as parsed; nothing is verified."""

    text: str
    signatures: tuple[Signature, ...]


class Signed(msgspec.Struct, frozen=True):
    """A key that signed; ``when`` is in unix seconds, 0 where the type carries no time."""

    vkey: Vkey
    when: int


class Opened(msgspec.Struct, frozen=True):
    """A note's text and the trusted keys that signed it, in the order of the lines."""

    text: str
    signed: tuple[Signed, ...]


def checked_name(name: str) -> str:
    """A key name that a note can carry: no space, no "+", no control character, 1 to 255 bytes."""
    good = name and "+" not in name and not any(map(str.isspace, name)) and not FORBIDDEN.search(name)
    if not good or len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        raise AncileError(
            "a key's name cannot stand in a signed note",
            value=plain(name),
            remedy="use a URL without scheme, such as example.org/log, at most 255 bytes",
        )
    return name


def vkey_of(name: str, kind: int, key: PrivateKey) -> Vkey:
    """The verifier key that belongs to a private key."""
    return Vkey(checked_name(name), kind, key.public_key().public_bytes_raw())


def parse_vkey(text: str) -> Vkey:
    """The verifier key in ``text``; AncileError when its id does not belong to it or its type is not ours."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise _bad_vkey(text)
    raw = unb64(parts[2], name="a verifier key")
    kind = raw[0] if raw else 0
    if KEY_BYTES.get(kind) != len(raw) - 1:
        raise _bad_vkey(text)
    vkey = Vkey(checked_name(parts[0]), kind, raw[1:])
    if vkey.text != text:
        raise _bad_vkey(text)
    return vkey


def _bad_vkey(text: str) -> AncileError:
    return AncileError(
        "a verifier key is malformed or its id does not belong to it",
        value=plain(text, 100),
        remedy="copy it again from its owner: <name>+<key id>+<base64>, type 1, 4 or 6",
    )


def signed_message(vkey: Vkey, text: str, *, when: int) -> bytes:
    """The bytes that a signature of this type covers; type 0x06 needs a checkpoint as text."""
    if vkey.kind == ED25519:
        return text.encode()
    if vkey.kind == COSIGNATURE_ED25519:
        return f"cosignature/v1\ntime {when}\n{text}".encode()
    origin, size, root = [*text.split("\n"), "", ""][:3]
    if not DECIMAL.fullmatch(size):
        raise _malformed(text, "ML-DSA-44 signs nothing but checkpoints")
    name, log = vkey.name.encode(), checked_name(origin).encode()
    return (
        b"subtree/v1\n\0"
        + struct.pack(f">B{len(name)}sQ", len(name), name, when)
        + struct.pack(f">B{len(log)}sQQ", len(log), log, 0, int(size))
        + unb64(root, name="a checkpoint's root")
    )


def sign_line(name: str, kind: int, key: PrivateKey, *, text: str, when: int = 0) -> str:
    """One signature line over ``text``.

    kind  C2SP type; it must suit the key
    when  unix seconds, for the cosignature types; a witness never writes 0
    """
    vkey = vkey_of(name, kind, key)
    stamp = b"" if kind == ED25519 else struct.pack(">Q", when)
    return Signature(name, vkey.id, stamp + key.sign(signed_message(vkey, text, when=when))).line


def _malformed(note: str, why: str) -> AncileError:
    return AncileError(
        f"a signed note is malformed: {why}",
        value=plain(note, 100),
        remedy="take the note again from where it was written; C2SP signed-note says how it looks",
    )


def parse_note(note: str) -> Note:
    """A note's text and its signature lines; AncileError unless it is exactly as we would write it."""
    if len(note) > MAX_NOTE:
        raise _malformed(note, f"over {MAX_NOTE} characters")
    if FORBIDDEN.search(note):
        raise _malformed(note, "a control character")
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not text or not lines.endswith("\n"):
        raise _malformed(note, "no text, no blank line or no signature")
    return Note(text + "\n", parse_signatures(lines))


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """The signature lines of a note, or of a witness's answer."""
    rows = lines.removesuffix("\n").split("\n")
    if len(rows) > MAX_SIGNATURES:
        raise _malformed(lines, f"over {MAX_SIGNATURES} signatures")
    signatures = tuple(_parse_signature(row) for row in rows)
    if len({(s.name, s.id) for s in signatures}) < len(signatures):
        raise _malformed(lines, "a key signed twice")
    return signatures


def _parse_signature(row: str) -> Signature:
    dash, _, rest = row.partition(" ")
    name, _, encoded = rest.partition(" ")
    raw = unb64(encoded, name="a signature")
    if dash != DASH or len(raw) <= ID_BYTES:
        raise _malformed(row, "a signature line is not `\u2014 name base64`")
    return Signature(checked_name(name), raw[:ID_BYTES], raw[ID_BYTES:])


def open_note(note: str, vkeys: Sequence[str]) -> Opened:
    """A note whose every signature by one of ``vkeys`` holds, and that at least one of them signed.

    AncileError for a malformed note, a failing signature of a known key, or none by a known key.
    """
    parsed = parse_note(note)
    known = {(vkey.name, vkey.id): vkey for vkey in map(parse_vkey, vkeys)}
    found = [(known[s.name, s.id], s) for s in parsed.signatures if (s.name, s.id) in known]
    if not found:
        raise AncileError(
            "no trusted key signed this note",
            value=plain(", ".join(s.name for s in parsed.signatures)),
            remedy="check whose keys the policy trusts, and where the note is from",
        )
    return Opened(parsed.text, tuple(Signed(vkey, _verified(vkey, s, parsed.text)) for vkey, s in found))


def _verified(vkey: Vkey, signature: Signature, text: str) -> int:
    """Time of a signature that holds; AncileError otherwise."""
    if len(signature.blob) != SIGNATURE_BYTES[vkey.kind]:
        raise _wrong(vkey)
    when, raw = 0, signature.blob
    if vkey.kind != ED25519:
        when, raw = int.from_bytes(raw[:8], "big"), raw[8:]
    load = MLDSA44PublicKey if vkey.kind == COSIGNATURE_MLDSA44 else Ed25519PublicKey
    try:
        load.from_public_bytes(vkey.public).verify(raw, signed_message(vkey, text, when=when))
    except InvalidSignature:
        raise _wrong(vkey) from None
    return when


def _wrong(vkey: Vkey) -> AncileError:
    return AncileError(
        "a signature is wrong",
        value=f"{plain(vkey.name)}, key id {vkey.id.hex()}, type {vkey.kind}",
        remedy="the note or the signature was changed: take it again from its source",
    )
