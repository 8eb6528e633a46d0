"""Nobody may what no policy permits, and what forbids goes before what permits."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.serve.config import Permission, Role, ServeConfig, policy_of, shipped_roles
from ancile.serve.identity.permissions import (
    Permissions,
    digest_in_force,
    parsed,
    read_policies,
    shipped,
)
from ancile.serve.keys import Identity

PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
OWN = """
@id("readers") permit (principal in Role::"analyst", action == Action::"infer", resource == Model::"flowers");
@id("no-tokens") forbid (principal, action == Action::"infer", resource) when { principal.source == "oidc" };
@id("all-of-it") permit (principal == User::"root", action, resource in Gateway::"ancile");
"""


@given(may=st.sets(st.sampled_from(PERMISSIONS)), model=st.sampled_from(["", "flowers"]))
def test_the_policies_that_come_with_ancile_are_what_roles_may(may: set[Permission], model: str) -> None:
    permissions = Permissions({"made": Role(may=tuple(may))})
    for action in PERMISSIONS:
        said = permissions.decide(Identity("alice", "made"), action, model)
        assert said.allowed == (action in may)
        assert said.policies == (("role-may",) if action in may else ())
        assert not permissions.decide(Identity("alice", "gone"), action, model).allowed
        assert not permissions.decide(Identity("alice", ""), action, model).allowed


def test_roles_that_come_with_ancile_may_what_they_say() -> None:
    permissions = Permissions(shipped_roles())
    for name, role in shipped_roles().items():
        for action in PERMISSIONS:
            assert permissions.decide(Identity("a", name), action, "m").allowed == (action in role.may)


def test_a_policy_of_ones_own_decides_alone_and_says_so() -> None:
    permissions = Permissions(shipped_roles(), OWN)
    alice, token = Identity("alice", "analyst"), Identity("oidc:alice", "analyst", "oidc")
    assert permissions.decide(alice, "infer", "flowers").why == "permitted by readers"
    assert permissions.decide(alice, "infer", "other").why == "no policy permits that"
    assert permissions.decide(alice, "health", "").why == "no policy permits that"
    assert permissions.decide(token, "infer", "flowers").why == "forbidden by no-tokens"
    root = Identity("root", "monitor")
    assert permissions.decide(root, "metadata", "").why == "permitted by all-of-it"
    assert permissions.decide(root, "infer", "any").why == "permitted by all-of-it"


@pytest.mark.parametrize(
    ("name", "model"),
    [('alice"', "flowers"), ("oidc:a\\", 'm"'), ('root" || true', "x"), ("cert:spiffe://a/b", "flowers")],
)
def test_a_name_is_a_name_and_no_part_of_a_policy(name: str, model: str) -> None:
    permissions = Permissions(shipped_roles(), OWN)
    assert not permissions.decide(Identity(name, "monitor"), "infer", model).allowed
    assert permissions.decide(Identity(name, "analyst"), "infer", "flowers").allowed == (model != "")


def test_a_policy_that_fails_allows_nothing() -> None:
    """Cedar would leave it out, and what it forbids would be allowed."""
    most = 9223372036854775807
    failing = f"{shipped()}\nforbid (principal, action, resource) when {{ {most} + {most} > 0 }};"
    said = Permissions(shipped_roles(), failing).decide(Identity("alice", "analyst"), "infer", "m")
    assert (said.allowed, said.why) == (False, "forbidden by a policy that failed")


@pytest.mark.parametrize(
    "text",
    [
        "permit (principal, action, resource",
        "permit (principal, action, resource) when { principal.age > 3 };",
        'permit (principal == Person::"a", action, resource);',
        'permit (principal, action == Action::"delete", resource);',
        "permit (principal == ?principal, action, resource);",
        "permit (principal, action, resource) when { context.time > 5 };",
        "<html>",
    ],
)
def test_damaged_policies_are_told_before_anything_is_decided(text: str, tmp_path: Path) -> None:
    with pytest.raises(AncileError, match="policies are damaged"):
        parsed(text)
    (tmp_path / "own.cedar").write_text(text, "utf-8")
    with pytest.raises(AncileError, match="policies are damaged"):
        read_policies("own.cedar", tmp_path)


def test_a_file_of_policies_is_read_whole_or_refused(tmp_path: Path) -> None:
    assert read_policies("", tmp_path) is None
    with pytest.raises(AncileError, match="cannot be read"):
        read_policies("absent.cedar", tmp_path)
    (tmp_path / "bytes.cedar").write_bytes(b"\xff\xfe")
    with pytest.raises(AncileError, match="not UTF-8"):
        read_policies("bytes.cedar", tmp_path)
    (tmp_path / "large.cedar").write_text("// " + "a" * (1 << 20), "utf-8")
    with pytest.raises(AncileError, match="too large"):
        read_policies("large.cedar", tmp_path)
    (tmp_path / "own.cedar").write_text(OWN, "utf-8")
    assert read_policies("own.cedar", tmp_path) == OWN


def test_the_digest_of_what_is_in_force_changes_with_each_part_of_it() -> None:
    plain = policy_of(ServeConfig())
    digests = {
        digest_in_force(plain, None),
        digest_in_force(plain, OWN),
        digest_in_force(policy_of(ServeConfig(), profile="full"), None),
        digest_in_force(policy_of(ServeConfig(roles={"few": Role(may=("infer",))})), None),
        digest_in_force(policy_of(ServeConfig(reactions={"rate": "flag"})), None),
    }
    assert len(digests) == 5
    assert digest_in_force(plain, shipped()) == digest_in_force(policy_of(ServeConfig()), None)
