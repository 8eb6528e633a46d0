"""DSSE: the published encoding, two keys for one signer, and every way to leave one of them out."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from dilithium_py.ml_dsa import ML_DSA_65
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.dsse import IN_TOTO, LARGEST, MOST_SIGNATURES, pae, sign, unverified, verify
from ancile.trust.key import PublicKey, private_key
from tests.trust.keys_help import seeds

ALICE = private_key("author", "alice", seeds(1))
BOB = private_key("author", "bob", seeds(2))
CAROL = private_key("author", "carol", seeds(3))
PAYLOAD = b'{"hello":"world"}'
SIGNED = sign(PAYLOAD, [ALICE])
BOTH = sign(PAYLOAD, [ALICE, BOB])


def edited(envelope: bytes, **fields: object) -> bytes:
    return json.dumps(json.loads(envelope) | fields).encode()


def signatures(envelope: bytes) -> list[Any]:
    found: list[Any] = json.loads(envelope)["signatures"]
    return found


def test_the_encoding_is_the_published_one() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("", b"") == b"DSSEv1 0  0 "
    assert pae("ñ", b"\x00") == b"DSSEv1 2 \xc3\xb1 1 \x00"


def test_the_published_ecdsa_envelope_is_read_to_its_published_payload() -> None:
    envelope = (
        b'{"payload":"aGVsbG8gd29ybGQ=","payloadType":"http://example.com/HelloWorld","signatures":'
        b'[{"sig":"Cc3RkvYsLhlaFVd+d6FPx4ZClhqW4ZT0rnCYAfv6/ckoGdwT7g/blWNpOBuL/tZhRiVFaglOGTU8GEjm4aEaNA=="}]}'
    )
    assert unverified(envelope).payload == b"hello world"
    with pytest.raises(AncileError, match="not signed by enough known signers"):
        verify(envelope, [ALICE.public])


def test_both_signatures_cover_the_plain_encoding() -> None:
    ed25519, mldsa = (base64.b64decode(s["sig"]) for s in signatures(SIGNED))
    Ed25519PublicKey.from_public_bytes(ALICE.public.ed25519).verify(ed25519, pae(IN_TOTO, PAYLOAD))
    assert ML_DSA_65.verify(ALICE.public.mldsa, pae(IN_TOTO, PAYLOAD), mldsa)


def test_an_envelope_signed_by_another_implementation_verifies() -> None:
    public, secret = ML_DSA_65.key_derive(ALICE.seeds.mldsa)
    assert public == ALICE.public.mldsa
    message = pae(IN_TOTO, PAYLOAD)
    sigs = [ALICE.ed25519.sign(message), ML_DSA_65.sign(secret, message)]
    envelope = edited(SIGNED, signatures=[{"sig": base64.b64encode(s).decode()} for s in sigs])
    assert verify(envelope, [ALICE.public]).payload == PAYLOAD


def test_verified_bytes_are_handed_on_with_type_and_signers() -> None:
    assert verify(BOTH, [BOB.public, ALICE.public]) == (
        PAYLOAD,
        IN_TOTO,
        tuple(sorted([ALICE.public.id, BOB.public.id])),
    )


def test_url_safe_base64_unknown_fields_and_wrong_hints_are_read() -> None:
    content = json.loads(sign(b"\xfb\xff\xfe" * 20, [ALICE]))
    table = str.maketrans("+/", "-_")
    content["payload"] = content["payload"].translate(table)
    content["signatures"] = [
        {"sig": s["sig"].translate(table), "keyid": BOB.public.id, "cert": 1} for s in content["signatures"]
    ]
    envelope = json.dumps(content | {"unknown": [1, {}]}).encode()
    assert verify(envelope, [BOB.public, ALICE.public]).signers == (ALICE.public.id,)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_stripped_signature_is_refused(kept: int) -> None:
    with pytest.raises(AncileError, match="is missing or wrong"):
        verify(edited(SIGNED, signatures=signatures(SIGNED)[kept : kept + 1]), [ALICE.public])


def test_a_stripped_second_signer_is_refused_although_the_first_is_enough() -> None:
    with pytest.raises(AncileError, match="is missing or wrong"):
        verify(edited(BOTH, signatures=signatures(BOTH)[:3]), [ALICE.public, BOB.public])


def test_signatures_swapped_between_two_signers_are_refused() -> None:
    mixed = [signatures(BOTH)[0], signatures(BOTH)[3]]
    with pytest.raises(AncileError, match="is missing or wrong"):
        verify(edited(BOTH, signatures=mixed), [ALICE.public, BOB.public])


def test_a_threshold_counts_signers_not_keys_or_copies() -> None:
    doubled = edited(SIGNED, signatures=signatures(SIGNED) * 4)
    assert verify(doubled, [ALICE.public]).signers == (ALICE.public.id,)
    for envelope in (SIGNED, doubled):
        with pytest.raises(AncileError, match="enough known signers"):
            verify(envelope, [ALICE.public, ALICE.public, BOB.public], threshold=2)
    assert len(verify(BOTH, [ALICE.public, BOB.public], threshold=2).signers) == 2


def test_one_key_under_two_signers_is_refused() -> None:
    twin = PublicKey("author", "twin", ed25519=ALICE.public.ed25519, mldsa=BOB.public.mldsa)
    with pytest.raises(AncileError, match="one key stands under two signers"):
        verify(SIGNED, [ALICE.public, twin])


def test_the_key_of_a_log_signs_no_envelope() -> None:
    with pytest.raises(AncileError, match="no author's"):
        verify(SIGNED, [private_key("log", "example.org/log", seeds(1)).public])


def test_one_label_change_does_not_make_a_second_signer() -> None:
    renamed = private_key("author", "x", seeds(1))
    with pytest.raises(AncileError, match="enough known signers"):
        verify(SIGNED, [ALICE.public, renamed.public], threshold=2)


@pytest.mark.parametrize("signers", [[], [BOB.public], [BOB.public, CAROL.public]])
def test_an_envelope_of_unknown_signers_is_refused(signers: list[PublicKey]) -> None:
    with pytest.raises(AncileError, match="enough known signers"):
        verify(SIGNED, signers)


def test_no_threshold_lets_an_unsigned_envelope_through() -> None:
    with pytest.raises(AncileError, match="enough known signers"):
        verify(edited(SIGNED, signatures=[]), [ALICE.public], threshold=0)


def test_a_changed_payload_or_type_is_refused() -> None:
    for changed in (
        edited(SIGNED, payload=base64.b64encode(PAYLOAD + b" ").decode()),
        edited(SIGNED, payloadType="application/json"),
    ):
        with pytest.raises(AncileError, match="enough known signers"):
            verify(changed, [ALICE.public])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"payload":"aGk","payloadType":"x","signatures":[]}',
        b'{"payload":"aGl=","payloadType":"x","signatures":[]}',
        b'{"payload":"-_+/","payloadType":"x","signatures":[]}',
        b'{"payload":"\xc3\xb1aaa","payloadType":"x","signatures":[]}',
        b'{"payload":"aGk=","payloadType":1,"signatures":[]}',
        b'{"payload":"aGk=","payloadType":"x","signatures":[{}]}',
        b'{"payload":"aGk=","payloadType":"\\ud800","signatures":[]}',
        b'{"payload":"aGk=","payloadType":"%s","signatures":[]}' % (b"x" * 2000),
        b'{"payload":"aGk=","payloadType":"x","signatures":[%s]}'
        % b",".join([b'{"sig":"aGk="}'] * (MOST_SIGNATURES + 1)),
        b" " * (LARGEST + 1),
    ],
)
def test_a_malformed_envelope_is_refused(content: bytes) -> None:
    with pytest.raises(AncileError):
        verify(content, [ALICE.public])


@given(st.integers(0, len(SIGNED) - 1), st.integers(0, 7))
def test_fuzz_a_flipped_bit_never_verifies_to_other_bytes(place: int, bit: int) -> None:
    mutated = bytearray(SIGNED)
    mutated[place] ^= 1 << bit
    try:
        found = verify(bytes(mutated), [ALICE.public])
    except AncileError:
        return
    assert (found.payload, found.payload_type) == (PAYLOAD, IN_TOTO)


@given(st.binary(max_size=60))
def test_fuzz_bytes_raise_one_error_type(data: bytes) -> None:
    with pytest.raises(AncileError):
        verify(data, [ALICE.public])


def test_more_signers_than_an_envelope_may_carry_are_refused_when_signing() -> None:
    crowd = [ALICE] * (MOST_SIGNATURES // 2 + 1)
    with pytest.raises(AncileError, match="too many"):
        sign(PAYLOAD, crowd)
