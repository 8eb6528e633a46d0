"""What boosted trees say of rows of a table that they did not see; where scikit-learn is there."""

from __future__ import annotations

from importlib.util import find_spec

from ancile.core.extras import needs
from ancile.data.rows import Cells, Integers, Reals
from ancile.numeric import np

FOLDS = 4
ROUNDS, RATE, LEAVES, FEWEST = 60, 0.08, 12, 10  # small trees: they have to hold for rows not seen
FARTHEST = 1e30  # the square of a cell beyond is no number
MOST_CLASSES = 12  # each class costs a tree a round


def able(cells: Cells, classes: int) -> bool:
    """Whether trees can be asked: scikit-learn is installed, the classes are few."""
    return find_spec("sklearn") is not None and classes <= MOST_CLASSES and bool(len(cells.numbers))


def by_trees(cells: Cells, y: Integers, classes: int, rng: np.random.Generator) -> Reals:
    """Log probabilities (n, classes), each row by trees of the other folds; codes are taken as numbers."""
    ensemble = needs("sklearn.ensemble", "sklearn")
    x = np.hstack([np.clip(cells.numbers, -FARTHEST, FARTHEST), cells.codes.astype(np.float64)])
    x = x[:, [len(np.unique(column[~np.isnan(column)])) > 1 for column in x.T]]
    fold = rng.permutation(len(y)) % FOLDS
    said = np.zeros((len(y), classes))
    for one in range(FOLDS if x.shape[1] else 0):
        out = fold == one
        model = ensemble.HistGradientBoostingClassifier(
            max_iter=ROUNDS,
            learning_rate=RATE,
            max_leaf_nodes=LEAVES,
            min_samples_leaf=FEWEST,
            early_stopping=False,
            random_state=0,
        )
        seen = np.unique(y[~out])
        if len(seen) < 2:
            said[np.ix_(out, seen)] = 1
            continue
        model.fit(x[~out], y[~out])
        said[np.ix_(out, model.classes_)] = model.predict_proba(x[out])
    found: Reals = np.log(np.maximum(said, 1e-4))
    return found
