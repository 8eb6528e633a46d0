"""Models as their libraries write them are never blocked: every estimator, booster, dtype and optimiser there is."""

from __future__ import annotations

import inspect
import io
import os
import pickle
import subprocess
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

import joblib
import lightgbm
import numpy as np
import torch
import xgboost
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import all_estimators
from torch import nn

from ancile.core.report import Verdict
from ancile.scan.examine import examine_part
from ancile.scan.files import find_files, scan_file
from ancile.scan.part import Part
from bar import Bar
from environments import HERE, environment
from scan_corpus import CLEAN, lists, no_names, share

SHOWN = 8
WHOLE = "torch, whole layers"
rng = np.random.default_rng(0)
X, Y = np.abs(rng.normal(size=(24, 4))), np.arange(24) % 2
TEXTS = [f"word{n % 5} other{n % 3}" for n in range(24)]
# What an estimator may want to be fitted with, tried in turn
SAMPLES: tuple[tuple[Any, ...], ...] = (
    (X, Y),
    (X, np.column_stack([Y, 1 - Y])),
    (X[:, 0], Y.astype(float)),
    (TEXTS, Y),
    ([{"a": 1.0, "b": text} for text in TEXTS], Y),
    (X,),
    (X @ X.T,),
)
# What the required parameters of those that are made of others are
CLASSIFIERS = [("a", LogisticRegression()), ("b", LogisticRegression(C=0.5))]
PARTS: dict[str, tuple[Any, ...]] = {
    "estimator": (LogisticRegression(), Ridge()),
    "estimators": (CLASSIFIERS, [("a", Ridge()), ("b", Ridge(alpha=2.0))]),
    "steps": (CLASSIFIERS[:1],),
    "transformer_list": ([("a", "passthrough")],),
    "transformers": ([("a", "passthrough", [0, 1])],),
    "param_grid": ({"fit_intercept": [True]},),
    "param_distributions": ({"fit_intercept": [True]},),
    "dictionary": (np.eye(4),),
}


class File(NamedTuple):
    """What a library wrote."""

    kind: str
    name: str
    data: bytes


def pickled(kind: str, name: str, held: object) -> Iterator[File]:
    """By pickle in each protocol that is in use, and by joblib as it is and compressed."""
    for protocol in (2, 4, 5):
        with suppress(pickle.PicklingError, TypeError, AttributeError):  # some hold what no pickle does
            yield File(kind, f"{name}, protocol {protocol}", pickle.dumps(held, protocol))
    for compress in (0, 3):
        out = io.BytesIO()
        with suppress(pickle.PicklingError, TypeError, AttributeError):
            joblib.dump(held, out, compress=compress)
            yield File(kind, f"{name}, joblib {compress}", out.getvalue())


def _made(cls: type) -> Iterator[Any]:
    wanted = [
        name
        for name, one in inspect.signature(cls).parameters.items()
        if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
    ]
    for turn in range(2):
        with suppress(KeyError):
            yield cls(**{name: PARTS[name][turn % len(PARTS[name])] for name in wanted})


def fitted(cls: type) -> Any:
    """An estimator that has seen data; None where none of the samples suits it."""
    for one in _made(cls):
        for sample in SAMPLES:
            with suppress(Exception):
                return one.fit(*sample)
    return None


def sklearn_files() -> Iterator[File]:
    """Every estimator of scikit-learn."""
    for name, cls in all_estimators():
        held = fitted(cls)
        if held is not None:
            yield from pickled("scikit-learn", name, held)


