"""Public keys: one id for both parts, one line for exchange, nothing else is read."""

from __future__ import annotations

import base64
import hashlib

import pytest
from dilithium_py.ml_dsa import ML_DSA_44, ML_DSA_65
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.key import PublicKey, Purpose, parse_public_key, private_key
from ancile.trust.note import parse_vkey
from tests.trust.keys_help import seeds

ALICE = private_key("author", "alice", seeds(1)).public
LOG = private_key("log", "example.org/log", seeds(2)).public
WITNESS = private_key("witness", "witness.example", seeds(3)).public


def test_keys_from_seeds_are_those_of_another_implementation() -> None:
    assert ML_DSA_65.key_derive(seeds(1).mldsa)[0] == ALICE.mldsa
    assert ML_DSA_44.key_derive(seeds(2).mldsa)[0] == LOG.mldsa
    assert private_key("log", LOG.name, seeds(2)).seeds == seeds(2)


def test_verifier_keys_are_those_of_c2sp_with_the_types_of_log_and_witness() -> None:
    for key, kinds in ((LOG, [1, 6]), (WITNESS, [4, 6])):
        parsed = [parse_vkey(text) for text in key.vkeys]
        assert [(v.name, v.kind) for v in parsed] == [(key.name, kind) for kind in kinds]
        assert [v.public for v in parsed] == [key.ed25519, key.mldsa]
    assert ALICE.vkeys == ()


def test_new_keys_differ() -> None:
    assert private_key("author", "a").public.id != private_key("author", "a").public.id


def test_an_id_is_the_digest_of_purpose_name_and_both_keys() -> None:
    body = b"ancile-key/v1\nlog\nexample.org/log\n" + LOG.ed25519 + LOG.mldsa
    assert LOG.id == "sha256:" + hashlib.sha256(body).hexdigest()
    body = b"ancile-key/v1\nauthor\n\n" + ALICE.ed25519 + ALICE.mldsa
    assert ALICE.id == "sha256:" + hashlib.sha256(body).hexdigest()


def test_purposes_and_log_names_make_different_ids_of_the_same_keys() -> None:
    twins = [
        LOG,
        PublicKey("witness", LOG.name, ed25519=LOG.ed25519, mldsa=LOG.mldsa),
        PublicKey("log", "example.org/other", ed25519=LOG.ed25519, mldsa=LOG.mldsa),
    ]
    assert len({key.id for key in twins}) == 3


@pytest.mark.parametrize("key", [ALICE, LOG, WITNESS])
def test_the_line_for_exchange_is_read_back(key: PublicKey) -> None:
    assert parse_public_key(key.text) == key
    assert key.text.startswith(f"{key.purpose}:v1:{key.name}+{key.id[7:15]}+")
    assert key.text.isascii()


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2028", "ñ", "x" * 256, "a\n", "\u00a0"])
def test_a_name_that_a_note_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(AncileError, match="not the name of a key"):
        private_key("log", name, seeds(1))


@pytest.mark.parametrize(("purpose", "length"), [("author", 1312), ("log", 1952), ("witness", 0)])
def test_a_key_of_another_length_is_refused(purpose: Purpose, length: int) -> None:
    with pytest.raises(AncileError, match="wrong length"):
        PublicKey(purpose, "n", ed25519=bytes(32), mldsa=bytes(length))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ALICE.text + "\n",
        " " + ALICE.text,
        ALICE.text.replace("author", "editor"),
        ALICE.text.replace("v1", "v2"),
        ALICE.text.replace("author:", "log:"),
        ALICE.text.replace(ALICE.id[7:15], "00000000"),
        ALICE.text.replace(ALICE.id[7:15], ALICE.id[7:15].upper()),
        LOG.text.replace("example.org/log", "example.org/other"),
        ALICE.text[:-4],
        ALICE.text.rstrip("="),
        ALICE.text.rsplit("+", 1)[0] + "+" + base64.b64encode(bytes(1984)).decode(),
    ],
)
def test_any_other_line_is_refused(text: str) -> None:
    with pytest.raises(AncileError):
        parse_public_key(text)


@given(st.integers(0, len(LOG.text) - 1), st.characters())
def test_fuzz_a_changed_line_is_refused(place: int, new: str) -> None:
    text = LOG.text[:place] + new + LOG.text[place + 1 :]
    if text == LOG.text:
        return
    with pytest.raises(AncileError):
        parse_public_key(text)


def test_seeds_never_show_in_a_message() -> None:
    key = private_key("author", "alice", seeds(65))
    assert "A" * 8 not in repr(seeds(65)) + repr(key) + str(key)
