"""The requests of the chat protocol: https://platform.openai.com/docs/api-reference, chat and models."""

from __future__ import annotations

import re
from functools import lru_cache

from ancile.serve.routes import SERVER, Route

PREFIX = b"/v1/"
NAME = rb"[A-Za-z0-9_.:/-]{1,128}"  # names have slashes and colons: org/model:7b
ONE = re.compile(rb"/v1/models/(" + NAME + rb")")
WHOLE = {
    (b"POST", b"/v1/chat/completions"): Route("chat"),
    (b"GET", b"/v1/models"): Route("models"),
    (b"GET", b"/v2/health/live"): Route(SERVER[b"/v2/health/live"]),
    (b"GET", b"/v2/health/ready"): Route(SERVER[b"/v2/health/ready"]),
}


@lru_cache(maxsize=1024)
def chat_route_of(method: bytes, target: bytes) -> Route | None:
    """The route, or None for whatever is not served; which model is asked a chat's body says."""
    if (found := WHOLE.get((method, target))) is not None:
        return found
    named = ONE.fullmatch(target) if method == b"GET" else None
    return None if named is None else Route("/model", named[1].decode("ascii"))
