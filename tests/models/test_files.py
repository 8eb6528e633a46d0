"""Model files of each kind answer from a child process as their own library does here."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]  # it has none
import lightgbm
import numpy as np
import pytest
import skops.io
import torch
import xgboost
from numpy.typing import NDArray
from safetensors.torch import save_file
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.models.opener import OpenedModel, open_model
from ancile.models.request import ModelRequest
from tests.models import files
from tests.models.foreign import images

X = images()
Put = Callable[[str, bytes], Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def written(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return written


def opened(
    path: Path | str, sample: NDArray[np.float32] = X, *, classes: int | None = None, **options: Any
) -> OpenedModel:
    return open_model(ModelRequest(reference=str(path), **options), sample, classes=classes)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [None, 5])
def test_an_exported_program_has_its_network_s_scores_and_gradients(put: Put, rows: int | None) -> None:
    net, path = files.network(), put("any name", files.exported(rows=rows))
    x = torch.from_numpy(X)[:, None].requires_grad_()
    wanted = net(x)
    (gradient,) = torch.autograd.grad(wanted[:, 1].sum(), x)
    with opened(path) as one:
        assert (one.model.traits.kind, one.model.traits.access) == ("torch-export", "white-box")
        assert one.subject.digest == digest_of(path.read_bytes())
        np.testing.assert_allclose(one.model.scores(X), wanted.detach().numpy(), atol=1e-5)
        found = one.model.gradient(torch.from_numpy(X), lambda logits: logits[:, 1].sum())  # type: ignore[union-attr]
        torch.testing.assert_close(found.gradient, gradient[:, 0])
        assert any("5 samples at a time" in note for note in one.model.traits.notes) == (rows is not None)
        assert not any("train mode" in note for note in one.model.traits.notes)


@pytest.mark.slow
def test_a_program_exported_in_training_mode_is_refused_with_the_cause(put: Put) -> None:
    with pytest.raises(AncileError, match="exported in training mode") as caught:
        opened(put("m.pt2", files.exported(files.network().train())))
    assert "dropout" in caught.value.value
    assert ".eval()" in caught.value.remedy


@pytest.mark.slow
def test_samples_of_another_shape_are_told_beside_those_that_it_takes(put: Put) -> None:
    with pytest.raises(AncileError, match="does not take samples like") as caught:
        opened(put("m.pt2", files.exported()), X[:, :5])
    assert caught.value.value.startswith(
        "(5, 8), 40 values a sample; it was exported for samples of shape (1, 8, 8)"
    )
    assert "re-export" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("rows", ["n", 5, 1])
def test_an_onnx_model_is_a_black_box_with_its_own_scores(put: Put, rows: int | str) -> None:
    weights = np.random.default_rng(1).normal(size=(64, 3)).astype(np.float32)
    with opened(put("model", files.onnx_linear(weights, rows=rows))) as one:
        assert (one.model.traits.kind, one.model.traits.access, one.model.traits.classes) == (
            "onnx",
            "scores",
            3,
        )
        np.testing.assert_allclose(one.model.scores(X), X.reshape(12, 64) @ weights, rtol=1e-4)


def test_an_onnx_model_with_a_single_logit_has_two_classes(put: Put) -> None:
    weights = np.ones((64, 1), dtype=np.float32)
    with opened(put("model.onnx", files.onnx_linear(weights))) as one:
        found = one.model.scores(X)
        assert not found[:, 0].any()
        np.testing.assert_allclose(found[:, 1], X.reshape(12, 64).sum(axis=1), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(5, random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression()),
        HistGradientBoostingClassifier(max_iter=3),
        SVC(),
    ],
    ids=["forest", "pipeline", "boosting", "svc"],
)
def test_an_estimator_from_skops_answers_as_it_does_here(put: Put, estimator: RandomForestClassifier) -> None:
    x, y = files.digits()
    estimator.fit(x, y)
    ask = getattr(estimator, "predict_proba", None) or estimator.decision_function
    with opened(put("m.skops", skops.io.dumps(estimator)), x, classes=10) as one:
        assert (one.model.traits.kind, one.model.traits.access) == ("sklearn", "scores")
        np.testing.assert_allclose(one.model.scores(x), ask(x), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_skops_types_that_are_not_trusted_are_named(put: Put) -> None:
    x, y = files.digits(50)
    hidden = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    hidden.steps.append(("foreign", xgboost.XGBClassifier()))
    with pytest.raises(AncileError, match="not trusted") as caught:
        opened(put("m.skops", skops.io.dumps(hidden)), x)
    assert "xgboost" in caught.value.value


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["json", "ubj"])
@pytest.mark.parametrize("classes", [2, 10])
def test_xgboost_answers_with_its_margins(put: Put, tmp_path: Path, kind: str, classes: int) -> None:
    x, y = files.digits(300)
    booster = xgboost.XGBClassifier(n_estimators=3, max_depth=2).fit(x, y % classes)
    booster.save_model(tmp_path / f"m.{kind}")
    margins = booster.predict(x, output_margin=True)
    with opened(tmp_path / f"m.{kind}", x, classes=classes) as one:
        assert (one.model.traits.kind, one.model.traits.classes) == ("xgboost", classes)
        found = one.model.scores(x)
        np.testing.assert_allclose(found[:, -1] if classes == 2 else found, margins, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 10])
def test_lightgbm_answers_with_its_raw_scores(put: Put, classes: int) -> None:
    x, y = files.digits(300)
    task = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": 10}
    booster = lightgbm.train(task | {"verbosity": -1}, lightgbm.Dataset(x, y % classes), 3)
    raw = booster.predict(x, raw_score=True)
    with opened(put("m", booster.model_to_string().encode()), x, classes=classes) as one:
        found = one.model.scores(x)
        np.testing.assert_allclose(found[:, -1] if classes == 2 else found, raw, rtol=1e-5)


@pytest.mark.slow
def test_regressors_are_no_classifiers(put: Put, tmp_path: Path) -> None:
    x, y = files.digits(60)
    xgboost.XGBRegressor(n_estimators=2).fit(x, y).save_model(tmp_path / "r.json")
    light = lightgbm.train({"objective": "regression", "verbosity": -1}, lightgbm.Dataset(x, y), 2)
    linear = skops.io.dumps(LinearRegression().fit(x, y))
    for path in (tmp_path / "r.json", put("r.txt", light.model_to_string().encode()), put("r.skops", linear)):
        with pytest.raises(AncileError, match="no classifier"):
            opened(path, x)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["m.pkl", "m.joblib", "m.pt", "old.pt", "script.pt"])
def test_a_file_that_is_a_program_is_opened_on_its_flag_alone(put: Put, tmp_path: Path, name: str) -> None:
    x, y = files.digits(100)
    estimator = LogisticRegression().fit(x, y)
    path, old = tmp_path / name, name == "old.pt"
    if name == "m.pkl":
        path.write_bytes(pickle.dumps(estimator))
    elif name == "m.joblib":
        joblib.dump(estimator, path)
    elif name == "script.pt":
        path.write_bytes(files.scripted())
    else:
        torch.save(files.network(), path, _use_new_zipfile_serialization=not old)
    with pytest.raises(AncileError) as caught:
        opened(path, x.reshape(-1, 8, 8))
    for way in ("torch.export", "safetensors", "ONNX", "skops"):
        assert way in caught.value.remedy
    sample = x if name in ("m.pkl", "m.joblib") else x.reshape(-1, 8, 8)
    with opened(path, sample, trust_pickle=True, trust_torchscript=True) as one:
        assert one.model.traits.classes in (4, 10)
        assert "model-trusted-pickle" in [finding.check for finding in one.findings]


def test_a_hostile_pickle_is_refused_and_nothing_runs(put: Put, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for name, data in (
        ("a.pkl", pickle.dumps(files.Reduced(trace))),
        ("b.pkl", pickle.dumps(files.Reduced(trace), protocol=0)),
        ("c.pt", files.hostile(trace)),
    ):
        with pytest.raises(AncileError):
            opened(put(name, data))
    assert not trace.exists()


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True])
def test_a_state_dict_that_would_run_code_is_refused_and_nothing_runs(
    put: Put, tmp_path: Path, old: bool
) -> None:
    trace, path = tmp_path / "trace", tmp_path / "w.pt"
    torch.save({"w": torch.zeros(3), "x": files.Reduced(trace)}, path, _use_new_zipfile_serialization=not old)
    put("net.py", b"import torch\ndef build(): return torch.nn.Linear(8, 2)")
    with pytest.raises(AncileError, match=r"would run code|no plain state dict"):
        opened("net.py:build", X[:, 0], weights=path, base=tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("empty", b"", "is empty"),
        ("noise", os.urandom(500), "no known kind"),
        ("m.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "Keras"),
        ("m.gguf", b"GGUF" + bytes(100), "language models"),
        ("m.npy", b"\x93NUMPY\x01\x00", "holds data"),
        ("m.gz", b"\x1f\x8b\x08" + bytes(50), "compressed"),
        pytest.param("cut.json", b'{"learner": {', "XGBoost cannot load", marks=pytest.mark.slow),
        ("cut.txt", b"tree\nversion=v4\nobjective=binary sigmoid:1\n", "LightGBM file is damaged"),
        (
            "odd.txt",
            b"tree\nobjective=binary sigmoid:1\n\nend of trees\n",
            "LightGBM cannot load|no known kind",
        ),
        ("cut.onnx", b"\x08\x08:\xff\x01abc", "damaged, or of another kind than its name"),
        ("cut.pt2", b"PK\x03\x04" + bytes(60), "damaged, or of another kind than its name"),
        ("other.txt", b"tree\nversion=v4\n", "no classifier"),
        pytest.param("latin.txt", b"tree\nversion=v4\n\xff", "no text", marks=pytest.mark.slow),
    ],
)
def test_a_file_that_is_no_model_is_refused_by_name(put: Put, name: str, data: bytes, words: str) -> None:
    with pytest.raises(AncileError, match=words) as caught:
        opened(put(name, data), files.digits(10)[0])
    assert caught.value.remedy


def test_data_of_another_shape_is_refused_with_both_shapes(put: Put) -> None:
    path = put("m.onnx", files.onnx_linear(np.ones((64, 3), dtype=np.float32)))
    with pytest.raises(AncileError, match=r"\(1, 8, 8\).*\(5,\)"):
        opened(path, X[:, 0, :5])


@pytest.mark.parametrize("kind", ["fifo", "folder", "loop", "device", "absent", "large"])
def test_what_is_no_regular_file_is_refused_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(1 << 43)
    with pytest.raises(AncileError) as caught:
        opened(path)
    assert caught.value.remedy


def test_a_file_that_changes_while_it_is_read_is_an_error(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = put("m.onnx", bytes(100)), os.fstat
    asked: list[int] = []

    def growing(descriptor: int) -> os.stat_result:
        if asked:
            path.write_bytes(bytes(200))
        asked.append(descriptor)
        return real(descriptor)

    monkeypatch.setattr(os, "fstat", growing)
    with pytest.raises(AncileError, match="changed while"):
        opened(path)


def test_weights_alone_are_no_model(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pt")
    for name in ("w.safetensors", "w.pt"):
        with pytest.raises(AncileError, match="holds weights, and no network") as caught:
            opened(tmp_path / name)
        assert f"FILE.py:factory --weights {name}" in caught.value.remedy
    with pytest.raises(AncileError, match="are for code"):
        opened(tmp_path / "w.safetensors", weights=tmp_path / "w.safetensors")


def test_a_pickled_network_is_told_from_weights_by_what_it_would_call(put: Put) -> None:
    with pytest.raises(AncileError, match="more than weights") as caught:
        opened(put("whole.pt", files.saved(files.network())))
    assert "torch.nn.modules.container.Sequential" in caught.value.value
    assert "--trust-pickle" in caught.value.remedy


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_model_of_trees_that_was_cut_off_is_said_to_be_damaged(put: Put, share: float) -> None:
    """Whatever its native library does: raise with the paths of its build, or end the process."""
    x, y = files.digits(100)
    quiet = {"objective": "binary", "verbosity": -1}
    light = lightgbm.train(quiet, lightgbm.Dataset(x, y % 2), 3).model_to_string().encode()
    boosted = xgboost.XGBClassifier(n_estimators=3).fit(x, y % 2).get_booster()
    wholes = {
        "a.txt": light,
        "b.json": bytes(boosted.save_raw("json")),
        "c.ubj": bytes(boosted.save_raw("ubj")),
    }
    for name, data in wholes.items():
        with pytest.raises(AncileError, match="damaged") as caught:
            opened(put(name, data[: int(share * len(data))]), x)
        assert not any(word in str(caught.value) for word in ("Stack trace", ".cc", "run the model's code"))


@pytest.mark.slow
def test_a_library_that_ends_its_process_on_a_file_blames_the_file(put: Put) -> None:
    """Trees whose sizes are a lie: LightGBM's parser is native code."""
    data = b"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=63\n"
    data += b"objective=binary sigmoid:1\nfeature_names=a\nfeature_infos=b\ntree_sizes=99999999\n\nTree=0\n\nend of trees\n"
    with pytest.raises(AncileError) as caught:
        opened(put("m.txt", data), files.digits(10)[0])
    assert "by itself" not in caught.value.remedy


@pytest.mark.slow
def test_an_estimator_without_classes_is_no_classifier(put: Put) -> None:
    x, y = files.digits(20)
    with pytest.raises(AncileError, match="no classifier"):
        opened(put("d.skops", skops.io.dumps(DummyRegressor().fit(x, y))), x)
