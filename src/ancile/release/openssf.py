"""Signatures of OpenSSF Model Signing v1.0, written and read: https://github.com/ossf/model-signing-spec.

One ECDSA signature over the digests of all files. That is classical alone: no post-quantum key, no expiry, no
place in a log. It is for whoever verifies with `model_signing`; ancile's own bundle is the one to rest on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.release.keyless import Keyless, attested
from ancile.release.manifest import Manifest
from ancile.release.openssf_chain import Roots, vouched
from ancile.release.openssf_form import (
    BUNDLE,
    ITSELF,
    LARGEST,
    PREDICATE,
    STATEMENT,
    Envelope,
    SignedModel,
    SigstoreBundle,
    parse_bundle,
    parse_model,
    root_digest,
)
from ancile.trust.canonical import canonical
from ancile.trust.dsse import IN_TOTO, pae
from ancile.trust.encoding import b64, unb64

# What `model_signing` leaves out unless told otherwise: a signature that names them would not verify there
LEFT_OUT = (".git", ".gitattributes", ".github", ".gitignore")

HASH_OF_CURVE: Final[dict[str, hashes.HashAlgorithm]] = {  # the pairs that Sigstore has
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


class Differences(NamedTuple):
    """How the files at hand differ from those that were signed; percent-encoded paths.

    uncovered  there, not signed, and under a path that the signer left out: nothing is known of them
    """

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    uncovered: tuple[str, ...] = ()

    def hold(self) -> bool:
        """Whether every signed file is as it was signed, and no other is there but left-out ones."""
        return not (self.changed or self.missing or self.extra)


class Opened(NamedTuple):
    """A signature that holds.

    key       SHA-256 of the signer's public key in PEM, in hexadecimal
    until     when the signer's certificate expired or will; None for a plain key, and where a log says when
    name      who signed, as far as the bundle says; for people
    stranger  why it is not who was asked for; empty where it is
    time      when a log took it in, with the log and the entry there; None where no log is asked
    """

    signed: SignedModel
    key: str
    until: datetime | None = None
    name: str = "OpenSSF key"
    stranger: str = ""
    time: datetime | None = None
    log: str = ""
    entry: int = 0


Trusted = ec.EllipticCurvePublicKey | Roots | Keyless


def openssf_statement(manifest: Manifest) -> bytes:
    """What an OpenSSF signature signs: the in-toto statement that names the files with their digests.

    Files in LEFT_OUT are not in it, since `model_signing` does not look at them: ``left_out`` names them.
    AncileError for a name that is not UTF-8, which JSON cannot carry.
    """
    below = dict.fromkeys(left_out(manifest))
    files = [
        (ITSELF if manifest.alone else _name(path), path) for path in manifest.parts if path not in below
    ]
    if not files:
        raise AncileError(
            "there is no file that an OpenSSF bundle would name",
            value=", ".join(below),
            remedy="sign without --openssf or --keyless: ancile's own bundle names every file",
        )
    # model_signing sorts by the parts of a path
    files.sort(key=lambda one: one[0].split("/"))
    digests = [manifest.parts[path].removeprefix("sha256:") for _, path in files]
    heads = {path.partition("/")[0] for path in below}
    serialization: dict[str, object] = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
    if heads or manifest.ignored:
        serialization["ignore_paths"] = sorted(map(_name, heads.union(manifest.ignored)))
    return canonical(
        {
            "_type": STATEMENT,
            "subject": [{"name": manifest.name, "digest": {"sha256": root_digest(digests)}}],
            "predicateType": PREDICATE,
            "predicate": {
                "serialization": serialization,
                "resources": [
                    {"name": name, "algorithm": "sha256", "digest": digest}
                    for (name, _), digest in zip(files, digests, strict=True)
                ],
            },
        }
    )


def openssf_bundle(manifest: Manifest, key: ec.EllipticCurvePrivateKey) -> bytes:
    """A bundle that `model_signing verify key` takes; ECDSA with the hash that goes with the curve."""
    payload = openssf_statement(manifest)
    signature = key.sign(pae(IN_TOTO, payload), ec.ECDSA(_hash_of(key.public_key())))
    bundle = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": key_hint(key.public_key())}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": b64(payload),
            "payloadType": IN_TOTO,
            "signatures": [{"sig": b64(signature), "keyid": ""}],
        },
    }
    return fit_to_read(msgspec.json.encode(bundle))


def fit_to_read(data: bytes) -> bytes:
    """The bundle, unless it is larger than any that is read."""
    if len(data) > LARGEST:
        raise AncileError(
            "bundle is too large",
            value=f"{len(data)} bytes",
            remedy=f"sign fewer files at once: at most {LARGEST}",
        )
    return data


def left_out(manifest: Manifest) -> tuple[str, ...]:
    """Files of a model that no OpenSSF signature by ``openssf_bundle`` covers."""
    if manifest.alone:
        return ()
    return tuple(path for path in manifest.parts if path.partition("/")[0] in LEFT_OUT)


def read_openssf(data: bytes, trusted: Trusted) -> Opened:
    """What the holder of this key, somebody whom these certificates vouch for, or this name has signed.

    AncileError where bundle or signature do not hold.
    """
    bundle = parse_bundle(data)
    if isinstance(trusted, Roots):
        signer = vouched(bundle.verification_material, trusted)
        return Opened(_carried(bundle.dsse_envelope, signer.key), key_hint(signer.key), signer.until)
    if isinstance(trusted, Keyless):
        found = attested(data, trusted)
        return Opened(
            parse_model(found.payload),
            key_hint(found.key),
            name=plain(found.identity, 100),
            stranger=found.stranger,
            time=found.time,
            log=found.log,
            entry=found.entry,
        )
    _require_plain_key(bundle, trusted)
    return Opened(_carried(bundle.dsse_envelope, trusted), key_hint(trusted))


def _require_plain_key(bundle: SigstoreBundle, public_key: ec.EllipticCurvePublicKey) -> None:
    material = bundle.verification_material
    if material.public_key is None:
        chain = material.x509_certificate_chain
        raise AncileError(
            "the bundle is not signed with a plain key",
            value=f"it is signed with {'a certificate' if chain else 'an identity (keyless) or nothing'}",
            remedy="give the certificates to trust instead"
            if chain
            else "say whose it has to be: --identity and --issuer",
        )
    ours = key_hint(public_key)
    if material.public_key.hint not in (None, "", ours):
        raise AncileError(
            "the bundle is signed with another key",
            value=f"key {plain(material.public_key.hint or '', 64)}, wanted {ours}",
            remedy="give the public key of the signer, or take the bundle from who holds this one",
        )


def _carried(envelope: Envelope, public_key: ec.EllipticCurvePublicKey) -> SignedModel:
    """What the envelope carries, once the signature over it holds; not a byte of it is parsed before."""
    payload = unb64(envelope.payload, name="payload of the bundle", url_safe=True)
    signature = unb64(envelope.signatures[0].sig, name="signature", url_safe=True)
    try:
        public_key.verify(signature, pae(envelope.payload_type, payload), ec.ECDSA(_hash_of(public_key)))
    except InvalidSignature as reason:
        raise AncileError(
            "the signature of the bundle does not hold",
            value=f"key {key_hint(public_key)}",
            remedy="take bundle and public key from their source once more",
        ) from reason
    return parse_model(payload)


def differences(signed: SignedModel, manifest: Manifest) -> Differences:
    """The signed files against those at hand, which were hashed with the signer's algorithm."""
    present = manifest.blake2b if signed.algorithm == "blake2b" else manifest.parts
    if len(present) != len(manifest.parts):
        raise ValueError("the manifest was made without the digests that the bundle names files by")
    here = {ITSELF if manifest.alone else path: one.removeprefix("sha256:") for path, one in present.items()}
    more = [path for path in here if path not in signed.digests]
    ignored = frozenset(signed.ignored)
    uncovered = [path for path in more if _is_below(path, ignored)]
    return Differences(
        changed=tuple(p for p, digest in signed.digests.items() if here.get(p, digest) != digest),
        missing=tuple(path for path in signed.digests if path not in here),
        extra=tuple(sorted(set(more) - set(uncovered))),
        uncovered=tuple(sorted(uncovered)),
    )


def key_hint(public_key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of the PEM text of a key, by which bundles name it."""
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def _hash_of(key: ec.EllipticCurvePublicKey) -> hashes.HashAlgorithm:
    if key.curve.name not in HASH_OF_CURVE:
        raise AncileError(
            "the curve of the key is not one of OpenSSF model signing",
            value=plain(key.curve.name),
            remedy="use a key on P-256, P-384 or P-521",
        )
    return HASH_OF_CURVE[key.curve.name]


def _name(path: str) -> str:
    """A path as text, for a document that carries no bytes."""
    try:
        return unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError as reason:
        raise AncileError(
            "an OpenSSF bundle cannot name a file whose name is not UTF-8",
            value=plain(path),
            remedy="rename the file, or leave out --openssf and --keyless: ancile's own bundle names it",
        ) from reason


def _is_below(path: str, folders: Collection[str]) -> bool:
    """Whether it is one of these, or lies in one; a look at each folder on the way to it."""
    ends = [place for place, char in enumerate(path) if char == "/"]
    return ITSELF in folders or path in folders or any(path[:end] in folders for end in ends)
