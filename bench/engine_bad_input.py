"""Bad input of the engine, on files and through the command line: a finding or one clear line, and the rest stands.

A case says what must come of it: an error in one line with value and remedy, or a report with a certain
finding and with its clean accuracy. The control asks for a finding that nothing gives reason for.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np

from bad_input import one_clear_line
from bar import Bar
from project import Project, project

NETS = """
import torch
from torch import nn

W = torch.tensor([[8.0, 0, 0, 0], [0, 8.0, 0, 0], [0, 0, 8.0, 0]])

class Net(nn.Module):
    def __init__(self, weight, odd=None, since=0):
        super().__init__()
        self.layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(weight)
        self.odd, self.since, self.passes = odd, since, 0

    def forward(self, x):
        self.passes += 1
        logits = self.layer(x)
        return logits if self.odd is None or self.passes <= self.since else self.odd(x, logits)

def falls(x, logits):
    raise ValueError("the cable fell out")

def dies(x, logits):
    import os
    os._exit(3)

def rough(x):
    return ((100 * x - (100 * x).round()).abs() > 0.2).any(dim=1, keepdim=True)

def net(): return Net(W)
def one_class(): return Net(W[:1], lambda x, logits: logits.softmax(dim=1))
def single_logit(): return Net(W[1:2] - W[:1], lambda x, logits: logits.squeeze(1))
def never(): return Net(W, lambda x, logits: logits - torch.tensor([0, 0, 1e4]))
def no_size(): return nn.Linear(0, 3)
def falls_at_once(): return Net(W, falls)
def falls_soon(): return Net(W, falls, 4)
def falls_half_way(): return Net(W, falls, 60)
def dies_at_once(): return Net(W, dies)
def dies_half_way(): return Net(W, dies, 60)
def nan(): return Net(W, lambda x, logits: logits * torch.nan)
def nan_outside(): return Net(W, lambda x, logits: torch.where(rough(x), torch.nan, logits))
def columns_half_way(): return Net(W, lambda x, logits: logits[:, :2], 60)
"""


class Case(NamedTuple):
    """A factory, a data set, more options; the finding that a report must have, empty for one error."""

    factory: str
    data: str
    finding: str
    more: tuple[str, ...] = ("--bounds", "0,1")


CASES = {
    "a single class in the data": Case("net", "one_class", "evasion-one-class"),
    "a model of one class": Case("one_class", "one_class", "evasion-one-class"),
    "two classes by a single logit": Case("single_logit", "two", "evasion-adversarial-example"),
    "labels that the model never gives": Case("never", "data", "evasion-class-never-given"),
    "labels beyond the model's classes": Case("net", "beyond", ""),
    "samples of no size": Case("no_size", "no_size", ""),
    "samples of one number": Case("net", "numbers", ""),
    "one sample": Case("net", "one", "evasion-few-samples"),
    "bounds with low = high": Case("net", "data", "", ("--bounds", "0.5,0.5")),
    "data that leaves no room": Case("net", "still", "", ()),
    "a feature that leaves no room": Case("net", "column", "evasion-assumed-input", ()),
    "raises at the first pass": Case("falls_at_once", "data", ""),
    "raises at the fifth": Case("falls_soon", "data", ""),
    "raises half way": Case("falls_half_way", "data", "evasion-model-raised"),
    "dies at the first pass": Case("dies_at_once", "data", ""),
    "dies half way": Case("dies_half_way", "data", "evasion-model-raised"),
    "another number of columns half way": Case("columns_half_way", "data", "evasion-model-raised"),
    "NaN for every sample": Case("nan", "data", ""),
    "NaN beside the samples": Case("nan_outside", "data", "evasion-scores-not-finite"),
}


def prepare(at: Project) -> None:
    """The networks and the data sets."""
    (at.folder / "nets.py").write_text(NETS, "utf-8")
    x = np.random.default_rng(0).uniform(0.2, 0.8, size=(40, 4)).round(2).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    column, two = x.copy(), (x[:, 1] > x[:, 0]).astype(np.int64)
    column[:, 3] = 0.5
    sets = {
        "data": (x, y), "two": (x, two), "one_class": (x[y == 0], y[y == 0]), "beyond": (x, y + 9), "one": (x[:1], y[:1]),
        "no_size": (x[:, :0], y), "numbers": (x[:, 0], y), "still": (np.full_like(x, 0.5), y), "column": (column, y),
    }  # fmt: skip
    for name, (inputs, labels) in sets.items():
        np.savez(at.folder / f"{name}.npz", x=inputs, y=labels)


def fault(at: Project, case: Case) -> str:
    """What is wrong with what came of a case; empty when nothing is."""
    command = ("assess", f"nets.py:{case.factory}", "--data", f"{case.data}.npz", "--eps", "0.03", *case.more)
    ended = at.run(*command, "--effort", "quick", "--quiet", "-o", "report.json")
    if not case.finding:
        return one_clear_line(ended)
    path = at.folder / "report.json"
    if ended.returncode not in (0, 2) or not path.exists():
        return f"exit {ended.returncode}: {ended.stderr[-200:]!r}"
    record = json.loads(path.read_text("utf-8"))
    path.unlink()
    report = record.get("report", record)
    found = {one["check"] for one in report["findings"] if one["status"] in ("WARN", "ERROR")}
    if case.finding not in found:
        return f"no {case.finding} among {', '.join(sorted(found))}"
    clean = any(one["name"] == "clean_accuracy" for one in report["measures"])
    return "" if clean else "the rest of the report is gone"


def measure(*, control: bool = False) -> list[Bar]:
    """How many cases were told; the control finds fault with a sound model."""
    cases = {"nothing is wrong": Case("net", "data", "evasion-model-raised")} if control else CASES
    with project() as at:
        prepare(at)
        faults = {name: told for name, case in cases.items() if (told := fault(at, case))}
        intact = at.run("ledger", "verify").returncode == 0
    said = "; ".join(f"{name}: {told}" for name, told in faults.items())
    counts = f"{len(cases) - len(faults)} of {len(cases)} kinds, ledger {'intact' if intact else 'damaged'}"
    return [
        Bar(
            claim="bad input of the engine: a finding or one clear line, the rest of the report stands",
            measured=f"{counts}. {said}".strip(". "),
            wanted="all, ledger intact",
            met=not faults and intact,
        )
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
