"""The user's own code: networks and functions answer from a child process as they would here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.models.model import GradientModel
from ancile.models.opener import OpenedModel, open_model
from ancile.models.request import ModelRequest
from ancile.models.torch_module import torch_model
from tests.models import foreign
from tests.shared import SHARED, needs_shared

X = foreign.images()
Here = Callable[..., OpenedModel]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    foreign.folder_with(tmp_path, net=foreign.NET, fun=foreign.PREDICT)

    def opened(
        reference: str, sample: NDArray[np.float32] = X, *, classes: int | None = None, **options: Any
    ) -> OpenedModel:
        wanted = ModelRequest(reference=reference, base=tmp_path, **options)
        return open_model(wanted, sample, classes=classes)

    return opened


def local(tmp_path: Path, name: str) -> torch.nn.Module:
    scope: dict[str, Callable[[], torch.nn.Module]] = {}
    exec(foreign.NET, scope)  # noqa: S102 - the same source, in this process
    return scope[name]()


def white(opened: OpenedModel) -> GradientModel:
    model = opened.model
    assert model.traits.access == "white-box"
    return model  # type: ignore[return-value]  # what its traits say


@pytest.mark.slow
@pytest.mark.parametrize("name", ["build", "double", "probabilities", "one_logit"])
def test_a_network_answers_from_the_child_as_it_does_here(here: Here, tmp_path: Path, name: str) -> None:
    """Scores, logits and gradients of any loss agree with the network in this process."""
    own = torch_model(local(tmp_path, name), probe=X[:, None])
    x = torch.from_numpy(X).to(own.dtype)
    y = torch.arange(len(X)) % own.traits.classes

    def loss(logits: torch.Tensor) -> torch.Tensor:
        return cross_entropy(logits, y, reduction="sum")

    with here(f"net.py:{name}") as opened:
        model = white(opened)
        assert (model.dtype, model.traits.classes) == (own.dtype, own.traits.classes)
        assert model.traits.output == own.traits.output
        np.testing.assert_allclose(model.scores(X), own.scores(X[:, None]), rtol=1e-5)
        torch.testing.assert_close(model.logits(x), own.logits(x[:, None]))
        found, wanted = model.gradient(x, loss), own.gradient(x[:, None], loss)
        torch.testing.assert_close(found.logits, wanted.logits)
        torch.testing.assert_close(found.gradient, wanted.gradient[:, 0])
        assert (model.usage.queries, model.usage.forwards, model.usage.backwards) == (12, 24, 12)


@pytest.mark.slow
def test_a_batch_of_many_messages_is_one_batch(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    with here("net.py:build") as opened:
        whole, logits = opened.model.scores(X), white(opened).logits(torch.from_numpy(X))
        monkeypatch.setattr("ancile.models.remote.BATCH_BYTES", 5 * X[0].nbytes)
        np.testing.assert_allclose(opened.model.scores(X), whole, rtol=1e-5)
        torch.testing.assert_close(white(opened).logits(torch.from_numpy(X)), logits)
        assert opened.model.scores(X[:0]).shape == (0, 4)


@pytest.mark.slow
def test_a_loss_that_raises_leaves_the_model_as_it_was(here: Here) -> None:
    with here("net.py:build") as opened:
        model, x = white(opened), torch.from_numpy(X)
        before = model.gradient(x, torch.sum)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                model.gradient(x, lambda _: 1 / 0)  # type: ignore[arg-type, return-value]  # it never returns
        torch.testing.assert_close(model.gradient(x, torch.sum), before)
        with pytest.raises(ZeroDivisionError):
            model.gradient(x, lambda _: 1 / 0)  # type: ignore[arg-type, return-value]  # it never returns
        assert model.scores(X).shape == (12, 4)


@pytest.mark.slow
def test_a_loss_that_ignores_the_logits_has_no_gradient(here: Here) -> None:
    with here("net.py:build") as opened:
        x = torch.from_numpy(X)
        for loss in (lambda _: torch.tensor(1.0), lambda _: torch.ones(1, requires_grad=True).sum()):
            assert not white(opened).gradient(x, loss).gradient.any()


@pytest.mark.slow
def test_a_cut_graph_gives_zeros_and_says_so(here: Here) -> None:
    with here("net.py:cut") as opened:
        model = white(opened)
        assert not model.gradient(torch.from_numpy(X), torch.sum).gradient.any()
        assert any("gradients are zeros" in note for note in model.traits.notes)


@pytest.mark.slow
def test_a_network_whose_backward_pass_fails_is_asked_for_scores(here: Here) -> None:
    with here("net.py:no_way_back", seconds=20) as opened:
        assert opened.model.traits.access == "scores"
        assert "no way back" in opened.model.traits.notes[-1]
        assert opened.model.scores(X).shape == (12, 4)


@pytest.mark.slow
def test_a_backward_pass_that_fails_later_is_told_at_once_and_the_model_goes_on(here: Here) -> None:
    with here("net.py:no_way_back_later", seconds=20) as opened:
        with pytest.raises(AncileError, match="backward pass fails"):
            white(opened).gradient(torch.from_numpy(X), torch.sum)
        assert opened.model.scores(X).shape == (12, 4)


@pytest.mark.slow
def test_weights_come_from_safetensors_or_a_state_dict_and_are_in_the_digest(
    here: Here, tmp_path: Path
) -> None:
    torch.manual_seed(9)
    tensors = {k: torch.randn_like(v) for k, v in local(tmp_path, "build").state_dict().items()}
    save_file(tensors, tmp_path / "w.safetensors")
    torch.save(tensors, tmp_path / "w.pt")
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in tensors.items()}}, tmp_path / "wrapped.pt"
    )
    torch.save(tensors, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    found: list[NDArray[np.float64]] = []
    for name in ("w.safetensors", "w.pt", "wrapped.pt", "old.pt"):
        with here("net.py:build", weights=name) as opened:
            found.append(opened.model.scores(X))
            assert opened.subject.parts[name] == digest_of((tmp_path / name).read_bytes())
            assert opened.subject.covers(digest_of(foreign.NET.encode()))
    for scores in found[1:]:
        np.testing.assert_array_equal(scores, found[0])
    with here("net.py:build") as opened:
        assert not np.allclose(opened.model.scores(X), found[0])


@pytest.mark.parametrize("name", ["net.py:build", "factory-args"])
def test_weights_that_are_named_like_another_part_are_refused(here: Here, tmp_path: Path, name: str) -> None:
    """Their digest would stand in the place of the code's, and any code would pass as what was judged."""
    (tmp_path / "w").mkdir()
    save_file(dict(local(tmp_path, "build").state_dict()), tmp_path / "w" / name)
    with pytest.raises(AncileError, match="named like another part"):
        here("net.py:build", weights=f"w/{name}", factory_args={"out": 6})


