"""Real models of every kind end in a report in all six formats, and in evidence that verifies."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import xml.etree.ElementTree as ET
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ancile.core.wire import read_record
from ancile.render.formats import FORMATS, render_as
from bar import Bar
from project import HERE, SHARED, Project, project

LARGEST_PAGE = 2_000_000  # bytes of an HTML report that mail and chat still carry
MNIST = ("fast_at", "pgd_at", "trades")
QUICK = ("--effort", "quick", "--seed", "0", "--quiet")
TABLE = (
    "--data", "spambase.parquet", "--label", "spam", "--where", "split=test", "--drop", "split",
    "--units", "range", "--eps", "0.05", "--samples", "60", *QUICK,
)  # fmt: skip
IMAGES = ("--data", "mnist", "--norm", "linf", "--eps", "0.3", "--bounds", "0,1", "--samples", "40", *QUICK)


def training_rows(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the training split, as the columns stand in the file."""
    from pyarrow import parquet

    table = parquet.read_table(path)
    chosen = np.asarray(table["split"].to_pylist()) == "train"
    inputs = [name for name in table.schema.names if name not in ("spam", "split")]
    x = np.stack([table[name].to_numpy() for name in inputs], axis=1)
    return x[chosen].astype(np.float32), table["spam"].to_numpy()[chosen].astype(np.int64)


def make_forest(folder: Path, x: np.ndarray, y: np.ndarray) -> Any:
    """forest.skops; the forest, for the endpoint."""
    from sklearn.ensemble import RandomForestClassifier
    from skops.io import dump

    forest = RandomForestClassifier(30, max_depth=8, random_state=0).fit(x, y)
    dump(forest, folder / "forest.skops")
    return forest


def make_boosted(folder: Path, x: np.ndarray, y: np.ndarray) -> None:
    """boosted.json."""
    import xgboost

    settings = {"objective": "binary:logistic", "max_depth": 4, "seed": 0, "nthread": 1}
    xgboost.train(settings, xgboost.DMatrix(x, label=y), 30).save_model(folder / "boosted.json")


def make_onnx(folder: Path, x: np.ndarray, y: np.ndarray) -> None:
    """linear.onnx: a logistic regression as one Gemm."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x)
    fitted = LogisticRegression(max_iter=500).fit(scaler.transform(x), y)
    row = fitted.coef_[0] / scaler.scale_
    weight = np.stack([-row, row], axis=1).astype(np.float32)
    offset = float(fitted.intercept_[0] - row @ scaler.mean_)
    bias = np.array([-offset, offset], dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["scores"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", x.shape[1]])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "linear.onnx")


def commands(at: Project, stack: ExitStack) -> dict[str, tuple[str, ...]]:
    """Name to command line of an assessment; the files that they need lie in the folder."""
    sys.path.append(str(HERE.parent))
    from tests.models.oip_stub import served

    for path in (SHARED / "data" / "models" / "mnist_linf").iterdir():
        shutil.copy(path, at.folder)
    shutil.copy(SHARED / "data" / "tabular" / "spambase.parquet", at.folder)
    x, y = training_rows(at.folder / "spambase.parquet")
    forest = make_forest(at.folder, x, y)
    make_boosted(at.folder, x, y)
    make_onnx(at.folder, x, y)
    url, _ = stack.enter_context(served(forest.predict_proba, shape=(x.shape[1],)))
    network = {
        f"MNIST {name}": (
            "model.py:build", "--factory-args", json.dumps({"name": name}), "--weights", f"{name}.safetensors",
            *IMAGES,
        )
        for name in MNIST
    }  # fmt: skip
    files = ("forest.skops", "boosted.json", "linear.onnx")
    return network | {name: (name, *TABLE) for name in files} | {"endpoint": (url, *TABLE)}


def faults_of(at: Project, name: str, command: tuple[str, ...], *, control: bool) -> tuple[str, str]:
    """The figure of one assessment, and what is missing behind it (empty when nothing is).

    control  an entry is rewritten between the report and its verification
    """
    file = at.folder / "report.json"
    file.unlink(missing_ok=True)
    ended = at.run("assess", *command, "-o", file.name, ANCILE_DATA=str(SHARED / "data"))
    if not file.exists():
        return "no report", f"exit {ended.returncode}: {ended.stderr.strip()[:200]}"
    record = read_record(file.read_bytes(), name=name)
    robust = record.report.measure("robust_accuracy")
    pages = {way: render_as(way, record) for way in FORMATS}
    json.loads(pages["sarif"])
    ET.fromstring(pages["junit"])  # noqa: S314 - our own page
    faults = [way for way, page in pages.items() if not page.strip()]
    if len(pages["html"].encode()) >= LARGEST_PAGE:
        faults.append("html is too large")
    if record.evidence is None:
        faults.append("not recorded")
    if robust is None or ended.returncode != 0 or record.report.outcome != "pass":
        faults.append(f"{record.report.outcome}, exit {ended.returncode}")
    if control:
        tamper(at)
    verified = at.run("ledger", "verify", "--against", file.name).returncode
    if verified:
        faults.append(f"verification exit {verified}")
    return f"{robust.value:.2f}" if robust else "no figure", ", ".join(faults)


def tamper(at: Project) -> None:
    """The first entry's leaf says another time."""
    with sqlite3.connect(at.folder / ".ancile" / "ledger.db") as database:
        for (trigger,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            database.execute(f'DROP TRIGGER "{trigger}"')
        lines = bytes(database.execute("SELECT leaf FROM entries WHERE idx = 0").fetchone()[0]).split(b"\n")
        lines[2] = str(int(lines[2]) + 1).encode()
        database.execute("UPDATE entries SET leaf = ? WHERE idx = 0", (b"\n".join(lines),))
    database.close()


def measure(*, control: bool = False) -> list[Bar]:
    """Robust accuracy of each model, and what was missing; the control rewrites an entry before it verifies."""
    figures, faults = {}, {}
    with project() as at, ExitStack() as stack:
        wanted = commands(at, stack)
        if control:
            wanted = {name: command for name, command in wanted.items() if name == "linear.onnx"}
        for name, command in wanted.items():
            figures[name], fault = faults_of(at, name, command, control=control)
            if fault:
                faults[name] = fault
    told = ", ".join(f"{name} {figure}" for name, figure in figures.items())
    return [
        Bar(
            claim="the main job: MNIST networks, forest, boosted trees, ONNX and an endpoint each end in six reports and in evidence that verifies",
            measured=f"{len(figures) - len(faults)} of {len(figures)}; robust accuracy {told}"
            + "".join(f"; {name}: {fault}" for name, fault in faults.items()),
            wanted="7 of 7",
            met=len(figures) == len(wanted) and not faults,
        )
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
