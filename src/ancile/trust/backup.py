"""All keys of a folder in one file under a passphrase of its own, and the way back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from ancile.core.errors import AncileError
from ancile.core.subject import percent_encoded
from ancile.core.text import plain
from ancile.trust.canonical import canonical
from ancile.trust.key import parse_public_key
from ancile.trust.keyfile import KeyFile, OpenSeeds, open_seeds, seal_key
from ancile.trust.keys import Added, add_key_files, list_keys
from ancile.trust.lockbox import Lockbox, Protection, Stretching, lock, unlock
from ancile.trust.passphrase import Passphrase
from ancile.trust.private_file import read_private, write_private

LARGEST = 16 << 20  # bytes; 1,000 keys are about 6 MB


class Backup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup file holds: inside the box a list of key files whose seeds are open."""

    format: Literal["ancile/backup/v1"] = "ancile/backup/v1"
    created: datetime
    box: Lockbox

    def header(self) -> bytes:
        """What the box is bound to."""
        return _header(self.created)


def backup_keys(
    folder: Path,
    target: Path,
    *,
    passphrase: Passphrase,
    backup_passphrase: bytes,
    now: datetime,
    stretching: Stretching | None = None,
) -> int:
    """The number of keys written to ``target``, a new file, under ``backup_passphrase``.

    passphrase  of the keys, asked for once a sealed key; a lost one is thus found now, not in need
    A revoked key goes without seeds, as it stands.
    """
    files = [_opened(key.file, passphrase) for key in list_keys(folder)]
    if not files:
        raise AncileError(
            "there are no keys to back up", value=percent_encoded(folder), remedy="run `ancile init`"
        )
    secret = msgspec.json.encode(files)
    box = lock(secret, backup_passphrase, header=_header(now), stretching=stretching or Stretching())
    write_private(target, msgspec.json.encode(Backup(created=now, box=box)) + b"\n", replace=False)
    return len(files)


def restore_keys(source: Path, folder: Path, *, backup_passphrase: bytes, protection: Protection) -> Added:
    """The keys of a backup in ``folder``; a key that is there already stays as it is, so it can be repeated.

    protection  how the restored seeds are kept from now on: a new passphrase, if the old one is to go
    """
    backup = _parsed(read_private(source, limit=LARGEST))
    secret = unlock(backup.box, backup_passphrase, header=backup.header())
    try:
        files = msgspec.json.decode(secret, type=list[KeyFile])
    except (msgspec.MsgspecError, ValueError) as reason:
        raise _damaged(str(reason)) from reason
    return add_key_files(folder, [_sealed(file, protection) for file in files])


def _parsed(data: bytes) -> Backup:
    try:
        return msgspec.json.decode(data, type=Backup)
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise _damaged(str(reason)) from reason


def _opened(file: KeyFile, passphrase: Passphrase) -> KeyFile:
    if file.seeds is None:
        return file
    seeds = open_seeds(file, passphrase)
    return msgspec.structs.replace(file, seeds=OpenSeeds(seeds=seeds.ed25519 + seeds.mldsa))


def _sealed(file: KeyFile, protection: Protection) -> KeyFile:
    if file.seeds is None:
        return file
    return seal_key(
        parse_public_key(file.public),
        open_seeds(file, lambda: b""),  # inside a backup seeds lie open
        created=file.created,
        after=file.after,
        protection=protection,
    )


def _header(created: datetime) -> bytes:
    return canonical(["ancile/backup/v1", msgspec.to_builtins(created)])


def _damaged(reason: str) -> AncileError:
    return AncileError(
        "not a backup of keys, or a damaged one", value=plain(reason), remedy="use another copy of it"
    )
