"""``ancile data overlap``, as a user calls it."""

from __future__ import annotations

import json

from tests.cli.terminal import Place, clear

ROWS = "".join(
    f"{number * 7919 % 1000 / 7:.4f},{number * 104729 % 997 / 3:.4f},{number % 2}\n" for number in range(200)
)
HEAD = "a,b,y\n"


def test_rows_on_both_sides_fail_and_are_evidence(home: Place) -> None:
    lines = ROWS.splitlines(keepends=True)
    (home.folder / "train.csv").write_text(HEAD + "".join(lines[:150]), "ascii")
    (home.folder / "test.csv").write_text(HEAD + "".join(lines[140:]), "ascii")
    told = home("data", "overlap", "train.csv", "test.csv", "--label", "y", "-f", "json", "--record")
    assert told.code == 1
    held = json.loads(told.out)
    rows = [one["location"].get("row") for one in held["findings"] if one["check"] == "data-overlap-exact"]
    assert rows == [None, *range(10)]
    assert held["evidence"]


def test_a_clean_split_passes(home: Place) -> None:
    lines = ROWS.splitlines(keepends=True)
    (home.folder / "train.csv").write_text(HEAD + "".join(lines[:150]), "ascii")
    (home.folder / "test.csv").write_text(HEAD + "".join(lines[150:]), "ascii")
    told = home("data", "overlap", "train.csv", "test.csv", "--no-record", "-o", "report.html")
    assert (told.code, "report in report.html" in told.err) == (0, True)


def test_the_report_goes_over_neither_side(home: Place) -> None:
    (home.folder / "train.csv").write_text(HEAD + ROWS, "ascii")
    assert "over what it comes from" in clear(
        home("data", "overlap", "train.csv", "train.csv", "-o", "train.csv")
    )


def test_without_a_home_it_compares_all_the_same(place: Place) -> None:
    (place.folder / "a.txt").write_text("one\ntwo\n", "ascii")
    (place.folder / "b.txt").write_text("three\n", "ascii")
    assert place("data", "overlap", "a.txt", "b.txt").code == 0
    assert "cannot be read" in clear(place("data", "overlap", "a.txt", "none.txt"))
