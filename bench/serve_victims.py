"""Small models trained on real data, and callers that ask them: for bench/serve_detection.py.

Rows that train the model, that the detector is calibrated on, that judge, and that attackers own are disjoint.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from ancile.serve.attackers.target import Space
from project import SHARED

SETS = ("mnist", "gtsrb", "heloc", "creditcard_fraud", "spambase")
MOST_TRAINED, MOST_REFERENCE, MOST_JUDGED = 12_000, 4000, 4000
HIDDEN = (128, 64)
EPOCHS = 20
CALLER_QUERIES = 600

Rows = NDArray[np.float32]
Labels = NDArray[np.intp]


@dataclass(frozen=True)
class Victim:
    """A trained network with its four disjoint sets of rows.

    scale  of each value, in which attackers measure distance
    """

    name: str
    layers: tuple[tuple[Rows, Rows], ...]
    centre: Rows
    scale: Rows
    space: Space
    reference: Rows
    judged: Rows
    judged_labels: Labels
    own: Rows

    @property
    def classes(self) -> int:
        return len(self.layers[-1][1])

    def scores(self, x: Rows) -> Rows:
        """(n, classes) probabilities."""
        hidden = np.clip((x - self.centre) / self.scale, -6, 6)
        for weights, biases in self.layers[:-1]:
            hidden = np.maximum(hidden @ weights + biases, 0)
        weights, biases = self.layers[-1]
        logits = hidden @ weights + biases
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)

    def labels(self, x: Rows) -> Labels:
        return np.asarray(self.scores(x).argmax(axis=-1), np.intp)


def victim(name: str, *, seed: int = 0) -> Victim:
    """Train one; seconds."""
    rng = np.random.default_rng(seed)
    x, y, held, held_labels = _read(name)
    order = rng.permutation(len(x))
    trained = min(6 * len(x) // 10, MOST_TRAINED)
    fit, reference = order[:trained], order[trained : trained + MOST_REFERENCE]
    image = x.shape[1] > 64
    centre = np.full(x.shape[1], 0.5, np.float32) if image else x[fit].mean(axis=0)
    scale = np.full(x.shape[1], 0.3, np.float32) if image else x[fit].std(axis=0) + np.float32(1e-6)
    layers = _trained(np.clip((x[fit] - centre) / scale, -6, 6), y[fit], classes=int(y.max()) + 1, seed=seed)
    chosen = rng.permutation(len(held))[:MOST_JUDGED]
    judged, own = np.array_split(chosen, 2)
    return Victim(
        name=name,
        layers=layers,
        centre=centre,
        scale=scale,
        space=Space(x[fit].min(axis=0), x[fit].max(axis=0), np.ones_like(scale) if image else scale),
        reference=x[reference],
        judged=held[judged],
        judged_labels=held_labels[judged],
        own=held[own],
    )


def _read(name: str) -> tuple[Rows, Labels, Rows, Labels]:
    folder = SHARED / "data"
    if name in ("mnist", "gtsrb"):
        found = np.load(folder / f"{name}.npz")
        x, held = (
            found[one].reshape(len(found[one]), -1).astype("f4") / 255 for one in ("x_train", "x_test")
        )
        return x, found["y_train"].astype(np.intp), held, found["y_test"].astype(np.intp)
    card = json.loads((folder / "tabular" / f"{name}.json").read_text("utf-8"))
    table = pq.read_table(folder / "tabular" / f"{name}.parquet")
    train = np.array([one == "train" for one in table["split"].to_pylist()])
    names = [one for one in table.column_names if one not in ("split", card["target"])]
    x = np.stack([table[one].to_numpy().astype("f4") for one in names], axis=1)
    y = table[card["target"]].to_numpy().astype(np.intp)
    return x[train], y[train], x[~train], y[~train]


def _trained(x: Rows, y: Labels, *, classes: int, seed: int) -> tuple[tuple[Rows, Rows], ...]:
    torch.manual_seed(seed)
    sizes = (x.shape[1], *HIDDEN, classes)
    linear = [torch.nn.Linear(a, b) for a, b in pairwise(sizes)]
    network = torch.nn.Sequential(linear[0], torch.nn.ReLU(), linear[1], torch.nn.ReLU(), linear[2])
    rows, labels = torch.from_numpy(x.astype("f4")), torch.from_numpy(y)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3, weight_decay=1e-4)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(rows)).split(128):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network(rows[batch]), labels[batch]).backward()
            optimiser.step()
    return tuple((one.weight.detach().numpy().T.copy(), one.bias.detach().numpy()) for one in linear)


# Benign callers: each (600, values), from some rows.


def random_rows(x: Rows, rng: np.random.Generator) -> Rows:
    """Rows at random; one in 33 is sent again."""
    chosen = rng.integers(len(x), size=CALLER_QUERIES)
    again = rng.random(CALLER_QUERIES) < 0.03
    again[0] = False
    chosen[again] = chosen[np.flatnonzero(again) - 1]
    return x[chosen]


def monitor(x: Rows, rng: np.random.Generator) -> Rows:
    """Three probes in turn, between rows at random."""
    found = random_rows(x, rng)
    found[::2] = x[rng.integers(len(x), size=3)][np.arange(CALLER_QUERIES // 2) % 3]
    return found


def sorted_batch(x: Rows, rng: np.random.Generator) -> Rows:
    """A job that sends rows sorted by one value."""
    chosen = x[rng.permutation(len(x))[:CALLER_QUERIES]]
    return chosen[np.argsort(chosen[:, rng.integers(x.shape[1])], kind="stable")]


def sorted_by_several(x: Rows, rng: np.random.Generator) -> Rows:
    """A job that sends rows sorted as a database does, by several columns."""
    chosen = x[rng.permutation(len(x))[:CALLER_QUERIES]]
    return chosen[np.lexsort(chosen[:, rng.permutation(x.shape[1])[:4]].T)]


def what_if(x: Rows, rng: np.random.Generator) -> Rows:
    """Ten variants of a row, one value moved at a time to that of another row."""
    found = x[rng.integers(len(x), size=CALLER_QUERIES)]
    for at in range(CALLER_QUERIES):
        if at % 10:
            value = rng.integers(x.shape[1])
            found[at] = found[at - 1]
            found[at, value] = x[rng.integers(len(x)), value]
    return found


BENIGN = {
    "rows and retries": random_rows,
    "monitor": monitor,
    "sorted batch": sorted_batch,
    "sorted by several": sorted_by_several,
}
