"""What it costs a request to say who asks and whether he may: a token, and a decision by Cedar, new and known.

CPU of this process, saturated, five alternating runs. New: a token of RS256 verified each time, a decision made each
time. Known: the same token and the same question again. The control forgets both after every request.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from joserfc import jwt
from joserfc.jwk import RSAKey

from ancile.serve.config import shipped_roles
from ancile.serve.identity.config import Identities, Oidc
from ancile.serve.identity.permissions import Permissions
from ancile.serve.identity.recognition import Recognition
from ancile.serve.keys import Identity, Users
from bar import Bar

NO_PROOF = (b"", b"")
RUNS, NEW, KNOWN = 5, 300, 30_000
MOST_RATIO, MOST_US = 0.05, 5.0
OIDC = {"issuer": "https://issuer", "audience": "ancile", "roles": {"ml": "analyst"}}


@dataclass
class Asked:
    """A request with a token."""

    headers: dict[bytes, bytes]
    address: str = "127.0.0.1"
    certificate: str = ""
    proof: tuple[bytes, bytes] = NO_PROOF


def microseconds(what: Callable[[], object], times: int) -> float:
    """CPU of one call."""
    start = time.process_time()
    for _ in range(times):
        what()
    return (time.process_time() - start) / times * 1e6


def measure(*, control: bool = False) -> list[Bar]:
    """Two bars: against doing it anew, and in all."""
    key = RSAKey.generate_key(2048, {"kid": "one"})
    said = {
        "iss": "https://issuer",
        "aud": "ancile",
        "sub": "a",
        "exp": int(time.time()) + 3600,
        "roles": ["ml"],
    }
    token = jwt.encode({"alg": "RS256", "kid": "one"}, said, key).encode()
    with TemporaryDirectory() as made:
        keys = Path(made) / "keys.json"
        keys.write_text(f'{{"keys": [{_json(key)}]}}', "utf-8")
        with Users(Path(made) / "serve") as users:
            recognition = Recognition(users, Identities(Oidc(jwks=str(keys), **OIDC)))
            permissions = Permissions(shipped_roles())
            asked = Asked({b"authorization": b"Bearer " + token})

            def once() -> None:
                asked.proof = NO_PROOF  # as over a new connection
                who = recognition.of(asked)
                if not isinstance(who, Identity) or not permissions.decide(who, "infer", "m").allowed:
                    sys.exit("not let in")

            def anew() -> None:
                recognition._tokens._known.clear()  # noqa: SLF001 - so that it is worked out anew
                permissions._known.clear()  # noqa: SLF001 - likewise
                once()

            once()
            known = anew if control else once
            pairs = [
                (microseconds(anew, NEW), microseconds(known, NEW if control else KNOWN)) for _ in range(RUNS)
            ]
    return _bars(pairs)


def _json(key: RSAKey) -> str:
    return str(key.as_dict(private=False)).replace("'", '"')


def _bars(pairs: list[tuple[float, float]]) -> list[Bar]:
    ratios = [again / new for new, again in pairs]
    new, again = (statistics.median(column) for column in zip(*pairs, strict=True))
    raw = {"new us": [one for one, _ in pairs], "known us": [one for _, one in pairs]}
    return [
        Bar(
            claim="a token and a decision are worked out once, not for each request",
            measured=f"known / new = {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), "
            f"{again:.2f} us against {new:.0f}",
            wanted=f"ratio at most {MOST_RATIO:g}",
            met=statistics.median(ratios) <= MOST_RATIO,
            raw=raw,
        ),
        Bar(
            claim="to say who asks with a known token, and whether he may, costs little",
            measured=f"{again:.2f} us of CPU, saturated",
            wanted=f"at most {MOST_US:g} us",
            met=again <= MOST_US,
            raw=raw,
        ),
    ]


if __name__ == "__main__":
    for bar in measure(control="--control" in sys.argv):
        print(bar)
