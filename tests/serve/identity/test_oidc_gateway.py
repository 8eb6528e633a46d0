"""The gateway as a process, asked with tokens of an issuer."""

from __future__ import annotations

import pytest

from tests.cli.terminal import Place, clear
from tests.serve.identity.local_issuer import claims, local_issuer, public, rsa, signed
from tests.serve.small import running
from tests.serve.test_command import soon

pytestmark = pytest.mark.slow
ONE = rsa()


def test_a_token_is_served_by_its_role_and_recorded_and_others_are_strangers(home: Place) -> None:
    config = home.folder / "ancile.toml"
    with local_issuer() as local:
        local.answers["/keys"] = public(ONE)
        table = f'\n[serve.oidc]\nissuer = "https://issuer"\naudience = "ancile"\njwks = "{local.url}/keys"\n'
        config.write_text(config.read_text("utf-8") + table + 'roles = { ml = "analyst" }\n', "utf-8")
        with running(home, "line.onnx") as gateway:
            answer = gateway.client(signed(ONE).decode()).infer(1.0, 0.33333)
            assert (answer.status, answer.said["outputs"][0]["data"]) == (200, [1.167, -0.917])
            assert gateway.client(signed(ONE, claims(roles=[])).decode()).infer(1.0, 1.0).status == 403
            for stranger in (claims(aud="other"), claims(exp=5)):
                assert gateway.client(signed(ONE, stranger).decode()).infer(1.0, 1.0).status == 401
            assert home("user", "revoke", "oidc:alice").code == 0
            client = gateway.client(signed(ONE).decode())
            assert soon(lambda: client.infer(1.0, 1.0).status == 401)
            assert gateway.end() == 0
    assert "oidc:alice: blocked" in home("ledger", "log", "--kind", "user").out
    assert home("user", "list").out.endswith("is let in no more\n")
    assert home("user", "admit", "oidc:alice").code == 0
    assert "was not taken back" in clear(home("user", "admit", "oidc:alice"))
    listed = home("ledger", "log", "--kind", "verdict").out
    assert "oidc:alice       line         allow    200" in listed
    assert "oidc:alice" in [line.split()[2] for line in listed.splitlines() if "permission" in line]
    assert "cannot be fetched" in clear(home("serve", "line.onnx", "--port", "0"))


def test_a_role_that_is_none_and_a_wrong_uri_are_told_before_anything_is_served(home: Place) -> None:
    config = home.folder / "ancile.toml"
    before = config.read_text("utf-8")
    for table, told in (
        ('[serve.certificates]\n"spiffe://example.org/batch" = "none"\n', "no such role: none"),
        ('[serve.certificates]\n"spiffe://*" = "analyst"\n', "not a URI"),
        ('[serve.oidc]\nissuer = "i"\naudience = "a"\nalgorithms = ["HS256"]\n', "Invalid enum"),
        ('[serve.oidc]\nissuer = "i"\naudience = "a"\ndefault_role = "root"\n', "no such role: root"),
    ):
        config.write_text(f"{before}\n{table}", "utf-8")
        assert told in clear(home("serve", "line.onnx", "--port", "0"))
