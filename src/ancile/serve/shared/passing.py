"""Journals of several hosts on their way to the one that keeps the ledger, through a database they share.

A journal is removed where it was written once the database has it on its disk, and its text from there once
the other host has it on its own. Its name stays: what is passed on twice, after a crash, is taken once.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

from ancile.core.errors import AncileError
from ancile.serve.journal import WHOLE
from ancile.serve.segment import waiting
from ancile.trust.private_file import make_private_folder, sync_folder, write_private

AT_ONCE = 16  # journals, of some 5,000 records each
STRANGE = re.compile(r"[^A-Za-z0-9_.-]+")  # in a name that becomes a file's


class Journals(Protocol):
    """A database between hosts; every method may raise OSError or TimeoutError."""

    async def post(self, name: str, data: bytes) -> None:
        """Have it on the disk; one of that name that came before stays as it is."""

    async def posted(self, most: int) -> list[tuple[str, bytes]]:
        """What nobody has taken yet, the oldest first."""

    async def taken(self, names: list[str]) -> None:
        """Keep the names alone."""


class Passing:
    """One host's side of it.

    call  waits for what the database answers
    """

    def __init__(self, journals: Journals, call: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._journals, self._call = journals, call
        self._host = STRANGE.sub("_", socket.gethostname())[:64]
        self._have: set[str] = set()  # written here, and not told yet

    def post(self, folder: Path, *, dead: bool) -> int:
        """How many journals were passed on, and are here no more."""
        found = waiting(folder, dead=dead)
        for path in found:
            data = path.read_bytes()
            if data:
                self._asked(self._journals.post(f"{path.stem}-{self._host}", data))
            path.unlink()
            sync_folder(folder)
        return len(found)

    def fetch(self, folder: Path) -> int:
        """How many came in from other hosts; they lie in the folder as if they had been written here."""
        make_private_folder(folder)
        found: list[tuple[str, bytes]] = self._asked(self._journals.posted(AT_ONCE))
        for name, data in found:
            if name not in self._have:
                write_private(folder / f"{_file(name)}{WHOLE}", data, replace=True)
                self._have.add(name)
        if found:
            names = [name for name, _ in found]
            self._asked(self._journals.taken(names))
            self._have.difference_update(names)
        return len(found)

    def _asked(self, what: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self._call(what)
        except (OSError, TimeoutError) as reason:
            raise AncileError(
                "the state database takes or gives no records",
                value=str(reason) or type(reason).__name__,
                remedy="they are kept and tried again; see that it runs",
            ) from reason


def _file(name: str) -> str:
    """The name of a file in the folder and nowhere else; another host made it up."""
    return STRANGE.sub("_", name).lstrip(".")[:200] or "_"
