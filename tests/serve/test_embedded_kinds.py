"""Models of other kinds in this process answer what their own libraries answer, and say what they take."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ancile.core.errors import AncileError
from ancile.serve.backend import Outcome
from ancile.serve.embedded import Embedded
from ancile.serve.inference import Infer, Wanted
from ancile.serve.refusal import Refused
from ancile.serve.signature import Signature
from ancile.serve.tensors import Tensor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)  # three classes


def answered(
    path: Path, x: NDArray[Any], *, reference: str | None = None, wanted: str = ""
) -> tuple[Signature, Outcome]:
    """What the model says of itself, and its answer."""

    async def whole() -> tuple[Signature, Outcome]:
        model = Embedded(path, loop=asyncio.get_running_loop(), reference=reference)
        (signature,) = model.signatures.values()
        given = Tensor(signature.inputs[0].name, signature.inputs[0].datatype, x)
        found: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        outputs = (Wanted(wanted, binary=False),) if wanted else ()
        model.ask(Infer(None, (given,), outputs, binary=False), signature, found.set_result)
        outcome = await asyncio.wait_for(found, 20)
        model.close()
        return signature, outcome

    return asyncio.run(whole())


def only(outcome: Outcome) -> NDArray[Any]:
    assert not isinstance(outcome, Refused), outcome
    (tensor,) = outcome
    return tensor.array


def shapes(signature: Signature) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(one.name, one.datatype, one.shape) for one in (*signature.inputs, *signature.outputs)]


def test_a_scikit_learn_pipeline_answers_with_its_probabilities(tmp_path: Path) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    pipeline = pytest.importorskip("sklearn.pipeline")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    skops = pytest.importorskip("skops.io")
    fitted = pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
    fitted.fit(X, Y)
    (tmp_path / "people.skops").write_bytes(skops.dumps(fitted))
    signature, outcome = answered(tmp_path / "people.skops", X[:7])
    assert signature.platform == "sklearn_skops"
    assert shapes(signature) == [("x", "FP64", (-1, 4)), ("probabilities", "FP64", (-1, 3))]
    assert np.array_equal(only(outcome), fitted.predict_proba(X[:7]))
    _, other = answered(tmp_path / "people.skops", X[:1], wanted="scores")
    assert isinstance(other, Refused)
    assert other.status == 400


def test_a_scikit_learn_classifier_without_scores_answers_with_labels(tmp_path: Path) -> None:
    ensemble, trees = pytest.importorskip("sklearn.ensemble"), pytest.importorskip("sklearn.tree")
    skops = pytest.importorskip("skops.io")
    voters = [(str(depth), trees.DecisionTreeClassifier(max_depth=depth)) for depth in (1, 2)]
    fitted = ensemble.VotingClassifier(voters, voting="hard").fit(X, Y)
    (tmp_path / "votes.skops").write_bytes(skops.dumps(fitted))
    signature, outcome = answered(tmp_path / "votes.skops", X)
    assert shapes(signature) == [("x", "FP64", (-1, 4)), ("label", "INT64", (-1,))]
    assert np.array_equal(only(outcome), fitted.predict(X))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("form", ["json", "ubj"])
def test_xgboost_answers_with_probabilities(tmp_path: Path, classes: int, form: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    objective = {"objective": "binary:logistic"}
    if classes > 2:
        objective = {"objective": "multi:softprob", "num_class": "3"}
    labels = np.minimum(Y, classes - 1)
    fitted = xgboost.train(objective | {"nthread": "1"}, xgboost.DMatrix(X, labels), 5)
    (tmp_path / f"trees.{form}").write_bytes(bytes(fitted.save_raw(form)))
    signature, outcome = answered(tmp_path / f"trees.{form}", X[:9].astype(np.float32))
    assert shapes(signature) == [("x", "FP32", (-1, 4)), ("probabilities", "FP32", (-1, classes))]
    wanted = fitted.predict(xgboost.DMatrix(X[:9]))
    got = only(outcome)
    assert np.allclose(got if classes > 2 else got[:, 1], wanted, atol=1e-6)


def test_lightgbm_answers_with_probabilities(tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    told = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 2}
    fitted = lightgbm.train(told, lightgbm.Dataset(X, Y), 5)
    (tmp_path / "trees.txt").write_text(fitted.model_to_string(), "utf-8")
    signature, outcome = answered(tmp_path / "trees.txt", X[:9])
    assert shapes(signature) == [("x", "FP64", (-1, 4)), ("probabilities", "FP64", (-1, 3))]
    assert np.allclose(only(outcome), fitted.predict(X[:9]))


@pytest.mark.slow
@pytest.mark.parametrize("rows", [None, 2])
def test_a_torch_export_program_answers_with_its_logits(tmp_path: Path, rows: int | None) -> None:
    """Also where it was exported for a fixed number of samples at a time."""
    torch = pytest.importorskip("torch")
    files = pytest.importorskip("tests.models.files")
    net = files.network()
    (tmp_path / "pictures.pt2").write_bytes(files.exported(net, rows=rows))
    x = RNG.normal(size=(5, 1, 8, 8)).astype(np.float32)
    signature, outcome = answered(tmp_path / "pictures.pt2", x)
    assert signature.platform == "pytorch_export"
    assert shapes(signature) == [("x", "FP32", (-1, 1, 8, 8)), ("logits", "FP32", (-1, 4))]
    with torch.no_grad():
        assert np.allclose(only(outcome), net(torch.from_numpy(x)).numpy(), atol=1e-5)


@pytest.mark.slow
def test_an_axis_that_the_file_leaves_open_is_any_and_the_reference_shows_one(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(2, 3)
    ).eval()
    any_of = {0: torch.export.Dim("n", max=1000), 2: torch.export.Dim("h", min=4, max=500)}
    program = torch.export.export(net, (torch.zeros(2, 1, 8, 8),), dynamic_shapes=(any_of,))
    torch.export.save(program, str(tmp_path / "open.pt2"))
    np.savez(tmp_path / "seen.npz", x=RNG.normal(size=(20, 1, 8, 8)).astype("f4"), y=np.arange(20) % 3)
    x = RNG.normal(size=(3, 1, 12, 8)).astype(np.float32)
    signature, outcome = answered(tmp_path / "open.pt2", x, reference=str(tmp_path / "seen.npz"))
    assert signature.inputs[0].shape == (-1, 1, -1, 8)
    with torch.no_grad():
        assert np.allclose(only(outcome), net(torch.from_numpy(x)).numpy(), atol=1e-5)
    with pytest.raises(AncileError, match="does not say which samples it takes"):
        answered(tmp_path / "open.pt2", x)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weights": [1.0]}))


def data(path: Path) -> None:
    np.savez(path, x=X)


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("print('hello')", "utf-8")


@pytest.mark.parametrize("make", [pickled, data, nothing, text])
def test_what_runs_code_or_is_no_model_is_refused_whatever_it_is_called(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "model.npz")
    for name in ("model.onnx", "model.pt2", "model.skops"):
        (tmp_path / name).write_bytes((tmp_path / "model.npz").read_bytes())
        with pytest.raises(AncileError, match="of this kind is not served") as told:
            answered(tmp_path / name, X)
        assert "opening these runs no code" in told.value.remedy


def test_a_regressor_is_refused_in_one_line(tmp_path: Path) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    skops = pytest.importorskip("skops.io")
    (tmp_path / "line.skops").write_bytes(skops.dumps(linear_model.LinearRegression().fit(X, X[:, 0])))
    with pytest.raises(AncileError, match="no classifier"):
        answered(tmp_path / "line.skops", X)


def test_an_input_that_the_model_fails_on_is_told_without_its_words(tmp_path: Path) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    skops = pytest.importorskip("skops.io")
    (tmp_path / "a.skops").write_bytes(skops.dumps(linear_model.LogisticRegression().fit(X, Y)))
    _, outcome = answered(tmp_path / "a.skops", X[:, :3])
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.why) == (500, "the model fails on this input")
