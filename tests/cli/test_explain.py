"""``ancile explain`` and ``ancile doctor``: what is looked for, and what is installed."""

from __future__ import annotations

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
    assert [line.split()[0] for line in lines] == list(all_checks())


def test_every_finding_of_an_assessment_can_be_explained(place: Place) -> None:
    document = place.json(*ASSESS)
    ids = {f["check"] for f in document["findings"]} | set(document["passed"])
    assert ids <= set(all_checks())


def test_a_check_that_is_not_there_is_told_with_the_nearest(place: Place) -> None:
    ended = place("explain", "evasion-few-sample")
    assert "no such check" in clear(ended)
    assert "evasion-few-samples" in ended.err
    assert "lists all checks" in place("explain", "zzzzzz").err


def test_doctor_says_what_each_extra_gives(place: Place) -> None:
    ended = place("doctor")
    assert ended.code == 0
    for extra, (modules, gives) in EXTRAS.items():
        assert gives in ended.out
        assert all(module in ended.out for module in modules), extra
    assert "SQLite" in ended.out


def test_doctor_names_the_command_that_brings_what_is_missing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXTRAS, "odd", (("no_such_module_here",), "nothing"))
    ended = place("doctor")
    assert 'pip install "ancile[odd]"' in ended.out
    assert "no_such_module_here not installed" in ended.out
