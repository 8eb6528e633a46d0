"""The models and data of the demo: a plain and a hardened network on digits, a forest on tumours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ancile.attacks.constraint import Constraint
from ancile.attacks.streams import Streams
from ancile.core.extras import needs
from ancile.inputs.named import Choice, named_set
from ancile.numeric import NDArray, np

if TYPE_CHECKING:
    import torch

    from ancile.inputs.dataset import Dataset

# The factory that the demo's user would have written: plain PyTorch, 8x8 images, 10 classes
NET = '''"""A small network for 8x8 digits: input (n, 1, 8, 8) in [0, 1], output 10 logits."""

from torch import nn


def net():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 4 * 4, 64), nn.ReLU(), nn.Linear(64, 10),
    )
'''
TRAINING_PART = Choice(part="train")
EPOCHS, BATCH, RATE = 12, 64, 2e-3  # enough for 98 % clean accuracy in a few seconds on one core
TRAINING_EPS, TRAINING_STEPS = 0.2, 7  # Madry et al. 2018, arXiv:1706.06083: a bit above what is asked for


def make_models(folder: Path) -> None:
    """Write net.py, plain and hardened weights, forest.skops, digits.npz and tumours.npz into ``folder``."""
    needs("torch", "torch")
    (folder / "net.py").write_text(NET, "utf-8")
    # Trained on the training part of the named sets, so that `--data digits` holds nothing that was seen.
    digits, held_out = named_set("digits", choice=TRAINING_PART), named_set("digits")
    np.savez_compressed(folder / "digits.npz", x=_images(held_out), y=held_out.y)
    for name, eps in (("plain", 0.0), ("hardened", TRAINING_EPS)):
        _save(trained(folder, _images(digits), digits.y, eps=eps), folder / f"{name}.safetensors")
    _forest(folder)


def trained(folder: Path, x: np.ndarray, y: np.ndarray, *, eps: float) -> torch.nn.Module:
    """The network of net.py after a few epochs, on adversarial examples where ``eps`` is above 0."""
    import torch  # noqa: PLC0415 - an extra

    from ancile.attacks.pgd import pgd  # noqa: PLC0415 - needs torch
    from ancile.models.torch_module import torch_model  # noqa: PLC0415 - likewise

    namespace: dict[str, Any] = {}
    exec(compile((folder / "net.py").read_text("utf-8"), "net.py", "exec"), namespace)  # noqa: S102 - our own text
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net: torch.nn.Module = namespace["net"]()
    inputs, labels = torch.from_numpy(x), torch.tensor(y)  # a set's own labels cannot be written
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    ball = Constraint(norm="linf", eps=eps)
    orders = [torch.randperm(len(y), generator=generator) for _ in range(EPOCHS)]
    for epoch in range(EPOCHS):
        for start in range(0, len(y), BATCH):
            chosen = orders[epoch][start : start + BATCH]
            batch = inputs[chosen]
            if eps:
                net.eval()
                streams = Streams(epoch, chosen.numpy())
                batch = pgd(
                    torch_model(net, classes=10, output="logits"),
                    batch,
                    labels[chosen],
                    ball,
                    streams,
                    steps=TRAINING_STEPS,
                )
            net.train()
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(batch), labels[chosen])
            torch.autograd.backward(loss)
            optimiser.step()
    net.eval()
    return net


def _save(net: torch.nn.Module, path: Path) -> None:
    needs("safetensors.torch", "torch").save_file(net.state_dict(), path)


def _forest(folder: Path) -> None:
    ensemble, skops = needs("sklearn.ensemble", "sklearn"), needs("skops.io", "sklearn")
    seen, held_out = named_set("breast-cancer", choice=TRAINING_PART), named_set("breast-cancer")
    forest = ensemble.RandomForestClassifier(n_estimators=50, random_state=0).fit(seen.x, seen.y)
    skops.dump(forest, folder / "forest.skops")
    np.savez_compressed(folder / "tumours.npz", x=held_out.x, y=held_out.y)


def _images(data: Dataset) -> NDArray[np.float32]:
    """8x8 images with the channel that the network wants."""
    return data.x.reshape(len(data), 1, 8, 8).astype(np.float32)
