"""The user's own code: ``FILE.py:name`` or ``package.module:name``, run in the child from the bytes hashed.

What the name stands for is seen by trying: a PyTorch module is a model; a callable that needs no argument
is a factory, and what it returns is looked at in the same way; any other callable is ``predict(x)``.
"""

from __future__ import annotations

import inspect
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.models.outside import outside
from ancile.models.package import run_only
from ancile.models.weights import load_weights
from ancile.models.wrap import Ready, estimator_model, function_model, is_network, network_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ancile.models.order import Order


def open_bytes(order: Order, parts: list[bytes], probe: NDArray[np.floating]) -> Ready:
    """The model that the code's name stands for, with its weights; runs in the child.

    parts  source, then the bytes of the weights, then names and files' digests of what is covered besides
    """
    sys.path[:0] = [folder for folder in order.folders if folder not in sys.path]
    if order.covered:
        told = msgspec.json.decode(parts[-1], type=list[tuple[str, dict[str, str]]])
        for root, (name, files) in zip(order.covered, told, strict=True):
            run_only(name, root, files)
    thing = _attribute(imported(order.module, parts[0], path=order.path), order)
    if not is_network(thing) and callable(thing) and _is_factory(thing, order):
        thing = thing(**order.arguments)
    if is_network(thing):
        notes = load_weights(thing, parts[1], order.weights) if order.weights else ()
        return network_model(thing, order, probe, kind="torch", notes=notes)
    if order.weights:
        raise AncileError(
            "weights are for a PyTorch module",
            value=f"{order.name} gives {plain(type(thing).__name__)}",
            remedy="leave --weights out, or let the factory return a torch.nn.Module",
        )
    return python_model(thing, order, probe)


def python_model(thing: Any, order: Order, probe: NDArray[np.floating]) -> Ready:
    """A module, an estimator or a function as a model; anything else is an error."""
    if is_network(thing):
        return network_model(thing, order, probe, kind="torch")
    if hasattr(thing, "predict") and hasattr(thing, "classes_"):
        return estimator_model(thing, order, probe)
    if callable(thing):
        return function_model(thing, order, probe, kind="callable")
    raise AncileError(
        "that is no model",
        value=plain(f"{order.name or 'the file'} gives {type(thing).__name__}"),
        remedy="give a factory that returns a torch.nn.Module, or a function predict(x)",
    )


def imported(name: str, source: bytes, *, path: str) -> ModuleType:
    """The module ``name``, run from exactly these bytes."""
    finder = _Exact(name, source, path)
    sys.meta_path.insert(0, finder)
    try:
        return __import__(name, fromlist=["*"])
    except AncileError:
        raise
    except (Exception, SystemExit) as reason:
        raise outside(reason) or AncileError(
            "the model's code cannot be imported",
            value=plain(f"{type(reason).__name__}: {reason}"),
            remedy=_way_out(reason, path),
        ) from reason


def _way_out(reason: BaseException, path: str) -> str:
    """What helps against this failure of an import."""
    file = Path(path)
    holder = None
    if isinstance(reason, ModuleNotFoundError):
        top = str(reason.name).partition(".")[0]
        holder = next((one.parent for one in file.parents if one.name == top), None)
    elif isinstance(reason, ImportError) and "relative import" in str(reason):
        holder = file.parent.parent
    if holder:
        dotted = ".".join(file.relative_to(holder).with_suffix("").parts)
        return f"go to {plain(str(holder), 200)} and name the model {plain(dotted, 100)}:NAME"
    if isinstance(reason, ModuleNotFoundError):
        return (
            f"put the module beside {plain(file.name, 60)}; or name the model as package.module:NAME from "
            "the folder that holds both; or install the module beside ancile"
        )
    return f"run it by itself: python {plain(path, 100)}"


class _Exact(MetaPathFinder, Loader):
    """Finds one module, and runs the source that it was given."""

    def __init__(self, name: str, source: bytes, path: str) -> None:
        self._name, self._source, self._path = name, source, path

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        whole = Path(self._path)
        inner = whole.name == "__init__.py"
        spec = spec_from_loader(fullname, self, origin=self._path, is_package=inner)
        if spec and inner:
            spec.submodule_search_locations = [str(whole.parent)]
        return spec

    def create_module(self, _spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self._path
        exec(compile(self._source, self._path, "exec"), module.__dict__)  # noqa: S102 - the code is the model


def _attribute(module: ModuleType, order: Order) -> Any:
    try:
        return getattr(module, order.name)
    except AttributeError as reason:
        named = sorted(n for n, one in vars(module).items() if callable(one) and not n.startswith("_"))
        raise AncileError(
            "the code has no such name",
            value=plain(order.name),
            remedy=plain(f"it has: {', '.join(named)}") if named else "define a factory or predict(x) in it",
        ) from reason


def _is_factory(thing: Any, order: Order) -> bool:
    """Whether it can be called with the factory's arguments alone."""
    try:
        inspect.signature(thing).bind(**order.arguments)
    except TypeError as reason:
        if order.arguments:
            raise AncileError(
                "the factory does not take these arguments",
                value=plain(f"{order.name}: {reason}"),
                remedy="give --factory-args the names that it takes",
            ) from reason
        return False
    except ValueError:  # a builtin without a signature
        return False
    return True
