"""A token lets in whom its issuer named, and no token that anybody else could have made does."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import warnings
from base64 import urlsafe_b64encode
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey

from ancile.core.errors import AncileError
from ancile.serve.identity.config import Oidc
from ancile.serve.identity.jwks import Key, keys_of
from ancile.serve.identity.token import LARGEST, Rejected, UnknownKey, accepted
from ancile.serve.keys import Identity
from tests.serve.identity.local_issuer import AnyKey, claims, oidc, public, rsa, signed

ONE, OTHER = rsa(), rsa("other")
KEYS: dict[str, Key] = keys_of(public(ONE))
NOW = time.time()


def part(value: object) -> bytes:
    return urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=")


def judged(token: bytes, keys: dict[str, Key] = KEYS, **changed: Any) -> Identity:
    return accepted(token, keys, oidc(**changed), now=time.time()).identity


def test_a_token_names_an_identity_that_no_user_can_be_called() -> None:
    found = accepted(signed(ONE), KEYS, oidc(), now=time.time())
    assert found.identity == Identity("oidc:alice", "analyst", "oidc")
    assert found.until == pytest.approx(time.time() + 630, abs=30)


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (ECKey.generate_key("P-256", {"kid": "e"}), "ES256"),
        (ECKey.generate_key("P-384", {"kid": "e"}), "ES384"),
        (OKPKey.generate_key("Ed25519", {"kid": "e"}), "EdDSA"),
        (OKPKey.generate_key("Ed25519", {"kid": "e"}), "Ed25519"),
        (ONE, "PS256"),
    ],
)
def test_an_algorithm_counts_where_it_is_pinned_and_nowhere_else(key: AnyKey, alg: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        token = signed(key, alg=alg)
    keys = keys_of(public(key))
    assert judged(token, keys, algorithms=(alg,)).name == "oidc:alice"
    with pytest.raises(Rejected, match="pinned"):
        judged(token, keys, algorithms=("RS256",))


def test_a_token_without_a_signature_is_nobodys() -> None:
    for name in ("none", "None", "NONE", "nOnE"):
        unsigned = part({"alg": name, "typ": "JWT", "kid": "one"}) + b"." + part(claims()) + b"."
        with pytest.raises(Rejected, match="pinned"):
            judged(unsigned)
        with pytest.raises(Rejected, match="pinned"):
            judged(unsigned + b"AA")
    head, said, _ = signed(ONE).split(b".")
    with pytest.raises(Rejected, match="signature"):
        judged(head + b"." + said + b".")


def test_a_public_key_is_no_shared_secret() -> None:
    """RS256 taken for HS256: what is public of the key would be the secret."""
    pem = ONE.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, pem.strip(), json.dumps(ONE.as_dict(private=False)).encode()):
        body = part({"alg": "HS256", "kid": "one"}) + b"." + part(claims())
        forged = body + b"." + part(hmac.digest(secret, body, hashlib.sha256))
        with pytest.raises(Rejected, match="pinned"):
            judged(forged)
    with pytest.raises(ValueError, match="Invalid enum"):
        msgspec.convert({"issuer": "i", "audience": "a", "algorithms": ["HS256"]}, Oidc)
    with pytest.raises(AncileError, match="cannot be used"):
        keys_of(json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]}).encode())


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"iss": "https://issuer/"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "other"}, "another audience"),
        ({"aud": ["other", "ancile-two"]}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"aud": {"ancile": 1}}, "another audience"),
        ({"exp": int(NOW) - 31}, "expired"),
        ({"exp": None}, "exp is no time"),
        ({"exp": str(int(NOW) + 600)}, "exp is no time"),
        ({"exp": True}, "exp is no time"),
        ({"exp": float("inf")}, "exp is no time"),
        ({"exp": 10**400}, "exp is no time"),
        ({"nbf": int(NOW) + 10**6}, "not valid yet"),
        ({"iat": int(NOW) + 10**6}, "not valid yet"),
        ({"sub": None}, "names nobody"),
        ({"sub": ""}, "names nobody"),
        ({"sub": ["alice"]}, "names nobody"),
        ({"sub": "a" * 256}, "names nobody"),
        ({"sub": "alice\n"}, "printable"),
        ({"sub": "\u0430lice"}, "printable"),
    ],
)
def test_a_claim_that_does_not_hold_lets_nobody_in(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(Rejected, match=why):
        judged(signed(ONE, claims(**changed)))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": OTHER.as_dict(private=False)},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/certificate"},
        {"x5c": ["MIIB"]},
        {"zip": "DEF"},
        {"made-up": 1},
    ],
)
def test_a_header_that_brings_a_key_is_refused_for_that(header: dict[str, Any]) -> None:
    """Whoever signed it: with a key of its own, or with the issuer's."""
    for key in (OTHER, ONE):
        head = part({"alg": "RS256", "kid": "one"} | header)
        with pytest.raises(Rejected, match="brings or asks"):
            judged(head + b"." + signed(key).partition(b".")[2])


