"""The gateway as a process under policies of its user's own, and what `ancile user explain` says of them."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest

from ancile.cli.home import need_home
from ancile.cli.ledger import reading
from ancile.serve.segment import predicate_of
from ancile.trust.leaf import parse_leaf
from tests.cli.terminal import Place, clear
from tests.serve.small import running

pytestmark = pytest.mark.slow
OWN = """
@id("readers") permit (principal in Role::"analyst", action == Action::"infer", resource == Model::"line");
@id("not-bob") forbid (principal == User::"bob", action, resource);
"""


def test_a_refusal_names_its_policy_in_the_record_and_to_nobody_else(home: Place) -> None:
    config = home.folder / "ancile.toml"
    config.write_text(config.read_text("utf-8") + '\n[serve]\npolicies = "own.cedar"\n', "utf-8")
    (home.folder / "own.cedar").write_text(OWN, "utf-8")
    alice, bob = (home("user", "add", name, "--role", "analyst").out.strip() for name in ("alice", "bob"))
    with running(home, "line.onnx") as gateway:
        assert gateway.client(alice).infer(1.0, 1.0).status == 200
        assert gateway.client(alice)("GET", "/v2/health/live").status == 403
        refused = gateway.client(bob).infer(1.0, 1.0)
        assert (refused.status, refused.said) == (403, {"error": "the role may not ask for that"})
        assert gateway.end() == 0
    listed = home("ledger", "log", "--kind", "verdict").out
    assert "permission: forbidden by not-bob" in listed
    assert "permission: no policy permits that" in listed
    with chdir(home.folder):
        found = need_home(Path.cwd())
    with reading(found) as ledger:
        bodies = [
            e.body
            for e in ledger.entries(0, ledger.size())
            if e.leaf and e.body and parse_leaf(e.leaf).kind == "segment"
        ]
    digests = {str(predicate_of(body)["policy"]) for body in bodies}
    assert len(digests) == 1
    assert digests.pop().startswith("sha256:")


def test_explain_names_the_policy_and_ends_with_1_where_it_is_a_no(home: Place) -> None:
    home("user", "add", "alice", "--role", "analyst")
    home("user", "add", "bob", "--role", "analyst")
    said = home("user", "explain", "alice", "infer", "line")
    assert (said.code, said.out) == (0, "alice (analyst) may ask for infer of line: permitted by role-may\n")
    said = home("user", "explain", "cert:spiffe://a/b", "health")
    assert (said.code, said.out) == (
        1,
        "cert:spiffe://a/b (no role) may not ask for health: no policy permits that\n",
    )
    assert "no such user" in clear(home("user", "explain", "oidc:carol", "infer"))
    assert home("user", "explain", "oidc:carol", "infer", "line", "--role", "analyst").code == 0
    assert home("user", "revoke", "oidc:carol").code == 0
    assert home("user", "explain", "oidc:carol", "infer", "line", "--role", "analyst").code == 1
    config = home.folder / "ancile.toml"
    config.write_text(config.read_text("utf-8") + '\n[serve]\npolicies = "own.cedar"\n', "utf-8")
    assert "cannot be read" in clear(home("serve", "line.onnx", "--port", "0"))
    (home.folder / "own.cedar").write_text(OWN, "utf-8")
    said = home("user", "explain", "bob", "infer", "line")
    assert (said.code, said.out) == (1, "bob (analyst) may not ask for infer of line: forbidden by not-bob\n")
    (home.folder / "own.cedar").write_text("permit (principal", "utf-8")
    assert "policies are damaged" in clear(home("serve", "line.onnx", "--port", "0"))
    assert "policies are damaged" in clear(home("user", "explain", "bob", "infer"))


def test_what_schema_prints_is_a_file_of_policies(home: Place) -> None:
    printed = home("user", "schema").out
    config = home.folder / "ancile.toml"
    config.write_text(config.read_text("utf-8") + '\n[serve]\npolicies = "own.cedar"\n', "utf-8")
    (home.folder / "own.cedar").write_text(printed, "utf-8")
    home("user", "add", "alice", "--role", "monitor")
    assert home("user", "explain", "alice", "health").code == 0
    assert home("user", "explain", "alice", "infer", "line").code == 1
