"""What an assessment reports, the gate knows; rows picked by hand do not make a pass."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ancile.govern.parameters import FREE, THREAT, USUAL
from tests.cli.terminal import ASSESS, RULE, Place

GATE = ("gate", "net.py:predict")


def parameters(place: Place) -> dict[str, object]:
    found: dict[str, object] = json.loads((place.folder / "report.json").read_text("utf-8"))["parameters"]
    return found


def test_every_parameter_of_an_assessment_is_known_to_the_gate(assessed: Place) -> None:
    """Whoever adds one says in ``ancile.govern.parameters`` whether it can flatter a figure."""
    given = {name for name in parameters(assessed) if not name.startswith(THREAT)}
    assert given <= FREE | set(USUAL)


@pytest.mark.slow
def test_a_normalisation_that_shrinks_the_ball_counts_only_where_the_policy_names_it(home: Place) -> None:
    home.policy(RULE.format(at_least=0.0))
    # The network gets (x - 0) / 2: twice the eps would be wanted for the same step inside it
    assert home(*ASSESS, "--mean", "0", "--std", "2").code == 0
    refused = home(*GATE)
    assert refused.code == 2
    assert "mean = [0], std = [2], of which the requirement says nothing" in " ".join(refused.out.split())
    named = RULE.format(at_least=0.0).replace("eps = 0.05", "eps = 0.05, mean = [0], std = [2.0]")
    home.policy(named)
    assert home(*GATE).code == 0
    home.policy(RULE.format(at_least=0.0) + 'free = ["mean", "std"]\n')
    assert home(*GATE).code == 0


@pytest.mark.slow
def test_pictures_in_8_bit_units_count_only_where_the_policy_names_them(home: Place) -> None:
    """With --bounds 0,255 the same eps is a ball 255 times smaller on the same file of data."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, size=(20, 2, 2), dtype=np.uint8)
    np.savez(home.folder / "pictures.npz", x=x, y=x.reshape(20, 4).argmax(axis=1))
    (home.folder / "largest.py").write_text("def predict(x):\n    return x.reshape(len(x), -1)\n", "utf-8")
    run = ("assess", "largest.py:predict", "--data", "pictures.npz", *ASSESS[4:])
    gate = ("gate", "largest.py:predict")
    assert home(*run, "--bounds", "0,255").code == 0
    home.policy(RULE.format(at_least=0.0))
    refused = home(*gate)
    assert refused.code == 2
    assert 'made with units = "8-bit", of which the requirement says nothing' in " ".join(refused.out.split())
    home.policy(RULE.format(at_least=0.0).replace("eps = 0.05", 'eps = 0.05, units = "8-bit"'))
    assert home(*gate).code == 0
    (home.folder / "largest.py").write_text(
        "def predict(x):\n    return 2 * x.reshape(len(x), -1)\n", "utf-8"
    )
    assert "--bounds 0,255" in home(*gate, "--format", "json").out
    assert home(*run, "--bounds", "0,1").code == 0
    home.policy(RULE.format(at_least=0.0))
    assert home(*gate).code == 0


@pytest.mark.slow
def test_rows_picked_by_hand_count_only_where_the_policy_names_them(home: Place) -> None:
    pytest.importorskip("pyarrow")
    lines = ["a,b,y,easy"] + [f"{i / 40},{1 - i / 40},{int(i < 20)},{int(i % 2)}" for i in range(40)]
    (home.folder / "rows.csv").write_text("\n".join(lines) + "\n", "utf-8")
    picked = ("--label", "y", "--where", "easy=1", "--drop", "easy")
    ended = home("assess", "net.py:predict", "--data", "rows.csv", *picked, *ASSESS[4:])
    assert ended.code == 0, ended.err
    home.policy(RULE.format(at_least=0.0))
    refused = home(*GATE)
    assert refused.code == 2
    assert "of which the requirement says nothing" in " ".join(refused.out.split())
    home.policy(RULE.format(at_least=0.0) + 'absent = ["budget_seconds"]\nfree = ["label"]\n')
    assert home(*GATE).code == 2
    rest = 'free = ["where", "drop"]\n'
    for label, code in (("y", 0), ("easy", 2)):
        more = f'eps = 0.05, label = "{label}"'
        home.policy(RULE.format(at_least=0.0).replace("eps = 0.05", more) + rest)
        assert home(*GATE).code == code
    more = 'eps = 0.05, where = "easy=1", drop = ["easy"]'
    home.policy(RULE.format(at_least=0.0).replace("eps = 0.05", more) + 'free = ["label"]\n')
    assert home(*GATE).code == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "means nothing without norm and eps: add parameters"),
        ('parameters = { norm = "linf", eps = 0.1 }\nat_most = 0.9', "ask for at_least"),
        ('parameters = { norm = "linf", eps = nan }', "finite"),
        ('parameters = { norm = "linf", eps = 0.1 }\nabsent = ["eps"]', "more than one of"),
    ],
)
def test_a_policy_that_asks_for_nothing_is_an_error_of_one_line(home: Place, line: str, said: str) -> None:
    rule = '[[policy.require]]\nname = "robust"\nmeasure = "robust_accuracy"\nat_least = 0.5\n'
    home.policy(f"{rule}{line}\n")
    ended = home(*GATE)
    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.splitlines()) == 2
