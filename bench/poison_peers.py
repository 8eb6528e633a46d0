"""The other side of the search for poison, in the environment of poison.txt: cleanlab and the textbook detectors.

    python poison_peers.py FOLDER SET/ATTACK/RATE/SEED …
        scores (n,) of every peer, the higher the worse, to FOLDER/SET/ATTACK/RATE/SEED.npz

cleanlab's label quality and its outlier score; spectral signatures (Tran 2018, arXiv:1811.00636); activation
clustering (Chen 2019, arXiv:1811.03728); SPECTRE (Hayase 2021, arXiv:2104.11315); isolation forest (Liu 2008); labels
of the nearest (Peri 2020, arXiv:1909.13374). Detectors that remove a share of each class rank all rows here, by the
same scores. SPECTRE's rate is unknown, and so is the class: its robust covariance is that of the most central
three quarters.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from cleanlab.outlier import OutOfDistribution
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import FastICA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from poison_generator import poisoned
from poison_models import Seen, seen
from poison_sets import Labels

REDUCED, FEWEST = 10, 25  # dimensions of activation clustering; rows of a class for anything to be said
WHITENED, CENTRAL, SHARP = 32, 0.75, 4.0  # SPECTRE: dimensions at most, share of rows kept, its alpha
NEAREST = 20

Reals = NDArray[np.float64]


def cleanlab_labels(about: Seen, y: Labels, _seed: int) -> Reals:
    return -get_label_quality_scores(y, about.probabilities)


def cleanlab_outliers(about: Seen, _y: Labels, _seed: int) -> Reals:
    return -OutOfDistribution({"k": 10}).fit_score(features=about.hidden, verbose=False)


def spectral(about: Seen, y: Labels, _seed: int) -> Reals:
    return _by_class(about.hidden, y, _outlying)


def _outlying(rows: Reals) -> Reals:
    centred = rows - rows.mean(axis=0)
    return (centred @ np.linalg.svd(centred, full_matrices=False)[2][0]) ** 2


def activation_clustering(about: Seen, y: Labels, seed: int) -> Reals:
    return _by_class(about.hidden, y, lambda rows: _clustered(rows, seed))


def _clustered(rows: Reals, seed: int) -> Reals:
    """How well a class falls into two, where a row is of the smaller; within that the distance from the larger."""
    active = rows[:, rows.std(axis=0) > 1e-6]
    if active.shape[1] < 2:
        return np.zeros(len(rows))
    many = min(REDUCED, active.shape[1])
    low = FastICA(many, random_state=seed, whiten="unit-variance", max_iter=200).fit_transform(active)
    two = KMeans(2, n_init=3, random_state=seed).fit(low)
    sizes = np.bincount(two.labels_, minlength=2)
    if sizes.min() == 0:
        return np.zeros(len(rows))
    small, large = int(np.argmin(sizes)), int(np.argmax(sizes))
    apart = np.linalg.norm(low - two.cluster_centers_[large], axis=1)
    worth = silhouette_score(low, two.labels_) * (1 - sizes[small] / len(rows))
    return np.asarray((two.labels_ == small) * (worth + 1) + 1e-3 * apart / apart.max())


def spectre(about: Seen, y: Labels, _seed: int) -> Reals:
    return _by_class(about.hidden, y, _whitened)


def _whitened(rows: Reals) -> Reals:
    """Quantum entropy scores after whitening by a robust covariance."""
    centred = rows - rows.mean(axis=0)
    many = min(WHITENED, len(rows) // 4)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    low = centred @ directions[:many][sizes[:many] > 1e-6].T
    kept = np.argsort(np.linalg.norm(low, axis=1))[: int(CENTRAL * len(low))]
    for _ in range(10):
        middle, spread = low[kept].mean(axis=0), np.cov(low[kept].T) + 1e-6 * np.eye(low.shape[1])
        far = np.einsum("ij,jk,ik->i", low - middle, np.linalg.inv(spread), low - middle)
        kept = np.argsort(far)[: int(CENTRAL * len(low))]
    values, vectors = np.linalg.eigh(spread)
    white = (low - middle) @ vectors / np.sqrt(values)
    above, axes = np.linalg.eigh(np.cov(white.T))
    above = above - 1
    weights = np.exp(SHARP * (above - above.max()) / max(above.max(), 1e-6))
    return np.asarray(((white @ axes) ** 2) @ weights / weights.sum())


def isolation_forest(about: Seen, _y: Labels, seed: int) -> Reals:
    return -IsolationForest(n_estimators=100, random_state=seed).fit(about.plain).score_samples(about.plain)


def nearest_labels(about: Seen, y: Labels, _seed: int) -> Reals:
    """The share of the nearest with another label; among equals the farther ones are worse."""
    apart, places = NearestNeighbors(n_neighbors=NEAREST + 1).fit(about.hidden).kneighbors(about.hidden)
    other = (y[places[:, 1:]] != y[:, None]).mean(axis=1)
    return np.asarray(other + 1e-3 * apart[:, -1] / apart[:, -1].max())


def _by_class(rows: Reals, y: Labels, judge: Callable[[Reals], Reals]) -> Reals:
    scores = np.zeros(len(y))
    for one in np.unique(y):
        mine = np.flatnonzero(y == one)
        if len(mine) >= FEWEST:
            scores[mine] = judge(rows[mine])
    return scores


PEERS: dict[str, Callable[[Seen, Labels, int], Reals]] = {
    "cleanlab": cleanlab_labels,
    "cleanlab outliers": cleanlab_outliers,
    "spectral signatures": spectral,
    "activation clustering": activation_clustering,
    "SPECTRE": spectre,
    "isolation forest": isolation_forest,
    "nearest labels": nearest_labels,
}


def main(folder: Path, jobs: list[str]) -> None:
    """Judge the rows of each job."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for job in jobs:
        name, attack, rate, seed = job.split("/")
        rows = poisoned(name, attack, float(rate), int(seed))
        y = np.unique(rows.labels, return_inverse=True)[1]
        about = seen(rows.content, y, int(seed))
        scores = {peer: judge(about, y, int(seed)) for peer, judge in PEERS.items()}
        path = folder / f"{job}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.savez(file, **scores)  # type: ignore[arg-type]  # names of peers are its keywords
        right = (about.probabilities.argmax(axis=1) == y).mean()
        print(f"{job}: out of fold {right:.3f} right", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
