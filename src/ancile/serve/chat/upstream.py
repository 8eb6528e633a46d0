"""The chat server behind the gateway, as it shows itself at the start, and the heads that it gets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ancile.core.errors import AncileError
from ancile.core.place import Place, place_of
from ancile.core.text import plain
from ancile.models.http import Client
from ancile.serve.pool import Pool, Receiver, Sending

ASK_SECONDS = 10.0
KEY = re.compile(r"[\x21-\x7e]{1,4096}")


class _Model(msgspec.Struct):
    id: str
    created: int = 0
    owned_by: str = ""


class _Models(msgspec.Struct):
    data: list[_Model]


class ChatUpstream:
    """A server that speaks the chat protocol.

    models   that may be asked for, each as it is shown to clients; none other is
    seconds  until an answer, or the next piece of it, comes
    key      that the server asks for, empty for none
    """

    def __init__(
        self,
        place: Place,
        models: dict[str, dict[str, object]],
        *,
        seconds: float,
        loop: asyncio.AbstractEventLoop,
        key: str = "",
    ) -> None:
        self.models = models
        self.pool = Pool(place, seconds=seconds, loop=loop)
        bearer = f"Authorization: Bearer {key}\r\n" if key else ""
        self._head = (
            f"POST {place.path}/v1/chat/completions HTTP/1.1\r\nHost: {place.authority()}\r\n"
            f"Content-Type: application/json\r\nAccept-Encoding: identity\r\n{bearer}"
        ).encode()

    def ask(self, body: bytes, receiver: Receiver) -> Sending | None:
        """Send a request on."""
        head = b"%bContent-Length: %d\r\n\r\n" % (self._head, len(body))
        return self.pool.send((head, body), receiver, patient=True)


def chat_upstream_of(
    url: str, models: Sequence[str], *, seconds: float, loop: asyncio.AbstractEventLoop, key_file: str
) -> ChatUpstream:
    """The upstream, once it lists the models that are to be served; a URL may end in /v1.

    key_file  of the key that it asks for, empty for none
    """
    place = place_of(url, form="give it like http://127.0.0.1:8000")
    place = place._replace(path=place.path.removesuffix("/v1"))
    if not models:
        raise AncileError(
            "it is not said which models of the upstream are served",
            value=place.url(),
            remedy="name each: --name NAME; no other can then be reached",
        )
    key = _key(Path(key_file)) if key_file else ""
    client = Client(place, token=key or None, seconds=ASK_SECONDS)
    try:
        listed = _listed(client.ask("GET", f"{place.path}/v1/models"), place)
    finally:
        client.close()
    if unknown := [name for name in models if name not in listed]:
        raise AncileError(
            "the upstream has no such model",
            value=plain(f"{unknown[0]}; it lists {', '.join(sorted(listed)[:10])}"),
            remedy="name one that it lists: --name NAME",
        )
    return ChatUpstream(place, {name: listed[name] for name in models}, seconds=seconds, loop=loop, key=key)


def _key(path: Path) -> str:
    try:
        key = path.read_text("ascii").strip()
    except (OSError, ValueError) as reason:
        raise AncileError(
            "the key for the upstream cannot be read",
            value=plain(f"{path}: {reason}"),
            remedy="give a file that holds the key and nothing else: [serve] upstream_key",
        ) from reason
    if not KEY.fullmatch(key):
        raise AncileError(
            "the file holds no key for the upstream", value=str(path), remedy="one line, without spaces"
        )
    return key


def _listed(content: bytes, place: Place) -> dict[str, dict[str, object]]:
    try:
        read = msgspec.json.decode(content, type=_Models)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
        raise AncileError(
            "the upstream does not speak the chat protocol",
            value=plain(f"{place.url()}: {reason}"),
            remedy="give the URL of a server with /v1/models: vLLM, llama.cpp, Ollama, OpenAI …",
        ) from reason
    return {
        one.id: {"id": one.id, "object": "model", "created": one.created, "owned_by": one.owned_by}
        for one in read.data
    }
