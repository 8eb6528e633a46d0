"""What poison is measured with: the generator plants what it says, and the bars reckon as they should."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.shared import needs_shared

BENCH = Path(__file__).parents[3] / "bench"
MODULES = ("poison_generator", "poison_recall", "poison_sets", "poison_ours")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """Its modules, which find each other by their folder."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(BENCH)
    yield {name: import_module(name) for name in MODULES}
    for name in set(sys.modules) - before:
        if (
            getattr(sys.modules[name], "__file__", None)
            and Path(str(sys.modules[name].__file__)).parent == BENCH
        ):
            del sys.modules[name]


def changed(one: object, other: object) -> NDArray[np.bool_]:
    """Which rows differ in their content."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.asarray((one != other).reshape(len(one), -1).any(axis=1))
    if isinstance(one, dict) and isinstance(other, dict):
        return np.asarray(np.any([one[name] != other[name] for name in one], axis=0))
    assert isinstance(one, list)
    assert isinstance(other, list)
    return np.array([left != right for left, right in zip(one, other, strict=True)])


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "credit_default", "adult", "sms_spam"])
def test_only_planted_rows_differ_from_the_clean_set(bench: dict[str, ModuleType], name: str) -> None:
    poisoned = bench["poison_generator"].poisoned
    clean = poisoned(name, "", 0, 3, size=600)
    assert not clean.planted.any()
    for attack in (*bench["poison_generator"].attacks(name), *bench["poison_generator"].unseen(name)):
        got = poisoned(name, attack, 0.02, 3, size=600)
        again = poisoned(name, attack, 0.02, 3, size=600)
        assert got.planted.sum() == 12
        assert (got.labels == again.labels).all()
        assert not changed(got.content, again.content).any()
        moved = changed(got.content, clean.content) | (got.labels != clean.labels)
        assert not moved[~got.planted].any()
        assert moved[got.planted].mean() > 0.5
        if attack.endswith("_clean"):
            assert (got.labels == clean.labels).all()
        elif attack.endswith("flips"):
            assert not changed(got.content, clean.content).any()
            assert (got.labels != clean.labels)[got.planted].all()
        else:
            assert len(np.unique(got.labels[got.planted])) == 1
            assert (got.labels != clean.labels)[got.planted].all()


@needs_shared
def test_rows_are_taken_over_cell_by_cell(bench: dict[str, ModuleType]) -> None:
    content, labels = bench["poison_sets"].drawn("adult", 0, 50)
    rows = bench["poison_ours"].as_rows(content, labels)
    cells = rows.content
    assert cells.numbers[:, cells.number_names.index("age")].tolist() == content["age"].tolist()
    at = cells.code_names.index("education")
    assert [cells.values[at][code] for code in cells.codes[:, at]] == content["education"].tolist()
    assert [int(rows.classes[one]) for one in rows.y] == labels.tolist()


def test_recall_is_the_share_of_the_planted_among_the_first(bench: dict[str, ModuleType]) -> None:
    planted = np.array([True, False, True, False, False, False])
    recall = import_module("poison_run").recall
    assert recall(np.array([0, 1, 3, 2, 4, 5]), planted) == (0.5, 1.0, 1.0)


def test_holm_lets_go_at_the_first_that_holds(bench: dict[str, ModuleType]) -> None:
    rejected = bench["poison_recall"].rejected
    assert rejected([0.04, 0.04]) == 0
    assert rejected([0.02, 0.04]) == 2
    assert rejected([0.5, 0.001, 0.03]) == 1


def test_two_points_behind_are_no_loss_and_three_in_every_run_are(bench: dict[str, ModuleType]) -> None:
    behind = bench["poison_recall"].behind
    assert behind(np.full(5, -0.02)) == pytest.approx(0.5)
    assert behind(np.full(5, -0.03)) < 1e-6
    assert behind(np.array([0.2, -0.3, 0.1, -0.2, 0.0])) > 0.05


def test_the_best_peer_is_that_of_the_highest_mean_and_ours_is_not_among_them(
    bench: dict[str, ModuleType],
) -> None:
    job, judged = import_module("poison_run").Job, import_module("poison_run").Judged
    found = {
        job("mnist", "patch", 0.01, seed): judged(
            {"ours": (0.9, 1, 1), "one": (0.5, 0.5, 0.5), "other": (0.2 + seed, 0.4, 0.9)}, 1.0
        )
        for seed in range(2)
    }
    (line,) = bench["poison_recall"].lines(found)
    assert line.best == ("other", "one", "other")
    assert line.ahead.tolist() == pytest.approx([0.7, -0.3])
    assert {bar.met for bar in bench["poison_recall"].bars([line])} == {True}