@pytest.mark.slow
def test_arguments_reach_the_factory_and_the_digest(here: Here) -> None:
    with here("net.py:build") as one, here("net.py:build", factory_args={"out": 6, "seed": 3}) as other:
        assert (one.model.traits.classes, other.model.traits.classes) == (4, 6)
        assert one.subject.digest != other.subject.digest


@pytest.mark.slow
def test_a_name_may_be_a_network_a_factory_or_a_function(here: Here) -> None:
    for name, kind in (("net.py:READY", "torch"), ("fun.py:scores", "callable"), ("fun.py:made", "callable")):
        with here(name) as opened:
            assert opened.model.traits.kind == kind


def test_a_function_of_scores_is_a_black_box_and_labels_are_known_as_such(here: Here) -> None:
    with here("fun.py:scores") as opened:
        assert (opened.model.traits.access, opened.model.traits.output) == ("scores", "logits")
        np.testing.assert_allclose(opened.model.scores(X)[:, 2], 3 * X.reshape(12, -1)[:, 2], rtol=1e-6)
        assert opened.model.usage.queries == 12
    with here("fun.py:labels", classes=3) as opened:
        assert (opened.model.traits.access, opened.model.traits.output) == ("labels", "labels")
        assert set(np.unique(opened.model.scores(X))) == {0.0, 1.0}
    with here("fun.py:one_probability") as opened:
        assert (opened.model.traits.output, opened.model.traits.classes) == ("probabilities", 2)
        np.testing.assert_allclose(opened.model.scores(X).sum(axis=1), 1)


def test_an_estimator_with_labels_of_its_own_answers_by_their_order(here: Here) -> None:
    with here("fun.py:estimator") as opened:
        assert (opened.model.traits.kind, opened.model.traits.classes) == ("sklearn", 3)
        assert any("[3, 7, 9]" in note for note in opened.model.traits.notes)


