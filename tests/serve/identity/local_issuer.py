"""An issuer of tokens on loopback, whose keys and answers a test changes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from ancile.serve.identity.config import Oidc
from tests.loopback import web

AnyKey = RSAKey | ECKey | OKPKey


def rsa(name: str = "one", bits: int = 2048) -> RSAKey:
    """A key with an id."""
    return RSAKey.generate_key(bits, {"kid": name})


def public(*keys: AnyKey) -> bytes:
    """The set that an issuer shows."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


def claims(**changed: Any) -> dict[str, Any]:
    """Of a token that holds; a claim that is changed to None is left out."""
    now = int(time.time())
    held = {"iss": "https://issuer", "aud": "ancile", "sub": "alice", "iat": now, "exp": now + 600}
    return {name: value for name, value in (held | {"roles": ["ml"]} | changed).items() if value is not None}


def signed(key: AnyKey, said: dict[str, Any] | None = None, alg: str = "RS256", **header: Any) -> bytes:
    """A token."""
    head = {"alg": alg, "kid": key.kid} | header
    return jwt.encode(head, said or claims(), key, algorithms=[alg]).encode()


def oidc(**changed: Any) -> Oidc:
    """Whom the tests trust."""
    return Oidc(**{"issuer": "https://issuer", "audience": "ancile", "roles": {"ml": "analyst"}} | changed)


class Local:
    """What the issuer answers, by path."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked = 0
        self.url = ""


@contextmanager
def local_issuer() -> Iterator[Local]:
    """It listens until the block ends."""
    local = Local()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            local.asked += 1
            body = local.answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

    with web(Answers) as local.url:
        yield local
