"""Incidents are told once, as they open, by a process that has no key."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from ancile.serve.config import ServeConfig
from ancile.serve.incidents import alerter as alerting_module
from ancile.serve.incidents.alerter import FILE, Alerter, alerting
from ancile.serve.incidents.config import Alerts, Webhook
from ancile.serve.incidents.evidence import verdicts
from ancile.serve.incidents.rules import shipped_rules
from ancile.trust.ledger import open_ledger
from ancile.trust.store import Stored
from tests.cli.terminal import Place
from tests.serve.incidents.test_command import recorded, walk
from tests.serve.incidents.test_sender import SECRET, Hook, hooked
from tests.serve.small import running
from tests.serve.test_command import key, soon


def now() -> int:
    return int(time.time())


@contextmanager
def following(home: Place, hook: Hook, said: list[str]) -> Iterator[Alerter]:
    """An alerter for the home's ledger, which tells this hook."""
    to = Alerts(
        hosts=("127.0.0.1",),
        networks=("127.0.0.0/8",),
        webhooks=(Webhook(url=hook.url, secret_variable="ANCILE_TEST_HOOK"),),
        attempts=1,
    )
    folder = home.folder / ".ancile"
    with (
        open_ledger(folder, clock=lambda: datetime.now(UTC), create=False) as ledger,
        alerting(ledger, ServeConfig(alerts=to), folder=folder, say=said.append) as alerter,
    ):
        yield alerter


def until(fact: Callable[[], bool], tick: Callable[[], None]) -> bool:
    """Whether something comes true while an alerter ticks."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        tick()
        if fact():
            return True
        time.sleep(0.02)
    return False


def test_an_incident_is_told_when_it_opens_and_never_again(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCILE_TEST_HOOK", SECRET)
    said: list[str] = []
    kept = home.folder / ".ancile" / FILE
    with hooked(200) as hook:
        with following(home, hook, said) as alerter:
            alerter.tick()
            recorded(home, walk(7, at=now()))
            assert until(kept.exists, alerter.tick)
            recorded(home, walk(7, at=now()))
            alerter.tick()
        with following(home, hook, said):
            pass
    ((_, body),) = hook.came
    document = json.loads(body)
    assert (document["rule"], document["who"][0]["name"]) == ("probing", "mallory")
    assert said == []
    assert document["id"] in home("incident", "list").out


def test_a_target_that_fails_is_told_to_whoever_serves(home: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANCILE_TEST_HOOK", SECRET)
    said: list[str] = []
    with hooked(403) as hook, following(home, hook, said):
        recorded(home, walk(7, at=now()))
    assert len(said) == 1
    assert "could not be told to 127.0.0.1" in said[0]


def test_what_is_less_severe_is_not_told_and_what_waits_is_bounded(
    home: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerting_module, "MOST_WAITING", 2)
    said: list[str] = []
    hook = Webhook(url="https://127.0.0.1/", secret_variable="ABSENT")
    to = Alerts(hosts=("127.0.0.1",), webhooks=(hook,), severity="high")
    with open_ledger(home.folder / ".ancile", clock=lambda: datetime.now(UTC), create=False) as ledger:
        alerter = Alerter(
            ledger, to, shipped_rules(), folder=tmp_path, environment=dict(os.environ), say=said.append
        )
        recorded(home, [record for who in "abcd" for record in walk(5, who=who, at=now())])
        alerter.tick()
        assert len(said) == 3  # of one for each identity and one for all of them
        assert all("too many incidents wait" in one for one in said)
        alerter.close()
    assert ["is empty" in one for one in said[3:]] == [True, True]


def test_much_that_is_behind_is_read_in_pieces_and_all_of_it(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCILE_TEST_HOOK", SECRET)
    monkeypatch.setattr(alerting_module, "MOST_AT_A_TICK", 2)
    said: list[str] = []
    recorded(home, walk(5, at=now()), most=1)
    with hooked(200) as hook, following(home, hook, said) as alerter:
        alerter.tick()
        assert not alerter._waiting
    assert len(hook.came) == 1
    assert said == []


def test_without_targets_nothing_is_followed(home: Place) -> None:
    said: list[str] = []
    folder = home.folder / ".ancile"
    with (
        open_ledger(folder, clock=lambda: datetime.now(UTC), create=False) as ledger,
        alerting(ledger, ServeConfig(), folder=folder, say=said.append) as alerter,
    ):
        recorded(home, walk(7, at=now()))
        alerter.tick()
    assert not (folder / FILE).exists()


@pytest.mark.slow
def test_a_running_gateway_tells_of_an_incident(home: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANCILE_TEST_HOOK", SECRET)
    mallory = key(home, "mallory")
    with hooked(200) as hook:
        config = home.folder / "ancile.toml"
        alerts = (
            "\n[serve]\nsegment_seconds = 0.5\n[serve.alerts]\nhosts = ['127.0.0.1']\nnetworks = ['127.0.0.0/8']\n"
            f"[[serve.alerts.webhooks]]\nurl = '{hook.url}'\nsecret_variable = 'ANCILE_TEST_HOOK'\n"
        )
        config.write_text(config.read_text("utf-8") + alerts, "utf-8")
        with running(home, "line.onnx") as gateway:
            client = gateway.client(mallory)
            assert {client.infer(1.0, 1.0, model="absent").status for _ in range(30)} == {404}
            assert soon(lambda: bool(hook.came))
            assert gateway.end() == 0
    document = json.loads(hook.came[0][1])
    assert (document["rule"], document["who"][0]["name"]) == ("scouting", "mallory")
    assert document["id"] in home("incident", "list").out
    assert SECRET not in home("ledger", "log").out


def test_a_sender_that_takes_too_long_is_ended_and_what_it_did_not_tell_is_told_next_time(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANCILE_TEST_HOOK", SECRET)
    said: list[str] = []
    recorded(home, walk(5, at=now()))
    with hooked(200) as hook:
        with monkeypatch.context() as hurried, socket.create_server(("127.0.0.1", 0)) as silent:
            hurried.setattr(alerting_module, "END_SECONDS", 0.5)
            hung = f"http://127.0.0.1:{silent.getsockname()[1]}/alerts"
            with following(home, hook._replace(url=hung), said) as alerter:
                alerter.tick()
        assert said == ["the sender of alerts ended with -9: see `ancile incident list`"]
        assert hook.came == []
        (home.folder / ".ancile" / FILE).write_text("damaged", "utf-8")
        with following(home, hook, said):
            pass
    assert len(hook.came) == 1


def test_entries_that_do_not_hold_are_left_out_and_told() -> None:
    left: list[int] = []
    entries = [
        Stored(0, None, None, None, ""),
        Stored(1, b"no leaf", b"salt", b"body", ""),
    ]
    assert list(verdicts(entries, skipped=lambda entry, _: left.append(entry))) == []
    assert left == [1]


def test_a_segment_whose_body_was_changed_is_left_out(home: Place) -> None:
    recorded(home, walk(5), most=10)
    with open_ledger(home.folder / ".ancile", clock=lambda: datetime.now(UTC), create=False) as ledger:
        entries = list(ledger.entries(0, ledger.size()))
    changed = [structs.replace(one, body=(one.body or b"") + b" ") for one in entries]
    left: list[int] = []
    assert len(list(verdicts(entries, skipped=lambda entry, _: left.append(entry)))) == 5
    assert left == []
    assert list(verdicts(changed, skipped=lambda entry, _: left.append(entry))) == []
    assert left == [entries[-1].index]
