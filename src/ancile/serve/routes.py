"""Which requests there are. A target is matched raw and whole, so no spelling of a path leads elsewhere.

Not served, as a gateway cannot see what they do or should not let them be done: shared memory, the repository
(load, unload, index), logging and trace settings, statistics, generate.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ancile.serve.config import Permission

MODEL = re.compile(
    rb"/v2/models/(?P<model>[A-Za-z0-9_.-]{1,128})(?:/versions/(?P<version>[A-Za-z0-9_.-]{1,64}))?"
    rb"(?P<end>/infer|/ready|)"
)
SERVER = {b"/v2": "server", b"/v2/health/live": "live", b"/v2/health/ready": "ready"}
NEEDS: dict[str, Permission] = {
    "server": "metadata",
    "live": "health",
    "ready": "health",
    "/ready": "health",
    "": "metadata",
    "/infer": "infer",
    "chat": "infer",
    "models": "metadata",
    "/model": "metadata",
}


class Route(NamedTuple):
    """What is asked for.

    ask    server, live, ready; of a model /ready, /infer, or empty for metadata; or chat, models, /model
    model  empty where none is named; for chat the body names it
    """

    ask: str
    model: str = ""
    version: str | None = None

    @property
    def needs(self) -> Permission:
        """What a role must be allowed."""
        return NEEDS[self.ask]


@lru_cache(maxsize=1024)  # of so many targets; a caller with a key may push others out, which costs 3 us
def route_of(method: bytes, target: bytes) -> Route | None:
    """The route, or None for whatever is not served."""
    if method == b"GET" and target in SERVER:
        return Route(SERVER[target])
    found = MODEL.fullmatch(target)
    if found is None or method != (b"POST" if found["end"] == b"/infer" else b"GET"):
        return None
    if found["model"].strip(b".") == b"" or (found["version"] or b"1").strip(b".") == b"":
        return None  # "." and ".." are ways to other paths
    version = found["version"]
    return Route(found["end"].decode(), found["model"].decode(), version.decode() if version else None)
