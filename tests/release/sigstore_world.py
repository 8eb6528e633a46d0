"""An instance of Sigstore on loopback: identity provider, authority, certificate log, signature log.

All keys are made for one test. Fulcio's API v2, Rekor's API v1 and RFC 6962, as far as the `sigstore` library asks for them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.loopback import web

ISSUER = "https://login.example"
IDENTITY = "team@example.org"
ISSUER_OID = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
LIVES = timedelta(minutes=10)
USAGES = (  # RFC 5280, section 4.2.1.3
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def log_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(der(key)).digest()


def token(identity: str = IDENTITY, *, lives: int = 600, audience: str = "sigstore") -> str:
    """What an identity provider would give; who verifies it is the authority, here nobody."""
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": identity, "aud": audience, "iat": now - lives // 2, "exp": now + lives}
    parts = [json.dumps(one).encode() for one in ({"alg": "HS256", "typ": "JWT"}, claims)] + [b"unread"]
    return ".".join(base64.urlsafe_b64encode(one).decode().rstrip("=") for one in parts)


class SigstoreWorld:
    """The three services; what they sign is good, unless a test changes one of the fields below."""

    def __init__(self) -> None:
        self.authority, self.certificates, self.entries = (
            ec.generate_private_key(ec.SECP256R1()) for _ in "abc"
        )
        self.root = self._root()
        self.refuses = False
        self.silent = False
        self.ended = threading.Event()
        self.asked: list[str] = []
        self.url = ""

    def _root(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "example.org")])
        key, now = self.authority.public_key(), datetime.now(UTC)
        usage = {name: name in ("key_cert_sign", "crl_sign") for name in USAGES}
        return (
            x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key)
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key), critical=False)
            .sign(self.authority, hashes.SHA256())
        )

    def certificate(
        self, request: x509.CertificateSigningRequest, claims: dict[str, str]
    ) -> x509.Certificate:
        """A certificate of minutes, with the promise of the certificate log in it: RFC 6962, section 3.3."""
        now = datetime.now(UTC).replace(microsecond=0)
        usage = {name: name == "digital_signature" for name in USAGES}
        builder = (
            x509.CertificateBuilder()
            .issuer_name(self.root.subject)
            .subject_name(x509.Name([]))
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(seconds=5))
            .not_valid_after(now + LIVES)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(claims["sub"])]), critical=True)
            .add_extension(x509.UnrecognizedExtension(ISSUER_OID, claims["iss"].encode()), critical=False)
        )
        before = builder.sign(self.authority, hashes.SHA256()).tbs_certificate_bytes
        promise = self._promise(before)
        return builder.add_extension(x509.UnrecognizedExtension(SCT_LIST, promise), critical=False).sign(
            self.authority, hashes.SHA256()
        )

    def _promise(self, before: bytes) -> bytes:
        """A signed certificate timestamp over the certificate as it is without it."""
        when = int(time.time() * 1000)
        entry = log_id(self.authority) + len(before).to_bytes(3, "big") + before
        signed = struct.pack("!BBQH", 0, 0, when, 1) + entry + b"\0\0"
        signature = self.certificates.sign(signed, ec.ECDSA(hashes.SHA256()))
        sct = b"\0" + log_id(self.certificates) + struct.pack("!QH", when, 0) + b"\4\3"
        sct += struct.pack("!H", len(signature)) + signature
        listed = struct.pack("!HH", len(sct) + 2, len(sct)) + sct
        return b"\4" + (bytes([len(listed)]) if len(listed) < 128 else bytes([0x81, len(listed)])) + listed

    def entry(self, asked: dict[str, Any]) -> dict[str, Any]:
        """A log of this one entry, its promise and its proof."""
        content = asked["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        payload = base64.b64decode(envelope["payload"])
        body = rfc8785.dumps(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": {
                        "algorithm": "sha256",
                        "value": hashlib.sha256(content["envelope"].encode()).hexdigest(),
                    },
                    "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
                    "signatures": [
                        {"signature": one["sig"], "verifier": verifier}
                        for one, verifier in zip(envelope["signatures"], content["verifiers"], strict=True)
                    ],
                },
            }
        )
        root, when = hashlib.sha256(b"\0" + body).digest(), int(time.time())
        text = f"log.example - 1\n1\n{base64.b64encode(root).decode()}\n"
        note = log_id(self.entries)[:4] + self.entries.sign(text.encode(), ec.ECDSA(hashes.SHA256()))
        told: dict[str, str | int] = {
            "body": base64.b64encode(body).decode(),
            "integratedTime": when,
            "logID": log_id(self.entries).hex(),
            "logIndex": 0,
        }
        promise = self.entries.sign(rfc8785.dumps({**told}), ec.ECDSA(hashes.SHA256()))
        proof = {
            "logIndex": 0,
            "rootHash": root.hex(),
            "treeSize": 1,
            "hashes": [],
            "checkpoint": f"{text}\n\u2014 log.example {base64.b64encode(note).decode()}\n",
        }
        verification = {
            "signedEntryTimestamp": base64.b64encode(promise).decode(),
            "inclusionProof": proof,
        }
        return {"0" * 64: told | {"verification": verification}}

    def trust(self, folder: Path) -> Path:
        """The client trust configuration of this instance as a file."""
        since = {"start": "2020-01-01T00:00:00Z"}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            public = {
                "rawBytes": base64.b64encode(der(key)).decode(),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": since,
            }
            name = {"keyId": base64.b64encode(log_id(key)).decode()}
            return {"baseUrl": self.url, "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": name}

        def service() -> list[dict[str, Any]]:
            return [{"url": self.url, "majorApiVersion": 1, "validFor": since, "operator": "example.org"}]

        certificate = base64.b64encode(self.root.public_bytes(Encoding.DER)).decode()
        authority = {
            "subject": {"organization": "example.org", "commonName": "test"},
            "uri": self.url,
            "certChain": {"certificates": [{"rawBytes": certificate}]},
            "validFor": since,
        }
        root = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.entries)],
            "certificateAuthorities": [authority],
            "ctlogs": [log(self.certificates)],
            "timestampAuthorities": [],
        }
        signing = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": service(),
            "oidcUrls": service(),
            "rekorTlogUrls": service(),
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [],
            "tsaConfig": {"selector": "ANY"},
        }
        whole = {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": root,
            "signingConfig": signing,
        }
        (folder / "root.json").write_text(json.dumps(root), "utf-8")
        (folder / "trust.json").write_text(json.dumps(whole), "utf-8")
        return folder / "trust.json"


@contextmanager
def serving(world: SigstoreWorld) -> Iterator[SigstoreWorld]:
    """The instance, answering on loopback until the end of the block."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Discovery and login: OpenID Connect Core 1.0, section 3.1; whoever comes is logged in."""
            asked = urlsplit(self.path)
            if asked.path == "/.well-known/openid-configuration":
                told = {
                    "authorization_endpoint": f"{world.url}/login",
                    "token_endpoint": f"{world.url}/token",
                }
                self._answer(200, told)
                return
            given = parse_qs(asked.query)
            back = urlencode({"state": given["state"][0], "code": "good"})
            self.send_response(302)
            self.send_header("Location", f"{given['redirect_uri'][0]}?{back}")
            self.end_headers()

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/token":
                self._answer(200, {"access_token": token("browser@example.org")})
                return
            data = json.loads(sent)
            world.asked.append(self.path)
            if world.silent:
                world.ended.wait()
            if world.refuses:
                self._answer(403, {"message": "the token is not accepted"})
            elif self.path == "/api/v2/signingCert":
                pem = base64.b64decode(data["certificateSigningRequest"])
                claims = self.headers["Authorization"].split(".")[1]
                told = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
                made = world.certificate(x509.load_pem_x509_csr(pem), told)
                chain = [one.public_bytes(Encoding.PEM).decode() for one in (made, world.root)]
                self._answer(200, {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}})
            else:
                self._answer(201, world.entry(data))

        def _answer(self, code: int, document: dict[str, Any]) -> None:
            data = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with web(Door) as world.url:
        try:
            yield world
        finally:
            world.ended.set()
