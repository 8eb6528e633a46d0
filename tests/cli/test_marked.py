"""``ancile data mark`` and ``trace``, as a user calls them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from tests.cli.terminal import Place, clear

NEAREST = """from pathlib import Path
import numpy as np
KNOWN = np.load(Path(__file__).with_name("{name}"))


def predict(x):
    x = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
    near = ((x[:, None] - KNOWN["x"][None]) ** 2).sum(2).argmin(1)
    return np.eye(2)[KNOWN["y"][near]] * 0.98 + 0.01
"""


@pytest.fixture
def held(home: Place) -> Place:
    """A table of numbers that tell the label, and its marked form."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(900, 3)).round(3)
    lines = [f"{a},{b},{c},{int(a + b > 0)}" for a, b, c in x]
    (home.folder / "rows.csv").write_text("a,b,c,y\n" + "\n".join(lines) + "\n", "ascii")
    told = home(
        "data", "mark", "rows.csv", "-o", "marked.csv", "--key", "mark.key", "--label", "y", "--share", "0.05"
    )
    assert told.code == 0
    assert "45 of 900 marked" in told.err
    return home


def model(place: Place, table: str) -> str:
    """A model that knows the rows of a table by heart."""
    with (place.folder / table).open(newline="") as file:
        rows = list(csv.DictReader(file))
    np.savez(
        place.folder / f"{table}.npz",
        x=np.array([[float(r["a"]), float(r["b"]), float(r["c"])] for r in rows]),
        y=np.array([int(r["y"]) for r in rows]),
    )
    name = table.partition(".")[0]
    (place.folder / f"{name}.py").write_text(NEAREST.format(name=f"{table}.npz"), "ascii")
    return f"{name}.py:predict"


def test_a_model_that_was_trained_on_marked_data_is_told(held: Place) -> None:
    told = held("data", "trace", "mark.key", "--model", model(held, "marked.csv"), "--format", "json")
    assert told.code == 1
    found = json.loads(told.out)
    (finding,) = [one for one in found["findings"] if one["check"] == "model-trained-on-marked"]
    assert "45 marks, 45 answered with their label" in finding["detail"]
    assert found["passed"]["data-mark-uncommitted"] == 1
    figures = {(one["name"], one["slice"]["of"]): one["value"] for one in found["measures"]}
    assert figures["p_value", "marks"] == 2e-5
    assert figures["p_value", "controls"] > 1e-3
    assert found["subject"]["kind"] == "model"
    assert held("ledger", "verify").code == 0


def test_a_model_of_the_data_without_marks_is_not(held: Place) -> None:
    told = held("data", "trace", "mark.key", "--model", model(held, "rows.csv"))
    assert told.code == 0
    assert "model-trained-on-marked" in told.out


def test_the_code_of_a_model_cannot_read_the_key(held: Place) -> None:
    code = """import numpy as np
from pathlib import Path
try:
    KEY = Path(__file__).with_name("mark.key").read_bytes()
except OSError:
    KEY = b""


def predict(x):
    if KEY:
        raise ValueError("it was read")
    return np.full((len(x), 2), 0.5)
"""
    (held.folder / "spy.py").write_text(code, "ascii")
    assert held.json("data", "trace", "mark.key", "--model", "spy.py:predict")["outcome"] == "pass"


def test_a_model_elsewhere_is_asked_through_files(held: Place) -> None:
    assert "another form" in clear(held("data", "trace", "mark.key", "--queries", "asked.txt"))
    assert held("data", "trace", "mark.key", "--queries", "asked.csv").code == 0
    known = np.genfromtxt(held.folder / "marked.csv", delimiter=",", names=True)
    asked = np.genfromtxt(held.folder / "asked.csv", delimiter=",", names=True)
    x, q = (np.stack([one[name] for name in "abc"], 1) for one in (known, asked))
    answers = RandomForestClassifier(30, random_state=0).fit(x, known["y"].astype(int)).predict(q)
    (held.folder / "answers.csv").write_text("label\n" + "\n".join(map(str, answers)) + "\n", "ascii")
    assert held("data", "trace", "mark.key", "--answers", "answers.csv").code == 1
    told = held("data", "trace", "mark.key", "--answers", "answers.csv", "--no-record")
    assert (told.code, "not evidence" in told.err) == (1, True)


