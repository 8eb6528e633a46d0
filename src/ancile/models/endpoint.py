"""A model behind the Open Inference Protocol, version 2, over HTTP/REST with JSON tensors.

github.com/open-inference/open-inference-protocol, specification/protocol/inference_rest.md. The parent talks
to it: nothing of the model runs here. One float input, one output of scores or labels.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec

from ancile.core.errors import AncileError
from ancile.core.place import Place, place_of
from ancile.core.subject import Subject, digest_of
from ancile.core.text import plain
from ancile.models.answers import array_model, prepared
from ancile.models.http import Client
from ancile.models.layout import Layout, layout_for
from ancile.models.model import Traits, Usage
from ancile.numeric import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ancile.models.order import Order

URL_FORM = "give http(s)://host:port/v2/models/NAME"
PATH = re.compile(r"/v2/models/[^/]+(/versions/[^/]+)?\Z")
ROWS = 64  # in one request
ANSWER_SECONDS = 60.0
FLOATS = {"FP16": "float16", "FP32": "float32", "FP64": "float64"}
WHOLE = ("BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")

Axis = Annotated[int, msgspec.Meta(ge=-1, le=1 << 31)]
Number = float | int | bool
Kind = TypeVar("Kind")


class Tensor(msgspec.Struct, frozen=True):
    """Metadata of an input or output."""

    name: str
    datatype: str
    shape: Annotated[tuple[Axis, ...], msgspec.Meta(max_length=8)]


class Metadata(msgspec.Struct, frozen=True):
    """What the server says of the model."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    platform: str = ""
    versions: tuple[str, ...] | None = None


class Output(msgspec.Struct, frozen=True):
    """One tensor of an answer; its data flat in row-major order, or nested."""

    name: str
    datatype: str
    shape: Annotated[tuple[Axis, ...], msgspec.Meta(max_length=8)]
    data: list[Number | list[Number]]


class Answer(msgspec.Struct, frozen=True):
    """The answer to an inference request."""

    outputs: tuple[Output, ...]


