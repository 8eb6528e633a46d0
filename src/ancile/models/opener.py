"""A model from what a user names: a file, code, or an endpoint; its subject, and what opening it showed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from ancile.core.check import examine
from ancile.core.finding import Finding
from ancile.core.subject import Subject
from ancile.models.blocks import block_of
from ancile.models.checks import MODEL_CHECKS, Opening
from ancile.models.endpoint import TOKEN_VARIABLE, open_endpoint
from ancile.models.model import GradientModel, Model, Traits
from ancile.models.order import Opened, Order, Scalar, Wanted
from ancile.models.reference import Referred, refer
from ancile.models.remote import ANSWER_SECONDS, RemoteGradientModel, RemoteModel
from ancile.numeric import np
from ancile.work.child import Child
from ancile.work.clock import Clock, own_cpu_seconds, own_peak_bytes, system_clock
from ancile.work.frames import decoded, text_block

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOST = "ancile.models.host"
OPEN_SECONDS = 300.0  # importing a framework and building a large network on a slow disk
HOME = ".ancile"  # keys and ledger, nothing that a model has to read
PROBE_ROWS = 64


class OpenedModel:
    """A model that answers, until it is closed; use it in a ``with``.

    model     asks it; a ``GradientModel`` where its traits say white-box
    subject   names it by digest
    findings  what opening it showed
    clock     time and cost of this process and of the model's own together
    """

    def __init__(
        self,
        stack: ExitStack,
        model: Model | GradientModel,
        subject: Subject,
        opening: Opening,
        *,
        clock: Clock,
    ) -> None:
        self._stack = stack
        self.model = model
        self.subject = subject
        self.findings: list[Finding] = list(examine(MODEL_CHECKS, opening).findings)
        self.clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the model's process, with all that it started."""
        self._stack.close()


def open_model(
    reference: str,
    *,
    sample: NDArray[np.floating],
    weights: str | Path | None = None,
    trust_pickle: bool = False,
    trust_torchscript: bool = False,
    factory_args: dict[str, Scalar] | None = None,
    output: Wanted = "auto",
    classes: int | None = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    token_env: str = TOKEN_VARIABLE,
    query_cap: int | None = None,
    base: Path | None = None,
    deny: Sequence[Path] = (),
    seconds: float = ANSWER_SECONDS,
) -> OpenedModel:
    """The model that the reference names, asked through a child process, an endpoint from here.

    reference     a model's file, ``FILE.py:name``, ``package.module:name``, or an http(s) URL
    sample        (n, *shape) samples of the data that it will be asked on: they show layout, number of
                  classes and what scores are; a few dozen are better than one
    weights       safetensors or a state dict, for a factory
    trust_…       open a format that can run any code when it is opened, in the child
    classes       of the data; needed for a model that answers with labels, else compared
    mean, std     the model gets (x - mean) / std
    token_env     environment variable that holds an endpoint's token
    query_cap     most samples sent to an endpoint
    base          folder that relative paths start from
    deny          folders that the child shall not read, besides each ``.ancile`` upwards
    seconds       for one batch

    Raises AncileError for whatever is wrong with the reference, the file, the code or its answers.
    """
    base = base or Path.cwd()
    probe = np.ascontiguousarray(sample[:PROBE_ROWS])
    told = Order(kind="code", output=output, classes=classes, mean=tuple(mean), std=tuple(std))
    if reference.startswith(("http://", "https://")):
        endpoint = open_endpoint(reference, probe, order=told, token_env=token_env, query_cap=query_cap)
        stack = ExitStack()
        stack.callback(endpoint.close)
        opening = Opening(endpoint=endpoint.subject.name)
        return OpenedModel(stack, endpoint, endpoint.subject, opening, clock=system_clock())
    referred = refer(
        reference,
        base=base,
        weights=weights,
        factory_args=factory_args or {},
        trust_pickle=trust_pickle,
        trust_torchscript=trust_torchscript,
    )
    order = msgspec.structs.replace(
        referred.order, output=told.output, classes=classes, mean=told.mean, std=told.std
    )
    with ExitStack() as stack:
        child = stack.enter_context(
            Child(HOST, code=referred.reach, denied=denied_folders(base, referred.folder, deny))
        )
        opened = _opened(child, order, referred, probe)
        model = _model(child, opened, seconds=seconds)
        opening = Opening(
            code=referred.code,
            trusted=referred.trusted,
            uncovered=_uncovered(referred, opened),
            unfixed=bool(referred.code) and not referred.order.weights and opened.access == "white-box",
            confined=child.confined,
        )
        return OpenedModel(stack.pop_all(), model, referred.subject, opening, clock=clock_with(child))


def denied_folders(base: Path, folder: Path, deny: Sequence[Path]) -> tuple[Path, ...]:
    """Each ``.ancile`` there is in these folders and above, and what else is to be denied."""
    above = {one for start in (base.resolve(), folder.resolve()) for one in (start, *start.parents)}
    homes = [one / HOME for one in above if (one / HOME).exists()]
    return tuple(sorted({*homes, *(one.resolve() for one in deny)}))


def clock_with(child: Child) -> Clock:
    """The machine's clock, with the cost of the child in it."""
    own = system_clock()
    return own._replace(
        cpu=lambda: own_cpu_seconds() + child.cpu_seconds(),
        memory=lambda: own_peak_bytes() + child.peak_bytes(),
    )


def _opened(child: Child, order: Order, referred: Referred, probe: NDArray[np.floating]) -> Opened:
    named = [msgspec.json.encode(referred.package.files)] if referred.package else []
    blocks = (*map(text_block, (*referred.parts, *named)), block_of(probe))
    answer = child.ask("open", msgspec.msgpack.encode(order), blocks, seconds=OPEN_SECONDS, limit_bytes=0)
    return decoded(answer.body, Opened)


def _model(child: Child, opened: Opened, *, seconds: float) -> Model | GradientModel:
    traits = Traits(
        kind=opened.kind,
        access=opened.access,
        output=opened.output,
        classes=opened.classes,
        shape=opened.shape,
        notes=opened.notes,
    )
    if opened.access == "white-box":
        return RemoteGradientModel(child, traits, dtype=opened.dtype, seconds=seconds)
    return RemoteModel(child, traits, seconds=seconds)


def _uncovered(referred: Referred, opened: Opened) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*opened.touched, *referred.beside)))
