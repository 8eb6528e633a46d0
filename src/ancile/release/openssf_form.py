"""The wire form of OpenSSF Model Signing v1.0, read strictly: a Sigstore bundle v0.3 around a DSSE envelope.

https://github.com/ossf/model-signing-spec; bundles of other tools are taken with fields that are not known
here, and refused where two readers could take them for two things: repeated keys, odd paths, digests that
disagree.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, NoReturn, TypeVar

import msgspec

from ancile.core.errors import AncileError
from ancile.core.subject import percent_encoded
from ancile.core.text import plain

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
LARGEST = 64 << 20  # bytes of a bundle: a resource takes about 200, base64 a third more
ITSELF = "."  # what a model that is one file calls it
HEX_DIGITS = {"sha256": 64, "blake2b": 128}

Algorithm = Literal["sha256", "blake2b"]
Noun = TypeVar("Noun", bound=msgspec.Struct)


class Signature(msgspec.Struct, frozen=True):
    """One signature; base64."""

    sig: str


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """DSSE: exactly one signature in a Sigstore bundle."""

    payload: str
    payload_type: Literal["application/vnd.in-toto+json"]
    signatures: Annotated[tuple[Signature, ...], msgspec.Meta(min_length=1, max_length=1)]


class KeyHint(msgspec.Struct, frozen=True):
    """SHA-256 of the key's PEM text in hexadecimal; the first versions gave none."""

    hint: str | None = None


class Certificate(msgspec.Struct, frozen=True, rename="camel"):
    """DER in base64."""

    raw_bytes: str


class Chain(msgspec.Struct, frozen=True):
    """The signer's certificate, then those of who vouch for it."""

    certificates: Annotated[tuple[Certificate, ...], msgspec.Meta(min_length=1, max_length=16)]


class Material(msgspec.Struct, frozen=True, rename="camel"):
    """What to verify with: a key that the reader holds, or a chain of certificates."""

    public_key: KeyHint | None = None
    x509_certificate_chain: Chain | None = None
    certificate: Certificate | None = None


class SigstoreBundle(msgspec.Struct, frozen=True, rename="camel"):
    """The file; nothing in it is verified."""

    media_type: str
    verification_material: Material
    dsse_envelope: Envelope


class Resource(msgspec.Struct, frozen=True):
    """A file and its digest in hexadecimal."""

    name: str
    algorithm: str
    digest: str


class Serialization(msgspec.Struct, frozen=True):
    """How files became resources."""

    method: str
    hash_type: str
    allow_symlinks: bool = False
    ignore_paths: tuple[str, ...] = ()


class Predicate(msgspec.Struct, frozen=True):
    """What was signed."""

    serialization: Serialization
    resources: tuple[Resource, ...]


class Digests(msgspec.Struct, frozen=True):
    """Of all digests together, in the order of the resources."""

    sha256: str


class Whole(msgspec.Struct, frozen=True):
    """The model's name and digest."""

    digest: Digests
    name: str = ""


class Statement(msgspec.Struct, frozen=True, rename={"kind": "_type", "predicate_type": "predicateType"}):
    """in-toto Statement v1 with this predicate."""

    kind: Literal["https://in-toto.io/Statement/v1"]
    predicate_type: Literal["https://model_signing/signature/v1.0"]
    subject: Annotated[tuple[Whole, ...], msgspec.Meta(min_length=1, max_length=1)]
    predicate: Predicate


class SignedModel(NamedTuple):
    """What a verified signature says.

    name       that the signer gave the model; for people
    algorithm  of the digests
    digests    percent-encoded path, or ``.`` for a model of one file, to digest in hexadecimal
    ignored    percent-encoded paths that the signer left out, with all that lies below them
    """

    name: str
    algorithm: Algorithm
    digests: dict[str, str]
    ignored: tuple[str, ...]


def parse_bundle(data: bytes) -> SigstoreBundle:
    """The bundle in a file; nothing in it is verified."""
    bundle = _parse(data, SigstoreBundle, name="not an OpenSSF bundle")
    if bundle.media_type != BUNDLE:
        raise AncileError(
            "the bundle is of another kind",
            value=plain(bundle.media_type),
            remedy=f"give one of media type {BUNDLE}, as model_signing 1.0 and later write it",
        )
    return bundle


def parse_model(payload: bytes) -> SignedModel:
    """The signed statement as paths and digests; it is to be verified before."""
    return _model(_parse(payload, Statement, name="not a statement of OpenSSF model signing"))


def root_digest(digests: Sequence[str]) -> str:
    """SHA-256 over all digests in the order of the resources: the digest of the whole."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _model(statement: Statement) -> SignedModel:
    """The statement as paths and digests; every value that its reader would take in two ways is refused."""
    how, resources = statement.predicate.serialization, statement.predicate.resources
    if how.method != "files" or how.hash_type not in HEX_DIGITS:
        raise AncileError(
            "the bundle names files in a way that is not read here",
            value=f"method {plain(how.method, 40)}, hash {plain(how.hash_type, 40)}",
            remedy="have it signed by whole files with SHA-256 or BLAKE2b, or verify it with `model_signing`",
        )
    digits = re.compile(f"[0-9a-f]{{{HEX_DIGITS[how.hash_type]}}}")
    digests: dict[str, str] = {}
    for one in resources:
        path = _path(one.name)
        if one.algorithm != how.hash_type or not digits.fullmatch(one.digest) or path in digests:
            raise _refused(f"the entry of {plain(one.name, 80)} has another digest or stands twice")
        digests[path] = one.digest
    if not digests or (ITSELF in digests and len(digests) > 1):
        raise _refused("it names no file, or a folder's and a single one")
    if root_digest([one.digest for one in resources]) != statement.subject[0].digest.sha256:
        raise _refused("the digest of the whole is not that of its files")
    return SignedModel(
        plain(statement.subject[0].name),
        "blake2b" if how.hash_type == "blake2b" else "sha256",
        digests,
        tuple(sorted({_path(one) for one in how.ignore_paths if _is_inside(one)})),
    )


def _is_inside(name: str) -> bool:
    parts = name.split("/")
    return name == ITSELF or not ({"", ".", ".."} & set(parts) or "\0" in name)


def _path(name: str) -> str:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as reason:
        raise _refused("a name is not Unicode") from reason
    if not _is_inside(name):
        raise _refused(f"{plain(name, 80)} is no path below the model")
    return percent_encoded(name)


def _parse(data: bytes, kind: type[Noun], *, name: str) -> Noun:
    if len(data) > LARGEST:
        raise AncileError(name, value=f"{len(data)} bytes", remedy=f"at most {LARGEST} are read")
    try:
        document = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=len,
            parse_float=len,
            parse_constant=_no_number,
        )
        return msgspec.convert(document, kind)
    except (ValueError, RecursionError, msgspec.ValidationError) as reason:
        raise AncileError(
            name, value=plain(str(reason)), remedy="take it from its source once more"
        ) from reason


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _refused(why: str) -> AncileError:
    return AncileError(
        "the signed statement contradicts itself", value=why, remedy="have the model signed once more"
    )
