"""``ancile assess --gate`` and ``ancile gate`` are one gate: same evidence, same options, same answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.terminal import ASSESS, RULE, Place, clear
from tests.cli.test_gate_against import imported_home, rolled_back

MET, NOT_MET = RULE.format(at_least=0.1), RULE.format(at_least=0.99)
PINNED = MET + 'effort = "quick"\naccess = "scores"\n'
GATE = ("gate", "net.py:predict")


def test_a_gate_and_no_record_exclude_each_other(home: Place) -> None:
    before = home("ledger", "log").out
    assert "nothing is to be recorded" in clear(home(*ASSESS, "--gate", "--no-record"))
    assert home("ledger", "log").out == before


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "code"), [(MET, 0), (NOT_MET, 1), (MET.replace("0.05", "0.3"), 2)])
def test_both_ways_give_one_answer(home: Place, rule: str, code: int) -> None:
    home.policy(rule)
    together = home(*ASSESS, "--gate", "-o", "report.json")
    assert (together.code, home(*GATE).code) == (code, code)
    assert "gate: holds:" in together.err
    outcomes = [
        json.loads(home("ledger", "show", line.split()[0]).out)["statement"]["predicate"]["outcome"]
        for line in home("ledger", "log", "--kind", "decision").out.splitlines()
    ]
    assert len(outcomes) == 2
    assert len(set(outcomes)) == 1


@pytest.mark.slow
def test_strict_reaches_the_gate(home: Place) -> None:
    """A requirement that leaves the data open passes with a warning, which --strict refuses."""
    home.policy(PINNED)
    assert home(*ASSESS, "--gate", "-o", "a.json").code == 0
    assert home(*GATE).code == 0
    assert home(*GATE, "--strict").code == 1
    assert home(*ASSESS, "--gate", "--strict", "-o", "b.json").code == 1
    digest = json.loads((home.folder / "a.json").read_text("utf-8"))["parameters"]["data_digest"]
    home.policy(PINNED + f'data = "{digest}"\n')
    assert home(*GATE, "--strict").code == 0


@pytest.mark.slow
def test_evidence_and_kept_checkpoints_reach_the_gate(assessed: Place, tmp_path: Path) -> None:
    worse = imported_home(assessed, tmp_path / "elsewhere")
    shutil.rmtree(worse.folder / ".ancile" / "imports")
    public = worse("keys", "list", "--public").out
    other = assessed("keys", "list", "--public").out
    worse.policy(
        MET + "minimum_n = 40\n",
        logs=other[other.index("[[policy.logs]]") :],
        authors=[public.split('"')[1], other.split('"')[1]],
    )
    few = (*ASSESS, "--samples", "12", "--gate")
    assert worse(*few, "-o", "a.json").code == 2
    assert worse(*few, "--evidence", "bundle.json", "-o", "b.json").code == 0
    rolled_back(worse, (*ASSESS, "-o", "kept.json"))
    refused = worse(*few, "--evidence", "bundle.json", "--against", "kept.json", "-o", "c.json")
    assert refused.code == 2
    assert "rolled back" in refused.err or "another root" in refused.err
    assert "was not recorded" in refused.err


@pytest.mark.parametrize("option", [("--evidence", "absent"), ("--against", "absent")])
def test_what_cannot_be_read_is_told_before_the_long_work(home: Place, option: tuple[str, str]) -> None:
    before = home("ledger", "log").out
    assert "cannot be read" in clear(home(*ASSESS, "--gate", *option))
    assert "are for a gate" in clear(home(*ASSESS, *option))
    assert home("ledger", "log").out == before


CUT = """import torch
from torch import nn


class Cut(nn.Module):
    def __init__(self):
        super().__init__()
        self.line = nn.Linear(2, 3, bias=False)
        self.line.weight = nn.Parameter(torch.tensor([[1.0, -1.0], [-1.0, 1.0], [0.2, 0.1]]))

    def forward(self, x):
        return self.line(x).detach()


def net():
    return Cut().eval()
"""


@pytest.mark.slow
def test_a_cut_gradient_graph_is_an_error_that_no_gate_passes(home: Place) -> None:
    """The figure may be as good as it likes: gradients were not to be had, so white-box attacks said nothing."""
    pytest.importorskip("torch")
    (home.folder / "cut.py").write_text(CUT, "utf-8")
    home.policy(RULE.format(at_least=0.0))
    ended = home("assess", "cut.py:net", *ASSESS[2:], "-f", "json")
    document = json.loads(ended.out)
    errors = {f["check"] for f in document["findings"] if f["status"] == "ERROR"}
    assert (ended.code, document["outcome"]) == (2, "no_conclusion")
    assert errors
    gated = home("gate", "cut.py:net")
    assert gated.code == 2
    assert "without conclusion" in " ".join(gated.out.split())
