"""Kept inputs are read by who has the key, by nobody else, and by nobody once they are erased."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ancile.core.errors import AncileError
from ancile.serve.call import Call
from ancile.serve.caller import Caller
from ancile.serve.config import Role
from ancile.serve.inference import Infer
from ancile.serve.kept_inputs import (
    DATABASE,
    DAY_SECONDS,
    PURGE_WRITES,
    SHARE,
    KeptInputs,
    erase_kept,
    private_key,
    read_kept,
)
from ancile.serve.keys import Identity
from ancile.serve.routes import Route
from ancile.serve.tensors import Tensor
from ancile.serve.verdict import ALLOW
from tests.cli.terminal import Place, clear
from tests.serve.small import running
from tests.serve.test_command import key, recorded

SECRET, OTHER = X25519PrivateKey.generate(), X25519PrivateKey.generate()


def pem(secret: X25519PrivateKey | Ed25519PrivateKey) -> str:
    return secret.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def call(digest: str, *values: float, who: str = "alice", repeat: bool = False) -> Call:
    tensor = Tensor("x", "FP32", np.array([values], np.float32))
    infer = Infer(None, (tensor,), (), binary=False)
    made = Call(Caller(Identity(who, "r"), Role()), Route("/infer", "m"), ALLOW, infer=infer)
    made.digest, made.repeat = digest, repeat
    return made


class Desk:
    """A worker's side, at a time that is set."""

    def __init__(self, folder: Path, room: int = 64 << 20) -> None:
        self.folder, self.now = folder, 20_000.5 * DAY_SECONDS
        self.worker = KeptInputs(folder, pem(SECRET), room=room, days=2, wall=lambda: self.now)

    def kept(self, digest: str, secret: X25519PrivateKey = SECRET) -> list[object]:
        return [json.loads(one.body)["inputs"][0]["data"] for one in read_kept(self.folder, digest, secret)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "serve")
    yield made
    made.worker.close()


def test_only_the_key_opens_them_and_each_under_its_own_digest(desk: Desk) -> None:
    desk.worker.keep(call("a", 1.0, 2.5))
    desk.worker.keep(call("b", 3.0))
    desk.worker.keep(call("b", 3.0, repeat=True))
    desk.worker.keep(call("", 4.0))
    desk.worker.tick()
    assert (desk.kept("a"), desk.kept("b"), desk.kept("c")) == ([[1.0, 2.5]], [[3.0]], [])
    found = read_kept(desk.folder, "a", SECRET)[0]
    assert (found.who, found.model, found.at) == ("alice", "m", desk.now)
    with pytest.raises(AncileError, match="not opened by this key"):
        desk.kept("a", OTHER)
    desk.worker._db.execute("UPDATE inputs SET digest = 'a' WHERE digest = 'b'")
    with pytest.raises(AncileError, match="was changed"):
        desk.kept("a")


def test_what_was_erased_is_nobodys_and_what_comes_after_it_is_kept_anew(desk: Desk) -> None:
    for who in ("alice", "bob"):
        desk.worker.keep(call(who, 1.0, who=who))
    desk.worker.tick()
    sealed = desk.worker._db.execute("SELECT sealed FROM keys WHERE who = 'alice'").fetchone()[0]
    assert erase_kept(desk.folder, "alice") == 1
    left = b"".join(path.read_bytes() for path in desk.folder.glob(f"{DATABASE}*"))
    assert sealed not in left
    desk.worker.keep(call("late", 2.0))  # under the key of before
    desk.worker.tick()
    desk.worker.keep(call("new", 3.0))
    desk.worker.tick()
    assert (desk.kept("alice"), desk.kept("late"), desk.kept("new")) == ([], [], [[3.0]])
    assert desk.kept("bob") == [[1.0]]


def test_each_day_has_its_key_and_the_days_end(desk: Desk) -> None:
    for day in range(4):
        desk.worker.keep(call(f"day-{day}", float(day)))
        desk.worker.tick()
        desk.now += DAY_SECONDS
    assert desk.worker._db.execute("SELECT count(DISTINCT sealed) FROM keys").fetchone() == (4,)
    for number in range(PURGE_WRITES):
        desk.worker.keep(call(f"more-{number}", 0.0))
        desk.worker.tick()
    assert [len(desk.kept(f"day-{day}")) for day in range(4)] == [0, 0, 1, 1]


def test_room_is_bounded_the_oldest_go_first_and_nobody_takes_it_all(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "serve", room=1 << 20)
    values = np.arange(1500, dtype=float)
    for number in range(60):
        desk.worker.keep(call(f"one-{number}", *values, float(number)))
        desk.worker.tick()
    kept = sum(bool(desk.kept(f"one-{number}")) for number in range(60))
    assert 0 < kept * 4 * values.size < 2 * (1 << 20) // SHARE
    for number in range(4 * PURGE_WRITES):
        desk.worker.keep(call(f"each-{number}", *values, who=f"user-{number}"))
        desk.worker.tick()
        desk.now += DAY_SECONDS / 100
    assert not desk.kept("one-0")
    assert desk.kept(f"each-{4 * PURGE_WRITES - 1}")
    assert (desk.folder / DATABASE).stat().st_size < 3 << 20
    desk.worker.close()


def test_keys_that_are_none_are_told_and_an_encrypted_one_is_opened(tmp_path: Path) -> None:
    for wrong in ("", "no PEM", pem(Ed25519PrivateKey.generate())):
        with pytest.raises(AncileError, match="cannot be sealed"):
            KeptInputs(tmp_path / "serve", wrong, room=1 << 20, days=1)
    sealed = SECRET.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    assert private_key(sealed, lambda: b"secret").public_key() == SECRET.public_key()
    with pytest.raises(AncileError, match="cannot be read"):
        private_key(sealed, lambda: b"wrong")


@pytest.mark.slow
def test_an_input_behind_a_digest_of_the_ledger_is_shown_to_who_has_the_key(
    home: Place, tmp_path: Path
) -> None:
    secret = tmp_path / "inputs.key"
    secret.write_bytes(SECRET.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (home.folder / "inputs.pub").write_text(pem(SECRET), "ascii")
    config = home.folder / "ancile.toml"
    before = config.read_text("utf-8")
    config.write_text(before + '\n[serve]\ninputs = "encrypted"\ninputs_key = "nothing.pub"\n', "utf-8")
    assert "sealed to cannot be read" in clear(home("serve", "line.onnx", "--port", "0"))
    config.write_text(before + '\n[serve]\ninputs = "encrypted"\ninputs_key = "inputs.pub"\n', "utf-8")
    alice = key(home, "alice")
    with running(home, "line.onnx") as gateway:
        assert gateway.client(alice).infer(1.5, 2.0).status == 200
        assert gateway.end() == 0
    digest = next(r.input for r in recorded(home) if r.status == 200)
    shown = home("ledger", "input", digest, "--key", str(secret))
    assert json.loads(shown.out)["inputs"][0]["data"] == [1.5, 2.0]
    assert "alice asked line" in shown.err
    assert "1 input of alice" in home("user", "forget", "alice").err
    assert "no such input" in clear(home("ledger", "input", digest, "--key", str(secret)))
    assert home("ledger", "verify").code == 0
