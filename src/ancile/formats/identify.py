"""What kind of file bytes are, by what is in them; a file's name is a claim and is not asked."""

from __future__ import annotations

import re
from typing import Literal

from ancile.core.errors import AncileError
from ancile.formats import onnx
from ancile.formats.zips import is_zip, members

Format = Literal[
    "torch-export",
    "torchscript",
    "torch-state",
    "torch-legacy",
    "torch-package",
    "skops",
    "npz",
    "keras",
    "zip",
    "npy",
    "pickle",
    "joblib",
    "onnx",
    "safetensors",
    "xgboost-json",
    "xgboost-ubj",
    "lightgbm",
    "hdf5",
    "gguf",
    "tar",
    "compressed",
    "empty",
    "unknown",
]

HEAD_BYTES = 64 << 10
TORCH_MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # LONG1 of torch.serialization.MAGIC_NUMBER
PATTERNS: tuple[tuple[re.Pattern[bytes], Format], ...] = (
    (re.compile(rb"\x93NUMPY"), "npy"),
    (re.compile(rb"\x89HDF\r\n\x1a\n"), "hdf5"),
    (re.compile(rb"GGUF"), "gguf"),
    (re.compile(rb".{257}ustar", re.DOTALL), "tar"),
    (re.compile(rb"tree\nversion="), "lightgbm"),
    (re.compile(rb'\s*\{\s*"(learner|version|Config)"'), "xgboost-json"),
    # UBJSON: an object, then a key with its length as int64, int8 or uint8
    (re.compile(rb"\{(L\x00{7}|[iU])[\x01-\x20](learner|version|Config)"), "xgboost-ubj"),
    # gzip, bzip2, xz, zstd, lz4, joblib's oldest, zlib
    (
        re.compile(
            rb"\x1f\x8b|BZh[1-9]|\xfd7zXZ\x00|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18|ZF|\x78[\x01\x5e\x9c\xda]"
        ),
        "compressed",
    ),
)
# Names that tell a zip archive's kind, the most specific first
MARKS: tuple[tuple[frozenset[str], Format], ...] = (
    (frozenset({"archive_format", "serialized_exported_program.json"}), "torch-export"),
    (frozenset({".data/extern_modules"}), "torch-package"),
    (frozenset({"constants.pkl", "code/"}), "torchscript"),
    (frozenset({"data.pkl"}), "torch-state"),
    (frozenset({"schema.json"}), "skops"),
)
PROTOCOL_0 = re.compile(rb"(c[\w.]+\n[\w.]+\n|\(l?p?d?[\dp]|\(c|ccopy_reg\n)")


def identify(data: bytes) -> Format:
    """The format of a whole file; ``unknown`` where nothing fits, and never an error."""
    if not data:
        return "empty"
    if is_zip(data):
        return _zip(data)
    head = data[:HEAD_BYTES]
    for pattern, kind in PATTERNS:
        if pattern.match(head):
            return kind
    if _safetensors(data):
        return "safetensors"
    return _pickle(data) or ("onnx" if onnx.is_onnx(data) else "unknown")


def _zip(data: bytes) -> Format:
    try:
        names = set(members(data))
    except AncileError:
        return "zip"
    # A torch archive lies in one folder of any name; below it the names are fixed.
    inner = {name.partition("/")[2] for name in names} | names
    inner |= {"code/" for name in inner if name.startswith("code/")}
    for marks, kind in MARKS:
        if marks & inner:
            return kind
    if {"config.json", "model.weights.h5"} <= names:
        return "keras"
    return "npz" if names and all(name.endswith(".npy") for name in names) else "zip"


def _safetensors(data: bytes) -> bool:
    """Eight bytes of length, then a JSON header of that length: huggingface/safetensors, "Format"."""
    size = int.from_bytes(data[:8], "little")
    return 2 <= size <= len(data) - 8 and data[8:9] == b"{" and data[8 : 8 + size].rstrip(b" ").endswith(b"}")


def _pickle(data: bytes) -> Format | None:
    head = data[:HEAD_BYTES]
    binary = head[:1] == b"\x80" and head[1:2] <= b"\x05"
    if not binary and not (PROTOCOL_0.match(head) and data.rstrip()[-1:] == b"."):
        return None
    if head[2:14] == TORCH_MAGIC:
        return "torch-legacy"
    return "joblib" if b"joblib.numpy_pickle" in head else "pickle"
