"""Files that the speed of a scan is measured on; run in a process of its own, which takes the memory with it.

python scan_speed_files.py FOLDER MEBIBYTES
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

LAYERS = 16
COPIES = 10
INTEGERS = 4_000_000
SMALL = 2000


def main(folder: Path, mebibytes: int) -> None:
    """Normal float32 weights in four forms, ten links to the checkpoint, a list of numbers, small files."""
    import joblib
    import numpy as np
    import torch
    from safetensors.torch import save_file

    rng = np.random.default_rng(0)
    layers = rng.standard_normal((LAYERS, (mebibytes << 20) // 4 // LAYERS), dtype=np.float32)
    state = {f"layer{number}.weight": torch.from_numpy(one) for number, one in enumerate(layers)}
    save_file(state, folder / "model.safetensors")
    torch.save({name: one.clone() for name, one in state.items()}, folder / "checkpoint.pt")
    joblib.dump(list(layers), folder / "plain.joblib")
    joblib.dump(list(layers), folder / "zlib.joblib", compress=("zlib", 3))
    (folder / "ten").mkdir()
    for number in range(COPIES):
        os.link(folder / "checkpoint.pt", folder / "ten" / f"{number}.pt")
    with (folder / "integers.pkl").open("wb") as file:
        pickle.dump(list(range(INTEGERS)), file)
    _small(folder / "small")


def _small(folder: Path) -> None:
    """As a hub has them: estimators, checkpoints, arrays in npz and results, 500 each."""
    import numpy as np
    import torch
    from sklearn.linear_model import LogisticRegression

    folder.mkdir()
    rng = np.random.default_rng(1)
    points, classes = rng.standard_normal((40, 8)), np.arange(40) % 2
    for number in range(SMALL // 4):
        classes = rng.permutation(classes)
        (folder / f"{number}.pkl").write_bytes(pickle.dumps(LogisticRegression().fit(points, classes)))
        torch.save({f"{name}.weight": torch.randn(8, 8) for name in "abcd"}, folder / f"{number}.pt")
        np.savez(folder / f"{number}.npz", a=rng.standard_normal(16), b=np.arange(10))
        losses = [float(one) for one in rng.standard_normal(50)]
        (folder / f"{number}.dat").write_bytes(pickle.dumps({"step": number, "losses": losses}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