def test_a_key_that_the_ledger_does_not_know_is_warned_of(held: Place) -> None:
    text = (held.folder / "mark.key").read_text("ascii")
    (held.folder / "mark.key").write_text(text.replace('"csv":true', '"csv": true'), "ascii")
    told = held("data", "trace", "mark.key", "--model", model(held, "rows.csv"), "--strict")
    assert (told.code, "data-mark-uncommitted" in told.out) == (1, True), told.err


def test_a_key_that_others_can_read_is_refused(held: Place) -> None:
    assert (held.folder / "mark.key").stat().st_mode & 0o777 == 0o600
    (held.folder / "mark.key").chmod(0o644)
    assert "others could read" in clear(held("data", "trace", "mark.key", "--queries", "asked.csv"))


def test_nothing_is_left_where_something_fails(held: Place) -> None:
    before = sorted(path.name for path in held.folder.iterdir())
    for arguments in (
        ("data", "mark", "rows.csv", "-o", "marked.csv", "--key", "new.key", "--label", "y"),
        ("data", "mark", "rows.csv", "-o", "new.csv", "--key", "mark.key", "--label", "y"),
        ("data", "mark", "rows.csv", "-o", "new.csv", "--key", "new.key", "--label", "z"),
        ("data", "mark", "rows.csv", "-o", "new.csv", "--key", "new.key", "--label", "y", "--where", "y"),
        ("data", "mark", "rows.csv", "-o", "new.csv", "--key", "new.csv", "--label", "y", "--share", "0.1"),
        ("data", "trace", "mark.key"),
        ("data", "trace", "mark.key", "--answers", "absent.csv"),
        ("data", "trace", "rows.csv", "--queries", "asked.csv"),
    ):
        told = clear(held(*arguments))
        assert told
    assert sorted(path.name for path in held.folder.iterdir()) == before


def test_rows_that_were_given_out_are_compared_with_rows_that_were_not(home: Place) -> None:
    draw = np.random.default_rng(1)
    for name in ("given", "held"):
        x, y = draw.normal(size=(200, 2)).astype(np.float32), draw.integers(2, size=200)
        np.savez(home.folder / f"{name}.npz", x=x, y=y)
    (home.folder / "near.py").write_text(NEAREST.format(name="given.npz"), "ascii")
    parts = ("--given", "given.npz", "--held-back", "held.npz")
    told = home.json("data", "trace", "--model", "near.py:predict", *parts)
    assert "model-trained-on-given" in {one["check"] for one in told["findings"]}
    (home.folder / "near.py").write_text(NEAREST.format(name="held.npz"), "ascii")
    told = home.json("data", "trace", "--model", "near.py:predict", *parts)
    assert told["passed"]["model-trained-on-given"] == 1
    for wrong in (
        ("--given", "given.npz"),
        ("--given", "given.npz", "--held-back", "data.csv"),
        ("mark.key", *parts),
    ):
        clear(home("data", "trace", "--model", "near.py:predict", *wrong))
    np.savez(home.folder / "other.npz", x=np.zeros((50, 3)), y=np.arange(50) % 2)
    other = ("--given", "given.npz", "--held-back", "other.npz")
    assert "different kinds" in clear(home("data", "trace", "--model", "near.py:predict", *other))


def test_few_marks_are_warned_of(held: Place) -> None:
    told = held(
        "data", "mark", "rows.csv", "-o", "new.csv", "--key", "new.key", "--label", "y", "--share", "0.02"
    )
    assert (told.code, "18 marks, 40 are better" in told.out) == (0, True)
