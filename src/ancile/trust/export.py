"""The static files that C2SP tlog-tiles clients read: tiles, entry bundles, and the checkpoint last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.core.subject import percent_encoded
from ancile.trust.checkpoint import parse_head
from ancile.trust.merkle import HASH_BYTES, leaf_hash
from ancile.trust.note import parse_note
from ancile.trust.store import Reader
from ancile.trust.tiles import MAX_LEAF_BYTES, WIDTH, entry_bundle, tile_path, widths


def export_tiles(reader: Reader, folder: Path) -> int:
    """Size of the tree that was written under ``folder``: that of the largest stored checkpoint.

    Full tiles that are there already are left alone, they never change. A crash leaves an older checkpoint
    with all of its tiles, or the new one. AncileError where entries do not hash to their tile; the audit
    looks at the rest of the tree.
    """
    note = next((c.note for c in reader.checkpoints()), None)
    if note is None:
        raise AncileError(
            "there is no checkpoint to export",
            value="the tiles of a log mean nothing without one",
            remedy="sign one: `ancile ledger checkpoint`",
        )
    size = parse_head(parse_note(note).text).size
    try:
        for tile, width in widths(size):
            hashes = reader.tile(tile)[: width * HASH_BYTES]
            if tile.level == 0:
                start = tile.n * WIDTH
                leaves = [entry.leaf or b"" for entry in reader.entries(start, start + width)]
                _require_leaves(leaves, hashes, place=tile_path(0, tile.n))
                _write(folder / tile_path("entries", tile.n, width=width), entry_bundle(leaves))
            _write(folder / tile_path(tile.level, tile.n, width=width), hashes)
        _replace(folder / "checkpoint", note.encode())
    except OSError as reason:
        raise AncileError(
            "tiles cannot be written",
            value=f"{percent_encoded(folder)}: {reason.strerror}",
            remedy="free some space, or give a folder that can be written",
        ) from reason
    return size


def _require_leaves(leaves: Sequence[bytes], hashes: bytes, *, place: str) -> None:
    """A full tile that was published once is never written again, so a wrong one must not get out."""
    fits = all(len(leaf) <= MAX_LEAF_BYTES for leaf in leaves)
    if not fits or b"".join(map(leaf_hash, leaves)) != hashes:
        raise AncileError(
            "the ledger's tree does not match its entries, and is not published",
            value=place,
            remedy="run `ancile ledger verify` to learn what was changed",
        )


def _write(path: Path, data: bytes) -> None:
    if not path.exists():
        _replace(path, data)


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(data)
    temporary.replace(path)
