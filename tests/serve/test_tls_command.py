"""``ancile serve`` with a certificate: where it says it is, who gets in, and what it does with bad files."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path

import pytest

from tests.cli.terminal import Place, clear
from tests.serve.pki import Authority
from tests.serve.small import row, running
from tests.serve.test_command import key

pytestmark = pytest.mark.slow


def asked(port: int, context: ssl.SSLContext, token: str) -> int:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
    try:
        connection.request(
            "POST", "/v2/models/line/infer", row(1.0, 2.0), {"Authorization": f"Bearer {token}"}
        )
        with connection.getresponse() as answer:
            return answer.status
    finally:
        connection.close()


def test_a_model_is_served_over_tls_to_clients_of_an_authority(home: Place, tmp_path: Path) -> None:
    ca, token = Authority(tmp_path), key(home, "alice")
    certificate, private = ca.issue("gateway")
    files = ("--tls-cert", str(certificate), "--tls-key", str(private), "--client-ca", str(ca.file))
    trusting = ssl.create_default_context(cafile=ca.file)
    with running(home, "line.onnx", *files) as gateway:
        assert "at https://127.0.0.1:" in gateway.said.read_text("utf-8")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            asked(gateway.port, trusting, token)
        trusting.load_cert_chain(*ca.issue("robot", "spiffe://plant/robot"))
        assert asked(gateway.port, trusting, token) == 200
        assert asked(gateway.port, trusting, "nobody") == 401
        assert gateway.end() == 0


def test_a_certificate_without_its_key_is_one_line_with_a_remedy(home: Place, tmp_path: Path) -> None:
    certificate, _ = Authority(tmp_path).issue("gateway")
    ran = home("serve", "line.onnx", "--port", "0", "--tls-cert", str(certificate))
    assert ran.code == 2
    assert "come together" in clear(ran)
    other = Authority(tmp_path, "other").issue("other")[1]
    ran = home("serve", "line.onnx", "--port", "0", "--tls-cert", str(certificate), "--tls-key", str(other))
    assert ran.code == 2
    assert "cannot be used" in clear(ran)


def test_the_table_names_files_beside_itself(home: Place, tmp_path: Path) -> None:
    certificate, private = Authority(tmp_path).issue("gateway")
    (home.folder / "tls").mkdir()
    for file in (certificate, private):
        (home.folder / "tls" / file.name).write_bytes(file.read_bytes())
    table = {"certificate": "tls/gateway.crt", "key": "tls/gateway.key"}
    with (home.folder / "ancile.toml").open("a", encoding="utf-8") as config:
        config.write("\n[serve.tls]\n" + "\n".join(f"{k} = {json.dumps(v)}" for k, v in table.items()) + "\n")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with running(home, "line.onnx") as gateway:
        assert asked(gateway.port, context, "nobody") == 401
