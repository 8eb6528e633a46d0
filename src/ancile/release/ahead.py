"""A manifest that is made while its caller gets ready: modules, keys and a passphrase take their time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from ancile.release.manifest import Manifest, manifest_of

LOOK_SECONDS = 0.1  # between two words on how far the work has come
# Who hashes gets the interpreter's lock soon from who imports: a piece of a mebibyte takes about 0.7 ms
SWITCH_SECONDS = 0.0002


class Ahead:
    """The manifest of a path, begun with the ``with``, and given up where that ends before it was asked for.

    Nothing of it is told before it is asked for: neither its faults nor how far it has come.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: Manifest | Exception | None = None
        self._done = (0, 0)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ancile-ahead")
        self._interval = sys.getswitchinterval()

    def __enter__(self) -> Self:
        sys.setswitchinterval(SWITCH_SECONDS)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        sys.setswitchinterval(self._interval)

    def manifest(self, progress: Callable[[int, int], None] | None = None) -> Manifest:
        """The manifest, or the error that ``manifest_of`` raises; ``progress`` as there."""
        while self._thread.is_alive():
            self._thread.join(LOOK_SECONDS)
            if progress is not None:
                progress(*self._done)
        if not isinstance(self._found, Manifest):
            raise self._found or RuntimeError("the manifest was asked for before it was begun")
        return self._found

    def _work(self) -> None:
        try:
            self._found = manifest_of(self._path, progress=self._told)
        except Exception as reason:  # noqa: BLE001 - raised where the manifest is asked for
            self._found = reason

    def _told(self, done: int, total: int) -> None:
        self._done = done, total
        if self._stopped.is_set():
            raise InterruptedError
