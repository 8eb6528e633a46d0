"""The bytes that a gate judges: read once, named by digest, handed over as they were."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import unquote_to_bytes

from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.core.text import plain
from ancile.models.order import Scalar
from ancile.models.package import Package
from ancile.models.reference import Referred, refer
from ancile.models.request import ModelRequest
from ancile.models.source import read_once


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

    What the code imports from beside it goes along; what is installed does not.
    """
    if target.exists():
        raise AncileError(
            "there is something already",
            value=str(target),
            remedy="name a file or folder that does not exist",
        )
    beside = () if judged.installed else judged.covered
    if len(judged.parts) == 1 and not beside:
        _write(target, judged.parts[0])
        return
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    if len(set(names)) < len(names):  # code and weights of one name, from two folders
        names = tuple(f"{place}-{name}" for place, name in enumerate(names))
    try:
        unfinished.mkdir()
        for name, data in zip(names, judged.parts, strict=True):
            _write(unfinished / name, data)
        for one in beside:
            _copy_package(one, unfinished)
        unfinished.rename(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _copy_package(package: Package, folder: Path) -> None:
    """The package's files below the folder, as they were when they were hashed."""
    alone = package.root.is_file()
    for path, digest in package.files.items():
        inner = os.fsdecode(unquote_to_bytes(path))
        data = read_once(package.root if alone else package.root / inner).data
        if digest_of(data) != digest:
            raise AncileError(
                "a file of the model's code is not the one that was judged",
                value=plain(str(package.root / inner)),
                remedy="wait until its writer is done, and judge it again",
            )
        target = folder / inner if alone else folder / package.name / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, data)


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
