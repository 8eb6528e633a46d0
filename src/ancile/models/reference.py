"""What a user's reference to a model names: files read once, an order for the child, a subject."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.core.subject import Subject, digest_of, percent_encoded, subject_of_parts
from ancile.core.text import plain
from ancile.formats.identify import Format, identify
from ancile.formats.pickles import require_weights_only
from ancile.formats.source import Source
from ancile.formats.zips import members, unpack
from ancile.models.neighbours import neighbours, own_package
from ancile.models.order import Kind, Order
from ancile.models.package import Package, package_of
from ancile.models.request import ModelRequest
from ancile.models.source import WEIGHTS, read_once

IN_MODULE = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*)", re.ASCII)
IN_FILE = re.compile(r"(?P<file>.+\.py):(?P<name>[A-Za-z_]\w*)", re.DOTALL)
SAFE_WAYS = (
    "ask for a form that holds no code: torch.export (.pt2), safetensors with FILE.py:factory, ONNX or skops"
)

DIRECT: dict[Format, Kind] = {
    "torch-export": "torch-export",
    "onnx": "onnx",
    "skops": "skops",
    "xgboost-json": "xgboost",
    "xgboost-ubj": "xgboost",
    "lightgbm": "lightgbm",
}
PICKLED: dict[Format, Kind] = {"pickle": "pickle", "joblib": "joblib", "torch-legacy": "pickle"}
SUFFIXES = (".onnx", ".pt2", ".skops", ".ubj", ".json", ".pt", ".pth", ".safetensors")
WHAT: dict[Format, str] = {
    "npz": "a .npz file holds data",
    "npy": "a .npy file holds data",
    "torch-package": "a torch.package file runs code when it is opened",
    "keras": "Keras files are programs, and are not opened",
    "hdf5": "HDF5 files (Keras) are not opened",
    "gguf": "GGUF files hold language models",
    "tar": "an archive of files is not opened",
    "zip": "a zip archive of another kind, or a damaged one",
    "compressed": "a compressed file is not opened",
    "empty": "the file is empty",
    "unknown": "the file is of no known kind",
}


@dataclass(frozen=True, kw_only=True)
class Referred:
    """A reference with its bytes.

    parts      bytes of the model, then of its weights
    code       the user's code that will run, empty for none
    trusted    format that was let through by a flag
    folder     where the model lies
    reach      folders with the user's code, which its process may read
    covered    packages and modules that the code belongs to or imports from beside it
    installed  whether the code comes from an installed distribution
    """

    order: Order
    parts: tuple[bytes, ...]
    subject: Subject
    folder: Path
    reach: tuple[Path, ...] = ()
    covered: tuple[Package, ...] = ()
    installed: bool = False
    code: str = ""
    trusted: str = ""


def refer(request: ModelRequest) -> Referred:
    """What the request names; each file is read once, nothing of it runs."""
    reference, base = request.reference, request.base
    path = base / reference
    if not path.exists():
        if found := IN_FILE.fullmatch(reference):
            return _code(request, read_once(base / found["file"]), found["name"], module=None)
        if found := IN_MODULE.fullmatch(reference):
            source = read_once(module_file(found["module"], (str(base), *sys.path)))
            return _code(request, source, found["name"], module=found["module"])
    if request.weights is not None or request.factory_args:
        raise AncileError(
            "weights and factory arguments are for code",
            value=plain(reference),
            remedy="give FILE.py:factory or package.module:factory with them",
        )
    return _file(request, read_once(path))


def module_file(name: str, folders: Sequence[str]) -> Path:
    """The source file of a module, found as an import would find it, without running any package's code."""
    where: Sequence[str] | None = [folder for folder in folders if folder]
    found = None
    prefix = ""
    for part in name.split("."):
        prefix = f"{prefix}.{part}".lstrip(".")
        found = PathFinder.find_spec(prefix, where) if where is not None else None
        if found is None:
            break
        where = found.submodule_search_locations
    if found is None or not found.origin or not found.origin.endswith(".py"):
        raise AncileError(
            "no such module",
            value=plain(name),
            remedy="install its package beside ancile, or give the path: FILE.py:factory",
        )
    return Path(found.origin)


def _code(request: ModelRequest, source: Source, name: str, *, module: str | None) -> Referred:
    """Code and its weights; ``module`` is the dotted name, None for a file given by path."""
    whole = source.path.resolve()
    if any("\ud800" <= sign <= "\udfff" for sign in str(whole)):  # how Python holds bytes that are no UTF-8
        raise AncileError(
            "the name of the model's code is no UTF-8",
            value=plain(str(whole)),
            remedy="give the file and its folders other names",
        )
    title = f"{module or source.path.name}:{name}"
    parts = {percent_encoded(title): source.digest}
    arguments = dict(request.factory_args)
    if arguments:
        parts["factory-args"] = digest_of(msgspec.json.encode(arguments, order="sorted"))
    found = _place(source, whole, module=module, start=request.base.resolve())
    parts |= {
        percent_encoded(f"package/{one.name}" if one.root.is_dir() else f"module/{one.name}"): one.digest()
        for one in found.covered
    }
    parts |= found.installed
    held = None if request.weights is None else _weights(request.base / request.weights, taken=parts)
    if held is not None:
        parts[percent_encoded(held.path.name)] = held.digest
    order = Order(
        kind="code",
        name=name,
        module=found.module,
        path=str(whole),
        folders=found.folders,
        covered=tuple(str(one.root) for one in found.covered),
        arguments=arguments,
        weights="" if held is None else _weights_kind(held),
    )
    return Referred(
        order=order,
        parts=(source.data,) if held is None else (source.data, held.data),
        subject=subject_of_parts("model", plain(title), parts),
        folder=whole.parent,
        reach=found.reach,
        covered=found.covered,
        installed=bool(found.installed),
        code=title,
    )


