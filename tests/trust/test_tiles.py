"""Tiles and bundles: published digests, growth in any steps, and a cache that stays bounded."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.trust.merkle import edge_root, leaf_hash, node_hash
from ancile.trust.tiles import (
    Nodes,
    Tile,
    entry_bundle,
    grow,
    parse_bundle,
    partial_tiles,
    tile_path,
    widths,
)
from tests.trust.ledger_help import VECTORS

LEAVES = [b"leaf-%d" % n for n in range(700)]


def grown(steps: list[int]) -> dict[Tile, bytes]:
    """All tiles after appending in batches of these sizes."""
    size, edge, tiles = 0, list[bytes](), dict[Tile, bytes]()
    for step in steps:
        partial = {at: tiles[at] for at, _ in partial_tiles(size)}
        edge, touched = grow(LEAVES[size : size + step], size=size, edge=edge, tiles=partial)
        tiles |= touched
        size += step
    if str(size) in VECTORS["roots"]:
        assert edge_root(edge).hex() == VECTORS["roots"][str(size)]
    return tiles


TILES = grown([700])


def test_paths_are_those_of_the_specification() -> None:
    assert tile_path(0, 0) == VECTORS["tile_paths"]["0/0"]
    assert tile_path(0, 1234067) == VECTORS["tile_paths"]["0/1234067"]
    assert tile_path(1, 5, width=17) == VECTORS["tile_paths"]["1/5 width 17"]
    assert tile_path("entries", 1000) == VECTORS["tile_paths"]["entries/1000"]


def test_tiles_and_bundles_at_size_300_agree_with_another_implementation() -> None:
    found = {}
    for at, width in widths(300):
        start = at.n * 256
        found[tile_path(at.level, at.n, width=width)] = grown([300])[at]
        if at.level == 0:
            bundle = entry_bundle(LEAVES[start : start + width])
            found[tile_path("entries", at.n, width=width)] = bundle
    assert {
        path: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for path, data in found.items()
    } == VECTORS["tiles_300"]


@given(st.lists(st.integers(0, 300), max_size=8).filter(lambda steps: sum(steps) <= 700))
def test_tiles_do_not_depend_on_the_batches(steps: list[int]) -> None:
    tiles = grown(steps)
    assert {(at, len(tiles[at]) // 32) for at in tiles} == set(widths(sum(steps)))
    assert all(TILES[at].startswith(tiles[at]) for at in tiles)


@given(st.integers(0, 2**40))
def test_partial_tiles_are_those_with_room(size: int) -> None:
    found = partial_tiles(size)
    assert [at.level for at, _ in found] == sorted({at.level for at, _ in found})
    assert all(0 < width < 256 for _, width in found)
    assert sum(at.n * 256 + width for at, width in found if at.level == 0) == (size if size % 256 else 0)
    if size < 100_000:
        assert found == [one for one in widths(size) if one.width < 256]


def test_subtree_hashes_come_out_of_tiles() -> None:
    nodes = Nodes(TILES.__getitem__)
    assert nodes(0, 699) == leaf_hash(LEAVES[699])
    assert nodes(1, 349) == node_hash(nodes(0, 698), nodes(0, 699))
    assert nodes(8, 1) == node_hash(nodes(7, 2), nodes(7, 3))
    assert nodes(9, 0) == node_hash(nodes(8, 0), nodes(8, 1))


def test_a_tile_that_grew_is_read_again_and_a_short_one_is_refused() -> None:
    tiles = {Tile(0, 0): TILES[Tile(0, 0)][: 32 * 5]}
    nodes = Nodes(tiles.__getitem__)
    assert nodes(2, 0)
    with pytest.raises(AncileError, match="lacks hashes"):
        nodes(0, 5)
    tiles[Tile(0, 0)] = TILES[Tile(0, 0)]
    assert nodes(0, 5) == leaf_hash(LEAVES[5])


def test_the_cache_of_tiles_is_bounded() -> None:
    reads = []

    def read(at: Tile) -> bytes:
        reads.append(at)
        return TILES[at]

    nodes = Nodes(read, capacity=2)
    for index in (0, 1, 256, 257, 512, 513, 256, 0):
        nodes(0, index)
    assert reads == [Tile(0, 0), Tile(0, 1), Tile(0, 2), Tile(0, 0)]


@given(st.lists(st.binary(max_size=80), max_size=256))
def test_bundles_read_back(leaves: list[bytes]) -> None:
    assert parse_bundle(entry_bundle(leaves)) == leaves


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x01", b"\x00\x05abcd", b"\x00\x00" * 257])
def test_malformed_bundles_are_refused(data: bytes) -> None:
    with pytest.raises(AncileError, match="bundle is malformed"):
        parse_bundle(data)


@given(st.binary(max_size=2000))
def test_hostile_bundles_raise_nothing_but_our_error(data: bytes) -> None:
    with suppress(AncileError):
        assert entry_bundle(parse_bundle(data)) == data


def test_a_full_tile_shows_in_the_level_above() -> None:
    """The example of the specification: size 256 is one full tile and one hash above it."""
    assert widths(0) == []
    assert widths(256) == [(Tile(0, 0), 256), (Tile(1, 0), 1)]
    assert partial_tiles(256) == [(Tile(1, 0), 1)]
