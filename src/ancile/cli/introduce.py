"""What ``ancile serve`` says once it serves: where, what is in force, and a line to try."""

from __future__ import annotations

import ipaddress
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime

from ancile.cli.home import Home
from ancile.cli.in_force import FOLDER
from ancile.cli.output import talk
from ancile.serve.config import GUARDS, LEARNED, Policy
from ancile.serve.reaction import LADDER

CHAT_GUARDS = ("rate", "quota")
UNREFERENCED = "without --reference off"
SHOWN_VALUES = 100  # of an input in the ready line


def url_of(host: str, port: int, *, tls: bool) -> str:
    """The URL of a listener."""
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def introduce(home: Home, serving: object, policy: Policy, *, together: bool, url: str) -> None:
    """Where it is, what is in force, how to get in, and a line to try."""
    from ancile.serve.keys import Users  # noqa: PLC0415 - not for --help
    from ancile.serve.worker import Serving  # noqa: PLC0415 - likewise

    if not isinstance(serving, Serving):
        raise TypeError("a worker's word")
    digest = f", {serving.digest[:19]}" if serving.digest else ""
    talk(f"serving {', '.join(serving.models)} at {url}{digest}")
    name, inputs = next(iter(serving.models.items()))
    chat = not inputs
    guards = CHAT_GUARDS if chat else tuple(one for one in GUARDS if together or one != "disagreement")
    talk(f"profile {policy.profile}: {_in_force(policy, guards, guarded=bool(serving.guarded))}")
    for one in serving.lacking:
        talk(f"not shut in: {one}")
    if chat:
        talk("no guard looks at what is said")
    scheme, _, place = url.partition("://")
    if scheme == "http" and not ipaddress.ip_address(place.rpartition(":")[0].strip("[]")).is_loopback:
        talk("keys and data travel in the clear: give --tls-cert and --tls-key")
    with Users(home.folder / FOLDER) as users:
        if not users.identities(datetime.now(UTC)):
            talk("nobody has a key yet: KEY=$(ancile user add NAME --role analyst)")
    asked = f"/v1/chat/completions -d '{_chat(name)}'" if chat else f"/v2/models/{name}{_example(inputs)}"
    talk(f'try: curl -H "Authorization: Bearer $KEY" {url}{asked}')


def _chat(model: str) -> str:
    asked = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return json.dumps(asked, separators=(",", ":"))


def _in_force(policy: Policy, guards: Sequence[str], *, guarded: bool) -> str:
    """The guards by what they may do at most, the gravest first."""
    found: dict[str, list[str]] = {reaction: [] for reaction in reversed(LADDER)} | {UNREFERENCED: []}
    found["deny"].append("identity")
    for guard in guards:
        most = policy.reactions.get(guard, "deny")
        found[UNREFERENCED if guard in LEARNED and not guarded and most != "allow" else most].append(guard)
    words = {"allow": "off"}
    return "; ".join(
        f"{words.get(reaction, reaction)} {', '.join(names)}" for reaction, names in found.items() if names
    )


def _example(inputs: list[dict[str, object]]) -> str:
    """The end of a line that asks: with zeros as input where they are few, else for the metadata."""
    tensors = []
    for one in inputs:
        axes = one["shape"]
        shape = [max(int(axis), 1) for axis in axes] if isinstance(axes, list) else [1]
        size = math.prod(shape)
        if size > SHOWN_VALUES or one["datatype"] in ("BYTES", "BOOL", "FP16"):
            return ""
        tensors.append({"name": one["name"], "shape": shape, "datatype": one["datatype"], "data": [0] * size})
    body = json.dumps({"inputs": tensors}, separators=(",", ":"))
    return f"/infer -d '{body}'" if "'" not in body else ""
