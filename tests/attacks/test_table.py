"""What holds of every attack there is: a new row of the table is tested at once."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ancile.attacks
from ancile.attacks.alone import alone
from ancile.attacks.ball import Norm
from ancile.attacks.constraint import Constraint
from ancile.attacks.streams import Streams
from ancile.attacks.table import ATTACKS, Row, row
from ancile.core.errors import AncileError
from tests.attacks.worlds import FAR, World, blocks, digits_world, linear, robust, run, world

PAIRS = [(one, norm) for one in ATTACKS for norm in one.norms]
SLOW = {True: [pytest.mark.slow], False: []}  # a whole portfolio, which has quick tests of its own too
CASES = [pytest.param(one, norm, id=f"{one.name}-{norm}", marks=SLOW[one.company]) for one, norm in PAIRS]
every_attack = pytest.mark.parametrize(("one", "norm"), CASES)
# Where effort goes by rank, a sample's result depends on its company
each_sample = pytest.mark.parametrize(
    ("one", "norm"), [case for case, (one, _) in zip(CASES, PAIRS, strict=True) if not one.company]
)
FEW: dict[str, dict[str, Any]] = {
    "square": {"queries": 40}, "pgd": {"steps": 6}, "apgd": {"steps": 12}, "cascade": {"effort": "quick"},
    "cw": {"steps": 8, "rounds": 3}, "hopskipjump": {"queries": 100}, "rays": {"queries": 60},
}  # fmt: skip
EPS = {"linf": (0.05, 0.1, 0.2), "l2": (0.3, 0.7, 1.4), "l1": (0.6, 1.5, 4.0), "l0": (2.0, 3.0, 6.0)}
LADDER = {  # from almost all to almost none still right, on the linear models below
    "linf": np.linspace(0.01, 1.0, 8),
    "l2": np.linspace(0.02, 2.0, 8),
    "l1": np.linspace(0.05, 5.0, 8),
    "l0": np.arange(8.0),
}


def few(one: Row) -> dict[str, Any]:
    return dict(FEW.get(one.name, {}))


def wide(norm: Norm, eps: float) -> Constraint:
    """Bounds that nothing reaches; in L0, where a feature goes all the way to them, ones that matter."""
    bound = 2.0 if norm == "l0" else FAR
    return Constraint(norm, eps, -bound, bound)


def small(kind: str) -> World:
    """A world of each kind of output and shape that users bring."""
    rng = np.random.default_rng(5)
    rows = torch.from_numpy(rng.uniform(0.2, 0.8, size=(12, 8)).astype(np.float32))
    images = torch.from_numpy(rng.uniform(0.2, 0.8, size=(12, 2, 6, 5)).astype(np.float32))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        nets: dict[str, tuple[torch.nn.Module, torch.Tensor]] = {
            "two classes": (torch.nn.Linear(8, 2), rows),
            "single logit": (torch.nn.Sequential(torch.nn.Linear(8, 1), torch.nn.Flatten(0)), rows),
            "single probability": (torch.nn.Sequential(torch.nn.Linear(8, 1), torch.nn.Sigmoid()), rows),
            "probabilities": (torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Softmax(dim=1)), rows),
            "float64": (torch.nn.Linear(8, 3).double(), rows.double()),
            "images": (torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), torch.nn.Flatten(), torch.nn.Linear(48, 3)), images),
            "channels last": (torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(60, 3)), images.permute(0, 2, 3, 1).contiguous()),
            "grey": (torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(30, 3)), images[:, 0].contiguous()),
            "four axes": (torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(60, 3)), images.reshape(12, 2, 3, 2, 5)),
            "one feature": (torch.nn.Linear(1, 3), rows[:, :1].contiguous()),
            "numbers": (torch.nn.Sequential(torch.nn.Unflatten(0, (-1, 1)), torch.nn.Linear(1, 3)), rows[:, 0].contiguous()),
        }  # fmt: skip
    return world(*nets[kind])


KINDS = [
    "two classes", "single logit", "single probability", "probabilities", "float64", "images", "channels last",
    "grey", "four axes", "one feature", "numbers",
]  # fmt: skip
COMMON = ("two classes", "probabilities", "float64", "images", "one feature")


@every_attack
@pytest.mark.parametrize(
    "kind", [kind if kind in COMMON else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_results_are_inside_ball_and_bounds_and_look_like_the_samples(
    one: Row, norm: Norm, kind: str
) -> None:
    here = small(kind)
    before = here.x.clone()
    c = Constraint(norm, EPS[norm][1], 0.1, 0.9)
    found = run(one, here, c, **few(one))
    assert (found.shape, found.dtype) == (here.x.shape, here.x.dtype)
    assert c.holds(found, here.x).all()
    assert torch.equal(here.x, before)
    assert one.nearest or (found != here.x).any()


@every_attack
@pytest.mark.parametrize("kind", ["images", "two classes", "float64"])
def test_per_feature_bounds_scales_and_masks_hold(one: Row, norm: Norm, kind: str) -> None:
    here = small(kind)
    shape = tuple(here.x.shape[1:])
    rng = np.random.default_rng(1)
    scale = rng.uniform(0.2, 2.0, shape) * (rng.random(shape) > 0.3)
    low, high = rng.uniform(0.0, 0.3, shape), rng.uniform(0.6, 1.0, shape)
    movable = rng.random(shape) > 0.2
    c = Constraint(norm, 3.0 if norm == "l0" else 0.3, low, high, scale, movable)
    found = run(one, here, c, **few(one))
    assert c.holds(found, here.x).all()
    still = np.broadcast_to((scale == 0) | ~movable, here.x.shape)
    assert np.array_equal(found.numpy()[still], here.x.numpy()[still])
    assert one.nearest or (found != here.x).any()


@every_attack
def test_where_nothing_is_movable_nothing_moves(one: Row, norm: Norm) -> None:
    for kind in ("images", "two classes"):
        here = small(kind)
        found = run(
            one,
            here,
            Constraint(norm, EPS[norm][1] / 2, movable=np.zeros(here.x.shape[1:], dtype=bool)),
            **few(one),
        )
        assert torch.equal(found, here.x)


@every_attack
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_any_sample_at_any_eps_stays_inside(one: Row, norm: Norm, data: st.DataObject) -> None:
    width = data.draw(st.sampled_from([torch.float32, torch.float64]))
    eps = data.draw(st.floats(0, 1)) * data.draw(st.sampled_from([1.0, 1e-3, 1e-7]))
    eps = data.draw(st.floats(0, 4)) if norm == "l0" else eps
    values = data.draw(st.lists(st.floats(-0.1, 1.1), min_size=6, max_size=6))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        here = world(torch.nn.Linear(3, 3, dtype=width), torch.tensor(values, dtype=width).reshape(2, 3))
    c = Constraint(norm, eps)
    assert c.holds(run(one, here, c, **few(one)), here.x).all()


@every_attack
@pytest.mark.parametrize("kind", ["images", "two classes"])
def test_eps_zero_returns_the_samples_bit_for_bit_at_no_cost(one: Row, norm: Norm, kind: str) -> None:
    here = small(kind)
    here.x[0] = -0.0
    before = here.model.usage.forwards + here.model.usage.queries
    found = run(one, here, Constraint(norm, 0.0), **few(one))
    assert found.numpy().tobytes() == here.x.numpy().tobytes()
    assert found.data_ptr() != here.x.data_ptr()
    assert here.model.usage.forwards + here.model.usage.queries == before


@every_attack
def test_more_eps_never_raises_robust_accuracy(one: Row, norm: Norm) -> None:
    """On linear models of equal pairs exactly; the same draws reach further in the same direction."""
    here = linear(blocks(3, 4), np.zeros(3), n=60)
    left = [robust(here, run(one, here, wide(norm, eps), **few(one))).mean() for eps in LADDER[norm]]
    assert left == sorted(left, reverse=True)
    assert left[0] > left[-1]


@pytest.mark.slow
@each_sample
def test_a_batch_equals_its_samples_one_by_one(one: Row, norm: Norm) -> None:
    """A sample's draws do not depend on its batch; sums in another order differ by rounding.

    On the flat ground of digits max-pooling ties, and rounding picks the slope: two searches for the nearest
    end in different points, about as far.
    """
    here = digits_world(12)
    c = Constraint(norm, EPS[norm][1])
    whole = run(one, here, c, **few(one))
    for i in range(12):
        alone = World(here.net, here.model, here.x[i : i + 1], here.y[i : i + 1])
        found = run(one, alone, c, rng=Streams(0, np.array([i])), **few(one))
        if one.nearest:
            far = c.distance(whole[i : i + 1], alone.x)
            assert c.distance(found, alone.x) == pytest.approx(far, rel=0.05)
        else:
            assert torch.allclose(found[0], whole[i], atol=1e-5)


@every_attack
def test_the_order_of_samples_and_the_way_they_are_cut_change_nothing(one: Row, norm: Norm) -> None:
    here = linear(blocks(3, 4), np.zeros(3), n=30)
    c = wide(norm, LADDER[norm][3])
    whole = run(one, here, c, **few(one))
    turned = torch.arange(29, -1, -1)
    back = World(here.net, here.model, here.x[turned], here.y[turned])
    found = run(one, back, c, rng=here.rng.take(turned.numpy()), **few(one))
    assert torch.allclose(found[turned], whole, atol=1e-12)


@every_attack
def test_the_seed_decides_all_and_only_random_attacks_depend_on_it(one: Row, norm: Norm) -> None:
    here = digits_world(10)
    c, ids = Constraint(norm, EPS[norm][2 if one.nearest else 0]), np.arange(10)
    first, again, other = (run(one, here, c, rng=Streams(s, ids), **few(one)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert torch.equal(first, other) != one.random


@every_attack
def test_a_masked_gradient_or_scores_that_never_change_move_nothing_out_and_crash_nothing(
    one: Row, norm: Norm
) -> None:
    class Deaf(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(x), 3) + torch.tensor([2.0, 1.0, 0.0])

    class Saturated(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.softmax(1e6 * x[:, :3], dim=1)

    class Stepped(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.round(x[:, :3] * 4)

    for net in (Deaf(), Saturated(), Stepped()):
        here = world(net, torch.linspace(0, 1, 20).reshape(4, 5))
        c = Constraint(norm, EPS[norm][1])
        found = run(one, here, c, **few(one))
        assert c.holds(found, here.x).all()


@every_attack
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), float("-inf")])
def test_scores_that_are_not_finite_never_make_a_result_that_is_not(
    one: Row, norm: Norm, poison: float
) -> None:
    """A model that answers NaN beyond 0.5 decides nothing there, and its gradient is no direction."""

    class Cracked(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = torch.stack([x.sum(dim=1), 2 - x.sum(dim=1)], dim=1)
            return torch.where((x > 0.5).any(dim=1, keepdim=True), logits * poison, logits)

    here = world(Cracked(), torch.full((3, 4), 0.49))
    c = Constraint(norm, EPS[norm][1])
    found = run(one, here, c, **few(one))
    assert c.holds(found, here.x).all()


@every_attack
def test_stopping_before_the_first_step_returns_the_samples(one: Row, norm: Norm) -> None:
    here = digits_world(5)
    found = run(one, here, Constraint(norm, EPS[norm][1]), on_step=lambda: True, **few(one))
    assert torch.equal(found, here.x)


@every_attack
def test_no_samples_are_no_work(one: Row, norm: Norm) -> None:
    here = digits_world(5)
    none = World(here.net, here.model, here.x[:0], here.y[:0])
    assert run(one, none, Constraint(norm, EPS[norm][1]), **few(one)).shape == (0, 1, 8, 8)


@every_attack
def test_the_room_gives_each_attack_by_name_even_after_its_file_was_imported(one: Row, norm: Norm) -> None:
    assert norm in one.norms
    module = importlib.import_module(one.function.partition(":")[0])
    assert getattr(ancile.attacks, one.name) is alone(one.name)
    assert getattr(module, one.name) is one.load()


@pytest.mark.slow
def test_the_room_loads_no_attack_and_no_torch_by_itself() -> None:
    code = (
        "import sys, ancile.attacks as a; assert 'torch' not in sys.modules and 'numpy' not in sys.modules;"
        "assert a.square.__name__ == 'square' and 'torch' not in sys.modules;"
        "from ancile.attacks import pgd; assert callable(pgd)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_is_no_attack_is_refused() -> None:
    with pytest.raises(AncileError, match="no such attack"):
        row("fgsm2")
    with pytest.raises(AttributeError, match="nonsense"):
        ancile.attacks.nonsense  # noqa: B018 - the access is the test


@pytest.mark.slow
def test_without_torch_a_gradient_attack_names_the_extra_and_square_works() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np\n"
        "from ancile.attacks.square import square\n"
        "from ancile.attacks.constraint import Constraint\n"
        "from ancile.attacks.streams import Streams\n"
        "x = np.full((4, 3), 0.5)\n"
        "scores = lambda z: np.stack([z.sum(1), 3 - z.sum(1) + 0.1], axis=1)\n"
        "found = square(scores, x, np.ones(4, int), Constraint('linf', 0.2), Streams(0, np.arange(4)), queries=50)\n"
        "assert (scores(found).argmax(1) == 0).all()\n"
        "try:\n    from ancile.attacks import pgd\n"
        "except Exception as e:\n    assert 'ancile[torch]' in e.remedy, e\n"
        "else:\n    raise SystemExit('pgd came without torch')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
