"""Sealed tables come back as they were, and what was changed in them is refused."""

from __future__ import annotations

import io
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.data.shredding import MAGIC, is_sealed, open_table, rows_of, seal_table, sealed_column
from ancile.data.subject_keys import opened_keys

TEXT = b"who,said\nann,yes\nbob,no\nann,\xff\xfe\n\nbob,last"


@pytest.fixture
def sealed(tmp_path: Path) -> bytes:
    (tmp_path / "rows.csv").write_bytes(TEXT)
    to = io.BytesIO()
    with opened_keys(tmp_path / "keys") as keys, keys.writing():
        assert seal_table(tmp_path / "rows.csv", to, "who", keys, keys.made) == 4
    return to.getvalue()


def test_bytes_come_back_but_for_empty_lines(sealed: bytes, tmp_path: Path) -> None:
    to = io.BytesIO()
    with opened_keys(tmp_path / "keys") as keys:
        assert open_table(io.BytesIO(sealed), to, keys) == (4, 0)
        ann = keys.token("ann")
        keys.erase(ann)
        assert keys.is_erased(ann)
        rest = io.BytesIO()
        assert open_table(io.BytesIO(sealed), rest, keys) == (2, 2)
    assert is_sealed(sealed)
    assert sealed_column(sealed) == "who"
    assert rest.getvalue() == b"who,said\nbob,no\nbob,last"
    assert to.getvalue().replace(b"\n\n", b"\n") == TEXT.replace(b"\n\n", b"\n")


def test_an_erased_key_is_in_no_byte_of_its_file(sealed: bytes, tmp_path: Path) -> None:
    assert sealed
    folder = tmp_path / "keys"
    with opened_keys(folder) as keys:
        token = keys.token("ann")
        held = [one.read_bytes() for one in folder.iterdir() if one.name.startswith("keys.db")]
        assert any(token in one for one in held)
        before = keys.made(token).encrypt(b"x", [token])
        keys.erase(token)
        assert keys.cipher(token) is None
        with pytest.raises(AncileError, match="was erased"):
            keys.made(token)
        assert keys.foreign(token).encrypt(b"x", [token]) != before


def test_what_goes_wrong_within_a_writing_keeps_no_key(tmp_path: Path) -> None:
    with opened_keys(tmp_path / "keys") as keys:
        token = keys.token("eve")
        with suppress(ZeroDivisionError), keys.writing():
            keys.made(token)
            _ = 1 / 0
        assert keys.cipher(token) is None


def test_a_file_of_keys_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / "keys.db").write_bytes(b"no database" * 100)
    with pytest.raises(AncileError, match="keys of subjects cannot"), opened_keys(tmp_path / "keys"):
        pass


@pytest.mark.slow
@settings(max_examples=30)
@given(st.data())
def test_any_change_is_refused(data: st.DataObject) -> None:
    """Of a byte of a sealed row none goes unseen: AES-SIV binds row and token."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(b'{"who": "ann", "n": 1}\n{"who": "bob", "n": 2}\n')
        to, back = io.BytesIO(), io.BytesIO()
        with opened_keys(Path(folder) / "keys") as keys:
            with keys.writing():
                seal_table(path, to, "who", keys, keys.made)
            whole = bytearray(to.getvalue())
            start = whole.index(b"\n", len(MAGIC)) + 1
            place = data.draw(st.integers(start, len(whole) - 1))
            whole[place] ^= data.draw(st.integers(1, 255))
            with pytest.raises(AncileError, match=r"damaged|not here"):
                open_table(io.BytesIO(bytes(whole)), back, keys)


@pytest.mark.parametrize("cut", [len(MAGIC) + 3, -1, -30])
def test_a_table_that_was_cut_is_refused(sealed: bytes, cut: int) -> None:
    with pytest.raises(AncileError, match="damaged"):
        list(rows_of(io.BytesIO(sealed[:cut])))


def test_a_head_that_says_nothing_is_refused() -> None:
    for head in (MAGIC, MAGIC + b"[]\n", MAGIC + b'{"column": 1}\n', MAGIC + b"{\n"):
        with pytest.raises(AncileError, match="damaged"):
            sealed_column(head)
