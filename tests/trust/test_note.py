"""Signed notes: published examples, an independent ML-DSA, and what is refused."""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dilithium_py.ml_dsa import ML_DSA_44
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.checkpoint import Head
from ancile.trust.note import (
    COSIGNATURE_ED25519,
    COSIGNATURE_MLDSA44,
    ED25519,
    Vkey,
    open_note,
    parse_note,
    parse_vkey,
    sign_line,
    signed_message,
    vkey_of,
)
from tests.trust.ledger_help import (
    ED,
    ML,
    ORIGIN,
    VECTORS,
    VKEYS,
    WITNESS,
    WITNESS_ED,
    WITNESS_ML,
    WITNESS_VKEYS,
    checkpoint,
)

NOTES: list[dict[str, Any]] = VECTORS["signed_notes"]
TEXT = Head(ORIGIN, 300, bytes(32)).text
NOTE = checkpoint(300, bytes(32))
PLAIN = "a text\n\n" + sign_line(ORIGIN, ED25519, ED, text="a text\n")


@pytest.mark.parametrize("vector", [n for n in NOTES if "note" in n and "vkey" in n])
def test_published_notes_open_with_their_keys(vector: dict[str, Any]) -> None:
    opened = open_note(vector["note"], [vector["vkey"]])
    assert vector["note"].startswith(opened.text)
    assert [s.vkey.text for s in opened.signed] == [vector["vkey"]]


def test_a_published_signature_is_made_again_byte_for_byte() -> None:
    vector = next(n for n in NOTES if "skey" in n)
    _, _, name, _, key = vector["skey"].split("+", 4)
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(key)[1:])
    text, _, line = vector["note"].rpartition("\n\n")
    assert sign_line(name, ED25519, private, text=text + "\n") == line
    assert vkey_of(name, ED25519, private).text == vector["vkey"]


def test_a_log_and_a_witness_with_both_kinds_of_keys_open() -> None:
    vector = next(n for n in NOTES if "vkeys" in n)
    opened = open_note(vector["note"], vector["vkeys"])
    assert [s.vkey.kind for s in opened.signed] == [1, 6, 4, 6]
    assert [s.when for s in opened.signed] == [0, *[vector["timestamp"]] * 3]
    log, witness = parse_vkey(vector["vkeys"][1]), parse_vkey(vector["vkeys"][2])
    message = signed_message(log, opened.text, when=vector["timestamp"])
    assert message.hex() == vector["signed_message_0x06_log_hex"]
    message = signed_message(witness, opened.text, when=vector["timestamp"])
    assert message.decode() == vector["signed_message_0x04_witness"]


def test_a_published_vkey_with_a_wrong_id_is_refused_and_the_right_one_is_not() -> None:
    vector = next(n for n in NOTES if "vkey_with_wrong_id" in n)
    assert parse_vkey(vector["vkey"]).kind == COSIGNATURE_MLDSA44
    with pytest.raises(AncileError, match="id does not belong"):
        parse_vkey(vector["vkey_with_wrong_id"])


def test_an_independent_ml_dsa_verifies_our_line_and_we_verify_its() -> None:
    vkey = vkey_of(WITNESS, COSIGNATURE_MLDSA44, WITNESS_ML)
    line = sign_line(WITNESS, COSIGNATURE_MLDSA44, WITNESS_ML, text=TEXT, when=7)
    blob = base64.b64decode(line.split(" ")[2])
    message = signed_message(vkey, TEXT, when=7)
    assert blob[:12] == vkey.id + (7).to_bytes(8, "big")
    assert ML_DSA_44.verify(vkey.public, message, blob[12:])
    public, secret = ML_DSA_44.keygen()
    theirs = Vkey(WITNESS, COSIGNATURE_MLDSA44, public)
    signature = ML_DSA_44.sign(secret, signed_message(theirs, TEXT, when=9))
    written = base64.b64encode(theirs.id + (9).to_bytes(8, "big") + signature).decode()
    opened = open_note(f"{TEXT}\n\u2014 {WITNESS} {written}\n", [theirs.text])
    assert opened.signed[0].when == 9


def test_unknown_keys_are_ignored_and_none_known_is_refused() -> None:
    more = NOTE + sign_line(WITNESS, COSIGNATURE_ED25519, WITNESS_ED, text=TEXT, when=5)
    assert [s.vkey.name for s in open_note(more, VKEYS).signed] == [ORIGIN, ORIGIN]
    assert len(open_note(more, [*VKEYS, *WITNESS_VKEYS]).signed) == 3
    with pytest.raises(AncileError, match="no trusted key"):
        open_note(NOTE, WITNESS_VKEYS)


def flipped(note: str, line: int) -> str:
    """The note with one bit of that signature changed."""
    head, _, lines = note.rpartition("\n\n")
    rows = lines.splitlines()
    dash, name, encoded = rows[line].split(" ")
    raw = bytearray(base64.b64decode(encoded))
    raw[-20] ^= 1
    rows[line] = f"{dash} {name} {base64.b64encode(raw).decode()}"
    return f"{head}\n\n" + "".join(f"{row}\n" for row in rows)


