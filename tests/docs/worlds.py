"""What lies in a project's folder before a page's blocks run: the names in ``<!-- setup: … -->``."""

from __future__ import annotations

import atexit
import csv
import functools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ancile.cli.demo_models import NET, trained
from ancile.cli.own_home import mark_place
from ancile.core.config import HOME
from ancile.core.extras import needs

HELD_OUT = 3  # every third sample


def prepare(names: tuple[str, ...], folder: Path) -> None:
    """Put the files of each name into ``folder``; files are made once and copied."""
    for name in names:
        shutil.copytree(made(name), folder, dirs_exist_ok=True)
    if (folder / HOME).exists():
        mark_place(folder / HOME)


@functools.cache
def made(name: str) -> Path:
    """A folder with the files of that name, until this process ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"ancile-docs-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    WORLDS[name](folder)
    return folder


def digits(folder: Path) -> None:
    """net.py, net.safetensors (trained plainly) and held_out.npz."""
    network(folder, "net", eps=0.0)


def hardened(folder: Path) -> None:
    """hardened.safetensors: the same network after adversarial training."""
    network(folder, "hardened", eps=0.2)


def network(folder: Path, name: str, *, eps: float) -> None:
    (folder / "net.py").write_text(NET, "utf-8")
    found = needs("sklearn.datasets", "sklearn").load_digits()
    x, y = (found.images / 16.0).astype(np.float32)[:, None], found.target.astype(np.int64)
    held = np.arange(len(y)) % HELD_OUT == 0
    np.savez_compressed(folder / "held_out.npz", x=x[held], y=y[held])
    net = trained(folder, x[~held], y[~held], eps=eps)
    needs("safetensors.torch", "torch").save_file(net.state_dict(), folder / f"{name}.safetensors")


def files(folder: Path) -> None:
    """hostile.pkl, which would call os.system, and forest.joblib."""
    (folder / "hostile.pkl").write_bytes(b"cos\nsystem\n(Vtrue\ntR.")
    forest = needs("sklearn.ensemble", "sklearn").RandomForestClassifier(3).fit([[0.0], [1.0]], [0, 1])
    needs("joblib", "sklearn").dump(forest, folder / "forest.joblib")


def tumours(folder: Path) -> None:
    """tumours.csv: held-out rows of the breast cancer set, with the column ``benign``; training.csv."""
    found = needs("sklearn.datasets", "sklearn").load_breast_cancer()
    held = np.arange(len(found.target)) % HELD_OUT == 0
    header = [name.replace(" ", "_") for name in found.feature_names] + ["benign"]
    for name, rows in (("tumours.csv", held), ("training.csv", ~held)):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows([*x, y] for x, y in zip(found.data[rows], found.target[rows], strict=True))


def served(folder: Path) -> None:
    """flowers.onnx, a linear model of the iris set with its input ``x`` (n, 4), and flowers.npz."""
    found = needs("sklearn.datasets", "sklearn").load_iris()
    line = needs("sklearn.linear_model", "sklearn").LogisticRegression(max_iter=500)
    line.fit(found.data, found.target)
    helper, numpy_helper = needs("onnx.helper", "onnx"), needs("onnx.numpy_helper", "onnx")
    arrays = {"w": line.coef_.T.astype(np.float32), "b": line.intercept_.astype(np.float32)}
    nodes = [("MatMul", ["x", "w"], "m"), ("Add", ["m", "b"], "a"), ("Softmax", ["a"], "scores")]
    graph = helper.make_graph(
        [helper.make_node(kind, given, [name]) for kind, given, name in nodes],
        "flowers",
        [helper.make_tensor_value_info("x", 1, ["n", 4])],
        [helper.make_tensor_value_info("scores", 1, ["n", 3])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (folder / "flowers.onnx").write_bytes(model.SerializeToString())
    rng = np.random.default_rng(0)
    x = np.repeat(found.data, 4, axis=0)
    x = (x + rng.uniform(-0.05, 0.05, size=x.shape)).astype(np.float32)
    np.savez_compressed(folder / "flowers.npz", x=x, y=np.repeat(found.target, 4))


def home(folder: Path) -> None:
    """A home with keys that are not encrypted."""
    ancile("init", "--unencrypted-key", "--origin", "example.org/models", folder=folder)


def assessed(folder: Path) -> None:
    """Digits and home, with one report about the network in the ledger, entry 3, and as report.json."""
    for name in ("digits", "home"):
        shutil.copytree(made(name), folder, dirs_exist_ok=True)
    ancile("assess", "net.py:net", "--weights", "net.safetensors", "--data", "held_out.npz", "--eps", "0.1",
           "--effort", "quick", "--quiet", "-o", "report.json", folder=folder)  # fmt: skip


def ancile(*arguments: str, folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "ancile", *arguments], cwd=folder, check=True, capture_output=True)


WORLDS: dict[str, Callable[[Path], None]] = {
    "digits": digits,
    "hardened": hardened,
    "files": files,
    "tumours": tumours,
    "served": served,
    "home": home,
    "assessed": assessed,
}
