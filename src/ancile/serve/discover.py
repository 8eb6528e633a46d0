"""An upstream as it shows itself at the start: a server of the Open Inference Protocol v2, and its models."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import msgspec

from ancile.core.errors import AncileError
from ancile.core.place import Place, place_of
from ancile.core.text import plain
from ancile.models.http import Client
from ancile.serve.signature import Signature, Spec
from ancile.serve.tensors import BYTES, TYPES
from ancile.serve.upstream import Upstream

NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
ASK_SECONDS = 10.0


class _Tensor(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]


class _Metadata(msgspec.Struct):
    inputs: list[_Tensor]
    outputs: list[_Tensor]
    platform: str = ""


def upstream_of(
    url: str, models: Sequence[str], *, seconds: float, loop: asyncio.AbstractEventLoop
) -> Upstream:
    """The upstream with the signatures of the models that are to be served; others cannot be reached."""
    place = place_of(url, form="give it like http://127.0.0.1:9000")
    if not models:
        raise AncileError(
            "it is not said which models of the upstream are served",
            value=place.url(),
            remedy="name each: --name NAME; no other can then be reached",
        )
    client = Client(place, token=None, seconds=ASK_SECONDS)
    try:
        signatures = {name: _signature(client, place, name) for name in models}
    finally:
        client.close()
    return Upstream(place, signatures, seconds=seconds, loop=loop)


def _signature(client: Client, place: Place, name: str) -> Signature:
    if not NAME.fullmatch(name) or not name.strip("."):
        raise AncileError("not a name of a model", value=plain(name), remedy="letters, digits and . _ -")
    content = client.ask("GET", f"{place.path}/v2/models/{name}")
    try:
        read = msgspec.json.decode(content, type=_Metadata)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
        raise AncileError(
            "the upstream does not speak the Open Inference Protocol v2",
            value=plain(f"{place.url()}: {reason}"),
            remedy="give the URL of a server that does, without /v2: KServe, MLServer, Triton, BentoML …",
        ) from reason
    specs = [Spec(one.name, one.datatype, tuple(one.shape)) for one in (*read.inputs, *read.outputs)]
    unknown = [one for one in specs if one.datatype not in TYPES and one.datatype != BYTES]
    if unknown or not read.inputs:
        raise AncileError(
            "a tensor of the model is of no datatype that is served",
            value=plain(
                f"{name}: {unknown[0].name} {unknown[0].datatype}" if unknown else f"{name}: no input"
            ),
            remedy="serve another model",
        )
    count = len(read.inputs)
    return Signature(name, plain(read.platform, 100), tuple(specs[:count]), tuple(specs[count:]))