@pytest.mark.parametrize("line", [0, 1])
def test_a_failing_signature_of_a_known_key_rejects_the_note(line: int) -> None:
    with pytest.raises(AncileError, match="a signature is wrong"):
        open_note(flipped(NOTE, line), VKEYS)
    assert open_note(flipped(NOTE, line), [VKEYS[1 - line]]).text == TEXT


def test_a_signature_of_a_wrong_length_is_refused() -> None:
    short = base64.b64encode(parse_vkey(VKEYS[0]).id + b"x").decode()
    with pytest.raises(AncileError, match="a signature is wrong"):
        open_note(f"a text\n\n\u2014 {ORIGIN} {short}\n", VKEYS)


def test_a_note_may_hold_blank_lines_in_its_text() -> None:
    text = "one\n\n\ntwo\n\n"
    note = f"{text}\n" + sign_line(ORIGIN, ED25519, ED, text=text)
    assert open_note(note, VKEYS[:1]).text == text


MALFORMED = {
    "nothing": "",
    "no signature": "a text\n\n",
    "no blank line": PLAIN.replace("\n\n", "\n"),
    "no text": PLAIN.removeprefix("a text"),
    "no newline at the end": PLAIN.removesuffix("\n"),
    "a control character": PLAIN.replace("a text", "a\ttext"),
    "a carriage return": PLAIN.replace("\n", "\r\n"),
    "a lone surrogate": PLAIN.replace("a text", "a \ud800text"),
    "a hyphen for the dash": PLAIN.replace("\u2014", "-"),
    "two spaces": PLAIN.replace(f" {ORIGIN} ", f" {ORIGIN}  "),
    "a space at the end": PLAIN.removesuffix("\n") + " \n",
    "no name": PLAIN.replace(f" {ORIGIN} ", "  "),
    "a plus in a name": PLAIN.replace(f" {ORIGIN} ", f" {ORIGIN}+x "),
    "no padding": PLAIN.replace("=\n", "\n"),
    "another spelling of base64": re.sub(r"(.)=\n$", lambda m: chr(ord(m[1]) + 1) + "=\n", PLAIN),
    "an id and no signature": f"a text\n\n\u2014 {ORIGIN} AAAAAA==\n",
    "a key that signs twice": PLAIN + PLAIN.rpartition("\n\n")[2],
    "too many signatures": PLAIN + "".join(f"\u2014 k{n} AAAAAAA=\n" for n in range(100)),
    "too long": "x" * 1_000_000 + PLAIN,
}


@pytest.mark.parametrize("note", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_note_that_we_would_not_write_is_refused(note: str) -> None:
    assert open_note(PLAIN, VKEYS[:1]).text == "a text\n"
    with pytest.raises(AncileError):
        parse_note(note)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+0011",
        "name+00112233+",
        "name+00112233+AAAA",
        VKEYS[0].replace("+", " ", 1),
        VKEYS[0].upper(),
        VKEYS[0] + "=",
        VKEYS[0].replace(ORIGIN, "example.com/other"),
        Vkey("", ED25519, bytes(32)).text,
        Vkey("a b", ED25519, bytes(32)).text,
        Vkey("a\u2003b", ED25519, bytes(32)).text,
        Vkey("a\nb", ED25519, bytes(32)).text,
        Vkey("x" * 256, ED25519, bytes(32)).text,
        Vkey("name", 2, bytes(32)).text,
        Vkey("name", ED25519, bytes(31)).text,
        "\udcff+" + VKEYS[0].partition("+")[2],
    ],
)
def test_a_vkey_that_we_would_not_write_is_refused(vkey: str) -> None:
    with pytest.raises(AncileError):
        parse_vkey(vkey)


def test_a_vkey_may_hold_plus_signs_in_its_base64() -> None:
    assert any("+" in text.split("+", 2)[2] for text in [*VKEYS, *WITNESS_VKEYS])
    assert [parse_vkey(text).text for text in VKEYS] == VKEYS


@pytest.mark.parametrize(
    "text", ["one line\n", "a\nb\nc\n", f"{ORIGIN}\n007\nAAAA\n", f"a b\n7\n{'A' * 43}=\n"]
)
def test_ml_dsa_lines_cover_checkpoints_only(text: str) -> None:
    with pytest.raises(AncileError):
        sign_line(ORIGIN, COSIGNATURE_MLDSA44, ML, text=text, when=1)


@given(text=st.text(max_size=300))
def test_hostile_notes_raise_nothing_but_our_error(text: str) -> None:
    for note in (text, f"{text}\n\n\u2014 {text}\n", NOTE.replace("300", text), text + NOTE):
        with suppress(AncileError):
            assert open_note(note, VKEYS).signed


@given(at=st.integers(0, len(NOTE) - 1), char=st.characters())
def test_no_mutation_of_a_note_changes_what_it_says(at: int, char: str) -> None:
    changed = NOTE[:at] + char + NOTE[at + 1 :]
    try:
        opened = open_note(changed, VKEYS)
    except AncileError:
        return
    assert opened.text == TEXT
