"""Files of named sets from their publisher: asked for, bounded, checked, and put in place whole."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.inputs.catalogue import PinnedFile

Ask = Callable[[str], bool]

TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 16


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for the error that it is: a pinned address is where the file lies."""

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> None:
        """Nothing, which leaves the answer to the opener, who raises it."""

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def fetch(file: PinnedFile, into: Path) -> Path:
    """The file in the folder ``into``, after its length and SHA-256 have been checked.

    It appears there whole or not at all. Only http and https addresses are opened, no redirect is followed.
    """
    target = into / Path(file.path).name
    if not file.url.startswith(("https://", "http://")):
        raise _failed(file, "its address is neither https nor http")
    opener = urllib.request.build_opener(NoRedirect)
    try:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (
            opener.open(file.url, timeout=TIMEOUT_SECONDS) as answer,
            tempfile.NamedTemporaryFile(dir=into, prefix=".fetch-", delete=False) as part,
        ):
            try:
                _copy(answer, part, file)
                Path(part.name).replace(target)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    except (OSError, HTTPException, ValueError) as reason:
        if isinstance(reason, urllib.error.HTTPError):  # an answer as well as an error
            reason.close()
        raise _failed(file, str(reason)) from reason
    return target


def _copy(answer: IO[bytes], part: IO[bytes], file: PinnedFile) -> None:
    """Copy what arrives, refuse it where it is not the pinned file, and make it durable."""
    digest, length = hashlib.sha256(), 0
    while chunk := answer.read(CHUNK_BYTES):
        length += len(chunk)
        if length > file.bytes:
            raise _failed(file, f"more than the expected {file.bytes} bytes arrived")
        digest.update(chunk)
        part.write(chunk)
    if digest.hexdigest() != file.sha256:
        raise _failed(file, f"{length} bytes with SHA-256 {digest.hexdigest()} arrived, not {file.sha256}")
    part.flush()
    os.fsync(part.fileno())


def _failed(file: PinnedFile, detail: str) -> AncileError:
    return AncileError(
        "data set cannot be fetched",
        value=plain(f"{file.url}: {detail}", 400),
        remedy="fetch it by hand and name its folder in ANCILE_DATA",
    )
