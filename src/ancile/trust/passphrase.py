"""Where a passphrase comes from: environment, file, keyring, prompt; never from a flag, never into a message.

The first of these that is set is used: ``ANCILE_PASSPHRASE``, ``ANCILE_PASSPHRASE_FILE`` (its first line),
``ANCILE_PASSPHRASE_KEYRING`` (a service name in the keyring of the operating system, user "ancile"), and at
last a question on the terminal.
"""

from __future__ import annotations

import getpass
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.trust.private_file import read_private

VALUE = "ANCILE_PASSPHRASE"
FILE = "ANCILE_PASSPHRASE_FILE"
KEYRING = "ANCILE_PASSPHRASE_KEYRING"
VARIABLES = (VALUE, FILE, KEYRING)  # what a child process that runs foreign code must not inherit

LONGEST = 4096  # bytes
USER = "ancile"

Passphrase: TypeAlias = Callable[[], bytes]


def passphrase(environ: Mapping[str, str], *, prompt: str = "passphrase", twice: bool = False) -> bytes:
    """The passphrase as UTF-8 bytes, 1 to 4,096 of them.

    prompt  what it is for, shown on a terminal only
    twice   on a terminal, ask again and compare: for a new passphrase
    """
    if VALUE in environ:
        return _usable(environ[VALUE], source=VALUE)
    if FILE in environ:
        return _usable(_first_line(Path(environ[FILE])), source=FILE)
    if KEYRING in environ:
        return _usable(_from_keyring(environ[KEYRING]), source=KEYRING)
    return _usable(_asked(prompt, twice=twice), source="terminal")


def _usable(found: str, *, source: str) -> bytes:
    data = found.encode("utf-8", "surrogateescape")  # an environment may hold any bytes
    if not 1 <= len(data) <= LONGEST:
        raise AncileError(
            "passphrase is empty or too long", value=f"from {source}", remedy=f"use 1 to {LONGEST} bytes"
        )
    return data


def _first_line(path: Path) -> str:
    # a group may read it: secrets that a container gets are often mounted so
    data = read_private(path, limit=LONGEST + 2, allowed=stat.S_IRGRP)
    return data.split(b"\n", 1)[0].removesuffix(b"\r").decode("utf-8", "surrogateescape")


def _from_keyring(service: str) -> str:
    keyring = needs("keyring", "keyring")
    errors: type[Exception] = needs("keyring.errors", "keyring").KeyringError
    try:
        found = keyring.get_password(service, USER)
    except errors as reason:
        raise AncileError(
            "keyring cannot be read",
            value=f"service {plain(service)}: {plain(str(reason))}",
            remedy=f"unlock it, or set {FILE}",
        ) from reason
    if not isinstance(found, str):
        raise AncileError(
            "keyring holds no such passphrase",
            value=f"service {plain(service)}, user {USER}",
            remedy=f"keyring set {plain(service)} {USER}",
        )
    return found


def _asked(prompt: str, *, twice: bool) -> str:
    if not sys.stdin.isatty():
        raise AncileError(
            "a passphrase is needed and there is no terminal to ask on",
            value="none of " + ", ".join(VARIABLES) + " is set",
            remedy=f"set {FILE} to a file that holds it, mode 600",
        )
    try:
        first = getpass.getpass(f"{prompt}: ")
        same = not twice or first == getpass.getpass(f"{prompt}, once more: ")
    except (EOFError, KeyboardInterrupt) as reason:
        raise AncileError(
            "no passphrase was given", value="terminal", remedy="type it, then Enter"
        ) from reason
    if not same:
        raise AncileError("the two passphrases differ", value="terminal", remedy="type the same one twice")
    return first
