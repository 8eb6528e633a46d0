"""Models as users write them, as files: sources that the tests put into a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, out):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(108, out))

    def forward(self, x):
        return self.body(x)

def build(out: int = 4, seed: int = 0):
    torch.manual_seed(seed)
    return Net(out)

def double(): return build().double()
def needs(width): return build(width)
def probabilities(): return nn.Sequential(build(), nn.Softmax(dim=1))
def one_logit(): return build(1)
def cut():
    class Cut(nn.Module):
        def forward(self, x):
            return torch.round(x.detach()).flatten(1)[:, :4]
    return Cut()
def no_way_back(few=0):
    class Way(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x): return x * 2
        @staticmethod
        def backward(ctx, g):
            if len(g) > few: raise RuntimeError("no way back")
            return g
    class Net(nn.Module):
        def forward(self, x): return Way.apply(x).flatten(1)[:, :4]
    return Net()
def no_way_back_later(): return no_way_back(2)
READY = build()
NUMBER = 3
"""

PREDICT = """
import numpy as np
CALLS = []
def scores(x):
    x = np.asarray(x).reshape(len(x), -1)
    return np.stack([x[:, 0], x[:, 1], 3 * x[:, 2]], axis=1)
def labels(x): return scores(x).argmax(axis=1)
def one_probability(x): return np.clip(np.asarray(x).reshape(len(x), -1)[:, 0], 0, 1)
def made(): return scores
def words(x): return ["cat"] * len(x)
def spoken(): return lambda x: np.array(["ant", "bee", "cat"])[labels(x)]
def nothing(x): return None
def short(x): return scores(x)[:-1]
def grows(x):
    CALLS.append(1)
    return np.zeros((len(x), 2 if len(CALLS) == 1 else 3))
def not_finite(x): return np.where(np.ones((len(x), 3)) > 0, np.nan, 0)
class Estimator:
    classes_ = np.array([3, 7, 9])
    def predict(self, x): return self.classes_[scores(x).argmax(axis=1)]
def estimator(): return Estimator()
"""


def images(n: int = 12, size: int = 8) -> NDArray[np.float32]:
    """Grey pictures (n, size, size) in [0, 1]."""
    return np.random.default_rng(0).random((n, size, size), dtype=np.float32)


def folder_with(folder: Path, **sources: str) -> Path:
    """The folder, with a module for each source."""
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    return folder
