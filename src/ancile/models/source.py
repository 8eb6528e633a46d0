"""A model's file or its weights, read once."""

from __future__ import annotations

from pathlib import Path

from ancile.formats.source import Source, Wanted
from ancile.formats.source import read_once as read_file_once

LIMIT_BYTES = 8 << 30  # of a model or its weights; larger ones are no classifiers yet
MODEL = Wanted(
    what="model",
    missing="give a file (.pt2, .onnx, .skops, XGBoost, LightGBM), FILE.py:factory, "
    "package.module:factory or an http(s) URL",
    not_a_file="give the path of a regular file",
    limit_bytes=LIMIT_BYTES,
    too_large=f"at most {LIMIT_BYTES} bytes are read",
)
WEIGHTS = MODEL._replace(
    what="weights", missing="give a .safetensors file, or a state dict that torch.save wrote"
)


def read_once(path: Path, wanted: Wanted = MODEL) -> Source:
    """The file's bytes as ``formats.source`` reads them."""
    return read_file_once(path, wanted)
