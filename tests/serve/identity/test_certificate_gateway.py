"""The gateway as a process, asked by clients whose certificate says who they are."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path

import pytest

from tests.cli.terminal import Place
from tests.serve.pki import Authority
from tests.serve.small import row, running

pytestmark = pytest.mark.slow
TABLE = """
[serve.certificates]
"spiffe://plant/robot" = "service"
"spiffe://plant/probes/*" = "monitor"
"""


def asked(port: int, context: ssl.SSLContext, **headers: str) -> int:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
    try:
        connection.request("POST", "/v2/models/line/infer", row(1.0, 2.0), headers)
        with connection.getresponse() as answer:
            return answer.status
    finally:
        connection.close()


def test_the_uri_of_a_certificate_is_an_identity_with_its_role(home: Place, tmp_path: Path) -> None:
    config, ca = home.folder / "ancile.toml", Authority(tmp_path)
    config.write_text(config.read_text("utf-8") + TABLE, "utf-8")
    certificate, private = ca.issue("gateway")

    def client(name: str, *uris: str) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=ca.file)
        made.load_cert_chain(*ca.issue(name, *uris))
        return made

    files = ("--tls-cert", str(certificate), "--tls-key", str(private), "--client-ca", str(ca.file))
    with running(home, "line.onnx", *files) as gateway:
        robot = client("robot", "spiffe://plant/robot")
        assert asked(gateway.port, robot) == 200
        assert asked(gateway.port, robot, Authorization="Bearer nobody") == 401
        assert asked(gateway.port, client("probe", "spiffe://plant/probes/7")) == 403
        assert asked(gateway.port, client("stranger", "spiffe://plant/other")) == 401
        assert asked(gateway.port, client("two", "spiffe://plant/robot", "spiffe://plant/probes/7")) == 401
        assert asked(gateway.port, client("none")) == 401
        assert gateway.end() == 0
    lines = home("ledger", "log", "--kind", "verdict", "--format", "json").out.splitlines()
    said = {(one["who"], one["status"]) for one in map(json.loads, lines)}
    assert ("cert:spiffe://plant/robot", 200) in said
    assert ("cert:spiffe://plant/probes/7", 403) in said
    assert {who for who, status in said if status == 401} == {""}
