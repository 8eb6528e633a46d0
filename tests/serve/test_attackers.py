"""The attackers do what their papers say on a boundary that is known, and the command says what came of them."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from ancile.core.errors import AncileError
from ancile.serve.attackers import client
from ancile.serve.attackers.disguise import Disguise
from ancile.serve.attackers.extraction import THIEVES, steal
from ancile.serve.attackers.surrogate import Surrogate
from ancile.serve.attackers.target import SUCCESS, Space, Target
from ancile.serve.attackers.walks import WALKS, walk
from tests.cli.terminal import Place, clear
from tests.serve.small import running

WIDTH = 6
SPACE = Space(np.full(WIDTH, -5, "f4"), np.full(WIDTH, 5, "f4"), np.ones(WIDTH, "f4"))


def halves(row: np.ndarray) -> np.ndarray:
    """Two classes: the boundary is where the first value is 1."""
    return np.array([1.0 - row[0], row[0] - 1.0])


def target(queries: int = 400, disguise: Disguise | None = None) -> Target:
    return Target(halves, np.zeros(WIDTH, "f4"), space=SPACE, queries=queries, disguise=disguise)


@pytest.mark.parametrize("name", WALKS)
def test_a_walk_comes_nearer_to_the_boundary_and_never_nearer_than_it_is(name: str) -> None:
    """The distance of the origin from the half space is 1; the start is far to the side."""
    one = target()
    walk(name, one, np.array([1.5, 3, -3, 3, 3, 3], "f4"), np.random.default_rng(0))
    assert one.best >= 1.0 - 1e-6
    assert one.best <= one.first * (SUCCESS if one.succeeded else 1.0)
    assert one.asked <= 400
    assert one.succeeded or name == "square"


@pytest.mark.parametrize("name", WALKS)
def test_an_attacker_who_finds_everything_noticed_gives_up(name: str) -> None:
    nothing_passes = Disguise(rank=lambda _sample, _joins: 0.0, least=0.5)
    one = target(20, nothing_passes)
    walk(name, one, np.array([1.5, 3, -3, 3, 3, 3], "f4"), np.random.default_rng(0))
    assert one.asked <= 20


def test_a_disguise_mixes_in_as_many_rows_as_it_says() -> None:
    asked: list[np.ndarray] = []

    def ask(row: np.ndarray) -> np.ndarray:
        asked.append(row)
        return halves(row)

    rows = np.full((10, WIDTH), 2, "f4")
    disguise = Disguise(rows=rows, mixed=2.5, rng=np.random.default_rng(0))
    one = Target(ask, np.zeros(WIDTH, "f4"), space=SPACE, queries=400, disguise=disguise)
    for _ in range(400):
        one.scores(np.zeros(WIDTH, "f4"))
    mixed = sum(row[1] == 2 for row in asked)
    assert mixed / 400 == pytest.approx(2.5, abs=0.1)
    assert len(asked) - mixed == 401


@pytest.mark.parametrize("name", THIEVES)
def test_a_thief_learns_a_line_from_labels(name: str) -> None:
    rng = np.random.default_rng(0)
    own = rng.uniform(-5, 5, size=(300, WIDTH)).astype("f4")
    asked = 0

    def ask(row: np.ndarray) -> int:
        nonlocal asked
        asked += 1
        assert ((row >= -5) & (row <= 5)).all()
        return int(halves(row).argmax())

    for loot in steal(THIEVES[name], ask, own, space=SPACE, classes=2, rng=rng):
        assert len(loot.x) == len(loot.y) == asked
        if asked >= 200:
            break
    copy = Surrogate(loot.x, loot.y, classes=2, rng=rng)
    held = rng.uniform(-5, 5, size=(500, WIDTH))
    right = copy.labels(held) == (held[:, 0] > 1)
    assert right.mean() > (0.9 if name in ("uniform", "natural") else 0.6)


def test_the_signs_of_a_surrogate_raise_the_score_of_a_class() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, WIDTH))
    y = (x[:, 0] > 0).astype(int)
    copy = Surrogate(x, y, classes=2, rng=rng)
    stepped = x + 1e-4 * copy.signs(x, y)
    gained = copy.scores(stepped)[np.arange(200), y] - copy.scores(x)[np.arange(200), y]
    assert (gained > 0).mean() > 0.95


@pytest.fixture
def attacked(home: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A home whose segments are short, with rows for attackers and a key of a fast role."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1200, 2)).astype(np.float32)
    np.savez(home.folder / "reference.npz", x=x, y=np.arange(1200) % 2)
    np.savez(home.folder / "rows.npz", x=x[:600], y=(x[:600, 0] > 0).astype(int))
    config = home.folder / "ancile.toml"
    config.write_text(config.read_text("utf-8") + "\n[serve]\nsegment_seconds = 0.5\n", "utf-8")
    monkeypatch.setenv("MALLORY", home("user", "add", "mallory", "--role", "service").out.strip())
    return home


@pytest.mark.slow
def test_the_command_tells_what_got_through_and_when_it_was_seen(attacked: Place) -> None:
    with running(attacked, "line.onnx", "--reference", "reference.npz") as gateway:
        found = attacked(
            "attack-gateway", f"http://127.0.0.1:{gateway.port}", "--model", "line", "--key-env", "MALLORY",
            "--data", "rows.npz", "--queries", "60", "--attack", "boundary", "--attack", "uniform",
            "--attack", "credential-stuffing", "--format", "json",
        )  # fmt: skip
    report = json.loads(found.out)
    assert report["stage"] == "attack-gateway"
    assert report["complete"]
    (table,) = report["exhibits"]
    rows = {row[0]: row for row in table["rows"]}
    assert set(rows) == {"boundary", "uniform", "credential-stuffing"}
    assert rows["boundary"][4].startswith("at query")
    assert report["passed"]["gateway-key-guessed"] == 1
    assert attacked("ledger", "verify").code == 0


def test_only_this_machine_is_attacked_unless_another_is_named(home: Place) -> None:
    np.savez(home.folder / "rows.npz", x=np.zeros((4, 2), "f4"), y=np.array([0, 1, 0, 1]))
    os.environ["MALLORY"] = "x"
    try:
        words = ["--model", "m", "--key-env", "MALLORY", "--data", "rows.npz"]
        away = home("attack-gateway", "http://192.0.2.1:1", *words)
        assert "only this machine is attacked" in clear(away)
        assert "--address 192.0.2.1" in away.err
        assert "no such attack" in clear(
            home("attack-gateway", "http://127.0.0.1:1", *words, "--attack", "x")
        )
        assert "does not answer" in clear(home("attack-gateway", "http://127.0.0.1:1", *words))
        words[3] = "NOBODY"
        assert "no key in the environment" in clear(home("attack-gateway", "http://127.0.0.1:1", *words))
    finally:
        del os.environ["MALLORY"]


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"inputs": [{"shape": [1, 1e999]}]}', b"\xff", b"[]", b'{"inputs": [5]}']
)
def test_what_a_gateway_says_of_its_model_is_told_where_it_is_nonsense(body: bytes) -> None:
    with pytest.raises(AncileError, match="one input of floats"):
        client._input_of(body)


@pytest.mark.parametrize(
    "outputs", [b"[" * 100_000, b"[5]", b"[]", b'[{"datatype": "INT64", "shape": [1], "data": [1e999]}]']
)
def test_an_answer_that_is_none_is_told(outputs: bytes) -> None:
    with pytest.raises(AncileError, match="not that of a classifier"):
        client._scores(b'{"outputs": ' + outputs + b"}")


@pytest.mark.parametrize("said", ["nan", "inf", "-1", "soon"])
def test_no_gateway_has_an_attacker_wait_for_ever(said: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        client._seconds(said)
    assert client._seconds("2") == 2.0
