"""``ancile data risk``, as a user calls it."""

from __future__ import annotations

import pytest

from tests.cli.terminal import Place

ROWS = "age,sex,ill,score\n" + "30,f,no,0.51\n30,f,yes,0.62\n30,f,no,0.73\n40,m,yes,0.84\n40,m,yes,0.95\n"


@pytest.fixture
def held(home: Place) -> Place:
    (home.folder / "people.csv").write_text(ROWS, "ascii")
    return home


def test_figures_of_a_small_table_are_those_on_paper(held: Place) -> None:
    told = held.json("data", "risk", "people.csv", "--quasi", "age, sex", "--sensitive", "ill")
    figures = {one["name"]: one["value"] for one in told["measures"]}
    assert figures == {
        "rows": 5,
        "classes": 2,
        "k_anonymity": 2,
        "reidentification_risk_worst": 0.5,
        "reidentification_risk_mean": 0.4,
        "l_diversity": 1,
        "l_diversity_entropy": 1.0,
    }
    assert {one["check"] for one in told["findings"]} == {"data-people-single", "data-people-alike"}
    assert told["outcome"] == "pass"
    assert told["evidence"] is not None


def test_what_is_asked_for_and_not_met_is_a_failure(held: Place) -> None:
    said = ("data", "risk", "people.csv", "--quasi", "age,sex")
    assert held(*said, "--k", "2").code == 0
    assert held(*said, "--k", "3").code == 1
    assert held(*said, "--sensitive", "ill", "--k", "2", "--l", "2").code == 1
    assert held(*said, "--no-record").code == 0


def test_without_columns_those_that_single_out_are_taken(held: Place) -> None:
    told = held.json("data", "risk", "people.csv", "--sensitive", "ill")
    assert set(told["parameters"]["quasi"]) <= {"age", "sex"}
    assert told["exhibits"][-1]["title"] == "What singles rows out"


@pytest.mark.parametrize(
    ("name", "content", "arguments", "what"),
    [
        ("a.csv", "a\n1\n", ("--quasi", "b"), "no such column"),
        ("a.csv", "a\n1\n1\n", (), "nothing in this table singles"),
        ("a.jsonl", '{"a": 1}\n', ("--quasi", "b"), "no such column"),
        ("a.parquet", "PAR1x", ("--quasi", "b"), "Parquet"),
    ],
)
def test_what_cannot_be_counted_is_said(
    held: Place, name: str, content: str, arguments: tuple[str, ...], what: str
) -> None:
    (held.folder / name).write_text(content, "ascii")
    told = held("data", "risk", name, *arguments)
    assert told.code == 2
    assert what in told.err


def test_a_folder_is_no_table(held: Place) -> None:
    (held.folder / "set").mkdir()
    (held.folder / "set" / "a.csv").write_text(ROWS, "ascii")
    assert "a folder is no table" in held("data", "risk", "set").err
