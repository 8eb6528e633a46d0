"""May somebody do that: policies in Cedar (https://docs.cedarpolicy.com), parsed once, decisions remembered.

A policy cannot ask for what changes by itself (time, load), so that a decision holds as long as policies and
roles do. Nothing is allowed without a policy that permits it; one that forbids goes before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import msgspec

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.subject import digest_of
from ancile.core.text import plain
from ancile.serve.config import Permission, Policy, Role
from ancile.serve.keys import Identity

if TYPE_CHECKING:
    import cedarpy
else:
    cedarpy = needs("cedarpy", "serve")

SHIPPED = "policies.cedar"
LARGEST = 1 << 20  # bytes of policies
MOST_DECISIONS = 20_000  # that are remembered; beyond them all are made anew
SERVER = "ancile"  # the resource of what is asked of the gateway, not of a model
NOBODY = Role()  # whose role is not known any more may nothing
SCHEMA = """
entity Role;
entity Gateway;
entity Model in [Gateway];
entity User in [Role] {{ name: String, source: String, may: Set<String> }};
action {actions} appliesTo {{
  principal: User, resource: [Model, Gateway], context: {{ action: String }}
}};
"""


class Decision(NamedTuple):
    """Whether somebody may, and which policies say so.

    policies  ids; where nothing permits it, none
    """

    allowed: bool
    policies: tuple[str, ...]

    @property
    def why(self) -> str:
        """In words."""
        if self.allowed:
            return f"permitted by {', '.join(self.policies)}"
        return f"forbidden by {', '.join(self.policies)}" if self.policies else "no policy permits that"


class Permissions:
    """Decisions under policies and roles that do not change while it is there.

    policies  text in Cedar; None for those that come with ancile
    """

    def __init__(self, roles: Mapping[str, Role], policies: str | None = None) -> None:
        self._roles = roles
        self._set = parsed(shipped() if policies is None else policies)
        self._known: dict[tuple[Identity, str, str], Decision] = {}

    def decide(self, who: Identity, action: Permission, model: str) -> Decision:
        """The decision; 0.2 us once made, some 100 us before. ``model`` is empty for the gateway itself."""
        asked = (who, action, model)
        found = self._known.get(asked)
        if found is None:
            if len(self._known) >= MOST_DECISIONS:
                self._known.clear()
            found = self._known[asked] = self._decided(who, action, model)
        return found

    def _decided(self, who: Identity, action: str, model: str) -> Decision:
        gateway, role = {"type": "Gateway", "id": SERVER}, {"type": "Role", "id": who.role}
        user, asked = {"type": "User", "id": who.name}, {"type": "Model", "id": model}
        may = sorted(self._roles.get(who.role, NOBODY).may)
        entities = [
            {"uid": gateway, "attrs": {}, "parents": []},
            {"uid": role, "attrs": {}, "parents": []},
            {"uid": asked, "attrs": {}, "parents": [gateway]},
            {
                "uid": user,
                "attrs": {"name": who.name, "source": who.source, "may": may},
                "parents": [role] if who.role else [],
            },
        ]
        said = cedarpy.is_authorized(
            {
                "principal": user,
                "action": {"type": "Action", "id": action},
                "resource": asked if model else gateway,
                "context": {"action": action},
            },
            self._set,
            json.dumps(entities),
        )
        names = said.diagnostics.id_annotations_by_reason
        policies = tuple(sorted(names.get(one) or one for one in said.diagnostics.reasons))
        if (
            said.diagnostics.errors
        ):  # Cedar leaves out a policy that fails, also one that would have forbidden
            return Decision(allowed=False, policies=("a policy that failed",))
        return Decision(allowed=said.allowed, policies=policies)


def shipped() -> str:
    """The policies that come with ancile."""
    return files("ancile.serve").joinpath(SHIPPED).read_text("utf-8")


def schema() -> str:
    """What policies may speak of."""
    return SCHEMA.format(actions=", ".join(get_args(Permission)))


def parsed(text: str) -> cedarpy.PolicySet:
    """The policies in a text, once they are sound; AncileError with what is wrong where they are not."""
    try:
        found = cedarpy.PolicySet.from_str(text)
    except ValueError as reason:
        raise _damaged(str(reason)) from reason
    if found.templates():
        raise _damaged("a template decides nothing until it is linked")
    said = cedarpy.validate_policies(text, schema())
    if not said.validation_passed:
        raise _damaged("; ".join(str(one) for one in said.errors[:3]))
    return found


def read_policies(name: str, folder: Path) -> str | None:
    """The text of a file of policies, found from ``folder``, once it is sound; None where none is named."""
    if not name:
        return None
    path = folder / name
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode("utf-8")
    except (OSError, ValueError) as reason:
        told = getattr(reason, "strerror", None) or "not UTF-8"
        raise AncileError(
            "the policies cannot be read",
            value=plain(f"{path}: {told}"),
            remedy="set [serve] policies to a file in Cedar, or leave it out",
        ) from reason
    if len(data) > LARGEST:
        raise AncileError("the policies are too large", value=str(path), remedy=f"at most {LARGEST} bytes")
    parsed(text)
    return text


def digest_in_force(policy: Policy, policies: str | None) -> str:
    """Digest of all that decides: profile, reactions, roles, and policies as they are written."""
    rules = digest_of((shipped() if policies is None else policies).encode("utf-8"))
    return digest_of(msgspec.json.encode([rules, policy], order="sorted"))


def _damaged(told: str) -> AncileError:
    return AncileError(
        "the policies are damaged",
        value=plain(told, 300),
        remedy="mend the file that [serve] policies names: `ancile user schema` prints what it may speak of",
    )