@pytest.mark.parametrize(
    ("reference", "options", "words"),
    [
        ("net.py:nothing", {}, "no such name"),
        pytest.param("net.py:NUMBER", {}, "is no model", marks=pytest.mark.slow),
        ("absent.py:build", {}, "no such model"),
        ("no.such.module:build", {}, "no such module"),
        ("net.py", {}, "no model that can be opened"),
        pytest.param(
            "net.py:build",
            {"factory_args": {"width": 3}},
            "does not take these arguments",
            marks=pytest.mark.slow,
        ),
        pytest.param("net.py:needs", {}, "fails on samples", marks=pytest.mark.slow),
        ("net.py:build", {"weights": "net.py"}, "weights are of no known kind"),
        ("net.py:build", {"weights": "absent"}, "no such weights"),
        ("fun.py:scores", {"weights": "w.safetensors"}, "weights are for a PyTorch module"),
        pytest.param(
            "net.py:build",
            {"classes": 10},
            "fewer classes .*4 in the model, 10 in the data",
            marks=pytest.mark.slow,
        ),
        pytest.param("net.py:build", {"output": "labels"}, "answers with scores", marks=pytest.mark.slow),
        pytest.param(
            "net.py:build",
            {"sample": X[:, :5]},
            "does not take samples like .*first layer, Conv2d, takes 1 channels",
            marks=pytest.mark.slow,
        ),
        ("fun.py:words", {}, "words that are no classes of the data"),
        ("fun.py:nothing", {}, "does not answer with numbers"),
        ("fun.py:short", {}, "one row of scores"),
    ],
)
def test_what_cannot_be_opened_ends_in_one_error(
    here: Here, tmp_path: Path, reference: str, options: dict[str, object], words: str
) -> None:
    save_file({"other": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(AncileError, match=words) as caught:
        here(reference, **options)
    assert caught.value.remedy


@pytest.mark.slow
def test_weights_of_another_network_are_refused(here: Here, tmp_path: Path) -> None:
    save_file({"other": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(AncileError, match="do not fit") as caught:
        here("net.py:build", weights="w.safetensors")
    assert caught.value.value == (
        "the network wants body.0.weight, body.0.bias, body.3.weight and 1 more; the file has other"
    )
    right = {k: torch.zeros(v.shape) for k, v in local(tmp_path, "build").state_dict().items()}
    save_file(right | {"body.3.bias": torch.zeros(7)}, tmp_path / "w.safetensors")
    with pytest.raises(AncileError, match=r"of another shape: body.3.bias \(7,\) for \(4,\)"):
        here("net.py:build", weights="w.safetensors")


def test_a_function_that_changes_its_columns_is_an_error_not_a_figure(here: Here) -> None:
    with here("fun.py:grows") as opened, pytest.raises(AncileError, match="changed its number"):
        opened.model.scores(X)


def test_scores_that_are_not_finite_are_passed_on(here: Here) -> None:
    with here("fun.py:not_finite") as opened:
        assert np.isnan(opened.model.scores(X)).all()


def test_files_that_the_code_reads_and_the_digest_does_not_cover_are_named(
    here: Here, tmp_path: Path
) -> None:
    """A neighbour that is imported is covered, one that is never opened is not spoken of."""
    (tmp_path / "part.py").write_text("WIDTH = 2")
    (tmp_path / "called.py").write_text("DEPTH = 2")
    (tmp_path / "train.py").write_text("raise SystemExit")
    (tmp_path / "table.txt").write_text("1 2 3")
    (tmp_path / "uses.py").write_text(
        "import numpy as np\nfrom pathlib import Path\nfrom part import WIDTH\n__import__('called')\n"
        "TABLE = (Path(__file__).parent / 'table.txt').read_text()\n"
        "def predict(x): return np.zeros((len(x), WIDTH))"
    )
    with here("uses.py:predict") as opened:
        found = {finding.check: finding.detail for finding in opened.findings}
    told = found["model-code-not-covered"]
    assert [name in told for name in ("called.py", "table.txt", "part.py", "train.py")] == [1, 1, 0, 0]
    assert "uses.py:predict" in found["model-runs-code"]


def test_words_are_labels_by_the_names_of_the_datas_classes(here: Here, tmp_path: Path) -> None:
    with here("fun.py:labels", classes=3) as opened:
        wanted = opened.model.scores(X)
    request = ModelRequest(reference="fun.py:spoken", base=tmp_path)
    with open_model(request, X, classes=3, names=("ant", "bee", "cat")) as opened:
        assert (opened.model.traits.access, opened.model.traits.classes) == ("labels", 3)
        np.testing.assert_array_equal(opened.model.scores(X), wanted)


def test_normalisation_happens_inside(here: Here) -> None:
    with here("fun.py:scores", mean=(0.5,), std=(0.25,)) as opened:
        wanted = (X.reshape(12, -1)[:, 0] - 0.5) / 0.25
        np.testing.assert_allclose(opened.model.scores(X)[:, 0], wanted, rtol=1e-5)


@needs_shared
@pytest.mark.slow
def test_a_real_network_reaches_its_published_accuracy() -> None:
    """fast_at: 98.5 % of the clean MNIST test images, as its card says."""
    assert SHARED is not None
    folder = SHARED / "data" / "models" / "mnist_linf"
    with np.load(next((SHARED / "data").rglob("mnist*.npz"))) as file:
        x, y = file["x_test"][:1000].astype(np.float32), file["y_test"][:1000]
    x = x / 255 if x.max() > 1 else x
    x = x.reshape(-1, 28, 28)
    wanted = ModelRequest(
        reference=str(folder / "model.py:build"),
        weights=folder / "fast_at.safetensors",
        factory_args={"name": "fast_at"},
    )
    with open_model(wanted, x[:8], classes=10) as opened:
        assert (opened.model.scores(x).argmax(axis=1) == y).mean() > 0.97


@pytest.mark.slow
def test_a_mean_of_another_length_is_told_as_that_not_as_a_shape_of_the_network(here: Here) -> None:
    with pytest.raises(AncileError, match="the mean does not fit the samples: 7 numbers") as caught:
        here("net.py:build", mean=(0.5,) * 7)
    assert "channel or feature" in caught.value.remedy
    with pytest.raises(AncileError, match="the std does not fit the samples: 7 numbers"):
        here("fun.py:scores", std=(0.5,) * 7)
