"""JSON lines, chats among them, and plain lines of text, as the columns of a table.

JSON lines: one object a line, jsonlines.org. A chat is an object with a list of turns under ``messages`` or
``conversations``, each with who speaks and what is said; it becomes one text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.inputs.batches import ROWS, Batches
from ancile.inputs.tables import COLUMNS, arrow_errors, too_wide

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_LINE = 64 << 20  # bytes
BATCH_BYTES = 32 << 20  # of lines that are one batch
TURNS = ("messages", "conversations", "conversation", "turns")
SPEAKER, SAID = ("role", "from", "speaker"), ("content", "value", "text")

Cell = str | int | float | bool | None
Value = Cell | list[object] | dict[str, object]


def open_json_lines(file: BinaryIO) -> Batches:
    """The objects of a file, a column for each key; what is neither number, text nor a chat is left out."""
    kinds: dict[str, str] = {}
    nested: set[str] = set()
    for record in _records(file):
        for key, value in record.items():
            kind = _kind(value)
            if kind == "other":
                nested.add(key)
            elif kind and kinds.setdefault(key, kind) != kind:
                kinds[key] = "number" if {kinds[key], kind} == {"number", "flag"} else "text"
        if len(kinds) > COLUMNS:
            raise too_wide(len(kinds))
    if not kinds:
        raise AncileError(
            "no line holds a number, a text or a chat",
            value=", ".join(sorted(plain(one, 40) for one in nested)[:5]) or "no line",
            remedy='give an object a line, such as {"text": …, "label": …}',
        )
    arrow = needs("pyarrow", "tables")
    types = {"number": arrow.float64(), "flag": arrow.bool_(), "text": arrow.large_string()}
    schema = arrow.schema([(name, types[kind]) for name, kind in kinds.items()])

    def read() -> Iterator[pa.RecordBatch]:
        with arrow_errors("JSON lines"):
            for some in _bounded(_records(file)):
                columns = [[_cell(one.get(name), kinds[name]) for one in some] for name in kinds]
                arrays = [arrow.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)]
                yield arrow.record_batch(arrays, schema=schema)

    notes = (f"left out: {', '.join(sorted(plain(one, 40) for one in nested))}",) if nested else ()
    return Batches(tuple(kinds), tuple(schema.types), None, read, notes)


def open_text_lines(file: BinaryIO) -> Batches:
    """The lines of a text file that are not empty, as the column ``text``."""
    arrow = needs("pyarrow", "tables")
    schema = arrow.schema([("text", arrow.large_string())])

    def read() -> Iterator[pa.RecordBatch]:
        lines = ({"text": line.decode("utf-8", "replace").rstrip("\r\n")} for line in _lines(file))
        for some in _bounded(one for one in lines if one["text"]):
            yield arrow.record_batch(
                [arrow.array([one["text"] for one in some], arrow.large_string())], schema=schema
            )

    return Batches(("text",), (arrow.large_string(),), None, read)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise AncileError(
                "a line is too long",
                value=f"line {number}, more than {LONGEST_LINE} bytes",
                remedy="write one row a line",
            )
        yield line


def _records(file: BinaryIO) -> Iterator[Mapping[str, Value]]:
    decode = msgspec.json.Decoder(dict[str, Value]).decode
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        try:
            yield decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
            raise AncileError(
                "a line is no JSON object",
                value=f"line {number}: {plain(str(reason), 120)}",
                remedy="mend that line, or write the file again",
            ) from reason


def _bounded(records: Iterator[Mapping[str, Value]]) -> Iterator[list[Mapping[str, Value]]]:
    """Lists of records that fit into memory."""
    some: list[Mapping[str, Value]] = []
    size = 0
    for one in records:
        some.append(one)
        size += sum(len(value) if isinstance(value, str | list) else 8 for value in one.values())
        if len(some) == ROWS or size > BATCH_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _kind(value: Value) -> str:
    """number, flag, text, other; empty for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "text" if _chat(value) is not None else "other"


def _cell(value: Value, kind: str) -> Cell:
    """The value as its column takes it; a number too large for a float is none."""
    if value is None or kind == "flag":
        return value if isinstance(value, bool) else None
    if kind == "number":
        return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else None
    if isinstance(value, list):
        return _chat(value)
    if isinstance(value, dict):
        return None
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _chat(value: Value) -> str | None:
    """The turns of a chat as one text, a line a turn; None for what is no chat."""
    if not isinstance(value, list) or not value:
        return None
    turns = [_turn(one) for one in value]
    return None if None in turns else "\n".join(one for one in turns if one is not None)


def _turn(value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    who = next((value[key] for key in SPEAKER if isinstance(value.get(key), str)), None)
    said = next((value[key] for key in SAID if isinstance(value.get(key), str)), None)
    return None if said is None or who is None else f"{who}: {said}"
