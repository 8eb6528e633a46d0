"""A held request gets its answer when a person let it pass, and the decision is in the ledger."""

from __future__ import annotations

import json

import pytest

from tests.cli.terminal import Place
from tests.serve.small import Client, running
from tests.serve.test_command import key, recorded, soon

REVIEW = '\n[serve]\nreactions = { rate = "review" }\n[serve.roles.slow]\nmay = ["infer"]\nrate = 0.001\nburst = 1\n'


def configured(home: Place, more: str = "") -> None:
    path = home.folder / "ancile.toml"
    path.write_text(path.read_text("utf-8") + REVIEW + more, "utf-8")


def waiting(client: Client, *values: float) -> str:
    """The id under which a request waits."""
    answer = client.infer(*values)
    assert (answer.status, answer.said["state"]) == (202, "pending"), answer
    assert answer.headers["Retry-After"] == "30"
    id_: str = answer.said["review"]
    return id_


@pytest.mark.slow
def test_requests_wait_for_a_person_whose_word_is_evidence(home: Place) -> None:
    configured(home, "[serve.review]\nbenign = 2\nattack = 0\n")
    alice = key(home, "alice", "slow")
    with running(home, "line.onnx") as gateway:
        client = gateway.client(alice)
        assert client.infer(0.0, 0.0).status == 200
        first, second = waiting(client, 1.0, 2.0), waiting(client, 3.0, 4.0)
        assert waiting(client, 1.0, 2.0) == first
        shown = home("review", "show", first).out
        assert "x FP32 1x2: 1, 2" in shown
        assert f"near      {second}" in shown
        assert home("review", "approve", first, "--note", "a batch of ours").code == 0
        assert soon(lambda: client.infer(1.0, 2.0).status == 200)
        assert home("review", "reject", second).code == 0
        assert soon(lambda: client.infer(3.0, 4.0).status == 403)
        assert home("review", "label", second, "unsure").code == 0
        third, fourth = waiting(client, 5.0, 6.0), waiting(client, 7.0, 8.0)
        for id_ in (third, fourth):
            assert home("review", "approve", id_).code == 0
        assert soon(lambda: client.infer(9.0, 10.0).status == 200)  # two approvals in a row
        assert gateway.end() == 0
    rows = json.loads(home("review", "list", "--format", "json").out)
    assert [(row["state"], row["label"]) for row in rows[:4]] == [
        ("approved", "benign"), ("rejected", "unsure"), ("approved", "benign"), ("approved", "benign"),
    ]  # fmt: skip
    statement = json.loads(home("ledger", "show", str(rows[0]["entry"])).out)["statement"]["predicate"]
    assert (statement["change"], statement["note"], statement["user"]) == (
        "approved",
        "a batch of ours",
        "alice",
    )
    assert home("ledger", "verify").code == 0
    said = {(r.said, r.status) for r in recorded(home) if r.guard == "rate"}
    assert {("review", 202), ("flag", 200), ("deny", 403)} <= said


@pytest.mark.slow
def test_when_no_more_may_wait_the_answer_says_so(home: Place) -> None:
    configured(home, '[serve.review]\neach = 1\ninput = "digest"\n')
    alice = key(home, "alice", "slow")
    with running(home, "line.onnx") as gateway:
        client = gateway.client(alice)
        assert client.infer(0.0, 0.0).status == 200
        id_ = waiting(client, 1.0, 2.0)
        answer = client.infer(3.0, 4.0)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
        assert "was not kept" in home("review", "show", id_).out
        assert gateway.end() == 0
    assert id_ in home("review", "list", "--state", "pending").out
    assert "nothing is approved" in home("review", "list", "--state", "approved").err
    assert "no such review" in home("review", "approve", "rev-0").err
