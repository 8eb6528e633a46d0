"""Every format that is judged: how it is known by content, what looks at it; the first that fits counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ancile.scan import (
    archives,
    code,
    endings,
    foreign,
    hdf5,
    keras,
    machine_code,
    media,
    msgpack,
    npy,
    onnx,
    pickles,
    plain_data,
    seven_zip,
    skops,
    tensorflow,
    tensors,
    texts,
    trees,
)
from ancile.scan.part import Formatted, Part


class Row(NamedTuple):
    """A format: ``examine`` yields what it found, and parts to be looked at in turn."""

    name: str
    is_it: Callable[[Part], bool]
    examine: Callable[[Part], Iterator[Formatted | Part]]


NUMBERS = Row("numbers", plain_data.is_storage, plain_data.examine_storage)
PICKLE = Row("pickle", pickles.is_pickle, pickles.examine_pickle)
FORMATS: tuple[Row, ...] = (
    Row("python", code.is_marker, code.examine_marker),
    Row("empty", plain_data.is_empty, plain_data.examine_empty),
    NUMBERS,
    Row("zip", endings.is_archive, archives.examine_zip),
    Row("tar", archives.is_tar, archives.examine_tar),
    Row("7z", seven_zip.is_seven_zip, endings.examine_seven_zip),
    Row("npy", npy.is_npy, npy.examine_npy),
    Row("lightgbm", trees.is_lightgbm, trees.examine_lightgbm),
    Row("catboost", trees.is_catboost, trees.examine_catboost),
    Row("xgboost-ubj", trees.is_xgboost, trees.examine_xgboost),
    Row("gguf", tensors.is_gguf, tensors.examine_gguf),
    Row("safetensors", tensors.is_safetensors, tensors.examine_safetensors),
    Row("compressed", archives.is_compressed, endings.examine_compressed),
    Row("machine code", machine_code.is_machine_code, machine_code.examine_machine_code),
    Row("media", media.is_media, media.examine_media),
    Row("hdf5", hdf5.is_hdf5, hdf5.examine_hdf5),
    PICKLE,
    Row("onnx", onnx.is_onnx, onnx.examine_onnx),
    Row("tensorflow", tensorflow.is_tensorflow, tensorflow.examine_tensorflow),
    Row("skops", skops.is_skops, skops.examine_skops),
    Row("keras", keras.is_keras, keras.examine_keras),
    Row("text", texts.is_wide, texts.examine_wide),
    Row("msgpack", msgpack.is_msgpack, msgpack.examine_msgpack),
    Row("foreign", foreign.is_foreign, foreign.examine_foreign),
    Row("variables", tensorflow.is_bundle, tensorflow.examine_bundle),
    Row("text", plain_data.is_text, texts.examine_text),
)
FIRST = FORMATS[FORMATS.index(NUMBERS) + 1 : FORMATS.index(PICKLE)]  # what comes behind has been asked
UNKNOWN = Row("unknown", lambda _: True, plain_data.examine_unknown)


def rows_of(part: Part) -> tuple[Row, ...]:
    """The format of a part, and pickle where an unpickler would run something in it: it asks for no mark."""
    row = row_of(part)
    return (row, PICKLE) if row in FIRST and pickles.is_pickle_too(part) else (row,)


def row_of(part: Part) -> Row:
    """The format of a part."""
    return next((row for row in FORMATS if row.is_it(part)), UNKNOWN)
