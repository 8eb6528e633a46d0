"""A PyTorch module of this process as a model with gradients."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.models.answers import ONE_BY_ONE, ROUNDED_TOLERANCE, raised, seen_note
from ancile.models.fixed_rows import FixedRows
from ancile.models.footprint import sample_bytes
from ancile.models.form import TRIAL_SECONDS, Footprint, Form, Searching
from ancile.models.inner import within
from ancile.models.model import Gradient, Loss, Seen, Traits, Usage, traits_now
from ancile.models.network import Network, Prepare, home_of, input_gradient, training
from ancile.models.tuned import fastest, formed
from ancile.numeric import np
from ancile.work.memory import free_bytes

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike, NDArray
else:
    torch = needs("torch", "torch")

Kind = Literal["logits", "probabilities"]
FEW = 2  # samples that show whether a gradient can be asked for
STRETCH = 1e4  # takes the logits of a network with little confidence out of [0, 1]


def torch_model(
    net: torch.nn.Module,
    *,
    probe: NDArray[np.floating] | None = None,
    classes: int | None = None,
    output: Literal["auto", "logits", "probabilities"] = "auto",
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
    prepare: Prepare | None = None,
    one_by_one: bool | None = None,
) -> TorchModule:
    """The module as a ``GradientModel``, on the device and in the float type of its parameters or buffers.

    probe      (n, *shape) a few real samples; they show, once and here, the number of classes and whether
               scores are logits or probabilities: rows that sum to 1, be it after rounding, or a single
               column, all in [0, 1], and still so for the samples enlarged ten thousand times
    classes    needed without a probe, else compared with it; 2 for a network with a single output
    output     needed without a probe
    mean, std  what the network's input is normalised by, per channel (first axis of three) or per feature
    prepare    told the samples as tensors before normalisation: another layout, an added axis, a scale
    one_by_one whether it is given each sample by itself; None to do so where it fails on several at once and
               answers one

    The network runs in eval mode, its own mode is put back after each pass; its parameters are not touched.
    Probabilities become logits by their logarithm; where they round to 0 or 1 their gradient is gone.
    A single logit is seen as (0, logit), a single probability p as (1 - p, p). Where no gradient path leads
    from the scores to the input, gradients are zeros, ``graph_broken`` is set and a note says so: no error.
    A network that answers the probe but raises when its gradient is asked for is a model of scores alone: its
    traits say so, and why.

    Raises ``AncileError`` here, and at any later pass, for a network that fails on the samples, answers with
    something else than one row of floating-point scores a sample, or changes their number; here alone for one
    that answers NaN to every sample of the probe.
    """
    network = Network(net, prepare, *home_of(net), mean, std)
    notes = ("the network came in train mode; it runs in eval mode",) if training(net) else ()
    if probe is None:
        if output == "auto" or classes is None:
            raise AncileError(
                "classes and kind of output are not known",
                value=f"classes={classes}, output={output}",
                remedy="give probe=x with some samples, or classes= and output=logits or probabilities",
            )
        return TorchModule(network, _traits(output, classes, notes))
    network, rows = _answering(network, probe, one_by_one)
    if isinstance(network.net, FixedRows) and network.net is not net:
        notes = (*notes, ONE_BY_ONE)
    answered = rows[~torch.isnan(rows).any(dim=1)]
    if not len(answered):
        raise AncileError(
            "the network answers NaN",
            value=f"{len(rows)} of {len(rows)} samples",
            remedy="check the input's range and normalisation, and the weights",
        )
    seen = max(2, rows.shape[1])
    if classes not in (None, seen):
        raise AncileError(
            "the network has another number of classes",
            value=f"classes={classes}, the network answers with {rows.shape[1]} columns",
            remedy=f"give classes={seen} or none",
        )
    if output == "auto":
        output = _kind([answered, *_stretched(network, probe)])
        notes = (*notes, seen_note(output, np.asarray(answered.cpu().numpy())))
    model = TorchModule(network, _traits(output, seen, notes))
    refusal = _refusal(network, network.tensor(probe[:FEW]))
    if not refusal:
        return model
    told = (*notes, f"gradients are not to be had, so the network is asked for scores alone: {refusal}")
    return TorchModule(network, replace(_traits(output, seen, told), access="scores"))


def _answering(
    network: Network, probe: NDArray[np.floating], one_by_one: bool | None
) -> tuple[Network, torch.Tensor]:
    """The network as it takes samples, several at once or each by itself, and its answers to the probe."""
    shown = np.repeat(probe, FEW, axis=0) if len(probe) == 1 else probe
    alone = replace(network, net=FixedRows(network.net, 1))
    try:
        return _answers(alone if one_by_one else network, shown, len(probe))
    except AncileError as fault:
        if one_by_one is not None or not raised(fault):
            raise
        with suppress(AncileError):
            return _answers(alone, shown, len(probe))
        raise


def _answers(network: Network, probe: NDArray[np.floating], count: int) -> tuple[Network, torch.Tensor]:
    with torch.no_grad():
        return network, network.run(network.tensor(probe))[:count]


def _refusal(network: Network, x: torch.Tensor) -> str:
    """What the network raises where a gradient is asked for, though it answers without; empty for nothing."""
    try:
        with torch.enable_grad():
            leaf = x.requires_grad_()
            value = network.run(leaf.clone()).sum()
        input_gradient(value, leaf)
    except AncileError as fault:
        return fault.value
    return ""


class TorchModule:
    """A ``GradientModel`` around a module; ``torch_model`` makes it."""

    def __init__(self, network: Network, traits: Traits, *, seen: Seen | None = None) -> None:
        self._network = network
        self._given = traits
        self._seen = seen or Seen()

    @property
    def traits(self) -> Traits:
        """What is known; with a note once a gradient was found to be cut off."""
        return traits_now(self._given, self._seen)

    @property
    def graph_broken(self) -> bool:
        """Whether a backward pass so far met no path from the scores to the input."""
        return self._seen.cut

    @property
    def usage(self) -> Usage:
        """Samples that went through so far; those of the probe are not counted."""
        return self._seen.usage

    @property
    def device(self) -> torch.device:
        """Where its inputs must lie."""
        return self._network.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of its inputs."""
        return self._network.dtype

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (n, classes), float64; counted as queries."""
        with torch.no_grad():
            columns = self._columns(self._network.tensor(x))
        self._seen.usage.queries += len(x)
        return np.asarray(columns.cpu().numpy(), dtype=np.float64)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes) without a graph."""
        with torch.no_grad():
            logits = self._as_logits(self._columns(x.clone()))
        self._seen.usage.forwards += len(x)
        return logits

    def gradient(self, x: torch.Tensor, loss: Loss) -> Gradient:
        """Logits and the gradient of ``loss(logits)`` on ``x``; zeros where no path leads there."""
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            # The network gets a copy: it may write into its input, and a leaf may not be written to
            logits = self._as_logits(self._columns(leaf.clone()))
            value = loss(logits)
        self._seen.usage.forwards += len(x)
        self._seen.usage.backwards += len(x)
        found = input_gradient(value, leaf)
        self._seen.cut |= found is None
        return Gradient(logits.detach(), torch.zeros_like(x) if found is None else found)

    def search_form(
        self, sample: torch.Tensor, *, form: Form | None = None, seconds: float = TRIAL_SECONDS
    ) -> Searching:
        """A frozen copy in the fastest form found on ``sample``, or in ``form``; see ``models.form``."""
        if form is not None:
            network = formed(self._network, form)
            if form.inside:
                inner = TorchModule(
                    within(network, sample), replace(self._given, output="logits"), seen=self._seen
                )
                return Searching(inner, form)
        else:
            # Probabilities near 0 and 1 are told apart by bits that a lower precision does not have
            lower = self._given.output == "logits"
            network, form = fastest(self._network, sample, lower=lower, seconds=seconds)
        return Searching(TorchModule(network, self._given, seen=self._seen), form)

    def footprint(self, sample: torch.Tensor) -> Footprint:
        """What a gradient takes for each of such samples, and what its device has free; not counted."""
        on_gpu = self._network.device.type == "cuda"
        free = torch.cuda.mem_get_info(self._network.device)[0] if on_gpu else free_bytes()
        return Footprint(sample_bytes=sample_bytes(self._network, sample), free_bytes=free or 0)

    def _columns(self, x: torch.Tensor) -> torch.Tensor:
        """(n, classes) of the network's own kind."""
        rows, traits = self._network.run(x), self._given
        if rows.shape[1] == 1 and traits.classes == 2:
            first = torch.zeros_like(rows) if traits.output == "logits" else 1.0 - rows
            return torch.cat([first, rows], dim=1)
        if rows.shape[1] != traits.classes:
            raise AncileError(
                "the network changed its number of classes",
                value=f"{rows.shape[1]} columns for {traits.classes} classes",
                remedy="give classes= as the network has them",
            )
        return rows

    def _as_logits(self, columns: torch.Tensor) -> torch.Tensor:
        if self._given.output == "logits":
            return columns
        # The smallest normal number keeps the logarithm and its slope finite; any p above 1e-30 swallows it
        return torch.log(columns + torch.finfo(columns.dtype).tiny)


