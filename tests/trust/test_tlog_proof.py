"""Proof files: read and judged offline, with nothing but trusted keys and the leaf."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.quorum import parse_policy
from ancile.trust.tlog_proof import TlogProof, parse_proof, verify_proof
from tests.trust.ledger_help import VECTORS, VKEYS, WITNESS_VKEYS, filled, opened

PUBLISHED = next(n for n in VECTORS["signed_notes"] if "tlog_proof_of_entry_123" in n)
TEXT: str = PUBLISHED["tlog_proof_of_entry_123"]
KEYS: list[str] = PUBLISHED["vkeys"]
LINES = TEXT.split("\n")


def test_the_published_proof_verifies_and_is_written_again_byte_for_byte() -> None:
    assert parse_proof(TEXT).text == TEXT
    assert verify_proof(TEXT, b"leaf-123", vkeys=KEYS).size == 300


def test_a_proof_of_our_own_ledger_verifies_and_another_leaf_does_not(tmp_path: Path) -> None:
    note = filled(tmp_path, 30)
    with opened(tmp_path) as ledger:
        leaf = ledger.entry(7).leaf
        text = TlogProof(7, tuple(ledger.inclusion_proof(7, 30)), note, extra=b"beside").text
    assert parse_proof(text).extra == b"beside"
    assert verify_proof(text, leaf, vkeys=VKEYS).size == 30
    for wrong, other in ((text, leaf + b"x"), (text.replace("index 7", "index 6"), leaf)):
        with pytest.raises(AncileError, match="does not show this entry"):
            verify_proof(wrong, other, vkeys=VKEYS)


def test_a_policy_asks_for_cosignatures_on_top() -> None:
    logs = "".join(f"log {vkey}\n" for vkey in KEYS[:2])
    witnesses = f"witness w {KEYS[3]}\nwitness o {WITNESS_VKEYS[0]}\n"
    assert verify_proof(TEXT, b"leaf-123", policy=parse_policy(f"{logs}{witnesses}quorum w\n".encode()))
    with pytest.raises(AncileError, match="too few witnesses"):
        verify_proof(TEXT, b"leaf-123", policy=parse_policy(f"{logs}{witnesses}quorum o\n".encode()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        LINES[0],
        f"{LINES[0]}\n\n",
        TEXT.replace("@v1", "@v2"),
        TEXT.replace("index 123", "index 0123"),
        TEXT.replace("index 123\n", ""),
        TEXT.replace("index 123", "extra AAAA"),
        TEXT.replace("index 123", "extra AAA\nindex 123"),
        TEXT.replace("index 123", "index 123\nindex 123"),
        TEXT.replace(LINES[2], LINES[2][:-4]),
        TEXT.replace(LINES[2], LINES[2] + " "),
        TEXT.replace(LINES[2], "\n".join([LINES[2]] * 64)),
        TEXT + "x" * 1_100_000,
    ],
)
def test_a_file_that_we_would_not_write_is_refused(text: str) -> None:
    with pytest.raises(AncileError):
        parse_proof(text)


@given(st.text())
def test_hostile_files_raise_nothing_but_our_error(text: str) -> None:
    for hostile in (text, f"{LINES[0]}\n{text}", TEXT.replace("123", text)):
        with suppress(AncileError):
            assert parse_proof(hostile).text == hostile
