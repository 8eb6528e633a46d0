"""Whether a model was trained on marked data: a randomisation test, exact whatever the model is.

The labels that the marks have were dealt out by a secret key, and nothing else than the marked rows knows
them. To a model that never saw these rows every other dealing is as good: the share of dealings that suit its
answers as well as the true one does is a p-value without any assumption about model or data (Fisher, The
Design of Experiments, 1935, section 21; Phipson and Smyth 2010, doi:10.2202/1544-6115.1585, for dealings that
are drawn).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.numeric import NDArray, np

if TYPE_CHECKING:
    from scipy import special, stats
else:
    special, stats = needs("scipy.special", "arrays"), needs("scipy.stats", "arrays")

DEALINGS = 49_999  # the smallest p-value is 1 in 50,000
AT_ONCE = 1_000
FLOOR = 1e-4  # a probability below it says no more: forests and labels alone say 0
TIE = 1e-9

Output = Literal["logits", "probabilities", "labels"]
Reals = NDArray[np.float64]


class Trace(NamedTuple):
    """What the answers say of the marks.

    p_value  chance that a model which never saw them suits their labels so well
    z        how many standard deviations beyond the mean of all dealings it does
    n        marks that were asked
    agree    of them, how often the highest score is the mark's label
    """

    p_value: float
    z: float
    n: int
    agree: int


def log_scores(scores: Reals, output: Output) -> Reals:
    """(n, classes) log-probabilities, none below a floor; what is no number counts as the floor."""
    if output == "logits":
        with np.errstate(invalid="ignore"):
            found = special.log_softmax(np.asarray(scores, np.float64), axis=1)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.log(np.asarray(scores, np.float64))
    floor = np.log(FLOOR)
    clipped: Reals = np.clip(np.nan_to_num(found, nan=floor, posinf=0.0, neginf=floor), floor, 0.0)
    return clipped


class Part(NamedTuple):
    """Marks of one kind.

    evidence  (marks, classes): how much the model holds each mark for each class; what it prefers everywhere
              says nothing, as every dealing has each class as often
    labels    (marks,) as the key dealt them
    by_rank   whether only the order within a class counts: better for single rows, whose scores lie far apart
    """

    evidence: Reals
    labels: NDArray[np.int64]
    by_rank: bool = True


def traced(parts: Sequence[Part], rng: np.random.Generator, *, dealings: int = DEALINGS) -> Trace:
    """The test; parts are weighed alike, each in standard deviations of its own dealings.

    rng  draws the other dealings
    """
    reached, others = 0.0, np.zeros(dealings)
    for part in parts:
        _require_fit(part)
        own, sums = _dealings(part, rng, dealings)
        spread = float(sums.std())
        if spread > TIE:
            reached += (own - float(sums.mean())) / spread
            others += (sums - sums.mean()) / spread
    spread = float(others.std())
    return Trace(
        p_value=float((1 + np.count_nonzero(others >= reached - TIE)) / (1 + dealings)),
        z=reached / spread if spread > TIE else 0.0,
        n=sum(len(part.labels) for part in parts),
        agree=sum(int(np.count_nonzero(part.evidence.argmax(axis=1) == part.labels)) for part in parts),
    )


def _require_fit(part: Part) -> None:
    evidence, labels = part.evidence, part.labels
    if evidence.ndim != 2 or len(labels) != len(evidence) or not len(labels):
        raise AncileError(
            "the answers do not fit the marks",
            value=f"{evidence.shape} for {len(labels)} marks",
            remedy="answer every row that was asked, in its order",
        )
    if labels.max() >= evidence.shape[1]:
        raise AncileError(
            "the model knows fewer classes than the marked data",
            value=f"{evidence.shape[1]} classes, a mark is of class {int(labels.max())}",
            remedy="give a model of the same task",
        )


def _dealings(part: Part, rng: np.random.Generator, dealings: int) -> tuple[float, Reals]:
    """The sum of the evidence for the labels of the marks, and for those of other dealings."""
    evidence = part.evidence
    score = stats.rankdata(evidence, axis=0) if part.by_rank else evidence - evidence.mean(axis=0)
    sums = [
        _dealt(score, part.labels, rng, min(AT_ONCE, dealings - start))
        for start in range(0, dealings, AT_ONCE)
    ]
    return float(score[np.arange(len(score)), part.labels].sum()), np.concatenate(sums)


def _dealt(score: Reals, labels: NDArray[np.int64], rng: np.random.Generator, count: int) -> Reals:
    """Sums under ``count`` other dealings of the same labels."""
    dealt = rng.permuted(np.broadcast_to(labels, (count, len(labels))), axis=1)
    found: Reals = score[np.arange(len(labels)), dealt].sum(axis=1)
    return found


def members(inside: Reals, outside: Reals, rng: np.random.Generator, *, dealings: int = DEALINGS) -> Trace:
    """Whether rows that may have been trained on suit the model better than rows that were not.

    inside, outside  (n,) log-probability of the true label of each row: of what was given out, and of rows
                     held back from the same source, dealt to one or the other side at random

    Weaker than marks: a model that does not overfit shows nothing, and where the two parts were not dealt at
    random the p-value says that they differ, and not why.
    """
    both = np.concatenate([inside, outside])
    evidence = np.stack([-both, both], axis=1)
    labels = np.repeat(np.array([1, 0]), [len(inside), len(outside)])
    return traced([Part(evidence, labels)], rng, dealings=dealings)
