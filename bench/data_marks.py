"""Marked data: p-values of models that never saw it, of models that did, and what marking costs in accuracy.

Sets: credit defaults (4,000 rows), SMS and film sentences (3,000 texts), digits and traffic signs (2,000 pictures),
drawn anew for each seed; models of scikit-learn as they come, and a small convolutional network. Each is trained on
the set and on its marked form, asked through the key, and its accuracy taken on held-out rows. Told is a p-value of
at most 0.001. The null takes every model that was trained without marks and keys that it never met, and holds their
p-values against the uniform distribution. The control trains on the data without marks; its null takes for each
model the best of ten keys.
"""

from __future__ import annotations

import csv
import io
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from scipy.stats import kstest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from ancile.data.asking import Answers, judged, queries, samples
from ancile.data.marking import Asked, Marked, mark
from ancile.data.marks import MarkKey
from bar import Bar

SHARED = Path(os.environ.get("ANCILE_SHARED", Path(__file__).parent.parent.parent / "shared")) / "data"
SEEDS, LEVEL, KEYS = 5, 1e-3, 10
LOSS = 0.01  # of accuracy, that marking may cost in the median
NOW = datetime(2026, 1, 1, tzinfo=UTC)

Array = Any  # of numpy, or a list of texts
Make = Callable[[int], Any]


class Set(NamedTuple):
    """Rows as a model takes them: what it is trained on, and what it is tried on."""

    x: Array
    y: Array
    test_x: Array
    test_y: Array


class Network:
    """Two convolutions and a linear layer, eight epochs of Adam."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def fit(self, x: Array, y: Array) -> Network:
        torch.manual_seed(self._seed)
        side, channels, classes = x.shape[1], x.shape[3], int(y.max()) + 1
        self._net = torch.nn.Sequential(
            torch.nn.Conv2d(channels, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Flatten(), torch.nn.Linear(32 * (side // 4) ** 2, classes),
        )  # fmt: skip
        steps = torch.optim.Adam(self._net.parameters(), 1e-3)
        given, wanted = self._tensor(x), torch.tensor(y)
        for _ in range(8):
            for at in torch.randperm(len(x)).chunk(len(x) // 64 + 1):
                steps.zero_grad()
                torch.nn.functional.cross_entropy(self._net(given[at]), wanted[at]).backward()  # type: ignore[no-untyped-call]  # of torch
                steps.step()
        return self

    def predict_proba(self, x: Array) -> Array:
        with torch.no_grad():
            return torch.softmax(self._net(self._tensor(x)), 1).numpy()

    def score(self, x: Array, y: Array) -> float:
        return float((self.predict_proba(x).argmax(1) == y).mean())

    def _tensor(self, x: Array) -> torch.Tensor:
        return torch.tensor(np.asarray(x, np.float32).transpose(0, 3, 1, 2) / 255)


class Flat:
    """A model of rows that is given pictures."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def fit(self, x: Array, y: Array) -> Flat:
        self._inner.fit(self._rows(x), y)
        return self

    def predict_proba(self, x: Array) -> Array:
        return self._inner.predict_proba(self._rows(x))

    def score(self, x: Array, y: Array) -> float:
        return float(self._inner.score(self._rows(x), y))

    def _rows(self, x: Array) -> Array:
        return np.asarray(x, np.float32).reshape(len(x), -1) / 255


TABLES: dict[str, Make] = {
    "forest": lambda seed: RandomForestClassifier(60, random_state=seed),
    "boosting": lambda seed: HistGradientBoostingClassifier(max_iter=60, random_state=seed),
    "neighbours": lambda _: make_pipeline(StandardScaler(), KNeighborsClassifier(3)),
    "linear": lambda _: make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
    "small network": lambda seed: make_pipeline(
        StandardScaler(), MLPClassifier((64,), max_iter=30, random_state=seed)
    ),
}
TEXTS: dict[str, Make] = {
    "logistic": lambda _: make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=300)
    ),
    "Bayes": lambda _: make_pipeline(CountVectorizer(), MultinomialNB()),
    "vectors, labels alone": lambda seed: make_pipeline(TfidfVectorizer(), LinearSVC(random_state=seed)),
}
PICTURES: dict[str, Make] = {
    "linear": lambda _: Flat(LogisticRegression(max_iter=60)),
    "forest": lambda seed: Flat(RandomForestClassifier(60, random_state=seed)),
    "convolutions": Network,
}
# Shown, and not claimed: they learn no single rows, or not yet
UNTOLD = {("credit_default", "linear"), ("credit_default", "small network"), ("mnist", "convolutions")}


def drawn(name: str, seed: int) -> Set:
    """A part of a real set, another one for each seed."""
    rng = np.random.default_rng(seed)
    if name in ("mnist", "gtsrb"):
        with np.load(SHARED / f"{name}.npz") as found:
            a = {key: found[key] for key in ("x_train", "y_train", "x_test", "y_test")}
        x, y, test_x, test_y = (a[key] for key in ("x_train", "y_train", "x_test", "y_test"))
        if x.ndim == 3:
            x, test_x = x[..., None], test_x[..., None]
        return part(x, y.astype(np.int64), test_x[:2000], test_y[:2000], rng, 2_000)
    folder, label = ("tabular", "default") if name == "credit_default" else ("text", "label")
    table = pq.read_table(SHARED / folder / f"{name}.parquet")
    is_train = np.array(table["split"].to_pylist()) == "train"
    y = np.array(table[label].to_pylist()).astype(np.int64)
    if folder == "text":
        x = np.array(table["text"].to_pylist(), dtype=object)
    else:
        x = np.stack([table[one].to_numpy() for one in table.column_names if one not in (label, "split")], 1)
    return part(
        x[is_train], y[is_train], x[~is_train], y[~is_train], rng, 3_000 if folder == "text" else 4_000
    )