def _weights(path: Path, *, taken: Collection[str]) -> Source:
    """The file of weights; its name may not be one that is taken by another part."""
    held = read_once(path, WEIGHTS)
    named = percent_encoded(held.path.name)
    if named in taken:  # it would take the place of the code, which the digest would no longer cover
        raise AncileError(
            "the weights are named like another part of the model",
            value=named,
            remedy="give their file another name, such as weights.safetensors",
        )
    return held


class _Place(NamedTuple):
    """Where code lies among other code: fields as in ``Order`` and ``Referred``."""

    module: str
    folders: tuple[str, ...]
    reach: tuple[Path, ...]
    covered: tuple[Package, ...]
    installed: dict[str, str]


def _place(source: Source, whole: Path, *, module: str | None, start: Path) -> _Place:
    if module is None:
        if dotted := own_package(whole, source.data):
            package = package_of(whole, dotted)
            own = (package,) if package else ()
            return _Place(dotted, (), (whole.parent, *(one.root for one in own)), own, {})
        # A name of its own: a file named json.py must neither find nor hide the module of that name.
        alone = re.sub(r"\W", "_", f"model_code_{whole.stem}")
        beside = neighbours(source.data, whole.parent)
        return _Place(alone, (str(whole.parent),), (whole.parent,), beside, {})
    package = package_of(source.path, module)
    installed = _distribution(module)
    holder = package.root.parent if package else whole.parent
    beside = () if installed else neighbours(source.data, holder, package=package)
    return _Place(
        module=module,
        folders=(str(start),),
        reach=(whole.parent, start) if whole.is_relative_to(start) else (whole.parent,),
        covered=(package, *beside) if package else beside,
        installed=installed,
    )


def _file(request: ModelRequest, source: Source) -> Referred:
    shown, found = plain(source.path.name), identify(source.data)
    if kind := DIRECT.get(found):
        return _whole(source, kind)
    pickled = PICKLED.get(found) or ("pickle" if found == "torch-state" else None)
    if found == "torchscript" and request.trust_torchscript:
        return _whole(source, "torchscript", trusted="TorchScript")
    if pickled and request.trust_pickle:
        return _whole(source, pickled, trusted=found)
    if found == "torchscript":
        raise AncileError(
            "a TorchScript file is a program, and was not opened",
            value=shown,
            remedy=f"{SAFE_WAYS}; or run it on purpose with --trust-torchscript",
        )
    called = _called(source.data) if found == "torch-state" else ""
    if found == "safetensors" or (found == "torch-state" and not called):
        raise AncileError(
            "the file holds weights, and no network to put them into",
            value=shown,
            remedy=f"give the code that builds the network: FILE.py:factory --weights {shown}",
        )
    if called:
        raise AncileError(
            "the file holds more than weights, a whole network perhaps: it runs code when it is opened",
            value=f"{shown}: {called}",
            remedy=f"{SAFE_WAYS}; or run it on purpose with --trust-pickle",
        )
    if found in PICKLED:
        raise AncileError(
            f"a {found} file runs code when it is opened, and was not opened",
            value=shown,
            remedy=f"{SAFE_WAYS}; or run it on purpose with --trust-pickle",
        )
    in_code = f"name what in the file is the model: {shown}:FACTORY or {shown}:PREDICT"
    if found in ("unknown", "zip") and source.path.suffix.lower() in SUFFIXES:
        raise AncileError(
            "the file is damaged, or of another kind than its name says",
            value=f"{shown}: no {source.path.suffix} file by its {len(source.data)} bytes",
            remedy="take it from its source once more, or save it again; the end may have been cut off",
        )
    raise AncileError(
        "the file holds no model that can be opened",
        value=f"{shown}: {WHAT[found]}",
        remedy=in_code if source.path.suffix == ".py" else SAFE_WAYS,
    )


def _whole(source: Source, kind: Kind, *, trusted: str = "") -> Referred:
    return Referred(
        order=Order(kind=kind),
        parts=(source.data,),
        subject=Subject(kind="model", name=plain(source.path.name), digest=source.digest),
        folder=source.path.resolve().parent,
        trusted=trusted,
    )


def _called(data: bytes) -> str:
    """What a file of ``torch.save`` would call when opened, in words; empty for tensors alone."""
    try:
        for name, member in members(data).items():
            if name.endswith(".pkl"):
                require_weights_only(unpack(data, member), name=name)
    except AncileError as fault:
        return fault.value
    return ""


def _weights_kind(held: Source) -> Literal["safetensors", "state-dict"]:
    found = identify(held.data)
    if found == "safetensors":
        return "safetensors"
    if found in ("torch-state", "torch-legacy"):
        return "state-dict"
    raise AncileError(
        "the weights are of no known kind",
        value=f"{plain(held.path.name)}: {WHAT.get(found, found)}",
        remedy="save them with safetensors.torch.save_file(net.state_dict(), path)",
    )


def _distribution(module: str) -> dict[str, str]:
    """The installed distribution that the module comes from, by version; empty for code beside the user."""
    names = packages_distributions().get(module.partition(".")[0], [])
    known = [f"{name}=={version(name)}" for name in sorted(set(names))]
    return {percent_encoded(f"distribution/{one}"): digest_of(one.encode()) for one in known}
