"""``ancile explain`` and ``ancile doctor``: what is looked for, and what is installed."""

from __future__ import annotations

import json

import pytest

from ancile.cli.checks import all_checks
from ancile.core.extras import EXTRAS
from tests.cli.terminal import ASSESS, Place, clear


@pytest.mark.parametrize("id_", all_checks())
def test_every_check_has_its_page(place: Place, id_: str) -> None:
    ended = place("explain", id_)
    assert ended.code == 0
    assert ended.out.startswith(id_)
    assert all(f"\n{head} " in ended.out for head in ("Finds ", "Why   ", "Fix   "))
    assert max(map(len, ended.out.splitlines())) <= 80


def test_without_a_check_all_are_listed(place: Place) -> None:
    lines = place("explain").out.splitlines()
    assert [line.split()[0] for line in lines if line[0] != " "] == list(all_checks())
    assert max(map(len, lines)) <= 80


def test_the_beginning_of_ids_lists_those_checks_and_a_single_one_shows_its_page(place: Place) -> None:
    lines = place("explain", "evasion-un").out.splitlines()
    found = [line.split()[0] for line in lines if line[0] != " "]
    assert found == [id_ for id_ in all_checks() if id_.startswith("evasion-un")]
    assert len(found) > 1
    assert place("explain", "evasion-few").out == place("explain", "evasion-few-samples").out


def test_checks_as_json_are_one_document_or_a_list(place: Place) -> None:
    one = json.loads(place("explain", "evasion-few-samples", "-f", "json").out)
    assert set(one) == {"id", "severity", "finds", "why", "fix", "more", "refs"}
    assert one in json.loads(place("explain", "--format", "json").out)
    assert [c["id"] for c in json.loads(place("explain", "-fjson").out)] == list(all_checks())
    assert "no such check" in place("explain", "zzz", "-f", "json").out


def test_doctor_as_json_says_the_same(place: Place) -> None:
    found = json.loads(place("doctor", "-f", "json").out)
    assert set(found["extras"]) == set(EXTRAS)
    assert found["extras"]["arrays"]["installed"] is True
    text = place("doctor").out
    assert all(v in text for extra in found["extras"].values() for v in extra["modules"].values() if v)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.slow
def test_every_finding_of_an_assessment_can_be_explained(place: Place) -> None:
    document = place.json(*ASSESS)
    ids = {f["check"] for f in document["findings"]} | set(document["passed"])
    assert ids <= set(all_checks())


def test_a_check_that_is_not_there_is_told_with_the_nearest(place: Place) -> None:
    ended = place("explain", "evasion-fewer-samples")
    assert "no such check" in clear(ended)
    assert "evasion-few-samples" in ended.err
    assert "lists all checks" in place("explain", "zzzzzz").err


def test_doctor_says_what_each_extra_gives(place: Place) -> None:
    ended = place("doctor")
    assert ended.code == 0
    for extra, (modules, gives) in EXTRAS.items():
        assert gives in " ".join(ended.out.split())
        assert all(module in ended.out for module in modules), extra
    assert "SQLite" in ended.out


def test_doctor_names_the_command_that_brings_what_is_missing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXTRAS, "odd", (("no_such_module_here",), "nothing"))
    ended = place("doctor")
    assert 'pip install "ancile[odd]"' in ended.out
    assert "no_such_module_here not installed" in ended.out
