"""Tables whose rows are sealed under a key of the subject they are about, row by row, in their order.

A sealed table begins with a line that says so and a line of JSON with the column and the form; then come
rows: the subject's token, the number of bytes, the bytes of the row as they stood in the file, sealed. The
header of a CSV file has an empty token and is open. Whose key is gone, their rows are gone, wherever copies
of the table lie.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.data.subject_keys import TOKEN_BYTES, SubjectKeys
from ancile.data.table_rows import LONGEST_ROW, rows_with

MAGIC = b"ANCILE-SUBJECTS-1\n"
OPEN = bytes(TOKEN_BYTES)  # of what is about nobody
SIZE_BYTES = 4
MOST_HEAD = 4096  # bytes of the line that says column and form
Cipher = Callable[[bytes], AESSIV]


class Opened(NamedTuple):
    """Rows that were written, and rows that nobody can read any more."""

    rows: int
    gone: int


class Row(NamedTuple):
    """A row of a sealed table."""

    token: bytes
    data: bytes


def seal_table(path: Path, to: BinaryIO, column: str, keys: SubjectKeys, cipher: Cipher) -> int:
    """Number of rows of a CSV or JSON lines file, written sealed.

    cipher  gives what seals the rows of a token: ``SubjectKeys.made`` to keep them
    AncileError where the file is of another form, or a row has no such column.
    """
    count = 0
    rows = rows_with(path, column)
    to.write(MAGIC + json.dumps({"column": column, "suffix": path.suffix.lower()}).encode() + b"\n")
    for row in rows:
        if row.is_header:
            to.write(_packed(OPEN, row.data))
            continue
        count += 1
        if row.cell is None:
            raise AncileError(
                "a row does not say whom it is about",
                value=plain(f"{path}: row {count}, column {column}"),
                remedy="give each row the column, and the file as UTF-8",
            )
        token = keys.token(row.cell)
        to.write(_packed(token, cipher(token).encrypt(row.data, [token])))
    return count


def is_sealed(head: bytes) -> bool:
    """Whether a file that begins so is a sealed table."""
    return head.startswith(MAGIC)


def sealed_column(head: bytes) -> str:
    """The column of whose subjects the keys are; AncileError where the table is damaged."""
    line, end, _ = head[len(MAGIC) : len(MAGIC) + MOST_HEAD].partition(b"\n")
    try:
        said = json.loads(line) if end else None
    except ValueError:
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("column"), str):
        raise _damaged()
    return str(said["column"])


def rows_of(file: BinaryIO) -> Iterator[Row]:
    """The rows of a sealed table, as they are; AncileError where it is damaged."""
    sealed_column(file.readline(len(MAGIC)) + file.readline(MOST_HEAD))
    while head := file.read(TOKEN_BYTES + SIZE_BYTES):
        size = int.from_bytes(head[TOKEN_BYTES:], "big")
        if len(head) < TOKEN_BYTES + SIZE_BYTES or size > LONGEST_ROW + 16:
            raise _damaged()
        data = file.read(size)
        if len(data) < size:
            raise _damaged()
        yield Row(head[:TOKEN_BYTES], data)


def open_table(file: BinaryIO, to: BinaryIO, keys: SubjectKeys) -> Opened:
    """Write the table as it was, without rows of those whose key was erased."""
    rows = gone = 0
    for row in rows_of(file):
        if row.token == OPEN:
            to.write(row.data)
            continue
        cipher = keys.cipher(row.token)
        if cipher is None:
            if not keys.is_erased(row.token):
                raise AncileError(
                    "the key of a row is not here, and was not erased",
                    value=f"subject {row.token.hex()}",
                    remedy="bring back the folder of the keys, or name it: ANCILE_SUBJECT_KEYS",
                )
            gone += 1
            continue
        try:
            to.write(cipher.decrypt(row.data, [row.token]))
        except InvalidTag as reason:
            raise _damaged() from reason
        rows += 1
    return Opened(rows, gone)


def count_of(file: BinaryIO, token: bytes) -> int:
    """Rows of a subject in a sealed table."""
    return sum(one.token == token for one in rows_of(file))


def _packed(token: bytes, data: bytes) -> bytes:
    return token + len(data).to_bytes(SIZE_BYTES, "big") + data


def _damaged() -> AncileError:
    return AncileError(
        "a sealed table is damaged", value="", remedy="verify the version, and restore the folder `data`"
    )