def test_what_is_critical_or_twice_in_a_header_is_refused() -> None:
    rest = signed(ONE).partition(b".")[2]
    with pytest.raises(Rejected, match="brings or asks"):
        judged(part({"alg": "RS256", "kid": "one", "b64": False, "crit": ["b64"]}) + b"." + rest)
    with pytest.raises(Rejected, match="not JSON"):
        judged(part(b'{"alg":"RS256","alg":"none","kid":"one"}') + b"." + rest)
    with pytest.raises(Rejected, match="another kind"):
        judged(signed(ONE, typ="dpop+jwt"))


@pytest.mark.parametrize(
    "name", ["other", "", "../../dev/null", "one' OR '1'='1", "one\0", 1, ["one"], None, {}]
)
def test_a_key_id_is_looked_up_and_does_nothing_else(name: object) -> None:
    """With two keys, one of which has no id: no id is no wild card."""
    two = keys_of(public(ONE, rsa("two")))
    head = part({"alg": "RS256", "kid": name})
    with pytest.raises(UnknownKey):
        judged(head + b"." + signed(ONE).partition(b".")[2], two)


def test_a_token_without_a_key_id_needs_the_only_key() -> None:
    body = part({"alg": "RS256"}) + b"." + part(claims())
    made = body + b"." + part(_rs256(body))
    assert judged(made).name == "oidc:alice"
    with pytest.raises(UnknownKey):
        judged(made, keys_of(public(ONE, rsa("two"))))


def _rs256(data: bytes) -> bytes:
    private = ONE.private_key
    assert private is not None
    return private.sign(data, PKCS1v15(), SHA256())


def test_a_signature_of_another_key_does_not_hold() -> None:
    with pytest.raises(Rejected, match="signature"):
        judged(signed(OTHER, kid="one"))
    ec = ECKey.generate_key("P-256", {"kid": "one"})
    with pytest.raises(Rejected, match="signature"):
        judged(signed(ec, alg="ES256"), algorithms=("RS256", "ES256"))


@given(st.binary(max_size=60), st.integers(0, 600), st.integers(0, 255))
def test_bytes_that_are_no_token_are_rejected_and_nothing_else_happens(
    noise: bytes, place: int, byte: int
) -> None:
    token = bytearray(TOKEN)
    token[place % len(token)] = byte
    for one in (noise, noise + b"." + noise + b"." + noise, bytes(token)):
        try:
            found = judged(one)
        except Rejected:
            continue
        assert found.name == "oidc:alice"  # a last character that encodes the same bits
    for large in (b"a" * (LARGEST + 1), b"." * 3, part({"alg": "RS256"}) * 2000, part(b"[" * 3000) + b".."):
        with pytest.raises(Rejected):
            judged(large)


TOKEN = signed(ONE)


def test_the_first_role_of_the_configuration_that_a_token_has_is_its_role() -> None:
    roles = {"admins": "service", "ml": "analyst"}
    assert judged(signed(ONE, claims(roles=["ml", "admins"])), roles=roles).role == "service"
    assert judged(signed(ONE, claims(roles="ml")), roles=roles).role == "analyst"
    for other in (["none"], None, 5, {"ml": 1}):
        assert judged(signed(ONE, claims(roles=other)), roles=roles).role == ""
        assert judged(signed(ONE, claims(roles=other)), roles=roles, default_role="monitor").role == "monitor"
    nested = claims(realm_access={"roles": ["ml"]})
    assert judged(signed(ONE, nested), role="realm_access.roles").role == "analyst"


def test_keys_that_nobody_should_rely_on_are_not_taken() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library warns of the short key that is wanted here
        weak = rsa("weak", 1024)
    for data in (
        b"",
        b"[]",
        b'{"keys": 5}',
        b'{"keys": []}',
        b'{"keys": [5, {}, {"kty": "RSA"}]}',
        public(weak),
    ):
        with pytest.raises(AncileError, match="cannot be used"):
            keys_of(data)
    with pytest.raises(AncileError, match="cannot be used"):
        keys_of(json.dumps({"keys": [ONE.as_dict(private=False) | {"use": "enc"}]}).encode())
    with pytest.raises(AncileError, match="two keys are called one"):
        keys_of(public(ONE, rsa("one")))
    assert set(keys_of(public(ONE, weak))) == {"one"}
    private = json.dumps({"keys": [ONE.as_dict(private=True)]}).encode()
    assert judged(signed(ONE), keys_of(private)).name == "oidc:alice"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(["kty", "kid", "use", "alg", "n", "e", "crv", "x", "y", "k", "d", "x5c", "key_ops"])


@pytest.mark.slow
@given(
    st.lists(
        st.dictionaries(MEMBERS, JSON | st.sampled_from(["RSA", "EC", "OKP", "AQAB", "P-256"])), max_size=4
    )
)
def test_a_hostile_set_of_keys_is_refused_or_gives_keys_and_nothing_else(
    listed: list[dict[str, Any]],
) -> None:
    try:
        found = keys_of(json.dumps({"keys": [*listed, ONE.as_dict(private=False)]}).encode())
    except AncileError:
        return
    assert "one" in found
