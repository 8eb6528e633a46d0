"""What a piece of Python answers, made a model: networks, estimators, functions; runs in the child."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.models.answers import (
    ONE_BY_ONE,
    Call,
    array_model,
    one_by_one,
    prepared,
    raised,
    require_classes,
    worded,
)
from ancile.models.layout import Layout, layouts
from ancile.models.model import Model
from ancile.models.outside import outside
from ancile.numeric import np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from numpy.typing import NDArray

    from ancile.models.order import Order

FAILS = "the network fails on samples of shape"  # what ``Network.run`` says
TRIED_ROWS = (
    5  # a number that is no usual count of channels: one row alone can pass for a sample's first axis
)


class Ready(NamedTuple):
    """A model that answers, what kind it is, and what was done to its input, in words."""

    model: Model
    kind: str
    notes: tuple[str, ...]


def is_network(thing: object) -> bool:
    """Whether it is a PyTorch module; torch is not imported for the question."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.nn.Module)


def network_model(
    net: torch.nn.Module,
    order: Order,
    probe: NDArray[np.floating],
    *,
    kind: str,
    notes: tuple[str, ...] = (),
    takes: str = "",
) -> Ready:
    """A network in the first layout of the samples that it takes; the probe shows what it answers with.

    takes  which samples it wants, in words, where that is known; else its first layer is named
    """
    from ancile.models.torch_module import torch_model  # noqa: PLC0415 - torch is an extra

    if order.output == "labels":
        raise AncileError(
            "a network with gradients answers with scores",
            value="--scores labels",
            remedy="leave it out, or give a function predict(x) that returns labels",
        )
    require_statistics(order, probe.shape[1:])
    for module in net.modules():  # by attribute, as exported modules refuse eval(); nobody else holds it here
        module.training = False
    faults: list[AncileError] = []
    tiled = tried(probe)
    for each, layout in ways(probe.shape[1:]):
        if each and not any(map(raised, faults)):
            break
        try:
            model = torch_model(
                net,
                probe=tiled,
                output=order.output,
                mean=order.mean or None,
                std=order.std or None,
                prepare=layout.change,
                one_by_one=each,
            )
        except AncileError as reason:
            faults += [] if each else [reason]
            continue
        require_classes(model.traits.classes, order.classes)
        return Ready(model, kind, (*notes, layout.note) if layout.note else notes)
    raise _misfit(_most_telling(faults), probe, net, takes)


def ways(shape: tuple[int, ...], layout: Layout | None = None) -> Iterator[tuple[bool, Layout]]:
    """Each layout, or the one given, with several samples at once; then each with one sample at a time.

    In this order, since one sample alone can pass for another layout: (1, h, w) for a picture of one channel.
    Whoever tries them stops at the second half where the model takes several: it raised on none of them. What
    goes wrong there is not told: a model for one sample is rarer than one that is given wrong samples.
    """
    for each in (False, True):
        for one in (layout,) if layout else layouts(shape):
            yield each, one


def function_model(
    call: Call,
    order: Order,
    probe: NDArray[np.floating],
    *,
    kind: str,
    notes: tuple[str, ...] = (),
    layout: Layout | None = None,
) -> Ready:
    """A function of samples in the layout that it declares, else in the first that it takes."""
    require_statistics(order, probe.shape[1:])
    faults: list[AncileError] = []
    tiled = tried(probe)
    for each, one in ways(probe.shape[1:], layout):
        if each and not any(map(raised, faults)):
            break
        asked = one_by_one(call) if each else call
        try:
            model = array_model(
                prepared(worded(asked, order.names), layout=one, mean=order.mean, std=order.std),
                tiled,
                kind=kind,
                output=order.output,
                classes=order.classes,
            )
        except AncileError as reason:
            faults += [] if each else [reason]
        except Exception as reason:  # noqa: BLE001 - what foreign code raises on a layout that it does not take
            faults += [] if each else [outside(reason) or _failed(reason, probe)]
        else:
            done = (one.note, ONE_BY_ONE if each else "")
            return Ready(model, kind, (*notes, *filter(None, done)))
    raise _most_telling(faults)