def part(x: Array, y: Array, test_x: Array, test_y: Array, rng: np.random.Generator, count: int) -> Set:
    some = rng.permutation(len(x))[:count]
    return Set(x[some], y[some], test_x, test_y)


def marked(one: Set, share: float, seed: int, folder: Path) -> Marked:
    """The set as a file, marked under the key of this seed."""
    key = seed.to_bytes(32, "big")
    if one.x.dtype == object:
        path = folder / "set.parquet"
        pq.write_table(pa.table({"text": one.x.tolist(), "label": one.y}), path)
        return mark(path, Asked("label", share=share), now=NOW, seed=key)
    path = folder / "set.npz"
    np.savez(path, x_train=one.x, y_train=one.y)
    return mark(path, Asked(share=share), now=NOW, seed=key)


def rows(made: Marked) -> tuple[Array, Array]:
    """What is trained on."""
    if made.data.startswith(b"PAR1"):
        table = pq.read_table(pa.BufferReader(made.data))
        return np.array(table["text"].to_pylist(), dtype=object), np.array(table["label"].to_pylist())
    with np.load(io.BytesIO(made.data)) as found:
        return found["x_train"], found["y_train"]


def asked(key: MarkKey, *, texts: bool) -> Array:
    if texts:
        return np.array(
            [one["text"] for one in csv.DictReader(io.StringIO(queries(key)[0].decode()))], dtype=object
        )
    return samples(key)


def p_value(model: Any, key: MarkKey, *, texts: bool) -> float:
    """Of the marks."""
    x = asked(key, texts=texts)
    wide = max(key.numbers) + 1
    if hasattr(model, "predict_proba"):
        scores = np.asarray(model.predict_proba(x))
        scores = np.pad(scores, ((0, 0), (0, max(0, wide - scores.shape[1]))))
        return judged(key, Answers(scores, "probabilities")).marks.p_value
    return judged(key, Answers(np.eye(wide)[model.predict(x)], "labels")).marks.p_value


class Run(NamedTuple):
    """Models of one kind, a seed each: p-values, accuracy with marks and without; p-values of keys never met."""

    told: list[float]
    loss: list[float]
    null: list[float]


def run(name: str, make: Make, share: float, *, control: bool) -> Run:
    found = Run([], [], [])
    texts = make in TEXTS.values()
    first = 1000 * (
        1 + [one for _, _, one, _ in lines()].index(make)
    )  # keys of its own: models of a set agree
    for seed in range(SEEDS):
        one = drawn(name, seed)
        with TemporaryDirectory() as folder:
            made = marked(one, share, seed, Path(folder))
            others = [marked(one, share, first + KEYS * seed + at, Path(folder)).key for at in range(KEYS)]
        plain = make(seed).fit(one.x, one.y)
        x, y = rows(made)
        model = plain if control else make(seed).fit(x, y)
        found.told.append(p_value(model, made.key, texts=texts))
        found.loss.append(plain.score(one.test_x, one.test_y) - model.score(one.test_x, one.test_y))
        null = [p_value(plain, key, texts=texts) for key in others]
        found.null.extend([min(null)] if control else null)
    return found


def lines() -> Iterator[tuple[str, str, Make, float]]:
    """Set, kind of model, the model, share of marks."""
    for kind, make in TABLES.items():
        yield "credit_default", kind, make, 0.01
    for name in ("sms_spam", "movie_sentences"):
        for kind, make in TEXTS.items():
            yield name, kind, make, 0.01
    for kind, make in PICTURES.items():
        yield "mnist", kind, make, 0.04
    yield "gtsrb", "forest", PICTURES["forest"], 0.04


def measure(control: bool = False) -> list[Bar]:
    """A line a set, model and share; then accuracy, and the null."""
    bars, losses, null = [], [], []
    for name, kind, make, share in lines():
        found = run(name, make, share, control=control)
        losses += found.loss
        null += found.null
        right = sum(one <= LEVEL for one in found.told)
        claimed = (name, kind) not in UNTOLD
        bars.append(
            Bar(
                claim=f"data mark: a model of {name} that saw the marks is told ({kind}, {share:.0%} marked)",
                measured=f"p at most {LEVEL} in {right} of {SEEDS}, median {statistics.median(found.told):.2g}; "
                f"accuracy {-100 * statistics.mean(found.loss):+.1f} points",
                wanted=f"in {SEEDS - 1} of {SEEDS}" if claimed else "nothing is claimed",
                met=right >= SEEDS - 1 if claimed else not control,
                raw={"p": found.told, "loss": found.loss},
            )
        )
        print(bars[-1], file=sys.stderr)
    middle = statistics.median(losses)
    same = kstest(null, "uniform").pvalue
    small = sum(one <= 0.05 for one in null) / len(null)
    return [
        *bars,
        Bar(
            claim="data mark: accuracy stays",
            measured=f"{-100 * middle:+.2f} points in the median of {len(losses)} models, worst {-100 * max(losses):+.1f}",
            wanted=f"at most {100 * LOSS:g} points less",
            met=middle <= LOSS and not control,
            raw={"loss": losses},
        ),
        Bar(
            claim="data trace: p-values of models that never saw the marks are uniform",
            measured=f"{len(null)} p-values, Kolmogorov-Smirnov p = {same:.3f}; {small:.1%} at most 0.05, "
            f"{sum(one <= LEVEL for one in null)} at most {LEVEL}",
            wanted="p at least 0.01",
            met=same >= 0.01,
            raw={"null": null},
        ),
    ]


if __name__ == "__main__":
    for bar in measure(control="control" in sys.argv):
        print(bar)
