"""Checkpoints: both signatures of the log or none, and no other spelling."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.checkpoint import Head, open_checkpoint, parse_head, sign_checkpoint
from ancile.trust.encoding import b64
from ancile.trust.note import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, sign_line, vkey_of
from tests.trust.ledger_help import (
    ED,
    ML,
    ORIGIN,
    VECTORS,
    VKEYS,
    WITNESS,
    WITNESS_ED,
    WITNESS_VKEYS,
    checkpoint,
)

ROOT = bytes(range(32))


def lines(note: str) -> list[str]:
    return note.rpartition("\n\n")[2].splitlines(keepends=True)


def test_a_signed_checkpoint_opens_to_what_was_signed() -> None:
    note = checkpoint(12, ROOT, when=77)
    opened = open_checkpoint(note, VKEYS)
    assert (opened.origin, opened.size, opened.root, opened.note) == (ORIGIN, 12, ROOT, note)
    assert opened.when == 77
    assert [s.vkey.kind for s in opened.signed] == [ED25519, COSIGNATURE_MLDSA44]


def test_the_published_hybrid_checkpoint_opens() -> None:
    vector = next(n for n in VECTORS["signed_notes"] if "vkeys" in n)
    opened = open_checkpoint(vector["note"], vector["vkeys"])
    assert (opened.size, opened.root.hex()) == (300, VECTORS["roots"]["300"])


@pytest.mark.parametrize("kept", [0, 1])
def test_a_checkpoint_with_one_of_its_signatures_stripped_is_refused(kept: int) -> None:
    note = checkpoint(12, ROOT)
    stripped = note.rpartition("\n\n")[0] + "\n\n" + lines(note)[kept]
    with pytest.raises(AncileError, match="lacks one of the log's two signatures"):
        open_checkpoint(stripped, VKEYS)


def test_a_checkpoint_is_refused_when_only_one_kind_of_key_is_trusted() -> None:
    with pytest.raises(AncileError, match="lacks one"):
        open_checkpoint(checkpoint(12, ROOT), VKEYS[:1])


def test_a_witness_does_not_stand_in_for_the_log() -> None:
    head = Head(ORIGIN, 12, ROOT)
    text = f"{head.text}\n" + sign_line(ORIGIN, COSIGNATURE_MLDSA44, ML, text=head.text, when=1)
    text += sign_line(WITNESS, COSIGNATURE_ED25519, WITNESS_ED, text=head.text, when=1)
    with pytest.raises(AncileError, match="lacks one"):
        open_checkpoint(text, [*VKEYS, *WITNESS_VKEYS])


def test_after_a_rotation_checkpoints_of_the_old_and_the_new_keys_open() -> None:
    ed, ml = Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate()
    new = [vkey_of(ORIGIN, ED25519, ed).text, vkey_of(ORIGIN, COSIGNATURE_MLDSA44, ml).text]
    later = sign_checkpoint(Head(ORIGIN, 13, ROOT), ed25519=ed, mldsa44=ml, when=2)
    assert open_checkpoint(later, [*VKEYS, *new]).size == 13
    assert open_checkpoint(checkpoint(12, ROOT), [*VKEYS, *new]).size == 12


def test_lines_that_ml_dsa_does_not_cover_are_refused() -> None:
    head = Head(ORIGIN, 12, ROOT, ("extension",))
    assert parse_head(head.text) == head
    note = sign_checkpoint(head, ed25519=ED, mldsa44=ML, when=1)
    with pytest.raises(AncileError, match="does not cover"):
        open_checkpoint(note, VKEYS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"{ORIGIN}\n12\n",
        f"{ORIGIN}\n12\n{b64(ROOT)}",
        f"{ORIGIN}\n012\n{b64(ROOT)}\n",
        f"{ORIGIN}\n+12\n{b64(ROOT)}\n",
        f"{ORIGIN}\n-1\n{b64(ROOT)}\n",
        f"{ORIGIN}\n1_2\n{b64(ROOT)}\n",
        f"{ORIGIN}\n\u0661\n{b64(ROOT)}\n",
        f"{ORIGIN}\n12 \n{b64(ROOT)}\n",
        f"{ORIGIN}\n{2**63}\n{b64(ROOT)}\n",
        f"{ORIGIN}\n{'9' * 5000}\n{b64(ROOT)}\n",
        f"{ORIGIN}\n12\n{b64(ROOT[:31])}\n",
        f"{ORIGIN}\n12\n{b64(ROOT).rstrip('=')}\n",
        f"{ORIGIN}\n12\n{b64(ROOT)}\n\n",
        f"{ORIGIN}\n12\n{b64(ROOT)}\nextension\n\nmore\n",
        f"\n12\n{b64(ROOT)}\n",
        f"a b\n12\n{b64(ROOT)}\n",
    ],
)
def test_a_text_that_we_would_not_write_is_refused(text: str) -> None:
    with pytest.raises(AncileError):
        parse_head(text)


def test_a_head_that_no_text_can_carry_is_not_signed() -> None:
    with pytest.raises(AncileError):
        checkpoint(12, b"short")


@given(size=st.integers(0, 2**63 - 1), root=st.binary(min_size=32, max_size=32))
def test_every_head_reads_back(size: int, root: bytes) -> None:
    head = Head(ORIGIN, size, root)
    assert parse_head(head.text) == head


@given(st.text())
def test_hostile_texts_raise_nothing_but_our_error(text: str) -> None:
    with suppress(AncileError):
        assert parse_head(text).text == text
