"""A model from what a user names: a file, code, or an endpoint; its subject, and what opening it showed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypedDict

import msgspec

from ancile.core.check import examine
from ancile.core.errors import AncileError
from ancile.core.finding import Finding
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.models.blocks import block_of
from ancile.models.checks import MODEL_CHECKS, Opening
from ancile.models.endpoint import open_endpoint
from ancile.models.model import GradientModel, Model, Traits
from ancile.models.order import Opened, Order, Wanted
from ancile.models.reference import Referred, refer
from ancile.models.remote import RemoteGradientModel, RemoteModel
from ancile.models.replicas import replicas
from ancile.models.request import ModelRequest
from ancile.models.waiting import Waiting
from ancile.numeric import np
from ancile.work.clock import Clock, own_cpu_seconds, own_peak_bytes, system_clock
from ancile.work.frames import decoded, text_block
from ancile.work.ray_cluster import ray_children
from ancile.work.relay import ChildOrder
from ancile.work.worker import Worker

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOST = "ancile.models.host"
OPEN_SECONDS = 300.0  # importing a framework and building a large network on a slow disk
LEAST_OPEN_SECONDS = 60.0  # however short a run shall be: most of them import a framework in ten
HOME = ".ancile"  # keys and ledger, nothing that a model has to read
PROBE_ROWS = 64


class _Told(TypedDict):
    output: Wanted
    classes: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]


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
    request: ModelRequest,
    sample: NDArray[np.floating],
    *,
    classes: int | None = None,
    names: Sequence[str] = (),
) -> OpenedModel:
    """The model that is asked for, asked through a child process, an endpoint from here.

    sample   (n, *shape) samples of the data that it will be asked on: they show layout, number of classes
             and what scores are; a few dozen are better than one
    classes  of the data; needed for a model that answers with labels, else compared
    names    of these classes, for a model that answers with words

    Raises AncileError for whatever is wrong with the reference, the file, the code or its answers.
    """
    probe = np.ascontiguousarray(sample[:PROBE_ROWS])
    if request.is_endpoint():
        if request.workers > 1 or request.engine != "local":
            raise AncileError(
                "an endpoint is asked by one process",
                value=f"{request.workers} workers, engine {request.engine}",
                remedy="leave --workers and --engine out: how many answer is the endpoint's affair",
            )
        return _endpoint(request, probe, classes)
    referred = refer(request)
    order = msgspec.structs.replace(referred.order, names=tuple(names), **_told(request, classes))
    with ExitStack() as stack:
        children = _workers(request, referred, stack)
        clock, budget = clock_with(*children), request.budget_seconds
        wait = OPEN_SECONDS if budget is None else min(OPEN_SECONDS, budget + LEAST_OPEN_SECONDS)
        began = clock.wall()
        child, opened = children[0], _opened(children[0], order, referred, probe, seconds=wait)
        took = clock.wall() - began
        waiting = Waiting(request.seconds, budget=budget, longest=took, now=clock.wall)
        models = [_model(child, opened, waiting)]
        models += [
            _model(other, _opened(other, order, referred, probe, seconds=wait), waiting)
            for other in children[1:]
        ]
        model = models[0] if len(models) == 1 else replicas(models, probe)
        opening = Opening(
            code=referred.code,
            trusted=referred.trusted,
            uncovered=tuple(dict.fromkeys(opened.touched)),
            unfixed=bool(referred.code) and not referred.order.weights and opened.access == "white-box",
            confined=child.confined,
        )
        return OpenedModel(stack.pop_all(), model, referred.subject, opening, clock=clock)


def _endpoint(request: ModelRequest, probe: NDArray[np.floating], classes: int | None) -> OpenedModel:
    order = Order(kind="code", **_told(request, classes))
    endpoint = open_endpoint(
        request.reference, probe, order=order, token_env=request.token_env, query_cap=request.query_cap
    )
    stack = ExitStack()
    stack.callback(endpoint.close)
    opening = Opening(endpoint=endpoint.subject.name)
    return OpenedModel(stack, endpoint, endpoint.subject, opening, clock=system_clock())


def _told(request: ModelRequest, classes: int | None) -> _Told:
    return {"output": request.output, "classes": classes, "mean": request.mean, "std": request.std}


def _workers(request: ModelRequest, referred: Referred, stack: ExitStack) -> Sequence[Worker]:
    """As many processes as are asked for, where they are to run; they end with the stack."""
    absent = [path for path in request.allow_read if not path.exists()]
    if absent:
        raise AncileError(
            "a file that the model may read is not there",
            value=plain(str(absent[0])),
            remedy="give the path of a file or folder",
        )
    order = ChildOrder.of(
        HOST,
        code=referred.reach,
        readable=tuple(path.resolve() for path in request.allow_read),
        denied=denied_folders(request.base, referred.folder, request.deny),
    )
    if request.engine == "ray":
        return stack.enter_context(ray_children([order] * request.workers))
    return [stack.enter_context(order.start()) for _ in range(request.workers)]


def denied_folders(base: Path, folder: Path, deny: Sequence[Path]) -> tuple[Path, ...]:
    """Each ``.ancile`` there is in these folders and above, and what else is to be denied."""
    above = {one for start in (base.resolve(), folder.resolve()) for one in (start, *start.parents)}
    homes = [one / HOME for one in above if (one / HOME).exists()]
    return tuple(sorted({*homes, *(one.resolve() for one in deny)}))


def clock_with(*children: Worker) -> Clock:
    """The machine's clock, with the cost of the children in it."""
    own = system_clock()
    return own._replace(
        cpu=lambda: own_cpu_seconds() + sum(child.cpu_seconds() for child in children),
        memory=lambda: own_peak_bytes() + sum(child.peak_bytes() for child in children),
    )


def _opened(
    child: Worker, order: Order, referred: Referred, probe: NDArray[np.floating], *, seconds: float
) -> Opened:
    told = [(one.name, one.files) for one in referred.covered]
    named = [msgspec.json.encode(told)] if told else []
    blocks = (*map(text_block, (*referred.parts, *named)), block_of(probe))
    try:
        answer = child.ask("open", msgspec.msgpack.encode(order), blocks, seconds=seconds, limit_bytes=0)
    except AncileError as fault:
        if referred.code or referred.trusted or not child.has_died():
            raise
        how = fault.value.partition(":")[0]  # not what the library printed last
        raise AncileError(
            "the file is damaged, or its library fails on it",
            value=f"{plain(referred.subject.name)}: its {order.kind} reader ended, {how}",
            remedy="take it from its source once more, or save it again with the version installed here",
        ) from fault
    return decoded(answer.body, Opened)


def _model(child: Worker, opened: Opened, waiting: Waiting) -> Model | GradientModel:
    traits = Traits(
        kind=opened.kind,
        access=opened.access,
        output=opened.output,
        classes=opened.classes,
        shape=opened.shape,
        notes=opened.notes,
    )
    if opened.access == "white-box":
        return RemoteGradientModel(child, traits, dtype=opened.dtype, waiting=waiting)
    return RemoteModel(child, traits, waiting=waiting)
