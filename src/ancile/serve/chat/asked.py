"""A chat request as read: what of it decides here, and the bytes that go on.

The body is read and written anew: of a key that comes twice the upstream gets the one that was judged.
"""

from __future__ import annotations

from typing import NamedTuple

from ancile.core.extras import needs
from ancile.serve.refusal import Refused

orjson = needs("orjson", "serve")


class Asked(NamedTuple):
    """Which model, whether as a stream, and the body for the upstream."""

    model: str
    stream: bool
    body: bytes


def read_chat(body: bytes) -> Asked:
    """The request in a body; Refused with status 400 for what is none."""
    try:
        read = orjson.loads(body)
    except ValueError:
        raise Refused(400, "the body is no JSON") from None
    if not isinstance(read, dict):
        raise Refused(400, "a chat request is an object")
    model, stream, messages = read.get("model"), read.get("stream"), read.get("messages")
    if not isinstance(model, str) or not isinstance(messages, list) or not messages:
        raise Refused(400, "a chat request names a model and has messages")
    if stream is not None and not isinstance(stream, bool):  # 1 is no boolean, though it equals one
        raise Refused(400, "stream is true or false")
    try:
        return Asked(model, stream is True, orjson.dumps(read))
    except TypeError:  # deeper than it writes
        raise Refused(400, "the body is nested too deep") from None