def _traits(output: Kind, classes: int, notes: tuple[str, ...]) -> Traits:
    if classes < 2:
        raise AncileError(
            "too few classes", value=f"classes={classes}", remedy="give 2 for a network with a single output"
        )
    return Traits(kind="torch", access="white-box", output=output, classes=classes, notes=notes)


def _kind(answers: list[torch.Tensor]) -> Kind:
    """Probabilities where all answers are in [0, 1] and sum to 1, as far as there is more than one a row."""
    for rows in answers:
        sums = rows.sum(dim=1)
        summed = rows.shape[1] == 1 or bool(((sums - 1).abs() <= ROUNDED_TOLERANCE).all())
        if not (summed and bool(((rows >= 0) & (rows <= 1)).all())):
            return "logits"
    return "probabilities"


def _stretched(network: Network, probe: NDArray[np.floating]) -> list[torch.Tensor]:
    """Finite answers to the probe enlarged both ways: logits leave [0, 1] there, probabilities never do."""
    found = []
    for factor in (STRETCH, -STRETCH):
        try:
            with torch.no_grad():
                rows = network.run(network.tensor(probe) * factor)
        except AncileError:  # some networks refuse such inputs; then the probe itself has to do
            continue
        found.append(rows[torch.isfinite(rows).all(dim=1)])
    return found