class Endpoint:
    """A ``Model`` that a service holds; close it."""

    def __init__(
        self, service: _Service, subject: Subject, probe: NDArray[np.floating], order: Order
    ) -> None:
        self._service = service
        self.subject = subject
        layout = service.layout(probe.shape[1:])
        call = prepared(service.answer, layout=layout, mean=order.mean, std=order.std)
        notes = (layout.note,) if layout.note else ()
        self._inner = array_model(
            call, probe, kind="endpoint", output=order.output, classes=order.classes, notes=notes
        )
        self._usage = Usage()

    @property
    def traits(self) -> Traits:
        """What is known before the first sample."""
        return self._inner.traits

    @property
    def usage(self) -> Usage:
        """Samples sent so far, those of the opening left out."""
        return self._usage

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores (n, classes), float64. Cost: n queries; AncileError where the cap does not allow them."""
        found = self._inner.scores(x)
        self._usage.queries += len(x)
        return found

    def close(self) -> None:
        """Close the connection."""
        self._service.client.close()


class _Service:
    """The wire: samples to the tensor that comes back."""

    def __init__(self, client: Client, place: Place, metadata: Metadata, cap: int | None) -> None:
        self.client, self._place, self._cap = client, place, cap
        self._sent = 0
        if len(metadata.inputs) != 1 or metadata.inputs[0].datatype not in FLOATS:
            shown = ", ".join(f"{one.name} {one.datatype}" for one in metadata.inputs)
            raise AncileError(
                "the endpoint's model does not take one tensor of floats",
                value=plain(shown or "no input"),
                remedy="serve it with a single FP32 input",
            )
        self._input = metadata.inputs[0]
        self._output = _output_of(metadata)

    def layout(self, shape: tuple[int, ...]) -> Layout:
        """The layout of samples that the declared input wants."""
        declared = tuple(None if axis == -1 else axis for axis in self._input.shape[1:])
        found = layout_for(shape, declared)
        if found is None:
            raise AncileError(
                "the endpoint's model takes samples of another shape",
                value=f"{tuple(self._input.shape[1:])}, the data's are {shape}",
                remedy="give the data that belongs to the model",
            )
        return found

    def answer(self, x: NDArray[np.floating]) -> NDArray[np.generic]:
        """What comes back for the samples, in requests of as many as the model takes at once."""
        if self._cap is not None and self._sent + len(x) > self._cap:
            raise AncileError(
                "the query cap is reached",
                value=f"{self._sent} of {self._cap} sent, {len(x)} more wanted",
                remedy="allow more with --query-cap, or take fewer samples or less effort",
            )
        fixed = self._input.shape[0] if self._input.shape else -1
        rows = ROWS if fixed < 1 else fixed
        found = [
            self._request(x[at : at + rows], rows if fixed > 0 else None) for at in range(0, len(x), rows)
        ]
        return np.concatenate(found)

    def _request(self, x: NDArray[np.floating], padded: int | None) -> NDArray[np.generic]:
        filled = x if padded in (None, len(x)) else np.resize(x, (padded or 0, *x.shape[1:]))
        flat = filled.astype(FLOATS[self._input.datatype]).ravel().tolist()
        tensor = {
            "name": self._input.name,
            "shape": filled.shape,
            "datatype": self._input.datatype,
            "data": flat,
        }
        asked = {"inputs": [tensor], "outputs": [{"name": self._output.name}]}
        self._sent += len(filled)
        content = self.client.ask("POST", f"{self._place.path}/infer", msgspec.json.encode(asked))
        return _array(_decoded(content, Answer), self._output.name, len(filled))[: len(x)]


def open_endpoint(
    url: str, probe: NDArray[np.floating], *, order: Order, token_env: str, query_cap: int | None
) -> Endpoint:
    """The model at the URL, asked once for what it is and once for the probe.

    The token comes from the environment variable ``token_env``. AncileError for a place that is not to be
    asked, for a model of another kind, and for every fault on the way.
    """
    place = place_of(url, form=URL_FORM)
    if not PATH.search(place.path):
        raise AncileError(
            "not the URL of a model",
            value=plain(place.url()),
            remedy=f"{URL_FORM} (Open Inference Protocol v2)",
        )
    client = Client(place, token=os.environ.get(token_env), seconds=ANSWER_SECONDS)
    try:
        metadata = _decoded(client.ask("GET", place.path), Metadata)
        identity = {"url": place.url(), "metadata": msgspec.to_builtins(metadata)}
        subject = Subject(
            kind="deployment",
            name=plain(place.url()),
            digest=digest_of(msgspec.json.encode(identity, order="sorted")),
        )
        return Endpoint(_Service(client, place, metadata, query_cap), subject, probe, order)
    except BaseException:
        client.close()
        raise


def _output_of(metadata: Metadata) -> Tensor:
    """The output that holds scores: the first of floats, else the first of whole numbers."""
    kinds = (tuple(FLOATS), WHOLE)
    found = [one for kind in kinds for one in metadata.outputs if one.datatype in kind]
    if not found:
        shown = ", ".join(f"{one.name} {one.datatype}" for one in metadata.outputs)
        raise AncileError(
            "the endpoint's model answers with no numbers",
            value=plain(shown or "no output"),
            remedy="serve scores as FP32, or labels as INT64",
        )
    return found[0]


def _array(answer: Answer, name: str, rows: int) -> NDArray[np.generic]:
    chosen = [one for one in answer.outputs if one.name == name]
    if len(chosen) != 1 or not chosen[0].shape or chosen[0].shape[0] != rows:
        raise _odd(f"no single output {plain(name, 60)} of {rows} rows")
    output = chosen[0]
    kind = FLOATS.get(output.datatype) or ("int64" if output.datatype in WHOLE else None)
    if kind is None or min(output.shape) < 1:
        raise _odd(f"{plain(output.datatype, 20)} {output.shape}")
    try:
        return np.asarray(output.data, dtype=kind).reshape(output.shape)
    except (ValueError, OverflowError, TypeError) as reason:
        raise _odd(str(reason)) from reason


def _decoded(content: bytes, kind: type[Kind]) -> Kind:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
        raise _odd(str(reason)) from reason


def _odd(detail: str) -> AncileError:
    return AncileError(
        "the endpoint does not speak the Open Inference Protocol v2",
        value=plain(detail),
        remedy="give the URL of a model: http(s)://host:port/v2/models/NAME",
    )
