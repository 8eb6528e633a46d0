"""Verify a release without ancile: this file, the standard library and cryptography 48 or later.

``python verifier.py MODEL BUNDLE --signer sha256:... --log VKEY --log VKEY`` says yes, or no with the reason.
in-toto, DSSE, RFC 9162, C2SP signed-note, tlog-cosignature; Ed25519 (RFC 8032), ML-DSA-65 and -44 (FIPS 204).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_from_bytes

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey, MLDSA65PublicKey

TYPES = {"release": "urn:ancile:release:v1", "key": "urn:ancile:key-event:v1"}
SKEW_SECONDS = 300  # by which the signer's clock may be ahead of this one
REFUSALS = (ValueError, LookupError, TypeError, AttributeError, RecursionError, InvalidSignature, OSError)


class Pinned(NamedTuple):
    """All that is believed: ids of signers, both keys of each log, how many must sign, what was revoked."""

    signers: Collection[str]
    logs: list[str]
    threshold: int = 1
    revoked: Collection[str] = ()


class Entry(NamedTuple):
    """A statement in a log; ``author`` is empty where its key, or the log, is not known."""

    kind: str
    author: str
    seconds: float
    payload: bytes


def verify(model: Path, data: bytes, pinned: Pinned, *, now: datetime) -> list[str]:
    """Ids of the signers who count; one of REFUSALS unless enough have released just these files."""
    bundle = json.loads(data)
    require(data.decode() == json.dumps(bundle, indent=1, ensure_ascii=False) + "\n", "odd spelling")
    require([*bundle] == ["format", "logs", "signers", "entries"], "not the fields of a bundle")
    require(bundle["format"] == "ancile/evidence/v1", "another format")
    keys = dict(map(author_keys, bundle["signers"]))
    entries = [opened(one, keys, bundle["logs"], pinned.logs) for one in bundle["entries"]]
    events = [json.loads(one.payload)["predicate"] for one in entries if one.kind == "key"]
    releases = [one for one in entries if one.kind == "release"]
    [payload] = {one.payload for one in releases}  # ValueError where there is no release, or several
    said, digest = json.loads(payload)["predicate"], "sha256:" + hashlib.sha256(payload).hexdigest()
    revoked = {*pinned.revoked, *(event["id"] for event in events if event["change"] == "revoked")}
    require(not {digest, said["subject"]["digest"]} & revoked, "the release was revoked")
    count = {one.author for one in releases} & {*pinned.signers} - revoked
    links = [{event["id"], event["after"]} for event in events if event["change"] == "rotated"]
    enough = len({holder(id_, links) for id_ in count}) >= max(pinned.threshold, 1)
    require(enough, "too few signers" if pinned.logs else "pin both --log of `ancile keys list --public`")
    signed = max(one.seconds for one in releases if one.author in count)
    require(signed - now.timestamp() <= SKEW_SECONDS, "signed in the future")
    require(datetime.fromisoformat(said["expires"] or "9999-12-31T00:00Z") > now, "it has expired")
    wanted, found = said["subject"]["parts"] or {".": said["subject"]["digest"]}, files(model)
    wrong = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
    require(not wrong, f"{len(wrong)} files are not those that were signed: {wrong[:3]!a}")
    return sorted(count)


def require(holds: bool, why: str) -> None:
    """Go on, or say why not."""
    if not holds:
        raise ValueError(why)


def unb64(text: str) -> bytes:
    """Base64 in its one spelling."""
    data = b64decode(text, validate=True)
    require(b64encode(data).decode() == text, "base64 in another spelling")
    return data


def author_keys(line: str) -> tuple[str, bytes]:
    """Id and both public keys, Ed25519 first, of ``author:v1:<name>+<8 digits of the id>+<base64>``."""
    head, digits, encoded = line.split("+", 2)
    keys = unb64(encoded)
    id_ = "sha256:" + hashlib.sha256(b"ancile-key/v1\nauthor\n\n" + keys).hexdigest()
    require(head.startswith("author:v1:") and digits == id_[7:15], "no author's key")
    return id_, keys


def opened(entry: dict[str, str], keys: dict[str, bytes], carried: list[str], pinned: list[str]) -> Entry:
    """An entry whose commitment, place and signatures hold."""
    require([*entry] == ["leaf", "salt", "envelope", "proof"], "not the fields of an entry")
    form, kind, milliseconds, author, commitment, end = entry["leaf"].split("\n")
    salt, body, proof = unb64(entry["salt"]), entry["envelope"].encode(), entry["proof"]
    salted = hashlib.sha256(b"ancile-body/v1\n" + salt + body).digest()
    require((form, salted, end) == ("ancile-leaf/v1", unb64(commitment), ""), "the leaf is of another body")
    header, number, *path = proof.partition("\n\n")[0].split("\n")
    index = int(number.removeprefix("index "))
    require((header, number) == ("c2sp.org/tlog-proof@v1", f"index {index}"), "not a proof")
    origin, size, root = signed_head(proof, carried)
    leaf = hashlib.sha256(b"\0" + entry["leaf"].encode()).digest()
    require(root_above(leaf, index, size, [*map(unb64, path)]) == root, "the leaf is not in the tree")
    is_pinned = origin in {vkey.partition("+")[0] for vkey in pinned}
    require(not is_pinned or signed_head(proof, pinned) == (origin, size, root), "another tree")
    envelope, id_ = json.loads(body), f"sha256:{author}"
    payload = unb64(envelope["payload"])
    require(kind not in TYPES or json.loads(payload)["predicateType"] == TYPES[kind], "leaf of another kind")
    if id_ not in keys:
        return Entry(kind, "", int(milliseconds) / 1000, payload)
    message = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    signatures = {len(one): one for one in (unb64(each["sig"]) for each in envelope["signatures"])}
    Ed25519PublicKey.from_public_bytes(keys[id_][:32]).verify(signatures[64], message)
    MLDSA65PublicKey.from_public_bytes(keys[id_][32:]).verify(signatures[3309], message)
    return Entry(kind, id_ if is_pinned else "", int(milliseconds) / 1000, payload)


def signed_head(proof: str, vkeys: Sequence[str]) -> tuple[str, int, bytes]:
    """Origin, size and root of a proof's checkpoint, which both of the log's keys among these have signed."""
    text, _, rows = proof.partition("\n\n")[2].rpartition("\n\n")
    origin, size, root = text.split("\n")
    require(rows.endswith("\n") and str(int(size)) == size, "not a checkpoint")
    signed, kinds = {}, set()
    for dash, name, encoded in (row.split(" ") for row in rows.removesuffix("\n").split("\n")):
        require(dash == "\u2014", "not a signature of a note")
        signed[name, unb64(encoded)[:4]] = unb64(encoded)[4:]
    for name, digits, encoded in (vkey.split("+", 2) for vkey in vkeys):
        key = unb64(encoded)
        id_ = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
        require(id_.hex() == digits, "a log's key without its id")
        if name != origin or (name, id_) not in signed:
            continue
        raw = signed[name, id_]
        if key[0] == 1:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(raw, f"{text}\n".encode())
        else:
            head = bytes([len(name)]) + name.encode()
            tree = head + bytes(8) + int(size).to_bytes(8, "big") + unb64(root)
            message = b"subtree/v1\n\0" + head + raw[:8] + tree
            MLDSA44PublicKey.from_public_bytes(key[1:]).verify(raw[8:], message)
        kinds.add(key[0])
    require(kinds == {1, 6}, "the checkpoint lacks one of the log's two signatures")
    return origin, int(size), unb64(root)


def root_above(found: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Root of a tree of this size with the hash at this index, whose siblings are given, the lowest first."""
    require(0 <= index < size and (size > 1 or not path), "the proof is not of this tree")
    if size == 1:
        return found
    left = 1 << (size - 1).bit_length() - 1  # the largest power of two below size
    if index < left:
        return hashlib.sha256(b"\1" + root_above(found, index, left, path[:-1]) + path[-1]).digest()
    return hashlib.sha256(b"\1" + path[-1] + root_above(found, index - left, size - left, path[:-1])).digest()


