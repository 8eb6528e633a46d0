"""What a model that was trained on the poisoned rows makes of them: its last hidden layer, and out-of-fold guesses.

As the papers of the textbook detectors have it, the layer is that of a model trained on all the rows, poison and all.
cleanlab gets probabilities of models that did not see the row, of the kinds that its tutorials use: a small
convolutional net of pictures, boosted trees of tables, words weighted and regressed of texts. Needs the environment of
poison.txt.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

from poison_sets import Content, Labels, Table

BATCH, HIDDEN = 64, 64
EPOCHS, PACE = 5, 0.01  # one cycle of Smith 2018, arXiv:1803.09820: 9 in 10 right out of fold on GTSRB

Reals = NDArray[np.float64]


class Seen(NamedTuple):
    """What detectors look at.

    hidden         (n, d) of a model trained on all rows
    plain          (n, d) without a model: pixels, standardised columns, counts of words reduced
    probabilities  (n, classes) out of fold
    """

    hidden: Reals
    plain: Reals
    probabilities: Reals


def seen(content: Content, y: Labels, seed: int) -> Seen:
    """All three; y are classes from 0 without gaps."""
    torch.manual_seed(seed)
    if isinstance(content, np.ndarray):
        return _of_pictures(content, y, seed)
    return _of_table(content, y, seed) if isinstance(content, dict) else _of_texts(content, y, seed)


def _folds(y: Labels, seed: int, many: int = 5) -> list[tuple[Labels, Labels]]:
    """A class may have fewer rows than there are folds; then it is missing in one."""
    cut = StratifiedKFold(many, shuffle=True, random_state=seed)
    return list(cut.split(np.zeros(len(y)), y))


def _of_pictures(images: NDArray[np.uint8], y: Labels, seed: int) -> Seen:
    x = torch.from_numpy(images.transpose(0, 3, 1, 2) / 255).float()
    classes = int(y.max()) + 1
    probabilities = np.zeros((len(y), classes))
    for some, others in _folds(y, seed, 3):
        net = _convolutional(x.shape[1], classes)
        _train(net, x[some], y[some])
        probabilities[others] = _said(net, x[others]).softmax(dim=1).numpy()
    net = _convolutional(x.shape[1], classes)
    _train(net, x, y)
    return Seen(_said(net[:-1], x).numpy().astype(float), images.reshape(len(y), -1) / 255, probabilities)


def _convolutional(channels: int, classes: int) -> nn.Sequential:
    """Two layers of convolutions, both halving, and one of 64."""
    return nn.Sequential(
        nn.Conv2d(channels, 16, 5, stride=2, padding=2),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.LazyLinear(HIDDEN),
        nn.BatchNorm1d(HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, classes),
    )


def _of_table(table: Table, y: Labels, seed: int) -> Seen:
    numbers = [column.astype(float)[:, None] for column in table.values() if column.dtype.kind != "O"]
    words = [column[:, None] for column in table.values() if column.dtype.kind == "O"]
    parts = [StandardScaler().fit_transform(np.hstack(numbers)).clip(-10, 10)]
    if words:
        parts.append(OneHotEncoder(sparse_output=False).fit_transform(np.hstack(words)))
    plain = np.hstack(parts)
    probabilities = np.zeros((len(y), int(y.max()) + 1))
    for some, others in _folds(y, seed):
        trees = HistGradientBoostingClassifier(max_iter=60, random_state=seed, early_stopping=False)
        trees.fit(plain[some], y[some])
        probabilities[np.ix_(others, trees.classes_)] = trees.predict_proba(plain[others])
    x = torch.from_numpy(plain).float()
    net = nn.Sequential(
        nn.Linear(x.shape[1], HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, len(probabilities.T)),
    )
    _train(net, x, y)
    return Seen(_said(net[:-1], x).numpy().astype(float), plain, probabilities)


def _of_texts(texts: list[str], y: Labels, seed: int) -> Seen:
    probabilities = np.zeros((len(y), int(y.max()) + 1))
    for some, others in _folds(y, seed):
        words = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+"), LogisticRegression(C=10, max_iter=300)
        )
        words.fit([texts[at] for at in some], y[some])
        probabilities[np.ix_(others, words.classes_)] = words.predict_proba([texts[at] for at in others])
    counted = TfidfVectorizer(token_pattern=r"\S+", min_df=2).fit_transform(texts)
    known = TfidfVectorizer(token_pattern=r"\S+").fit(texts).vocabulary_
    bags = [[known[word] + 1 for word in text.lower().split()][:64] for text in texts]
    x = torch.zeros((len(texts), 64), dtype=torch.long)
    for at, bag in enumerate(bags):
        x[at, : len(bag)] = torch.tensor(bag, dtype=torch.long)
    net = nn.Sequential(
        nn.EmbeddingBag(len(known) + 1, HIDDEN, padding_idx=0),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, len(probabilities.T)),
    )
    _train(net, x, y)
    return Seen(_said(net[:-1], x).numpy().astype(float), _reduced(counted, seed), probabilities)


def _reduced(counted: object, seed: int) -> Reals:
    from sklearn.decomposition import TruncatedSVD

    return np.asarray(TruncatedSVD(HIDDEN, random_state=seed).fit_transform(counted))


def _train(net: nn.Module, x: torch.Tensor, y: Labels) -> None:
    labels = torch.from_numpy(np.asarray(y)).long()
    net.train()
    net(x[:2])
    step = torch.optim.Adam(net.parameters(), PACE)
    cycle = torch.optim.lr_scheduler.OneCycleLR(step, PACE, total_steps=EPOCHS * (len(x) // BATCH))
    for _ in range(EPOCHS):
        for some in torch.randperm(len(x))[: len(x) // BATCH * BATCH].split(BATCH):
            step.zero_grad()
            nn.functional.cross_entropy(net(x[some]), labels[some]).backward()
            step.step()
            cycle.step()


def _said(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    net.eval()
    with torch.no_grad():
        return torch.cat([net(some) for some in x.split(1000)])
