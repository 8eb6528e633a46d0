"""The work of ``ancile data prove`` and ``ancile data check-proof``."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO

import click

from ancile.cli.data_evidence import evidence_of, root_in, verified
from ancile.cli.home import Home, find_home, need_home
from ancile.cli.output import apart, talk, write_whole
from ancile.cli.reading import no_waiting
from ancile.cli.recorder import open_recorder
from ancile.cli.versioning import apart_from, store_of
from ancile.core.errors import AncileError
from ancile.core.report import Report
from ancile.core.subject import digest_of, percent_encoded
from ancile.core.text import plain
from ancile.data.kept import opened_kept
from ancile.data.listing import list_rows, rows_report, rows_unlisted
from ancile.data.proofs import (
    LARGEST,
    MOST_ITEMS,
    Item,
    Proof,
    differing,
    encode_proof,
    parse_proof,
    prove_path,
    prove_row,
    shown,
    times,
)
from ancile.data.records import digests_of, group_bytes, has_rows, row_at
from ancile.data.row_tree import RowTree, Tree
from ancile.data.store import DataStore, Kept, KeptTree
from ancile.data.version import DataFile, Version, parse_spelled
from ancile.trust.evidence import VerifiedEvidence
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line

RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")
NOT_IT = 1  # exit code: the file is not what is proved
MOST_TOLD = 5  # things that are named once the proof is made; the check names all


def proving(
    spelled: str,
    path: str | None,
    *,
    span: str | None,
    group: int | None,
    row: int | None,
    content: Path | None,
    output: Path,
    quiet: bool,
) -> None:
    """Write a proof of a file, of a part of it, of a row, or of what another file holds."""
    home = need_home(Path.cwd())
    if sum(one is not None for one in (span, group, row, content)) > 1:
        raise AncileError(
            "two things are to be proved at once",
            value="--bytes, --row-group, --row, --content",
            remedy="give one of them, and make a proof of each",
        )
    with store_of(home) as store:
        kept = store.find(parse_spelled(spelled))
        version = kept.version
        apart_from(home, version, "the proof", output)
        if content is not None:
            apart("the proof", output, read=[str(content)])
        if content is not None or row is not None:
            digests = _few(content) if content else [_row(store, version, path, row or 0)]
            proof = _of_rows(home, store, version, digests, quiet=quiet)
        else:
            proof = _of_places(home, store, kept, path, span=span, group=group)
    write_whole(output, encode_proof(proof))
    for line in _told(
        proof, root_in(verified(proof.evidence, home), proof.version, tree=proof.tree), MOST_TOLD
    ):
        talk(line)
    talk(f"proof in {output}")


def _of_places(
    home: Home, store: DataStore, kept: Kept, path: str | None, *, span: str | None, group: int | None
) -> Proof:
    version = kept.version
    name = version.files[0].path if path is None and version.alone else percent_encoded(path or "")
    start, stop = 0, None
    if span is not None:
        found = RANGE.fullmatch(span)
        if found is None:
            raise AncileError("no range of bytes", value=plain(span, 40), remedy="give --bytes FIRST-LAST")
        start, stop = int(found[1]), int(found[2]) + 1
    elif group is not None:
        with opened_kept(store, _file(version, name)) as file:
            start, stop = group_bytes(file, group)
    if kept.entry is None:
        raise AncileError(
            "the version is not evidence yet",
            value=version.spelled,
            remedy="add it again: it was interrupted",
        )
    size, item = prove_path(version, name, start=start, stop=stop)
    evidence = evidence_of(home, kept.entry)
    return Proof(version=version.spelled, tree="chunks", size=size, items=(item,), evidence=evidence)


def _of_rows(
    home: Home, store: DataStore, version: Version, digests: Sequence[bytes], *, quiet: bool
) -> Proof:
    tree = store.row_tree(version) or _list(home, store, version, quiet=quiet)
    with RowTree(tree.path, Tree(tree.root, tree.leaves, tree.rows)) as opened:
        items = tuple(prove_row(opened, one, size=tree.leaves) for one in digests)
    return Proof(
        version=version.spelled,
        tree="rows",
        size=tree.leaves,
        items=items,
        evidence=evidence_of(home, tree.entry),
    )


def _list(home: Home, store: DataStore, version: Version, *, quiet: bool) -> KeptTree:
    """List the rows, record the root of the list, and keep it."""
    clock = system_clock()
    with open_recorder(home) as recorder, store.listing() as path:
        started = clock.now()
        with progress_line("list rows", quiet=quiet) as line:
            listed = list_rows(store, version, path, line.say)
        record = recorder.report(rows_report(listed, started=started, finished=clock.now()))
        for one in record.report.findings:
            talk(f"not listed: {one.location}: {one.detail}")
        entry = record.evidence.index if record.evidence else 0
        made = KeptTree(path, listed.tree.root, listed.tree.leaves, listed.tree.rows, entry)
        store.keep_rows(version, made)
    return made


def _digests(path: Path) -> Iterator[bytes]:
    """Of the whole file, and of each of its rows where it has some."""
    with _opened(path) as file:
        yield hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]  # typeshed wants readinto, which it has
        file.seek(0)
        if has_rows(file, path.name):
            yield from digests_of(file, path.name)


def _few(path: Path) -> list[bytes]:
    found = list(islice(dict.fromkeys(_digests(path)), MOST_ITEMS + 1))
    if len(found) > MOST_ITEMS:
        raise AncileError(
            "too many rows for one proof", value=str(path), remedy=f"prove at most {MOST_ITEMS} at once"
        )
    return found


def _row(store: DataStore, version: Version, path: str | None, number: int) -> bytes:
    name = version.files[0].path if path is None and version.alone else percent_encoded(path or "")
    with opened_kept(store, _file(version, name)) as file:
        data = row_at(file, name, number)
    return bytes.fromhex(digest_of(data).removeprefix("sha256:"))


def _file(version: Version, name: str) -> DataFile:
    for one in version.files:
        if one.path == name:
            return one
    raise AncileError(
        "the version has no such file",
        value=plain(name or "no file was named", 80),
        remedy="name one of its files; without rows or bytes that it is not there can be proved",
    )


def _opened(path: Path) -> IO[bytes]:
    try:
        return open(path, "rb", opener=no_waiting)
    except OSError as reason:
        raise AncileError(
            "cannot be read",
            value=f"{plain(str(path))}: {reason.strerror}",
            remedy="name a file that is there",
        ) from reason


# Checking.


def checking(path: Path, against: Path | None, *, keys: Sequence[str], signers: Sequence[str]) -> int:
    """Say what a proof shows, and whether a file is that; 2 where nobody who is relied on has signed it."""
    with _opened(path) as file:
        proof = parse_proof(file.read(LARGEST + 1))
    evidence = verified(proof.evidence, find_home(Path.cwd()), keys=keys, signers=signers)
    root = root_in(evidence, proof.version, tree=proof.tree)
    for line in _told(proof, root, len(proof.items)):
        click.echo(line)
    for one in _unlisted(evidence) if proof.tree == "rows" else ():
        click.echo(f"not looked into: {plain(one, 200)}")
    click.echo(
        f"entry {evidence.index} of {plain(evidence.origin)}, {evidence.time:%Y-%m-%d %H:%M:%S}, "
        f"by {evidence.author}"
    )
    code = 0
    if against is not None:
        said = _compared(proof, root, against)
        click.echo(said or f"it is what {plain(str(against))} holds")
        code = NOT_IT if said else 0
    for doubt in evidence.doubts:
        talk(f"does not count: {plain(doubt)}")
    return code or (2 if evidence.doubts else 0)


def _unlisted(evidence: VerifiedEvidence) -> list[str]:
    """Files whose rows are in no list: a row that is nowhere else may be in them."""
    report = evidence.statement.predicate
    found = report.findings if isinstance(report, Report) else ()
    return [f"{one.location}: {one.detail}" for one in found if one.check == rows_unlisted.id]


def _told(proof: Proof, root: bytes, most: int) -> list[str]:
    """What each item shows, verified; the items beyond ``most`` are verified and counted."""
    lines = []
    for item in proof.items:
        said = f"in {plain(proof.version, 80)}: " if item.there else f"not in {plain(proof.version, 80)}: "
        if proof.tree == "rows":
            count = times(item, proof.size, root)
            lines.append(said + item.what + (f", {count} times" if count > 1 else ""))
        else:
            lines.append(said + plain(item.what, 80) + _stretch(item, proof.size, root))
    return lines[:most] + ([f"and {len(lines) - most} more"] if len(lines) > most else [])


def _stretch(item: Item, size: int, root: bytes) -> str:
    found = shown(item, size, root)
    if not found.chunks:
        return ""
    end = found.chunks[-1].at + found.chunks[-1].size
    return f", all {end} bytes" if found.whole else f", bytes {found.chunks[0].at} to {end - 1}"


def _compared(proof: Proof, root: bytes, path: Path) -> str:
    """What is wrong with a file that is said to be what is proved; empty where nothing is."""
    if proof.tree == "rows":
        held = {f"sha256:{one.hex()}" for one in _digests(path)}
        other = [item.what for item in proof.items if item.what not in held]
        return f"not in {plain(str(path))}: {len(other)} of what is proved" if other else ""
    (item,) = proof.items
    if not item.there:
        return ""
    found = shown(item, proof.size, root)
    with _opened(path) as file:
        there = os.fstat(file.fileno()).st_size  # a proof may name sizes that no memory holds
        wrong = differing(
            found.chunks,
            lambda at, size: os.pread(file.fileno(), min(size, there), at) if at <= there else b"",
        )
        end = found.chunks[-1].at + found.chunks[-1].size
        longer = found.whole and there != end
    if wrong is not None:
        return f"not it: bytes {wrong.at} to {wrong.at + wrong.size - 1} of {plain(str(path))} are others"
    return f"not it: {plain(str(path))} has other bytes after {end}" if longer else ""