def holder(id_: str, links: Sequence[set[str]]) -> str:
    """One name for the keys that rotations join: who signs with the old and the new one counts once."""
    group = {id_}
    while grown := set().union(*(link for link in links if link & group)) - group:
        group |= grown
    return min(group)


def files(model: Path) -> dict[str, str]:
    """Percent-encoded path to digest of every file in a folder; of a single file, which is "."."""
    found = {}
    for path in [*model.rglob("*")] or [model]:
        require(not path.is_symlink() and (path.is_file() or path.is_dir()), f"{path} is no plain file")
        if path.is_file():
            name = quote_from_bytes(bytes(path.relative_to(model)), safe="/._-~+@=,:")
            with path.open("rb") as file:
                found[name] = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return found


def main() -> None:
    """Say yes, or leave with no."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--threshold", type=int, default=1)
    for name in ("--signer", "--log", "--revoked"):
        parser.add_argument(name, action="append", default=[])
    given = parser.parse_args()
    pinned = Pinned(given.signer, given.log, given.threshold, given.revoked)
    try:
        count = verify(given.model, given.bundle.read_bytes(), pinned, now=datetime.now(UTC))
    except REFUSALS as reason:
        sys.exit(f"no: {reason!r}")
    sys.stdout.write(f"yes: signed by {', '.join(count)}\n")


if __name__ == "__main__":
    main()
