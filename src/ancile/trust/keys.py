"""The folder of keys: made, listed, unlocked, rotated, revoked.

A key is active, retired (another key names it as the one before: rotation is one atomic step) or revoked.
Retired keys still verify the past and can still sign what announces their successor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Generic, Literal, NamedTuple, TypeVar, overload

import msgspec

from ancile.core.errors import AncileError
from ancile.core.subject import percent_encoded
from ancile.core.text import plain
from ancile.trust.key import AuthorKey, NoteKey, NoteUse, PublicKey, Purpose, Seeds, private_key
from ancile.trust.keyfile import (
    LARGEST,
    KeyFile,
    OpenSeeds,
    Revocation,
    damaged,
    encode_key_file,
    file_name,
    open_seeds,
    parse_key_file,
    seal_key,
)
from ancile.trust.lockbox import Protection
from ancile.trust.passphrase import Passphrase
from ancile.trust.private_file import is_private_folder, locked, read_private, write_private

State = Literal["active", "retired", "revoked"]

MOST_KEYS = 1000  # files that are read from a folder; a key a day for years
SHORTEST_ID = 8  # hex digits that may name a key

Private_co = TypeVar("Private_co", bound=AuthorKey | NoteKey, covariant=True)


@dataclass(frozen=True)
class StoredKey:
    """A key of the folder, without its secrets."""

    path: Path
    public: PublicKey
    state: State
    file: KeyFile

    @property
    def is_open(self) -> bool:
        """Whether its seeds lie there without a passphrase."""
        return isinstance(self.file.seeds, OpenSeeds)


@dataclass(frozen=True)
class Rotation(Generic[Private_co]):
    """A key and the one that took its place; what announces the new one is signed by the old one."""

    old: Private_co
    new: Private_co


class Added(NamedTuple):
    """Keys that were written, and keys that were there already and stayed as they were."""

    written: tuple[PublicKey, ...]
    kept: tuple[PublicKey, ...]


def list_keys(folder: Path) -> tuple[StoredKey, ...]:
    """Every key of the folder, oldest first; a damaged, doubled or unprotected file is refused."""
    if not is_private_folder(folder):
        return ()
    paths = sorted(folder.glob("*.key"))
    if len(paths) > MOST_KEYS:
        raise AncileError("too many keys", value=f"{len(paths)}", remedy=f"keep at most {MOST_KEYS}")
    found = [(path, *_read(path)) for path in paths]
    _refuse_shared_parts([public for _, _, public in found])
    replaced = {file.after for _, file, _ in found}
    keys = [
        StoredKey(path, public, _state(file, replaced=public.id in replaced), file)
        for path, file, public in found
    ]
    return tuple(sorted(keys, key=lambda key: (key.file.created, key.path)))


def find_key(folder: Path, id_: str) -> StoredKey:
    """The key with this id, or the only one whose id begins so (8 digits at least)."""
    wanted = id_.removeprefix("sha256:")
    matches = [k for k in list_keys(folder) if k.public.id_bytes.hex().startswith(wanted)]
    if len(wanted) < SHORTEST_ID or len(matches) != 1:
        raise AncileError(
            "id names no key, or more than one",
            value=plain(id_, 80),
            remedy=f"give at least {SHORTEST_ID} digits of an id that `ancile keys list` prints",
        )
    return matches[0]


def active_key(folder: Path, purpose: Purpose) -> StoredKey:
    """The one key that signs for this purpose now."""
    active = [k for k in list_keys(folder) if k.public.purpose == purpose and k.state == "active"]
    if not active:
        raise AncileError(
            f"there is no active {purpose} key",
            value=percent_encoded(folder),
            remedy="run `ancile init`, or `ancile keys restore` with a backup",
        )
    if len(active) > 1:
        raise AncileError(
            f"there are {len(active)} active {purpose} keys",
            value=", ".join(k.public.id[:23] for k in active),
            remedy="revoke those that must not sign: `ancile keys revoke ID`",
        )
    return active[0]


@overload
def create_key(
    folder: Path, purpose: Literal["author"], name: str, *, protection: Protection, now: datetime
) -> AuthorKey: ...


@overload
def create_key(
    folder: Path, purpose: NoteUse, name: str, *, protection: Protection, now: datetime
) -> NoteKey: ...


def create_key(
    folder: Path, purpose: Purpose, name: str, *, protection: Protection, now: datetime
) -> AuthorKey | NoteKey:
    """A new key, durable on return; refused while another one is active for the same purpose.

    name        a log's origin, a witness's name, an author's label
    protection  without passphrase only for throw-away use, when the user asked for it
    """
    key = private_key(purpose, name)
    with locked(folder):
        for present in list_keys(folder):
            if present.public.purpose == purpose and present.state == "active":
                raise AncileError(
                    f"there is an active {purpose} key already",
                    value=present.public.id,
                    remedy=f"put a new one in its place: `ancile keys rotate {purpose}`",
                )
        _write(folder, key.public, key.seeds, after=None, protection=protection, now=now)
    return key


@overload
def unlock_key(
    folder: Path, purpose: Literal["author"], passphrase: Passphrase, *, id_: str | None = None
) -> AuthorKey: ...


@overload
def unlock_key(
    folder: Path, purpose: NoteUse, passphrase: Passphrase, *, id_: str | None = None
) -> NoteKey: ...


@overload
def unlock_key(
    folder: Path, purpose: Purpose, passphrase: Passphrase, *, id_: str | None = None
) -> AuthorKey | NoteKey: ...


def unlock_key(
    folder: Path, purpose: Purpose, passphrase: Passphrase, *, id_: str | None = None
) -> AuthorKey | NoteKey:
    """The private key that is active for ``purpose``, or the one named ``id_``.

    passphrase  called only where the seeds are sealed
    """
    stored = active_key(folder, purpose) if id_ is None else find_key(folder, id_)
    if stored.public.purpose != purpose:
        raise AncileError(
            f"not {'an' if purpose == 'author' else 'a'} {purpose} key",
            value=f"{stored.public.purpose} {stored.public.id}",
            remedy="a key serves one purpose only: name another one",
        )
    key = private_key(purpose, stored.public.name, open_seeds(stored.file, passphrase))
    if key.public != stored.public:
        raise damaged("its seeds belong to other public keys")
    return key


@overload
def rotate_key(
    folder: Path, purpose: Literal["author"], passphrase: Passphrase, *, protection: Protection, now: datetime
) -> Rotation[AuthorKey]: ...


@overload
def rotate_key(
    folder: Path, purpose: NoteUse, passphrase: Passphrase, *, protection: Protection, now: datetime
) -> Rotation[NoteKey]: ...


def rotate_key(
    folder: Path, purpose: Purpose, passphrase: Passphrase, *, protection: Protection, now: datetime
) -> Rotation[AuthorKey | NoteKey]:
    """A new key of the same name in the place of the active one, which retires in the same atomic step.

    passphrase  of the old key
    protection  of the new one
    """
    with locked(folder):
        old = unlock_key(folder, purpose, passphrase)
        new = private_key(purpose, old.public.name)
        _write(folder, new.public, new.seeds, after=old.public.id, protection=protection, now=now)
    return Rotation(old, new)


def revoke_key(folder: Path, id_: str, *, reason: str, now: datetime) -> StoredKey:
    """The key, marked as not to be believed, its seeds destroyed; a lost passphrase is no bar."""
    if not reason.strip():
        raise AncileError(
            "a revocation needs a reason", value=plain(id_, 80), remedy="say why: --reason TEXT"
        )
    with locked(folder):
        key = find_key(folder, id_)
        if key.file.revoked is None:
            revocation = Revocation(time=now, reason=plain(reason))
            revoked = msgspec.structs.replace(key.file, seeds=None, revoked=revocation)
            write_private(key.path, encode_key_file(revoked), replace=True)
        return find_key(folder, key.public.id)


def add_key_files(folder: Path, files: Sequence[KeyFile]) -> Added:
    """Writes the keys that the folder lacks, after all were checked; what is there is never touched."""
    given = [(parse_key_file(encode_key_file(file))[1], file) for file in files]
    with locked(folder):
        present = {key.public.id: key for key in list_keys(folder)}
        missing = [(public, file) for public, file in given if public.id not in present]
        before = [(key.public, key.file) for key in present.values()]
        _refuse_shared_parts([public for public, _ in (*before, *missing)])
        _refuse_two_active([*before, *missing])
        for public, file in missing:
            write_private(folder / file_name(public), encode_key_file(file), replace=False)
    return Added(
        tuple(public for public, _ in missing), tuple(public for public, _ in given if public.id in present)
    )


def _read(path: Path) -> tuple[KeyFile, PublicKey]:
    try:
        file, public = parse_key_file(read_private(path, limit=LARGEST))
    except AncileError as reason:
        raise AncileError(
            reason.what, value=f"{percent_encoded(path)}: {reason.value}", remedy=reason.remedy
        ) from reason
    if path.name != file_name(public):
        raise AncileError(
            "key stands under another name than its own",
            value=percent_encoded(path),
            remedy=f"name it {file_name(public)}, or remove the copy",
        )
    return file, public


def _state(file: KeyFile, *, replaced: bool) -> State:
    if file.revoked is not None:
        return "revoked"
    return "retired" if replaced else "active"


def _refuse_shared_parts(publics: Sequence[PublicKey]) -> None:
    seen: dict[bytes, PublicKey] = {}
    for public in publics:
        for part in (public.ed25519, public.mldsa):
            if part in seen:
                raise AncileError(
                    "one key stands under two names or two purposes",
                    value=f"{seen[part].id[:23]} and {public.id[:23]}",
                    remedy="revoke one of them and make a new key",
                )
            seen[part] = public


def _refuse_two_active(keys: Iterable[tuple[PublicKey, KeyFile]]) -> None:
    keys = list(keys)
    replaced = {file.after for _, file in keys}
    active: dict[Purpose, PublicKey] = {}
    for public, file in keys:
        if _state(file, replaced=public.id in replaced) != "active":
            continue
        if public.purpose in active:
            raise AncileError(
                f"there would be two active {public.purpose} keys",
                value=f"{active[public.purpose].id[:23]} and {public.id[:23]}",
                remedy="restore into an empty folder, or revoke the one that must not sign",
            )
        active[public.purpose] = public


def _write(
    folder: Path, public: PublicKey, seeds: Seeds, *, after: str | None, protection: Protection, now: datetime
) -> None:
    file = seal_key(public, seeds, created=now, after=after, protection=protection)
    write_private(folder / file_name(public), encode_key_file(file), replace=False)
