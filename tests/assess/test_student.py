"""A network taught on a model's answers: what it finds on linear models, whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ancile.assess.run import State
from ancile.assess.student import ROUNDS, taught
from ancile.attacks.streams import Streams
from ancile.core.strength import Effort
from tests.assess.doubted import Function, Masked, job_of
from tests.assess.small import problem

EPS = 0.1


def bare(z: torch.Tensor) -> torch.Tensor:
    """The answer alone, as a score of 1."""
    return torch.nn.functional.one_hot(z.argmax(dim=1), z.shape[1]).float()


def lent(z: torch.Tensor) -> torch.Tensor:
    """Scores that fall where they should rise, though the highest stays where it is."""
    return bare(z) * 10 - z.detach().sigmoid()


def best(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    """How many of the samples the best steps towards each class of a linear network break."""
    with torch.no_grad():
        weight = model(torch.eye(x.shape[1])) - model(torch.zeros_like(x[:1]))
        broken = torch.zeros(len(x), dtype=torch.bool)
        for target in range(weight.shape[1]):
            steps = (weight[:, target] - weight[:, y].T).sign()
            broken |= model((x + EPS * steps).clamp(0, 1)).argmax(dim=1) != y
    return int(broken.sum())


@pytest.mark.slow
@pytest.mark.parametrize(("after", "pupil"), [(bare, 1), (lent, 0)])
def test_most_of_what_can_be_broken_is_found_from_answers_alone(after: Function, pupil: int) -> None:
    """Best possible steps against a linear network are known; without any slope the most of them are found."""
    model, samples = problem(5, n=40, features=12)
    job = job_of(Masked(model, after=after), samples, EPS)
    y = job.model.scores(samples.x).argmax(axis=1)
    breakable = best(model, torch.from_numpy(samples.x), torch.from_numpy(y))
    found = taught(job, State.fresh(samples.x, 3), effort="quick", pupil=pupil)
    got = found(samples.x, y, Streams(0, samples.ids))
    assert job.constraint.holds(got, samples.x).all()
    fooled = job.model.scores(got).argmax(axis=1) != y
    assert fooled.sum() >= 0.7 * breakable > 5


def test_a_search_that_may_not_begin_gives_the_samples_back() -> None:
    model, samples = problem(5, n=8)
    job = job_of(model, samples, EPS, stop=lambda: True)
    found = taught(job, State.fresh(samples.x, 3), effort="quick")(
        samples.x, samples.y, Streams(0, samples.ids)
    )
    assert (found == samples.x).all()


@pytest.mark.slow
def test_of_what_is_no_answer_nothing_is_learnt() -> None:
    """A model that refuses half of all points is learnt from the others."""
    model, samples = problem(5, n=30, features=6)
    refusing = Masked(model, after=lambda z: torch.where(z[:, :1] > 0, torch.nan, z))
    job = job_of(refusing, samples, EPS)
    found = taught(job, State.fresh(samples.x, 3), effort="quick")(
        samples.x, samples.y, Streams(0, samples.ids)
    )
    assert job.constraint.holds(found, samples.x).all()


@pytest.mark.slow
def test_two_students_of_one_number_find_the_same() -> None:
    model, samples = problem(6, n=12, features=6)
    job, y = job_of(model, samples, EPS), samples.y

    def once(pupil: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        search = taught(job, State.fresh(samples.x, 3), effort="quick", pupil=pupil)
        return np.asarray(search(samples.x, y, Streams(0, samples.ids)))

    assert (once(0) == once(0)).all()
    assert (once(0) != once(2)).any()


@pytest.mark.parametrize("always", [torch.nan, 0.0])
def test_where_there_is_nothing_to_learn_the_samples_come_back(always: float) -> None:
    """No answer at all, or one and the same to everything."""
    model, samples = problem(5, n=8)
    job = job_of(Masked(model, after=lambda z: 0 * z + always), samples, EPS, probe=False)
    found = taught(job, State.fresh(samples.x, 3), effort="quick")(
        samples.x, samples.y, Streams(0, samples.ids)
    )
    assert (found == samples.x).all()


def test_samples_too_large_to_be_kept_are_not_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    model, samples = problem(5, n=8)
    job, asked = job_of(model, samples, EPS), Streams(0, samples.ids)
    search = taught(job, State.fresh(samples.x, 3), effort="quick")
    before = job.model.usage.queries
    monkeypatch.setattr("ancile.assess.student.LARGEST_BYTES", samples.x.nbytes)
    assert (search(samples.x, samples.y, asked) == samples.x).all()
    assert job.model.usage.queries == before
    monkeypatch.setattr("ancile.assess.student.LARGEST_BYTES", 20 * samples.x.nbytes)
    search(samples.x, samples.y, asked)
    assert job.model.usage.queries - before < 40 * len(samples.y)


def test_more_effort_means_more_rounds() -> None:
    efforts: tuple[Effort, ...] = ("quick", "standard", "thorough")
    rounds = [ROUNDS[effort] for effort in efforts]
    assert rounds == sorted(set(rounds))
