"""cleanlab's side of known label errors, in the environment of poison.txt.

python poison_labels_side.py FILE OUT    FILE.npz with y and either probabilities or pictures x
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from cleanlab.rank import get_label_quality_scores

from poison_models import seen


def main(given: Path, out: Path) -> None:
    """The quality of each label, the lower the worse."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with np.load(given) as file:
        y = file["y"].astype(np.int64)
        said = file["probabilities"] if "probabilities" in file else seen(file["x"], y, 0).probabilities
    np.save(out, get_label_quality_scores(y, said.astype(np.float64)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
