"""Bundles by who wishes harm: one error each, whatever the bytes are, and with a good signature too."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ancile.core.errors import AncileError
from ancile.release.manifest import manifest_of
from ancile.release.openssf import key_hint, openssf_bundle, read_openssf
from ancile.release.openssf_chain import Roots
from ancile.release.openssf_form import LARGEST, parse_bundle, root_digest
from ancile.release.openssf_keys import private_key, trusted
from ancile.trust.dsse import IN_TOTO, pae
from ancile.trust.encoding import b64
from tests.release.openssf_model import BUNDLES

KEY = ec.generate_private_key(ec.SECP256R1())
DIGEST = "ab" * 32
GOOD = (BUNDLES / "p256.json").read_bytes()
Resource = dict[str, str]


def signed(payload: bytes) -> bytes:
    """A bundle with a good signature over anything."""
    signature = KEY.sign(pae(IN_TOTO, payload), ec.ECDSA(hashes.SHA256()))
    return json.dumps(
        {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": key_hint(KEY.public_key())}},
            "dsseEnvelope": {
                "payload": b64(payload),
                "payloadType": IN_TOTO,
                "signatures": [{"sig": b64(signature)}],
            },
        }
    ).encode()


def statement(resources: list[Resource], **serialization: object) -> dict[str, object]:
    digests = [one["digest"] for one in resources]
    try:
        whole = root_digest(digests)
    except ValueError:
        whole = DIGEST
    how = {"method": "files", "hash_type": "sha256", "allow_symlinks": False} | serialization
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "m", "digest": {"sha256": whole}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"serialization": how, "resources": resources},
    }


def resource(name: str = "a", digest: str = DIGEST, algorithm: str = "sha256") -> Resource:
    return {"name": name, "digest": digest, "algorithm": algorithm}


def refused(data: bytes) -> AncileError:
    with pytest.raises(AncileError) as raised:
        read_openssf(data, KEY.public_key())
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500
    return raised.value


def test_a_plain_statement_is_read() -> None:
    """So that what follows is refused for its own fault."""
    found = read_openssf(
        signed(json.dumps(statement([resource()], ignore_paths=["b"])).encode()), KEY.public_key()
    )
    assert (found.signed.digests, found.signed.ignored) == ({"a": DIGEST}, ("b",))


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../a", "a/../b", "a//b", "./a", "a/.", "a/", "a\0b", "\ud800", "..", "//"],
)
def test_a_path_that_leads_elsewhere_or_has_two_spellings_is_refused(name: str) -> None:
    assert "contradicts" in refused(signed(json.dumps(statement([resource(name)])).encode())).what


@pytest.mark.parametrize(
    "resources",
    [
        [],
        [resource("a"), resource("a")],
        [resource("."), resource("a")],
        [resource(digest="AB" * 32)],
        [resource(digest="ab" * 31)],
        [resource(digest="ab" * 64)],
        [resource(digest=" " + "ab" * 32)],
        [resource(algorithm="md5")],
        [resource(algorithm="blake2b", digest="ab" * 64)],
    ],
)
def test_files_that_are_named_in_a_doubtful_way_are_refused(resources: list[Resource]) -> None:
    assert "contradicts" in refused(signed(json.dumps(statement(resources)).encode())).what


def change(key: str, value: object) -> Callable[[dict[str, object]], None]:
    return lambda said: said.update({key: value})


@pytest.mark.parametrize(
    "changed",
    [
        change("_type", "https://in-toto.io/Statement/v0.1"),
        change("predicateType", "https://model_signing/Digests/v0.1"),
        change("subject", []),
        change("subject", [{"name": "m", "digest": {"sha256": DIGEST}}]),
        change("subject", [{"name": "m", "digest": {"sha512": DIGEST}}]),
        change("subject", [{"name": "m"}] * 2),
        change("subject", 7),
        change("predicate", None),
        change("predicate", {"resources": [resource()]}),
        change("predicate", {"serialization": {"method": 1, "hash_type": "sha256"}, "resources": []}),
        change("predicate", {"serialization": {"method": "files", "hash_type": "md5"}, "resources": []}),
        lambda said: said.clear(),
    ],
)
def test_a_statement_of_another_form_is_refused(changed: Callable[[dict[str, object]], None]) -> None:
    said = statement([resource()])
    changed(said)
    refused(signed(json.dumps(said).encode()))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"a": 1, "a": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"9" * 1_000_000,
        b'{"_type": NaN}',
        json.dumps(statement([resource()])).replace('"method"', '"method": "shards", "method"').encode(),
    ],
)
def test_a_payload_that_is_no_plain_json_is_refused(payload: bytes) -> None:
    refused(signed(payload))


@pytest.mark.parametrize(
    "change",
    [
        lambda bundle: bundle.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.2"),
        lambda bundle: bundle.pop("verificationMaterial"),
        lambda bundle: bundle.update(verificationMaterial={"certificate": {"rawBytes": ""}}),
        lambda bundle: bundle.update(verificationMaterial={}),
        lambda bundle: bundle["dsseEnvelope"].update(payloadType="text/plain"),
        lambda bundle: bundle["dsseEnvelope"].update(signatures=[]),
        lambda bundle: bundle["dsseEnvelope"].update(signatures=bundle["dsseEnvelope"]["signatures"] * 2),
        lambda bundle: bundle["dsseEnvelope"].update(signatures=[{"sig": ""}]),
        lambda bundle: bundle["dsseEnvelope"].update(signatures=[{"sig": "AA"}]),
        lambda bundle: bundle["dsseEnvelope"].update(payload=bundle["dsseEnvelope"]["payload"][:-4]),
        lambda bundle: bundle["dsseEnvelope"].update(payload="é"),
        lambda bundle: bundle["verificationMaterial"].update(publicKey={"hint": "\x1b[2J" * 999}),
        lambda bundle: bundle["verificationMaterial"].update(publicKey={"hint": 7}),
    ],
)
def test_a_bundle_of_another_form_is_refused(change: Callable[[dict[str, object]], object]) -> None:
    bundle = json.loads(signed(json.dumps(statement([resource()])).encode()))
    change(bundle)
    refused(json.dumps(bundle).encode())


def test_a_bundle_without_a_hint_is_read() -> None:
    """The first versions wrote none; the signature decides anyway."""
    bundle = json.loads(signed(json.dumps(statement([resource()])).encode()))
    bundle["verificationMaterial"]["publicKey"] = {}
    assert read_openssf(json.dumps(bundle).encode(), KEY.public_key()).signed.digests == {"a": DIGEST}
    with pytest.raises(AncileError, match="does not hold"):
        read_openssf(json.dumps(bundle).encode(), ec.generate_private_key(ec.SECP256R1()).public_key())


def test_keys_that_stand_twice_and_bundles_without_end_are_refused() -> None:
    good = signed(json.dumps(statement([resource()])).encode())
    assert "twice" in refused(good[:-1] + b', "mediaType": "x"}').value
    assert str(LARGEST) in refused(good + b" " * LARGEST).remedy
    refused(b"[" * 1_000_000)


def test_no_change_of_a_byte_goes_unnoticed_or_ends_in_another_error() -> None:
    """Where it still verifies, the signed words are the same."""
    key = trusted((BUNDLES / "p256.pem").read_bytes(), name="p256")
    rng, whole = random.Random(1), read_openssf(GOOD, key)
    for _ in range(2_000):
        data = bytearray(GOOD)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(data))
            data[place : place + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
        try:
            assert read_openssf(bytes(data), key) == whole
        except AncileError:
            continue


# Certificates

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    *extensions: tuple[x509.ExtensionType, bool],
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=90))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(by, hashes.SHA256())


def usage(*, signs: bool, issues: bool) -> tuple[x509.KeyUsage, bool]:
    return x509.KeyUsage(signs, False, False, False, False, issues, False, False, False), True


CA = (x509.BasicConstraints(ca=True, path_length=None), True)
LAST_CA = (x509.BasicConstraints(ca=True, path_length=0), True)
NO_CA = (x509.BasicConstraints(ca=False, path_length=None), True)
CODE = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)
ODD = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
SIGNS = usage(signs=True, issues=False)
Extensions = tuple[tuple[x509.ExtensionType, bool], ...]


def by_certificate(leaf: Extensions, *, root: Extensions = (CA,), middle: Extensions = (CA,)) -> Roots:
    """Whether a bundle by a signer with these certificates is read: AncileError where it is not."""
    root_key, middle_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    top = certificate("root", root_key, "root", root_key, *root)
    chain = [
        certificate("signer", KEY, "middle", middle_key, *leaf),
        certificate("middle", middle_key, "root", root_key, *middle),
    ]
    bundle = json.loads(signed(json.dumps(statement([resource()])).encode()))
    ders = [{"rawBytes": b64(one.public_bytes(Encoding.DER))} for one in chain]
    bundle["verificationMaterial"] = {"x509CertificateChain": {"certificates": ders}}
    opened = read_openssf(json.dumps(bundle).encode(), Roots((top,)))
    assert opened.key == key_hint(KEY.public_key())
    assert opened.until == NOW + timedelta(days=90)
    return Roots((top,))


@pytest.mark.parametrize("leaf", [(SIGNS,), (CODE,), (SIGNS, NO_CA)])
def test_a_signer_whom_a_root_vouches_for_is_believed(leaf: Extensions) -> None:
    by_certificate(leaf)
    by_certificate(leaf, middle=(CA, usage(signs=False, issues=True), CODE))


@pytest.mark.parametrize(
    ("leaf", "root", "middle", "why"),
    [
        ((), (CA,), (CA,), "not made for signatures"),
        ((usage(signs=False, issues=False),), (CA,), (CA,), "not made for signatures"),
        ((SIGNS,), (CA,), (NO_CA,), "cA must be asserted"),
        ((SIGNS,), (CA,), (), "required extension"),
        ((SIGNS,), (CA,), (CA, usage(signs=True, issues=False)), "may not sign certificates"),
        ((SIGNS,), (LAST_CA,), (CA,), "path length"),
        ((SIGNS, ODD), (CA,), (CA,), "1.2.3.4"),
        ((SIGNS,), (CA,), (CA, ODD), "1.2.3.4"),
    ],
)
def test_a_signer_without_a_good_path_is_refused(
    leaf: Extensions, root: Extensions, middle: Extensions, why: str
) -> None:
    with pytest.raises(AncileError, match="no trusted certificate") as raised:
        by_certificate(leaf, root=root, middle=middle)
    assert why in raised.value.value


def test_another_root_vouches_for_nobody() -> None:
    data = (BUNDLES / "by_signer.json").read_bytes()
    with pytest.raises(AncileError, match="no trusted certificate"):
        read_openssf(data, by_certificate((SIGNS,)))


def test_a_key_that_is_not_on_a_curve_signs_nothing() -> None:
    root_key, key = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)
    root = certificate("root", root_key, "root", root_key, CA)
    der = certificate("signer", key, "root", root_key, SIGNS).public_bytes(Encoding.DER)
    bundle = json.loads(signed(b"{}"))
    bundle["verificationMaterial"] = {"x509CertificateChain": {"certificates": [{"rawBytes": b64(der)}]}}
    with pytest.raises(AncileError, match="elliptic"):
        read_openssf(json.dumps(bundle).encode(), Roots((root,)))


def test_bytes_that_are_no_certificate_are_refused() -> None:
    root = trusted((BUNDLES / "root.pem").read_bytes(), name="root")
    for der in (b"", b"0", b"0" * (1 << 17), random.Random(1).randbytes(500)):
        bundle = json.loads((BUNDLES / "by_signer.json").read_bytes())
        bundle["verificationMaterial"]["x509CertificateChain"]["certificates"][0]["rawBytes"] = b64(der)
        with pytest.raises(AncileError, match="no trusted certificate"):
            read_openssf(json.dumps(bundle).encode(), root)


def test_no_change_of_a_certificate_ends_in_another_error() -> None:
    root = trusted((BUNDLES / "root.pem").read_bytes(), name="root")
    good = json.loads((BUNDLES / "by_signer.json").read_bytes())
    chain = parse_bundle(json.dumps(good).encode()).verification_material.x509_certificate_chain
    assert chain is not None
    from ancile.trust.encoding import unb64

    rng = random.Random(2)
    for _ in range(500):
        at = rng.randrange(2)
        der = bytearray(unb64(chain.certificates[at].raw_bytes, name="certificate"))
        der[rng.randrange(len(der))] = rng.randrange(256)
        good["verificationMaterial"]["x509CertificateChain"]["certificates"][at]["rawBytes"] = b64(bytes(der))
        try:
            read_openssf(json.dumps(good).encode(), root)
        except AncileError:
            continue


# Key files


def test_a_private_key_comes_from_a_file_that_may_be_sealed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    sealed = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    key = private_key(sealed, name="k", passphrase=lambda: b"word")
    read_openssf(openssf_bundle(manifest_of(tmp_path), key), KEY.public_key())
    with pytest.raises(AncileError, match="no key"):
        private_key(sealed, name="k", passphrase=lambda: b"other")


@pytest.mark.parametrize(
    "pem", [b"", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"x" * 2_000_000]
)
def test_what_is_no_key_is_one_error(pem: bytes) -> None:
    with pytest.raises(AncileError, match="no key"):
        trusted(pem, name="k\x1b")
    with pytest.raises(AncileError, match="no key"):
        private_key(pem, name="k", passphrase=lambda: b"")


def test_a_key_of_another_kind_is_refused() -> None:
    other = rsa.generate_private_key(65537, 2048)
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(AncileError, match="elliptic"):
        trusted(public, name="k")
    secret = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"w"))
    with pytest.raises(AncileError, match="elliptic"):
        private_key(secret, name="k", passphrase=lambda: b"w")