def booster_files() -> Iterator[File]:
    """XGBoost and LightGBM, in their own formats and pickled."""
    for cls in (xgboost.XGBClassifier, xgboost.XGBRegressor, xgboost.XGBRFClassifier, xgboost.XGBRFRegressor):
        for booster in ("gbtree", "gblinear", "dart"):
            with suppress(Exception):
                held = cls(n_estimators=3, booster=booster).fit(X, Y)
                yield from pickled("xgboost", f"{cls.__name__} {booster}", held)
                yield from pickled("xgboost", f"Booster of {cls.__name__} {booster}", held.get_booster())
                for kind in ("json", "ubj"):
                    yield File(
                        "xgboost",
                        f"{cls.__name__} {booster}.{kind}",
                        bytes(held.get_booster().save_raw(kind)),
                    )
    yield from pickled(
        "xgboost", "XGBRanker", xgboost.XGBRanker(n_estimators=3).fit(X, Y, qid=np.arange(24) // 8)
    )
    for cls in (lightgbm.LGBMClassifier, lightgbm.LGBMRegressor):
        for boosting in ("gbdt", "dart", "rf"):
            options = {"bagging_freq": 1, "bagging_fraction": 0.5} if boosting == "rf" else {}
            held = cls(
                n_estimators=3, boosting_type=boosting, min_child_samples=2, verbose=-1, **options
            ).fit(X, Y)
            yield from pickled("lightgbm", f"{cls.__name__} {boosting}", held)
            yield from pickled("lightgbm", f"Booster of {cls.__name__} {boosting}", held.booster_)
            yield File("lightgbm", f"{cls.__name__} {boosting}.txt", held.booster_.model_to_string().encode())
    ranker = lightgbm.LGBMRanker(n_estimators=3, min_child_samples=2, verbose=-1).fit(X, Y, group=[8, 8, 8])
    yield from pickled("lightgbm", "LGBMRanker", ranker)


def saved(kind: str, name: str, held: object) -> Iterator[File]:
    """As torch saves: as a zip, as it did before 1.6, and with a later protocol."""
    for said, options in (
        ("zip", {}),
        ("legacy", {"_use_new_zipfile_serialization": False}),
        ("protocol 4", {"pickle_protocol": 4}),
    ):
        out = io.BytesIO()
        with suppress(
            RuntimeError, NotImplementedError, KeyError, pickle.PicklingError, AttributeError
        ):  # not all can be saved
            torch.save(held, out, **options)
            yield File(kind, f"{name}, {said}", out.getvalue())


def dtypes() -> list[torch.dtype]:
    """Every dtype that a plain tensor can have."""
    found = {one for one in vars(torch).values() if isinstance(one, torch.dtype)}
    return sorted(found, key=str)


def tensors() -> Iterator[tuple[str, object]]:
    """Tensors of every dtype and layout, and what state_dicts are nested in."""
    for dtype in dtypes():
        with suppress(RuntimeError, TypeError, NotImplementedError):
            yield str(dtype), {"w": torch.empty(2, 3, dtype=dtype), "e": torch.empty(0, dtype=dtype)}
    base = torch.arange(24.0)
    yield "views", {"a": base[::2], "b": base.view(4, 6).T, "c": base[3:5], "d": base.expand(2, 24)}
    yield "quantised", torch.quantize_per_tensor(base, 0.1, 3, torch.qint8)
    yield (
        "quantised by channel",
        torch.quantize_per_channel(base.view(4, 6), torch.ones(4), torch.zeros(4), 0, torch.quint8),
    )
    yield (
        "sparse",
        [base.view(4, 6).to_sparse(), base.view(4, 6).to_sparse_csr(), base.view(4, 6).to_sparse_csc()],
    )
    yield (
        "parameters",
        nn.ParameterDict({"a": nn.Parameter(base), "b": nn.Parameter(base, requires_grad=False)}),
    )
    yield "buffers", nn.Buffer(base)
    yield "conjugate", torch.complex(base, base).conj()
    yield "negative", torch.complex(base, base).imag.neg()
    yield (
        "nested",
        {
            "model": {"a": [base, (base, {"b": base})]},
            "epoch": 3,
            "lr": 0.1,
            "name": "x",
            "best": None,
            "done": True,
        },
    )
    yield "sizes", {"size": base.shape, "dtype": base.dtype, "device": base.device, "layout": base.layout}
    yield (
        "random state",
        {"torch": torch.get_rng_state(), "numpy": np.random.default_rng(0), "python": (3, (1, 2), None)},
    )
    yield "arrays", {"a": np.zeros(3), "b": np.float32(2), "c": np.array(["a", "b"])}
    yield "storage", base.untyped_storage()


def layers() -> Iterator[tuple[str, nn.Module]]:
    """Every layer of torch.nn that a few small numbers make."""
    for name, cls in sorted(vars(nn).items()):
        if inspect.isclass(cls) and issubclass(cls, nn.Module):
            for given in ((), (4,), (4, 4), (4, 4, 3), (4, 2, 4)):
                with suppress(Exception):
                    yield name, cls(*given)
                    break


def optimisers() -> Iterator[tuple[str, object]]:
    """State of every optimiser after a step, and of every scheduler that needs nothing else."""
    for name, cls in sorted(vars(torch.optim).items()):
        if (
            inspect.isclass(cls)
            and issubclass(cls, torch.optim.Optimizer)
            and cls is not torch.optim.Optimizer
        ):
            with suppress(Exception):
                net = nn.Linear(3, 2)
                one = cast("Any", cls)(net.parameters(), lr=0.01)

                def loss(net: nn.Module = net, one: torch.optim.Optimizer = one) -> torch.Tensor:
                    one.zero_grad()
                    found = net(torch.ones(4, 3)).pow(2).sum()
                    found.backward()
                    return found

                one.step(loss)
                yield name, {"model": net.state_dict(), "optimizer": one.state_dict(), "epoch": 1}
    sgd = torch.optim.SGD(nn.Linear(3, 2).parameters(), lr=0.1)
    for name, cls in sorted(vars(torch.optim.lr_scheduler).items()):
        if inspect.isclass(cls) and issubclass(cls, torch.optim.lr_scheduler.LRScheduler):
            for given in ((), (3,), ([3, 6],), (0.9,), (lambda epoch: 0.9**epoch,)):
                with suppress(Exception):
                    yield name, cls(sgd, *given).state_dict()
                    break


def torch_files() -> Iterator[File]:
    """Tensors, state_dicts of layers, whole layers, optimisers."""
    for name, held in (*tensors(), *optimisers()):
        yield from saved("torch", name, held)
    for name, layer in layers():
        yield from saved("torch", f"state of {name}", layer.state_dict())
        yield from saved(WHOLE, name, layer)


def files() -> Iterator[File]:
    """All of them, one library after another."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from sklearn_files()
        yield from booster_files()
        yield from torch_files()


def judged(wanted: Iterable[File]) -> list[tuple[File, Verdict]]:
    """What ancile says of each."""
    return [(one, examine_part(Part("model", one.data)).verdict) for one in wanted]


def others() -> list[tuple[File, Verdict]]:
    """What is said of what libraries write that are not installed beside ancile."""
    python = environment("breadth") / "python"
    with tempfile.TemporaryDirectory(prefix="ancile-bench-") as folder:
        subprocess.run(
            [python, HERE / "breadth_side.py", folder],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        kinds = sorted(Path(folder).iterdir())
        found = [(kind.name, one) for kind in kinds for one in find_files([kind])]
        return [(File(kind, one.shown, b""), scan_file(one).found.verdict) for kind, one in found]


def _named(wanted: Sequence[File]) -> str:
    """The first few, each once whatever it was written by."""
    names = dict.fromkeys(f"{one.kind} {one.name.partition(',')[0]}" for one in wanted)
    return "; ".join(list(names)[:SHOWN])


def _never_blocked(claim: str, found: Sequence[tuple[File, Verdict]]) -> Bar:
    blocked = [file for file, verdict in found if verdict == "block"]
    kinds = Counter(file.kind for file, _ in found)
    told = ", ".join(f"{n} of {kind}" for kind, n in kinds.items())
    return Bar(
        claim=f"scan: {claim} are never blocked",
        measured=f"{share(len(blocked), len(found))} ({told}) {_named(blocked)}".strip(),
        wanted="none",
        met=not blocked,
        raw={"blocked, n": (len(blocked), len(found))},
    )


def _mostly_clean(libraries: str, found: Sequence[tuple[File, Verdict]]) -> Bar:
    noisy = [file for file, verdict in found if verdict not in CLEAN]
    return Bar(
        claim=f"scan: what {libraries} write is clean",
        measured=f"not clean {share(len(noisy), len(found))} {_named(noisy)}".strip(),
        wanted="at most 5 % not clean",
        met=len(noisy) <= 0.05 * len(found),
        raw={"not clean, n": (len(noisy), len(found))},
    )


def measure(*, control: bool = False) -> list[Bar]:
    """Shares of each library's files; the control judges without the lists of what libraries write."""
    if control:
        with lists(no_names()):
            found, beside = judged(list(files())[::10]), others()
    else:
        found, beside = judged(files()), others()
    return [
        _never_blocked(
            "estimators of scikit-learn, XGBoost and LightGBM",
            [one for one in found if not one[0].kind.startswith("torch")],
        ),
        _never_blocked(
            "tensors, layers' and optimisers' state", [one for one in found if one[0].kind == "torch"]
        ),
        _never_blocked("whole layers of torch", [one for one in found if one[0].kind == WHOLE]),
        _never_blocked("models of TensorFlow, Keras, CatBoost and transformers", beside),
        _mostly_clean("TensorFlow, Keras, CatBoost and transformers", beside),
        _mostly_clean("scikit-learn, XGBoost, LightGBM and torch", found),
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
