"""What a file is, is told by its bytes: every format by files of its own library."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zlib
from pathlib import Path

import joblib  # type: ignore[import-untyped]  # it has none
import lightgbm
import numpy as np
import pytest
import skops.io
import torch
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from sklearn.linear_model import LogisticRegression

from ancile.formats.identify import Format, identify
from tests.formats.test_zips import archive
from tests.models import files


def saved(thing: object, *, new: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer, _use_new_zipfile_serialization=new)
    return buffer.getvalue()


def joblibbed(thing: object) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(thing, buffer)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        made.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


def arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros(3))
    return buffer.getvalue()


X, Y = files.digits(40)
TREES = xgboost.XGBClassifier(n_estimators=1).fit(X, Y % 2).get_booster()
LINEAR = LogisticRegression().fit(X, Y)
KNOWN: dict[str, tuple[Format, bytes]] = {
    "export": ("torch-export", files.exported()),
    "older export": ("torch-export", archive(("serialized_exported_program.json", b"{}"))),
    "script": ("torchscript", files.scripted()),
    "state": ("torch-state", saved({"a": torch.zeros(1)})),
    "legacy": ("torch-legacy", saved({"a": torch.zeros(1)}, new=False)),
    "package": ("torch-package", archive(("p/.data/extern_modules", b""), ("p/data.pkl", b""))),
    "skops": ("skops", skops.io.dumps(LINEAR)),
    "npz": ("npz", arrays()),
    "keras": ("keras", archive(("config.json", b"{}"), ("model.weights.h5", b""))),
    "zip": ("zip", archive(("a", b""))),
    "damaged zip": ("zip", b"PK\x03\x04" + bytes(30)),
    "npy": ("npy", b"\x93NUMPY\x01\x00"),
    **{f"pickle {p}": ("pickle", pickle.dumps(LINEAR, protocol=p)) for p in range(6)},
    "joblib": ("joblib", joblibbed(LINEAR)),
    "onnx": ("onnx", files.onnx_linear(np.ones((64, 2), dtype=np.float32))),
    "safetensors": ("safetensors", save({"a": torch.zeros(1)})),
    "xgboost json": ("xgboost-json", bytes(TREES.save_raw("json"))),
    "xgboost ubj": ("xgboost-ubj", bytes(TREES.save_raw("ubj"))),
    "lightgbm": (
        "lightgbm",
        lightgbm.train({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(X, Y % 2), 1)
        .model_to_string()
        .encode(),
    ),
    "hdf5": ("hdf5", b"\x89HDF\r\n\x1a\n"),
    "gguf": ("gguf", b"GGUF\x03"),
    "tar": ("tar", tarred()),
    "gzip": ("compressed", gzip.compress(b"a")),
    "zlib": ("compressed", zlib.compress(b"a")),
    "empty": ("empty", b""),
    "text": ("unknown", b"def factory(): ..."),
    "noise": ("unknown", bytes(range(200, 256)) * 9),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_file_is_known_by_what_is_in_it(name: str) -> None:
    wanted, data = KNOWN[name]
    assert identify(data) == wanted


@given(
    st.binary(max_size=400) | st.sampled_from([d for _, d in KNOWN.values()]).map(lambda d: d[: len(d) // 2])
)
def test_any_bytes_are_identified_without_an_error(data: bytes) -> None:
    identify(data)


def test_a_name_is_never_asked(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(pickle.dumps(1))
    assert identify(path.read_bytes()) == "pickle"
