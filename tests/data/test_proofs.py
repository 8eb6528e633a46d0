"""What is in a version can be proved in, what is not can be proved out, and neither can be made up."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.data import row_tree
from ancile.data.proofs import (
    Item,
    Proof,
    differing,
    encode_proof,
    parse_leaf,
    parse_proof,
    prove_path,
    prove_row,
    root_from,
    shown,
    times,
)
from ancile.data.row_tree import RowTree, Sorter, Tree, write_tree
from ancile.data.version import DataFile, Piece, Provenance, Version, leaves
from ancile.trust.bundle import Bundle
from ancile.trust.merkle import EMPTY_ROOT, leaf_hash, root_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), max_size=40)


def digest(word: str) -> bytes:
    return hashlib.sha256(word.encode()).digest()


def of_chunks(path: str, *chunks: bytes) -> DataFile:
    return DataFile(
        path=path,
        digest=f"sha256:{hashlib.sha256(b''.join(chunks)).hexdigest()}",
        size=sum(map(len, chunks)),
        chunks=tuple(Piece(hashlib.sha256(one).digest(), len(one)) for one in chunks),
    )


def version_of(*files: DataFile) -> Version:
    return Version(
        name="set", number=1, mean=4096, alone=False, files=files, provenance=Provenance(), made=NOW
    )


VERSION = version_of(
    of_chunks("a", b"1", b"22", b"333"), of_chunks("c", b"4"), of_chunks("e"), of_chunks("g", b"5", b"6")
)
ROOT = bytes.fromhex(VERSION.root().removeprefix("sha256:"))


def tree_of(words: list[str], path: Path) -> Tree:
    sorter = Sorter()
    sorter.add(map(digest, words))
    with path.open("wb") as file:
        return write_tree(sorter.sorted(), file)


def test_the_root_of_a_version_is_that_of_rfc_6962_over_its_leaves() -> None:
    assert root_of(leaves(VERSION)) == ROOT


# Files and places in them.


@pytest.mark.parametrize("path", ["a", "c", "e", "g"])
def test_a_whole_file_is_proved_in_with_all_its_chunks(path: str) -> None:
    size, item = prove_path(VERSION, path)
    found = shown(item, size, ROOT)
    assert (item.there, found.whole, {one.path for one in found.chunks}) == (True, True, {path})
    (file,) = (one for one in VERSION.files if one.path == path)
    assert sum(one.size for one in found.chunks) == file.size


@pytest.mark.parametrize("path", ["", "A", "b", "d", "f", "z"])
def test_a_file_that_is_not_there_is_proved_out(path: str) -> None:
    size, item = prove_path(VERSION, path)
    assert (item.there, shown(item, size, ROOT)) == (False, ((), False))


@pytest.mark.parametrize(("start", "stop", "chunks"), [(0, 1, 1), (1, 2, 1), (0, 6, 3), (2, 4, 2), (3, 6, 1)])
def test_bytes_are_proved_by_the_chunks_that_hold_them(start: int, stop: int, chunks: int) -> None:
    size, item = prove_path(VERSION, "a", start=start, stop=stop)
    found = shown(item, size, ROOT)
    assert (len(found.chunks), found.whole) == (chunks, False)


def test_bytes_that_the_file_has_not_are_refused() -> None:
    for start, stop in ((0, 7), (3, 3), (5, 2)):
        with pytest.raises(AncileError, match="no such bytes"):
            prove_path(VERSION, "a", start=start, stop=stop)


def test_a_file_without_its_last_chunk_is_not_whole() -> None:
    size, item = prove_path(VERSION, "a", start=0, stop=3)
    assert not shown(item, size, ROOT).whole


def test_the_first_chunk_that_differs_is_found() -> None:
    size, item = prove_path(VERSION, "a")
    chunks = shown(item, size, ROOT).chunks
    assert differing(chunks, lambda at, length: b"122333"[at : at + length]) is None
    wrong = differing(chunks, lambda at, length: b"12x333"[at : at + length])
    assert wrong is not None
    assert (wrong.at, wrong.size) == (1, 2)


def test_no_proof_of_a_file_can_be_turned_into_another() -> None:
    for path in ("a", "b", "c", "e", "g", "z"):
        size, item = prove_path(VERSION, path)
        for other in ("a", "b", "c", "e", "g", "z"):
            for there in (True, False):
                forged = msgspec.structs.replace(item, what=other, there=there)
                if (other in "aceg") == there:
                    continue
                with pytest.raises(AncileError, match="does not show"):
                    shown(forged, size, ROOT)
        for other_size in range(12):
            for index in range(12):
                forged = msgspec.structs.replace(item, index=index, there=not item.there)
                with pytest.raises(AncileError, match="does not show"):
                    shown(forged, other_size, ROOT)


@pytest.mark.parametrize(
    "leaf",
    [
        b"",
        b"a\x000\x001",
        b"a\x00x\x001\x00" + b"0" * 64,
        b"a\x0007\x001\x00" + b"0" * 64,
        b"a\x00-1\x001\x00" + b"0" * 64,
        b"a\x000\x001\x00" + b"0" * 62,
        b"\xff\x000\x001\x00",
    ],
)
def test_a_leaf_that_names_no_chunk_is_refused(leaf: bytes) -> None:
    with pytest.raises(AncileError, match="not a proof of data"):
        parse_leaf(leaf)


# Rows.


@settings(max_examples=60, deadline=None)
@given(words=WORDS)
def test_each_row_is_proved_in_or_out_with_its_number(
    words: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("tree") / "rows"
    tree = tree_of(words, path)
    counted = Counter(words)
    assert (tree.leaves, tree.rows) == (len(counted), len(words))
    with RowTree(path, tree) as opened:
        for word in "abcdefghijklmnopqrstuvwxyz":
            item = prove_row(opened, digest(word), size=tree.leaves)
            assert (item.there, times(item, tree.leaves, tree.root)) == (word in counted, counted[word])
            turned = msgspec.structs.replace(item, there=not item.there)
            for size in (tree.leaves, tree.leaves + 1, max(0, tree.leaves - 1), 1):
                with pytest.raises(AncileError, match="does not show"):
                    times(turned, size, tree.root)


def test_rows_beyond_memory_make_the_same_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [str(number % 700) for number in range(1000)]
    at_once = tree_of(words, tmp_path / "one")
    monkeypatch.setattr(row_tree, "HELD", 64)
    assert tree_of(words, tmp_path / "two") == at_once
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    held = sorted(digest(one) + Counter(words)[one].to_bytes(8, "big") for one in set(words))
    assert at_once.root == root_of(held)
    with RowTree(tmp_path / "two", at_once) as opened:
        assert opened.hash(256, 512) == root_of(held[256:512])
        assert opened.hash(512, 700) == root_of(held[512:])
        assert opened.hash(4, 6) == root_of(held[4:6])
        for word in ("0", "699", "none"):
            item = prove_row(opened, digest(word), size=700)
            assert times(item, 700, at_once.root) == Counter(words)[word]


def test_an_adversary_cannot_leave_out_what_is_between(tmp_path: Path) -> None:
    """Two leaves that do not adjoin are never shown as if they did, whatever size and place are claimed."""
    words = [str(number) for number in range(7)]
    tree = tree_of(words, tmp_path / "rows")
    held = sorted(digest(one) + (1).to_bytes(8, "big") for one in words)
    hashes = [leaf_hash(one) for one in held]
    with RowTree(tmp_path / "rows", tree) as opened:
        pool = {
            opened.hash(a, min(b, 7)) for a, b in ((0, 1), (0, 2), (2, 4), (0, 4), (4, 6), (4, 7), (6, 7))
        } | set(hashes)
    for low in range(5):
        for size in range(2, 10):
            for index in range(size - 1):
                pair = (held[low], held[low + 2])
                for one in pool:
                    for other in pool:
                        for beside in ((), (one,), (one, other)):
                            item = Item(what="x", there=False, index=index, leaves=pair, hashes=beside)
                            assert root_from(item, size) != tree.root


def test_a_tree_that_was_changed_or_cut_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    tree = tree_of([str(number) for number in range(300)], path)
    data = path.read_bytes()
    for wrong in (data[:-1], data + b"x", data[:-1] + b"x", b""):
        path.write_bytes(wrong)
        with pytest.raises(AncileError, match="damaged or gone"):
            RowTree(path, tree)
    path.unlink()
    with pytest.raises(AncileError, match="damaged or gone"):
        RowTree(path, tree)


def test_of_no_rows_everything_is_proved_out(tmp_path: Path) -> None:
    tree = tree_of([], tmp_path / "rows")
    assert tree == Tree(EMPTY_ROOT, 0, 0)
    with RowTree(tmp_path / "rows", tree) as opened:
        assert times(prove_row(opened, digest("x"), size=0), 0, tree.root) == 0


@pytest.mark.parametrize("what", ["", "sha256:00", "x", "sha256:" + "G" * 64])
def test_a_row_without_a_digest_is_refused(what: str) -> None:
    item = Item(what=what, there=False, index=0, leaves=(), hashes=())
    with pytest.raises(AncileError, match="not a proof of data"):
        times(item, 0, EMPTY_ROOT)


# The file.


def proof() -> Proof:
    size, item = prove_path(VERSION, "a")
    bundle = Bundle(logs=(), signers=(), entries=())
    return Proof(version="set@1", tree="chunks", size=size, items=(item,), evidence=bundle)


def test_a_proof_is_read_as_it_was_written() -> None:
    assert parse_proof(encode_proof(proof())) == proof()


@pytest.mark.parametrize(
    "change",
    [
        (b"set@1", b"set@1\\ud800"),
        (b'"size": 7', b'"size": -7'),
        (b'"size": 7', b'"size": 7.0'),
        (b"{", b"[" * 5000),
        (b"\n", b""),
        (b'"format"', b'"formats"'),
    ],
)
def test_what_ancile_would_not_write_is_no_proof(change: tuple[bytes, bytes]) -> None:
    with pytest.raises(AncileError, match="not a proof of data"):
        parse_proof(
            encode_proof(proof()).replace(*change, 1)
            if change[0] != b"\n"
            else encode_proof(proof()).replace(b"\n", b"")
        )


@given(st.binary(max_size=200))
def test_noise_is_no_proof(data: bytes) -> None:
    with pytest.raises(AncileError, match="not a proof of data"):
        parse_proof(data)


def test_a_proof_of_absurd_size_ends_at_once() -> None:
    item = Item(what="a", there=True, index=2**61, leaves=(b"x",), hashes=(bytes(32),) * 62)
    assert root_from(item, 2**62) is not None
    assert root_from(msgspec.structs.replace(item, hashes=(bytes(32),) * 61), 2**62) is None
    assert root_from(msgspec.structs.replace(item, hashes=(bytes(31),) * 62), 2**62) is None
