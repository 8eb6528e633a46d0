"""Weights for a network, from formats that hold tensors and nothing that runs."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.formats.pickles import require_weights_only
from ancile.formats.zips import is_zip, members, unpack

if TYPE_CHECKING:
    import torch

OLDEST = (2, 10)  # of torch whose weights_only holds: CVE-2025-32434, CVE-2026-24747
WRAPPERS = ("state_dict", "model_state_dict", "model", "net")  # keys under which training scripts save one
NAMED = 3  # names that differ, in a message
PARALLEL = "module."  # what torch.nn.DataParallel puts before each name


def load_weights(
    net: torch.nn.Module, data: bytes, kind: Literal["safetensors", "state-dict"]
) -> tuple[str, ...]:
    """Load the weights into the network; what had to be done for that, in words.

    Raises AncileError for a file that holds more than tensors, or other tensors than the network has.
    """
    found = _safetensors(data) if kind == "safetensors" else state_dict(data)
    notes: tuple[str, ...] = ()
    wanted = net.state_dict()
    if all(name.startswith(PARALLEL) for name in found) and not any(n.startswith(PARALLEL) for n in wanted):
        found = {name.removeprefix(PARALLEL): tensor for name, tensor in found.items()}
        notes = (f"the prefix {PARALLEL!r} was taken off the names of the weights",)
    try:
        net.load_state_dict(found)
    except (RuntimeError, TypeError, ValueError, AttributeError) as reason:
        raise AncileError(
            "the weights do not fit the network",
            value=_misfit(found, wanted) or plain(" ".join(str(reason).split()), 300),
            remedy="give the weights of this architecture, or --factory-args that build theirs",
        ) from reason
    return notes


def _misfit(found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> str:
    """Which names and shapes differ, in words; empty where none do."""
    missing = [name for name in wanted if name not in found]
    surplus = [name for name in found if name not in wanted]
    shapes = [
        f"{name} {tuple(found[name].shape)} for {tuple(wanted[name].shape)}"
        for name in wanted
        if name in found and found[name].shape != wanted[name].shape
    ]
    told = (("the network wants", missing), ("the file has", surplus), ("of another shape:", shapes))
    return "; ".join(f"{what} {_shortened(names)}" for what, names in told if names)


def _shortened(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(plain(name, 60) for name in names[:NAMED]) + more


def state_dict(data: bytes) -> Mapping[str, torch.Tensor]:
    """Name to tensor from a file of ``torch.save``; nothing in it is called but what rebuilds tensors."""
    torch = safe_torch()
    if is_zip(data):
        for name, member in members(data).items():
            if name.endswith(".pkl"):
                require_weights_only(unpack(data, member), name=name)
    try:
        found = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        AttributeError,
    ) as no:
        raise AncileError(
            "the weights are no plain state dict",
            value=plain(" ".join(str(no).split())),
            remedy="save tensors alone: safetensors.torch.save_file(net.state_dict(), path)",
        ) from no
    for key in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    named = isinstance(found, Mapping) and all(
        isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in found.items()
    )
    if not named or not found:
        raise AncileError(
            "the weights are no plain state dict",
            value=plain(type(found).__name__),
            remedy="save net.state_dict(), names to tensors",
        )
    return dict(found)


def _safetensors(data: bytes) -> Mapping[str, torch.Tensor]:
    library = needs("safetensors.torch", "torch")
    error = needs("safetensors", "torch").SafetensorError
    try:
        found: Mapping[str, torch.Tensor] = library.load(data)
    except (error, ValueError, KeyError) as reason:
        raise AncileError(
            "the safetensors file is damaged",
            value=plain(str(reason)),
            remedy="take it from its source once more",
        ) from reason
    return found


def safe_torch() -> Any:
    """torch, in a version whose weights-only reader keeps what it promises."""
    found = needs("torch", "torch")
    version = tuple(int(part) for part in found.__version__.split(".")[:2])
    if version < OLDEST:
        raise AncileError(
            "this torch reads weights unsafely",
            value=f"torch {found.__version__}",
            remedy='pip install "torch>=2.10": before it, weights_only runs hostile files',
        )
    return found
