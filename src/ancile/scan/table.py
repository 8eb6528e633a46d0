"""Every format that is judged: how it is known by content, what looks at it; the first that fits counts.

What looks at a format is imported when a file may be of it: most scans meet three or four.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from ancile.formats import beginnings
from ancile.scan.part import Formatted, Part

COMPRESSED = b"\x02\x04\x1f\x28\x5d\x78\xfdBZ" + bytes(range(0x50, 0x60))  # of every magic of streams
JSON = b" \t\r\n\0{[\xef\xff\xfe"


class Row(NamedTuple):
    """A format: ``examine`` yields what it found, and parts to be looked at in turn.

    known, looks  module of this room and function in it
    begins        first bytes of which every such file has one; None where it may have any
    may           whether a part that begins so may be one
    """

    name: str
    known: str
    looks: str
    begins: bytes | None = None
    may: Callable[[Part], bool] | None = None

    @property
    def is_it(self) -> Callable[[Part], bool]:
        """Whether a part is of the format."""
        found: Callable[[Part], bool] = _function(self.known)
        return found

    @property
    def examine(self) -> Callable[[Part], Iterator[Formatted | Part]]:
        """What looks at a part of the format."""
        found: Callable[[Part], Iterator[Formatted | Part]] = _function(self.looks)
        return found


LOADED: dict[str, Any] = {}  # functions by their names in the table, those that were asked for


def _function(name: str) -> Any:
    found = LOADED.get(name)
    if found is None:
        module, _, function = name.partition(":")
        found = LOADED[name] = getattr(import_module(f"ancile.scan.{module}"), function)
    return found


def _may_be_message(part: Part) -> bool:
    return beginnings.may_be_message(part.head)


MARKER = Row("python", "code:is_marker", "code:examine_marker", b"")
EMPTY = Row("empty", "plain_data:is_empty", "plain_data:examine_empty", b"")
NUMBERS = Row("numbers", "marks:is_storage", "plain_data:examine_storage")
TENSORFLOW = Row("tensorflow", "tensorflow:is_tensorflow", "tensorflow:examine_tensorflow")
# What TensorFlow finds in a message that is another one: it passes over what it does not know
GRAPH_TOO = Row("tensorflow", "tensorflow:is_graph_too", "tensorflow:examine_graph_too", may=_may_be_message)
PICKLE = Row("pickle", "pickles:is_pickle", "pickles:examine_pickle")
FORMATS: tuple[Row, ...] = (
    MARKER,
    EMPTY,
    Row("text", "marks:is_word", "plain_data:examine_word", b"0123456789lb"),
    NUMBERS,
    Row("zip", "marks:is_archive", "archives:examine_zip"),
    Row("tar", "tars:is_tar", "tars:examine_tar", may=lambda part: beginnings.is_tar(part.head)),
    Row("7z", "seven_zip:is_seven_zip", "endings:examine_seven_zip", b"7"),
    Row("npy", "npy:is_npy", "npy:examine_npy", b"\x93"),
    Row("lightgbm", "trees:is_lightgbm", "trees:examine_lightgbm", b"t"),
    Row("catboost", "trees:is_catboost", "trees:examine_catboost", b"C"),
    Row("xgboost-ubj", "trees:is_xgboost", "trees:examine_xgboost", b"{"),
    Row("gguf", "tensors:is_gguf", "tensors:examine_gguf", b"G"),
    Row(
        "safetensors",
        "tensors:is_safetensors",
        "tensors:examine_safetensors",
        may=lambda part: beginnings.may_be_safetensors(part.head),
    ),
    Row(
        "compressed",
        "streams:is_compressed",
        "endings:examine_compressed",
        COMPRESSED,
        lambda part: beginnings.may_be_stream(part.head),
    ),
    Row(
        "machine code",
        "machine_code:is_machine_code",
        "machine_code:examine_machine_code",
        may=lambda part: beginnings.may_be_machine_code(part.head),
    ),
    Row("media", "media:is_media", "media:examine_media", b"\x89\xffGR\0"),
    Row("hdf5", "hdf5:is_hdf5", "hdf5:examine_hdf5", may=lambda part: beginnings.superblock(part.data) >= 0),
    PICKLE,
    Row("onnx", "onnx:is_onnx", "onnx:examine_onnx", may=_may_be_message),
    TENSORFLOW,
    Row("sentencepiece", "sentencepiece:is_sentencepiece", "sentencepiece:examine_sentencepiece", b"\n"),
    Row(
        "tfrecord",
        "tfrecord:is_tfrecord",
        "tfrecord:examine_tfrecord",
        may=lambda part: part.head[6:8] == b"\0\0",  # of a length
    ),
    Row("skops", "skops:is_skops", "skops:examine_skops", JSON),
    Row("keras", "keras:is_keras", "keras:examine_keras", JSON),
    Row("text", "texts:is_wide", "texts:examine_wide"),
    Row("msgpack", "msgpack:is_msgpack", "msgpack:examine_msgpack", bytes(range(0x81, 0x90)) + b"\xde\xdf"),
    Row("foreign", "foreign:is_foreign", "foreign:examine_foreign"),
    Row("variables", "tensorflow:is_bundle", "tensorflow:examine_bundle"),
    Row("desktop", "desktop:is_desktop", "desktop:examine_desktop", b"\0"),
    Row("text", "plain_data:is_text", "texts:examine_text"),
)
UNKNOWN = Row("unknown", "plain_data:is_anything", "plain_data:examine_unknown")
# What looks at formats behind which a pickle has not been asked for yet
FIRST = frozenset(row.looks for row in FORMATS[FORMATS.index(NUMBERS) + 1 : FORMATS.index(PICKLE)])
# Those of which one file can be several: each is read by a library of its own, which asks for no name
READ_ALL = FORMATS[FORMATS.index(NUMBERS) + 1 : FORMATS.index(TENSORFLOW) + 1]
# What its name alone tells, and what is empty or a word
PLAIN = frozenset(row.looks for row in FORMATS[: FORMATS.index(NUMBERS) + 1])


@cache
def _asked(first: int) -> tuple[Row, ...]:
    """Formats that a part with this first byte may be of."""
    return tuple(row for row in FORMATS if row.begins is None or first in row.begins)


def rows_of(part: Part) -> tuple[Row, ...]:
    """Every format that a part is, the first by its place in the table.

    A file in which several readers find what each of them opens is judged as all of it. Pickle is among them
    where an unpickler would run something: it asks for no mark.
    """
    row = row_of(part)
    if row.looks in PLAIN:
        return (row,)
    others = _asked_behind(part.head[0], row.looks)
    return (row, *(one for one in others if (one.may is None or one.may(part)) and is_too(one, row, part)))


def is_too(one: Row, row: Row, part: Part) -> bool:
    """Whether a part of the format ``row`` is of another one as well."""
    if one is PICKLE:
        is_pickle_too: Callable[[Part], bool] = _function("pickles:is_pickle_too")
        return row.looks in FIRST and is_pickle_too(part)
    if one.looks == "hdf5:examine_hdf5":
        is_hdf5_too: Callable[[Part], bool] = _function("hdf5:is_hdf5_too")
        return is_hdf5_too(part)
    return one.is_it(part)


@cache
def _asked_behind(first: int, looks: str) -> tuple[Row, ...]:
    """Formats that a part with this first byte may be of besides the one that this looks at."""
    if looks == TENSORFLOW.looks:
        return ()
    places = [one.looks for one in READ_ALL]
    behind = READ_ALL[places.index(looks) + 1 : -1] if looks in places else ()
    return (*(one for one in behind if one.begins is None or first in one.begins), GRAPH_TOO)


def row_of(part: Part) -> Row:
    """The format of a part."""
    head = part.head
    if not head:
        return MARKER if MARKER.is_it(part) else EMPTY
    for row in _asked(head[0]):
        if (row.may is None or row.may(part)) and (LOADED.get(row.known) or row.is_it)(part):
            return row
    return UNKNOWN
