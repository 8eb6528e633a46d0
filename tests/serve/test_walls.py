"""What a worker can still do once it is shut in, and that it serves all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ancile.serve.config import ServeConfig
from ancile.serve.identity.config import Oidc
from ancile.serve.telemetry.config import TelemetryConfig
from ancile.serve.tls_config import TlsConfig
from ancile.serve.worker import Order
from ancile.work.landlock import landlock_abi
from tests.cli.terminal import Place
from tests.serve.small import running
from tests.serve.test_command import key

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not landlock_abi(), reason="the kernel has no Landlock"),
]

TRIED = """
import json, socket, sys
import msgspec
from ancile.serve.walls import close_network, shut_in
from ancile.serve.worker import Order

order = msgspec.json.decode(sys.argv[1], type=Order)
said = {"lacking": [*shut_in(order)]}
for name in sys.argv[2:]:
    try:
        with open(name, "ab" if name.endswith("+") else "rb") as file:
            said[name] = True
    except OSError as reason:
        said[name] = reason.strerror
said["lacking"] += close_network(order)
try:
    socket.socket().close()
    said["socket"] = True
except OSError as reason:
    said["socket"] = reason.strerror
print(json.dumps(said))
"""


def order(folder: Path, **changes: object) -> Order:
    return msgspec.structs.replace(
        Order(folder=str(folder), socket=-1, config=ServeConfig(), profile="standard"), **changes
    )


def tried(order: Order, *names: Path) -> dict[str, object]:
    """What comes of opening each after the walls are up; a name with + at its end is written to."""
    whole = [sys.executable, "-P", "-c", TRIED, msgspec.json.encode(order).decode(), *map(str, names)]
    ended = subprocess.run(whole, check=True, capture_output=True, text=True)
    found: dict[str, object] = msgspec.json.decode(ended.stdout)
    return found


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """The worker's folder in a home that has a key, beside a model."""
    folder = tmp_path / "project" / ".ancile" / "serve"
    folder.mkdir(parents=True)
    for name in ("../key", "../../line.onnx", "../../notes", "../../../other"):
        (folder / name).write_bytes(b"x")
    return folder


def test_it_reads_its_model_and_no_key_and_writes_in_its_folder_alone(inside: Path) -> None:
    project = inside.parents[1]
    said = tried(
        order(inside, model=str(project / "line.onnx")),
        *(project / "line.onnx", inside / "users+", project / ".ancile" / "key", project / "notes"),
        *(project / "new+", project.parent / "other", Path("/etc/hostname")),
    )
    assert list(said.values()) == [[], True, True, *["Permission denied"] * 5, "Operation not permitted"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder away")
def test_root_serves_from_the_folder_of_another_user_and_is_shut_in_there_as_well(inside: Path) -> None:
    home = inside.parent
    (inside / "users").write_bytes(b"x")
    for path in (inside, inside / "users"):
        path.chmod(0o700)
        os.chown(path, 12345, 12345)
    said = tried(order(inside), inside / "users", home / "key")
    assert list(said.values()) == [[], True, "Permission denied", "Operation not permitted"]


def test_who_has_to_ask_an_issuer_or_a_collector_keeps_the_network(inside: Path) -> None:
    asks = (
        order(inside, upstream="http://127.0.0.1:1"),
        order(inside, config=ServeConfig(oidc=Oidc(issuer="https://a.example", audience="b"))),
        order(inside, config=ServeConfig(telemetry=TelemetryConfig(traces="http://127.0.0.1:2/v1/traces"))),
    )
    assert [tried(one)["socket"] for one in asks] == [True] * 3
    keys = Oidc(issuer="https://a.example", audience="b", jwks=str(inside / "keys.json"))
    assert tried(order(inside, config=ServeConfig(oidc=keys)))["socket"] == "Operation not permitted"


def test_a_certificate_above_the_home_opens_it_and_that_is_told(inside: Path) -> None:
    """A new certificate takes the place of the file, so its folder is what is opened."""
    project = inside.parents[1]
    apart = project.parent / "certificates"
    apart.mkdir()
    for folder, open_, told in ((apart, "Permission denied", 0), (project, True, 1)):
        pem = str(folder / "gateway.pem")
        tls = TlsConfig(certificate=pem, key=pem)
        said = tried(order(inside, config=ServeConfig(tls=tls)), project / ".ancile" / "key")
        assert said[str(project / ".ancile" / "key")] == open_
        lacking = said["lacking"]
        assert isinstance(lacking, list)
        assert len(lacking) == told


def test_a_running_worker_is_shut_in_and_can_be_left_out(home: Place) -> None:
    alice = key(home, "alice")
    for confined in (True, False):
        with running(home, "line.onnx") as gateway:
            assert gateway.client(alice).infer(1.0, 1.0).status == 200
            status = Path(f"/proc/{gateway.worker()}/status").read_text("ascii")
            assert ("Seccomp:\t2" in status, "NoNewPrivs:\t1" in status) == (confined, confined)
            assert "not shut in" not in gateway.said.read_text("utf-8")
            assert gateway.end() == 0
        config = home.folder / "ancile.toml"
        config.write_text(config.read_text("utf-8") + "\n[serve]\nconfine = false\n", "utf-8")


def test_a_module_that_lies_beside_the_model_is_none_of_the_workers(home: Place) -> None:
    alice, planted = key(home, "alice"), home.folder / "uvloop.py"
    planted.write_text(f"open({str(home.folder / 'ran')!r}, 'w').close(); raise SystemExit(3)", "utf-8")
    with running(home, "line.onnx", "--admin-port", "0") as gateway:
        assert gateway.client(alice).infer(1.0, 1.0).status == 200
        assert gateway.end() == 0
    assert not (home.folder / "ran").exists()