def estimator_model(
    estimator: Any, order: Order, probe: NDArray[np.floating], *, notes: tuple[str, ...] = ()
) -> Ready:
    """An estimator in the manner of scikit-learn: predict_proba, else decision_function, else predict."""
    known = getattr(estimator, "classes_", None)
    if known is None or np.ndim(known) != 1:
        raise AncileError(
            "the estimator is no classifier for one label",
            value=plain(type(estimator).__name__),
            remedy="give a fitted classifier with classes_; regressors and several outputs are not assessed",
        )
    columns = np.asarray(known)
    if len(columns) < 2:
        raise AncileError(
            "the classifier knows one class", value=plain(str(known[0])), remedy="fit it on two"
        )
    if columns.dtype.kind in "iub" and not np.array_equal(columns, np.arange(len(columns))):
        notes = (*notes, f"classes in the order of the model: {plain(str(columns.tolist()))}")
    require_classes(len(columns), order.classes)
    told = msgspec.structs.replace(order, classes=len(columns))
    return function_model(_answer_of(estimator, columns, order), told, probe, kind="sklearn", notes=notes)


def _answer_of(estimator: Any, columns: NDArray[np.generic], order: Order) -> Call:
    for name in () if order.output == "labels" else ("predict_proba", "decision_function"):
        found: Call | None = getattr(estimator, name, None)
        if callable(found):
            return found

    def labels(x: NDArray[np.floating]) -> NDArray[np.int64]:
        found: NDArray[np.int64] = np.searchsorted(columns, estimator.predict(x)).astype(np.int64)
        return found

    return labels


def tried(probe: NDArray[np.floating]) -> NDArray[np.floating]:
    """The samples, repeated up to a number that a model cannot take for channels."""
    if len(probe) >= TRIED_ROWS:
        return probe
    return np.resize(probe, (TRIED_ROWS, *probe.shape[1:]))


def _most_telling(faults: list[AncileError]) -> AncileError:
    """What is wrong where samples went through, else what stopped them as they are."""
    through = [fault for fault in faults if not raised(fault)]
    return (through or faults)[0]


def require_statistics(order: Order, shape: tuple[int, ...]) -> None:
    """Refuse means and deviations other than one for all, or one for each channel or feature."""
    for name, given in (("mean", order.mean), ("std", order.std)):
        if given and len(given) not in (1, *shape, int(np.prod(shape))):
            raise AncileError(
                f"the {name} does not fit the samples",
                value=f"{len(given)} numbers for samples of shape {shape}",
                remedy="give one number, or one for each channel or feature",
            )


def first_layer(net: torch.nn.Module) -> str:
    """What the first layer that has a width wants, in words; empty where no layer says so."""
    for module in net.modules():
        channels, width = getattr(module, "in_channels", None), getattr(module, "in_features", None)
        name = plain(type(module).__name__, 60)
        if isinstance(channels, int):
            return f"its first layer, {name}, takes {channels} channels"
        if isinstance(width, int):
            return f"its first layer, {name}, takes {width} features"
    return ""


def _misfit(fault: AncileError, probe: NDArray[np.floating], net: torch.nn.Module, takes: str) -> AncileError:
    """The fault of a network that no layout of the samples fits; other faults as they are."""
    if not fault.what.startswith(FAILS):
        return fault
    shape = probe.shape[1:]
    told = (f"{shape}, {int(np.prod(shape))} values a sample", takes or first_layer(net))
    # Where the shape is known, what a library says of it is advice to whoever exported the model
    reason = () if takes else (fault.value,)
    return AncileError(
        "the network does not take samples like the data's",
        value="; ".join(part for part in (*told, *reason) if part),
        remedy="give data of the shape that it was made for; layouts (h, w), (c, h, w), (h, w, c) and flat "
        "rows were tried",
    )


def _failed(reason: Exception, probe: NDArray[np.floating]) -> AncileError:
    return AncileError(
        f"the model fails on samples of shape {probe.shape[1:]}",
        value=plain(f"{type(reason).__name__}: {reason}"),
        remedy="call it on such samples yourself, and bring the data into the layout that it wants",
    )
