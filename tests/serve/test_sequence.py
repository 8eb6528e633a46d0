"""Queries that walk are told from those of benign callers, and what a window says is what its formula says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ancile.core.errors import AncileError
from ancile.serve.calibration import LEAST_LIMIT, NEVER, calibrate, of_one_kind, with_sureness
from ancile.serve.guards.outlier import stranger
from ancile.serve.guards.search import search, sureness
from ancile.serve.guards.sequence import (
    FEW,
    FILLS,
    FIRST_SLOTS,
    HALF,
    HIGHEST,
    MOVED,
    NEAR,
    REPEATED,
    SEARCH,
    SEARCHES,
    SEVENTH,
    SHAPE,
    SHARES,
    SLOTS,
    SUMS,
    WALKS,
    Benign,
    Near,
    Window,
    bucket,
    new_rows,
    sequence,
    step,
)
from ancile.serve.orders import SLACK, for_jobs, sorted_order
from ancile.serve.ranks import QUERIES, added, ranks_of
from ancile.serve.strange import table_of


def plain(width: int) -> Benign:
    """Every distance up to 1 is as likely as any other, and no sum has a limit."""
    table = [k / 1000 for k in range(1, 1001)]
    return Benign(np.zeros(width, "f4"), np.ones(width, "f4"), None, (table,) * len(FILLS), NEVER)


def test_the_nearest_of_a_window_is_the_nearest_of_its_last_queries() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3 * SLOTS, 7)).astype(np.float32)
    window = Window(7)
    for at, point in enumerate(points):
        found, place = window.nearest(point, plain(7))
        before = points[max(0, at - SLOTS) : at]
        assert window.filled == len(before)
        if len(before):
            distances = np.linalg.norm(before - point, axis=1)
            assert found == pytest.approx(distances.min(), rel=1e-3)
            assert place == (max(0, at - SLOTS) + distances.argmin()) % SLOTS
            assert window.nearest(point, plain(7)) == (found, place)  # whoever asks twice is told the same
        window.keep()
    assert window.nearest(points[-1], plain(7))[0] == 0.0


def test_a_new_window_is_small_and_grows_no_larger_than_its_slots() -> None:
    window, sizes = Window(3), set()
    for at in range(2 * SLOTS):
        window.add(np.array([at, 0, 0], "f4"), plain(3))
        sizes.add(len(window._ring))
    assert (min(sizes), max(sizes)) == (FIRST_SLOTS, SLOTS)


@pytest.mark.parametrize(
    ("filled", "table"),
    [(1, 0), (2, 1), (3, 1), (4, 2), (31, 4), (32, 5), (63, 5), (128, 7), (255, 7), (256, 8)],
)
def test_a_window_is_judged_by_the_table_of_its_fill(filled: int, table: int) -> None:
    assert bucket(filled) == table


@pytest.mark.parametrize(("gains", "share"), [(HALF, SHARES[0]), (SEVENTH, SHARES[1])])
def test_a_gain_is_the_likelihood_ratio_of_a_p_value_and_never_more(gains: list[float], share: float) -> None:
    """Under benign callers its exponential is 1 on average, or less: then no sum drifts upwards."""
    for p in (1.0, 0.9, 0.5, 0.1, 1e-2, 1e-4):
        exact = math.log(1 - share + share * SHAPE * p ** (SHAPE - 1))
        assert exact - 0.16 <= gains[step(p)] <= exact + 1e-12
    edges = [2.0 ** (-k / 4) for k in range(len(gains))] + [0.0]
    mean = sum(math.exp(gain) * (edges[k] - edges[k + 1]) for k, gain in enumerate(gains))
    assert 0.85 < mean <= 1.0


def test_a_repeat_is_no_evidence_and_a_form_with_one_value_changed_is_known_as_one() -> None:
    window, benign = Window(8), plain(8)
    row = np.zeros(8, "f4")
    assert window.add(row, benign) == Near(1.0, moved=True)
    assert window.add(row, benign) == Near(1.0, moved=False)
    assert window.sums == [0.0] * SUMS
    changed = row.copy()
    changed[:FEW] = 0.01
    assert not window.add(changed, benign).moved
    changed[: FEW + 1] = 0.02
    assert window.add(changed, benign).moved
    assert window.sums[NEAR] > 0
    far = row.copy()
    far[0] = 0.9
    assert window.add(far, benign).moved


def test_who_left_before_the_answer_sends_no_repeat_when_he_comes_again() -> None:
    window, benign = Window(2), plain(2)
    rows = np.array([[0.0, 0.0], [0.01, 0.0], [0.01, 0.0], [0.01, 0.0]], "f4")
    for row in rows[:2]:
        near = window.add(row, benign)
    window.unanswered(window.count - 1)
    before = window.sums.copy()
    again = window.add(rows[2], benign)
    assert again == near
    assert window.sums == before  # for that it is the repeat that it is
    window.unanswered(window.count - 1)
    window.judged(window.count - 1, 1)
    assert window.add(rows[3], benign) is REPEATED


def test_answers_to_queries_that_others_have_pushed_out_change_nothing() -> None:
    window, benign = Window(2), plain(2)
    points = np.random.default_rng(0).normal(size=(SLOTS + 3, 2)).astype("f4")
    for point in points:
        window.add(point, benign)
    window.unanswered(3)
    window.judged(0, 3)
    assert window.add(points[3], benign) is not REPEATED
    window.judged(0, SLOTS + 3)
    assert window.add(points[4], benign) is REPEATED


def test_near_and_unsure_together_count_by_the_square_of_the_larger() -> None:
    window = Window(3)
    window.answered(Near(0.01, moved=True), 0.1)
    assert window.sums[SEARCH] == window.sums[MOVED] == HALF[step(0.01)]
    window.answered(Near(0.01, moved=False), 0.1)
    assert window.sums[SEARCH] == 2 * HALF[step(0.01)]
    assert window.sums[MOVED] == HALF[step(0.01)]
    before = window.sums.copy()
    window.answered(Near(1.0, moved=False), 1e-6)
    assert window.sums == before


def test_a_sum_that_is_far_above_its_limit_comes_down_in_bounded_time() -> None:
    benign = plain(3)._replace(limits=(5.0,) * SUMS)
    window = Window(3)
    window.sums[NEAR] = 1e6
    assert window.over(benign, WALKS)
    assert window.sums[NEAR] == HIGHEST * 5.0
    assert not window.over(benign, SEARCHES)


def test_new_rows_are_those_that_nobody_sent_before_or_filled_in() -> None:
    rows = np.arange(6.0).reshape(3, 2)
    near = [Near(0.5, moved=True), Near(1.0, moved=False), Near(0.1, moved=True)]
    assert new_rows(rows, near).tolist() == [[0, 1], [4, 5]]
    assert new_rows(rows, None) is rows
    assert new_rows(rows[:1], near[:1]) is not None


def test_how_unsure_an_answer_is_is_the_share_of_benign_ones_as_unsure() -> None:
    ranks = ranks_of(-k / 100 for k in range(100))
    assert sureness(-0.99, ranks) == 1.0
    assert sureness(0.0, ranks) == pytest.approx(2 / 101)


def test_jobs_send_every_row_once_in_the_order_of_some_values_and_stay_below_their_limit() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 3))
    order = sorted_order(x, rng)
    assert len(set(order)) == QUERIES
    assert any((np.diff(x[order, value]) >= 0).all() for value in range(3))
    amounts = x[:, 0].tolist()
    alone = ranks_of(amounts)
    ranks = for_jobs(alone, amounts, x)
    total, highest = 0.0, 0.0
    for value in sorted(amounts):
        total = added(total, (value,), ranks)
        highest = max(highest, total)
    assert alone.limit < highest < ranks.limit < 3 * SLACK * highest


def correlated(rng: np.random.Generator, width: int, rows: int) -> np.ndarray:
    mixing = rng.normal(size=(width, width)) / width**0.5
    return np.asarray(rng.normal(size=(rows, width)) @ mixing, np.float32)


def pictures(rng: np.random.Generator, count: int) -> np.ndarray:
    """Smooth pictures of 16 x 16 in every light, most of them dark."""
    waves = rng.normal(size=(count, 1, 6)) * np.arange(256)[None, :, None] / 40
    seen = np.sin(waves + rng.uniform(0, 6, size=(count, 1, 6))).mean(axis=2)
    light = rng.exponential(0.2, size=(count, 1)) + 0.01
    return np.asarray(light * (1 + seen), "f4")


def test_values_are_of_one_kind_where_the_variance_is_not_that_of_a_few() -> None:
    assert of_one_kind(np.ones(100))
    assert of_one_kind(np.r_[np.zeros(60), np.ones(40)])
    assert not of_one_kind(np.r_[np.full(95, 0.4), np.full(5, 1e5)])


def test_a_picture_in_another_light_is_near_to_itself_and_no_repeat() -> None:
    """However dark, two pictures are as far apart as they are in full light."""
    rng = np.random.default_rng(0)
    x = pictures(rng, 600)
    x /= x.std(axis=1, keepdims=True)
    benign = calibrate(x)
    window = Window(benign.width)
    window.nearest(x[0], benign)
    window.keep()
    apart = window.nearest(x[1], benign)[0]
    assert window.nearest(np.float32(0.9) * x[1], benign)[0] == pytest.approx(apart, rel=0.1)
    other = window.nearest(np.float32(0.9) * x[0] + np.float32(0.2), benign)[0]
    assert 1e-3 < other < 0.1 * apart


def test_a_wide_table_counts_each_value_by_its_own_spread() -> None:
    rng = np.random.default_rng(0)
    units = np.r_[np.ones(90), np.full(10, 1e4)]
    x = np.asarray(rng.normal(size=(600, 100)) * units, "f4")
    benign = calibrate(x)
    assert benign.light is None
    window = Window(benign.width)
    window.nearest(x[0], benign)
    window.keep()
    same_large = np.r_[x[1, :90], x[0, 90:]]
    assert window.nearest(same_large, benign)[0] > 0.7 * window.nearest(x[1], benign)[0]


def test_no_limit_is_below_that_of_independent_queries_nor_a_rank_rarer_than_the_pairs() -> None:
    benign = calibrate(np.random.default_rng(0).normal(size=(600, 5)))
    assert min(benign.limits[:SEARCH]) >= LEAST_LIMIT
    assert max(len(one) for one in benign.ranks) == 150


@pytest.mark.slow
def test_dark_pictures_that_a_job_sends_together_are_no_walk_and_steps_in_the_dark_are() -> None:
    rng = np.random.default_rng(0)
    x = pictures(rng, 2400)
    benign, held = calibrate(x[:1200]), x[1200:]
    window = Window(benign.width)
    by_light = held[np.argsort(held.mean(axis=1))][:600]
    assert all(sequence(row[None], window, benign).reaction == "allow" for row in by_light)
    window, dark = Window(benign.width), by_light[0]
    steps = dark + 0.02 * dark.std() * rng.normal(size=(50, 256)).astype("f4")
    assert any(sequence(row[None], window, benign).reaction == "flag" for row in steps)


def walked(rows: np.ndarray, steps: int) -> np.ndarray:
    """A bisection between two rows, then small steps around its end: how a boundary attack begins."""
    rng = np.random.default_rng(1)
    low, high = rows[0], rows[1]
    found = [low + (high - low) * 0.5**k for k in range(steps // 2)]
    return np.array([*found, *(found[-1] + 0.05 * rng.normal(size=(steps - steps // 2, len(low))))], "f4")


@pytest.mark.slow
@pytest.mark.parametrize("width", [12, 200])
def test_a_walk_is_seen_within_fifty_queries_and_benign_callers_are_not(width: int) -> None:
    rng = np.random.default_rng(0)
    x = correlated(rng, width, 2000)
    benign, held = calibrate(x[:1000]), x[1000:]
    flagged = 0
    for caller in range(60):
        window = Window(benign.width)
        chosen = held[rng.integers(len(held), size=600)]
        if caller % 2:
            chosen = chosen[np.argsort(chosen[:, 0])]
        flagged += any(sequence(row[None], window, benign).reaction != "allow" for row in chosen)
    assert flagged <= 3  # of 60; P(more than 3 | one in a hundred) is below 0.004
    window = Window(benign.width)
    assert any(sequence(row[None], window, benign).reaction == "flag" for row in walked(held, 50))


@pytest.mark.slow
def test_whoever_is_near_and_unsure_searches_and_whoever_fills_in_a_form_does_not() -> None:
    rng = np.random.default_rng(0)
    x = correlated(rng, 12, 1000)

    def scores(rows: np.ndarray) -> np.ndarray:
        first = 1 / (1 + np.exp(-4 * rows[:, :1]))
        return np.concatenate([first, 1 - first], axis=1)

    unsure = -np.abs(1 - 2 * scores(x)[:, 0])
    ranks = ranks_of(unsure.tolist())
    benign = with_sureness(calibrate(x), x, np.array([sureness(one, ranks) for one in unsure]))

    def said(rows: np.ndarray) -> set[str]:
        window, found = Window(benign.width), set[str]()
        for row in rows:
            sequence(row[None], window, benign)
            found.add(search(scores(row[None]), window.last, window, benign=benign, ranks=ranks).reaction)
        return found

    around = x[0] + 0.05 * rng.normal(size=(60, 12)).astype("f4")
    around[:, 0] *= 0.05
    assert "degrade" in said(around)
    forms = np.repeat(x[:30], 10, axis=0)
    for at in range(len(forms)):
        forms[at, rng.integers(12)] = x[rng.integers(len(x)), rng.integers(12)]
    assert "degrade" not in said(forms)


@pytest.mark.slow
def test_exact_repeats_are_no_evidence() -> None:
    x = np.random.default_rng(0).normal(size=(1000, 5)).astype(np.float32)
    benign = calibrate(x)
    window = Window(5)
    assert all(sequence(x[:1], window, benign).reaction == "allow" for _ in range(500))


def test_a_reference_set_that_says_too_little_is_refused() -> None:
    with pytest.raises(AncileError, match="too small"):
        calibrate(np.zeros((499, 3), np.float32))
    with pytest.raises(AncileError, match="different"):
        calibrate(np.zeros((600, 3), np.float32))


@pytest.mark.slow
def test_values_that_never_go_together_are_strange_and_rows_of_the_reference_are_not() -> None:
    """The second value is the square of the first: mixtures have usual values and no usual correlation."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(2000, 1))
    x = np.concatenate([first, first**2, first**3], axis=1).astype("f4")
    table = table_of(x[:1000])
    assert table is not None
    assert table.distance(x[0]) < 0.05
    mixed = np.column_stack([x[rng.integers(1000, 2000, size=200), value] for value in range(3)])

    def seen(rows: np.ndarray) -> int:
        total = 0.0
        for count, row in enumerate(rows, 1):
            said, total = stranger(row[None], total, table)
            if said.reaction != "allow":
                return count
        return 0

    assert 0 < seen(mixed) < 50
    assert not any(seen(x[rng.integers(1000, 2000, size=600)]) for _ in range(10))
    assert table_of(np.zeros((600, 100), "f4")) is None
