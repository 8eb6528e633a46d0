"""Verify exported evidence without ancile: python verify_evidence.py ancile.toml evidence.json.

DSSE 1.0.2, RFC 9162 section 2.1.3.2, C2SP signed-note (type 1) and tlog-cosignature (type 6). Any fault is a
traceback and a failing exit code.
"""  # noqa: INP001 - a program

import hashlib
import json
import sys
import tomllib
from base64 import b64decode
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey, MLDSA65PublicKey


def author_keys(line: str, named: list[str]) -> tuple[str, bytes]:
    """Id and both public keys of an author whom the policy names."""
    keys = b64decode(line.split("+", 2)[2])
    key_id = hashlib.sha256(b"ancile-key/v1\nauthor\n\n" + keys).hexdigest()
    if f"sha256:{key_id}" not in named:
        raise ValueError(f"author {key_id} is not in the policy")
    return key_id, keys


def statement(envelope: dict, keys: bytes) -> dict:
    """The statement in an envelope, once both of its author's keys have signed it."""
    payload, kind = b64decode(envelope["payload"]), envelope["payloadType"].encode()
    pae = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    by_size = {len(one): one for one in (b64decode(s["sig"]) for s in envelope["signatures"])}
    Ed25519PublicKey.from_public_bytes(keys[:32]).verify(by_size[64], pae)
    MLDSA65PublicKey.from_public_bytes(keys[32:]).verify(by_size[3309], pae)
    return json.loads(payload)


def root_above(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that an inclusion proof leads to."""
    if not 0 <= index < size:
        raise ValueError("the proof is of an entry beyond the tree")
    found, position, last = hashlib.sha256(b"\0" + leaf).digest(), index, size - 1
    for sibling in path:
        if not last:
            raise ValueError("the proof is too long")
        if position & 1 or position == last:
            found = hashlib.sha256(b"\1" + sibling + found).digest()
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\1" + found + sibling).digest()
        position, last = position >> 1, last >> 1
    if last:
        raise ValueError("the proof is too short")
    return found


def verify_checkpoint(note: str, vkeys: list[str]) -> None:
    """Both of the log's keys have signed the checkpoint."""
    text, rows = note.split("\n\n", 1)
    origin, size, root = text.split("\n")[:3]
    signed = [b64decode(row.split(" ")[2]) for row in rows.splitlines()]
    for vkey in vkeys:
        name, _, encoded = vkey.split("+", 2)
        key = b64decode(encoded)
        key_id = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
        [signature] = [one[4:] for one in signed if one[:4] == key_id]
        if key[0] == 1:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature, (text + "\n").encode())
        else:
            when, head = signature[:8], bytes([len(name)]) + name.encode()
            tree = bytes(8) + int(size).to_bytes(8, "big") + b64decode(root)
            message = b"subtree/v1\n\0" + head + when + bytes([len(origin)]) + origin.encode() + tree
            MLDSA44PublicKey.from_public_bytes(key[1:]).verify(signature[8:], message)


def main(config: Path, evidence: Path) -> None:
    """Verify every entry and say what it is about."""
    pinned, bundle = tomllib.loads(config.read_text("utf-8")), json.loads(evidence.read_bytes())
    authors = dict(author_keys(line, pinned["policy"]["authors"]) for line in bundle["signers"])
    logs = {log["origin"]: log["keys"] for log in [pinned["ledger"], *pinned["policy"].get("logs", [])]}
    for entry in bundle["entries"]:
        leaf, body = entry["leaf"].encode(), entry["envelope"].encode()
        _, kind, _, author, commitment, _ = entry["leaf"].split("\n")
        said = statement(json.loads(body), authors[author])
        salted = hashlib.sha256(b"ancile-body/v1\n" + b64decode(entry["salt"]) + body).digest()
        if salted != b64decode(commitment):
            raise ValueError("the leaf commits to another body")
        head, note = entry["proof"].split("\n\n", 1)
        origin, size, root = note.split("\n")[:3]
        index, *path = head.split("\n")[1:]
        number = int(index.removeprefix("index "))
        if root_above(leaf, number, int(size), [b64decode(one) for one in path]) != b64decode(root):
            raise ValueError(f"entry {number} is not under the checkpoint")
        verify_checkpoint(note, logs[origin])
        about = said["subject"][0]
        sys.stdout.write(f"entry {number} of {origin}: {kind} about {about['digest']['sha256']}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
