"""Data whose rows are sealed by whom they are about: where keys lie, adding, verifying and getting it."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from ancile.cli.home import Home
from ancile.cli.output import talk
from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.data.files import listed
from ancile.data.kept import opened_kept
from ancile.data.reading import opened
from ancile.data.shredding import Cipher, is_sealed, open_table, seal_table, sealed_column
from ancile.data.store import DataStore
from ancile.data.subject_keys import DATABASE, SubjectKeys, opened_keys
from ancile.data.version import Version, path_of
from ancile.render.phrases import counted
from ancile.trust.private_file import read_private, write_private

NAME_FILE = "subject-keys"  # in the home
VARIABLE = "ANCILE_SUBJECT_KEYS"
HEAD_BYTES = 8192


def keys_folder(home: Home) -> Path:
    """Where the keys of a home's subjects lie: outside of the home, whose copies must not hold them."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).absolute()
    try:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError as reason:
        raise AncileError(
            "there is no place for the keys of subjects",
            value="neither HOME nor XDG_DATA_HOME is set",
            remedy=f"set {VARIABLE} to a folder that is not backed up with the data",
        ) from reason
    return base / "ancile" / "subjects" / _name_of(home)


def _name_of(home: Home) -> str:
    """What a home's keys are filed under, wherever the home is moved to; drawn when it is first asked for."""
    path = home.folder / NAME_FILE
    if not path.exists():
        with suppress(AncileError):  # another process was first
            write_private(path, secrets.token_hex(16).encode("ascii"), replace=False)
    name = read_private(path, limit=64).decode("ascii", "replace").strip()
    if not re.fullmatch(r"[0-9a-f]{32}", name):
        raise AncileError(
            "this does not say where the keys of subjects lie",
            value=plain(str(path)),
            remedy=f"restore it from a backup, or set {VARIABLE}",
        )
    return name


@contextmanager
def keys_of(home: Home) -> Iterator[SubjectKeys]:
    """The keys of a home's subjects; AncileError where they would lie in the home."""
    folder = keys_folder(home)
    if folder.resolve().is_relative_to(home.folder.parent.resolve()):
        raise AncileError(
            "keys of subjects would lie beside the data",
            value=plain(str(folder)),
            remedy=f"set {VARIABLE} to a folder that is not backed up with the data",
        )
    with opened_keys(folder) as keys:
        yield keys


@contextmanager
def sealed_copy(home: Home, path: Path, column: str, *, new: bool) -> Iterator[Path]:
    """The file or folder with its rows sealed by what the column says, for as long as the ``with`` lasts.

    new  whether subjects that have no key get one; else their rows are sealed so as to fit no version
    """
    home.cache.mkdir(mode=0o700, exist_ok=True)
    with TemporaryDirectory(dir=home.cache) as folder, keys_of(home) as keys:
        listing = listed(path)
        top = Path(folder) / (path.name or "data")
        with keys.writing():
            for name, entry in listing.files.items():
                to = top if listing.alone else top / path_of(name)
                to.parent.mkdir(parents=True, exist_ok=True)
                with opened(entry), to.open("xb") as file:
                    seal_table(entry.path, file, column, keys, keys.made if new else _known(keys))
                if new:
                    keys.sealed_as(_digest(to), _digest(entry.path))
        yield top


def _known(keys: SubjectKeys) -> Cipher:
    return lambda token: keys.cipher(token) or keys.foreign(token)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def column_of(store: DataStore, version: Version) -> str | None:
    """By which column a version is sealed; None where it is not, or its content is gone."""
    if not version.files or store.dropped(version) is not None:
        return None
    with opened_kept(store, version.files[0]) as file:
        head = file.read(HEAD_BYTES)
    return sealed_column(head) if is_sealed(head) else None


@contextmanager
def as_kept(home: Home, store: DataStore, name: str, path: Path, column: str | None) -> Iterator[Path]:
    """What is to be kept: the path itself, or a sealed copy; AncileError for open rows in a sealed set."""
    latest = store.latest(name)
    before = column_of(store, latest.version) if latest else None
    if column is None and latest is not None and _was_sealed(home, store, latest.version):
        raise AncileError(
            "rows of this set were sealed by subject",
            value=plain(name, 120),
            remedy="add it with --subject COLUMN, or under another --name",
        )
    if column is None and before is not None:
        raise AncileError(
            "rows of this set are sealed by subject",
            value=plain(f"{name}, by {before}", 120),
            remedy=plain(f"add it with --subject {before}, or under another --name", 120),
        )
    if column is None:
        yield path
        return
    with sealed_copy(home, path, column, new=True) as made:
        yield made


def _was_sealed(home: Home, store: DataStore, version: Version) -> bool:
    """Whether a version whose content is gone was sealed: the keys of subjects know its files."""
    if store.dropped(version) is None:
        return False
    try:
        known = (keys_folder(home) / DATABASE).exists()
    except AncileError:  # there is no place for keys, so that nothing was sealed here
        return False
    if not known:
        return False
    with keys_of(home) as keys:
        return any(keys.plain_of(one.digest) is not None for one in version.files)


@contextmanager
def as_sealed(home: Home, store: DataStore, version: Version, place: Path) -> Iterator[Path]:
    """Files at a place in the form in which a version has them."""
    try:
        column = column_of(store, version)
    except AncileError:  # the store is damaged, as who asks is about to find
        column = None
    if column is None:
        yield place
        return
    with sealed_copy(home, place, column, new=False) as made:
        yield made


def open_sealed(home: Home, place: Path, *, alone: bool) -> None:
    """Turn the sealed tables that were written to a place into what they were, without erased rows."""
    gone = 0
    with keys_of(home) as keys:
        for path in [place] if alone else [one for one in place.rglob("*") if one.is_file()]:
            made = path.with_name(f"{path.name[:200]}.opening")
            with path.open("rb") as file, made.open("xb") as to:
                gone += open_table(file, to, keys).gone
            made.replace(path)
    if gone:
        talk(f"{counted(gone, 'row')} of erased subjects left out")
