"""The fastest form of a network, found by trying: same network, other memory layout, precision and batch.

Each form is a frozen copy that must answer nearly as the network does. A copy in a lower precision has to win
clearly, since what rounding hides near the boundary costs the search more steps.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import msgspec

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.models.form import PLAIN_BATCH, Form, MemoryLayout, Precision
from ancile.models.network import FOREIGN, Network, input_gradient

if TYPE_CHECKING:
    import torch
else:
    torch = needs("torch", "torch")

Clock = Callable[[], float]

PRECISIONS: tuple[Precision, ...] = ("float64", "float32", "bfloat16")
LAYOUTS: dict[MemoryLayout, torch.memory_format] = {
    "contiguous": torch.contiguous_format,
    "channels-last": torch.channels_last,
}
MOST_DIFFERENCE = 0.03  # of logits, as a share of their size: bfloat16 keeps 8 bits, a dozen layers lose two
LEAST_AGREEMENT = 0.95  # of classes on the sample
LOWER_GAIN = 1.5  # how much faster a lower precision must be
GAIN = 1.05  # how much faster another layout or batch must be: below lies the noise of a timing
HOPELESS = 4.0  # times slower on a few rows: bfloat16 is emulated on most processors
FEW_ROWS, TRIAL_ROWS = 8, 128
BATCHES = (64, 128, 256, 512)
BATCH_ROWS = 256  # at least, for each trial of a batch
BATCH_BYTES = 32 << 20  # of samples in one call


@dataclass(frozen=True)
class _Tried:
    """A form that was tried; ``handicap`` is how much faster than the plain one it has to be."""

    network: Network
    form: Form
    handicap: float

    @property
    def score(self) -> float:
        return self.form.seconds * self.handicap


def fastest(
    network: Network,
    sample: torch.Tensor,
    *,
    lower: bool = True,
    seconds: float,
    clock: Clock | None = None,
) -> tuple[Network, Form]:
    """A frozen copy of the network in the form that takes least time for a gradient on ``sample``.

    sample   (n, *shape), n at least 1; repeated where more are needed
    lower    whether a lower precision may be tried
    seconds  most time for the trial by ``clock``; the plain form is measured in any case
    clock    CPU time of this process by default, for a network of another device the time that passes

    Where the network cannot be copied it is itself the only form. Raises AncileError where the network fails.
    """
    clock = clock or clock_for(network.device)
    until = clock() + seconds
    with _one_thread(network.device):
        best = _best(network, sample, lower=lower, until=until, clock=clock)
        return best.network, _with_batch(best, sample, until, clock)


def _best(network: Network, sample: torch.Tensor, *, lower: bool, until: float, clock: Clock) -> _Tried:
    rows = _rows(sample, TRIAL_ROWS)
    plain = formed(network, Form(precision=_name(network.dtype)))
    with torch.no_grad():
        wanted = plain.run(rows.clone())
    few = _seconds(plain, rows[:FEW_ROWS], FEW_ROWS, clock)
    rows = rows[: max(FEW_ROWS, min(len(rows), int((until - clock()) / 8 / max(few, 1e-9))))]
    took = _seconds(plain, rows, PLAIN_BATCH, clock)
    form = Form(precision=_name(network.dtype), seconds=took, plain_seconds=took, batch=_fitting(sample))
    best = _Tried(plain, form, 1.0)
    spatial = network.given(rows[:1].clone()).ndim == 4
    for other in _others(form, spatial=spatial, lower=lower):
        if clock() > until:
            break
        found = _tried(network, other, rows, wanted, few=few, clock=clock)
        best = min(best, found, key=lambda one: one.score) if found else best
    return best


def formed(network: Network, form: Form) -> Network:
    """The network in that form: a frozen copy, or itself where it cannot be copied and need not change.

    Raises AncileError where it cannot be brought into the form.
    """
    changes = form.layout != "contiguous" or form.precision != _name(network.dtype)
    precision = cast("torch.dtype", getattr(torch, form.precision))
    try:
        net = copy.deepcopy(network.net).requires_grad_(requires_grad=False)
        if changes:
            net = net.to(dtype=precision)
            net.to(memory_format=LAYOUTS[form.layout])  # type: ignore[call-overload]  # torch's stub lacks it
    except FOREIGN as reason:
        if not changes:
            return replace(network, straight=form.straight)
        raise AncileError(
            "the network cannot be brought into another form",
            value=f"{form.precision}, {form.layout}",
            remedy="search with the network as it is",
        ) from reason
    if not changes:
        return replace(network, net=net, straight=form.straight)
    return replace(network, net=net, precision=precision, layout=LAYOUTS[form.layout], straight=form.straight)


def clock_for(device: torch.device) -> Clock:
    """CPU seconds of this process; seconds that pass, once all work is done, for another device."""
    if device.type == "cpu":
        return time.process_time

    def settled() -> float:
        torch.accelerator.synchronize(device)
        return time.perf_counter()

    return settled


@contextmanager
def _one_thread(device: torch.device) -> Iterator[None]:
    """One thread for the work on the CPU: several wait for each other, and count that as their time."""
    threads = torch.get_num_threads()
    try:
        if device.type == "cpu":
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(threads)


def _others(plain: Form, *, spatial: bool, lower: bool) -> Iterator[Form]:
    layouts = tuple(LAYOUTS) if spatial else (plain.layout,)
    at = PRECISIONS.index(plain.precision)
    for precision in PRECISIONS[at:] if lower else (plain.precision,):
        for layout in layouts:
            if (precision, layout) != (plain.precision, plain.layout):
                yield msgspec.structs.replace(plain, precision=precision, layout=layout)


def _tried(
    network: Network, form: Form, rows: torch.Tensor, wanted: torch.Tensor, *, few: float, clock: Clock
) -> _Tried | None:
    """The form with its measurements; None where it fails, answers otherwise, or is slow beyond hope."""
    try:
        copied = formed(network, form)
        if _seconds(copied, rows[:FEW_ROWS], FEW_ROWS, clock) > HOPELESS * few:
            return None
        with torch.no_grad():
            found = copied.run(rows.clone())
        difference, agreement = _distance(found, wanted[: len(rows)])
        if not (difference < MOST_DIFFERENCE and agreement >= LEAST_AGREEMENT):
            return None
        took = _seconds(copied, rows, PLAIN_BATCH, clock)
    except (AncileError, *FOREIGN):
        return None
    told = msgspec.structs.replace(form, seconds=took, difference=difference, agreement=agreement)
    return _Tried(copied, told, GAIN if form.precision == _name(network.dtype) else LOWER_GAIN)


def _distance(found: torch.Tensor, wanted: torch.Tensor) -> tuple[float, float]:
    """Mean difference as a share of the mean size, and the share of rows with the same class."""
    size = max(float(wanted.abs().mean()), torch.finfo(wanted.dtype).tiny)
    one = wanted.shape[1] == 1
    same = (found > 0) == (wanted > 0) if one else found.argmax(dim=1) == wanted.argmax(dim=1)
    return float((found - wanted).abs().mean()) / size, float(same.double().mean())


def _with_batch(best: _Tried, sample: torch.Tensor, until: float, clock: Clock) -> Form:
    """The form with the largest batch that takes about as little as any: calls cost by themselves."""
    form = best.form
    if form.batch < PLAIN_BATCH:  # samples so large that memory decides
        return form
    times = {form.batch: form.seconds}
    for batch in BATCHES:
        count = max(BATCH_ROWS, batch)
        ahead = 2 * count * form.seconds
        if batch != PLAIN_BATCH and batch <= _fitting(sample, batch) and clock() + ahead <= until:
            times[batch] = _seconds(best.network, _rows(sample, count), batch, clock)
    batch = max(one for one, took in times.items() if took <= GAIN * min(times.values()))
    return msgspec.structs.replace(form, batch=batch, seconds=times[batch])


def _seconds(network: Network, rows: torch.Tensor, batch: int, clock: Clock) -> float:
    """Time of a gradient for one sample, the better of two passes."""
    times = []
    for _ in range(2):
        began = clock()
        for part in torch.split(rows, batch):
            with torch.enable_grad():
                leaf = part.detach().requires_grad_()
                value = network.run(leaf.clone()).sum()
            input_gradient(value, leaf)
        times.append(clock() - began)
    return min(times) / len(rows)


def _rows(sample: torch.Tensor, count: int) -> torch.Tensor:
    """As many rows, the sample's own again and again."""
    return sample.detach()[torch.arange(count, device=sample.device) % len(sample)]


def _fitting(sample: torch.Tensor, most: int = PLAIN_BATCH) -> int:
    """Samples of a batch that memory allows."""
    return max(1, min(most, BATCH_BYTES // max(1, sample[:1].nbytes)))


def _name(dtype: torch.dtype) -> Precision:
    return cast("Precision", str(dtype).removeprefix("torch."))
