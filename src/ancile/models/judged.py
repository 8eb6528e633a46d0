"""The bytes that a gate judges: read once, named by digest, handed over as they were."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ancile.core.errors import AncileError
from ancile.models.order import Scalar
from ancile.models.reference import Referred, refer
from ancile.models.request import ModelRequest


def judged_model(
    reference: str, *, weights: Path | None, factory_args: dict[str, Scalar], base: Path
) -> Referred:
    """The model that the reference names, read but not opened: nothing of it runs.

    An endpoint has no bytes that could be judged; it is refused with the remedy.
    """
    request = ModelRequest(
        reference=reference,
        base=base,
        weights=weights,
        factory_args=factory_args,
        trust_pickle=True,  # nothing is opened here, whatever the format
        trust_torchscript=True,
    )
    if request.is_endpoint():
        raise AncileError(
            "an endpoint has no bytes to judge",
            value=reference,
            remedy="give the digest that its report names: `ancile gate sha256:…`, with allow_endpoint set",
        )
    return refer(request)


def copy_judged(judged: Referred, target: Path, *, names: tuple[str, ...]) -> None:
    """Write exactly the bytes that were judged: one file to ``target``, several into a new folder there.

    names  file names for the parts, in their order
    """
    if target.exists():
        raise AncileError(
            "there is something already",
            value=str(target),
            remedy="name a file or folder that does not exist",
        )
    if len(judged.parts) == 1:
        _write(target, judged.parts[0])
        return
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    if len(set(names)) < len(names):  # code and weights of one name, from two folders
        names = tuple(f"{place}-{name}" for place, name in enumerate(names))
    try:
        unfinished.mkdir()
        for name, data in zip(names, judged.parts, strict=True):
            _write(unfinished / name, data)
        unfinished.rename(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
