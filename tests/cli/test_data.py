"""``ancile data`` on versions, as a user calls it."""

from __future__ import annotations

import json
import sqlite3

import pytest

from tests.cli.terminal import Place, clear

ROWS = "age,income\n" + "".join(f"{number % 90},{number * 7}\n" for number in range(5_000))


@pytest.fixture
def known(home: Place) -> Place:
    """A home with a set of two versions, the second with a changed row, and one made from it."""
    (home.folder / "data").mkdir()
    path = home.folder / "data" / "train.csv"
    path.write_text(ROWS, "ascii")
    said = ("--source", "https://example.org/rows", "--licence", "CC-BY-4.0")
    assert home("data", "add", "data/train.csv", *said).code == 0
    path.write_text(ROWS.replace("\n27,20979\n", "\n28,20979\n"), "ascii")
    assert home("data", "add", "data/train.csv", *said).code == 0
    (home.folder / "half.csv").write_text(ROWS[:20_000], "ascii")
    assert (
        home("data", "add", "half.csv", "--parent", "data/train.csv@1", "--transformation", "first half").code
        == 0
    )
    return home


def test_a_version_is_evidence_with_its_origin(known: Place) -> None:
    first = json.loads(known("data", "log", "data/train.csv", "--format", "json").out.splitlines()[0])
    entry = known.json("ledger", "show", str(first["entry"]))
    assert (entry["subject"]["kind"], entry["subject"]["digest"]) == ("dataset", first["digest"])
    assert entry["parameters"]["root"] == first["root"]
    assert entry["parameters"]["licence"] == "CC-BY-4.0"
    assert known("ledger", "verify").code == 0


def test_the_same_again_says_which_version_it_is(known: Place) -> None:
    told = known("data", "add", "data/train.csv")
    assert (told.code, told.out) == (0, "")
    assert "nothing changed: it is data/train.csv@2" in told.err


def test_data_without_an_origin_is_warned_of(home: Place) -> None:
    (home.folder / "rows.csv").write_text(ROWS, "ascii")
    assert home("data", "add", "rows.csv", "--strict").code == 1
    assert "data-origin-unknown" in home("data", "add", "rows.csv", "--name", "other").out


def test_verify_names_the_lines_that_changed(known: Place) -> None:
    told = known("data", "verify", "data/train.csv")
    assert told.code == 0
    told = known("data", "verify", "data/train.csv@1")
    assert told.code == 1
    assert "lines 2" in told.out or "lines 3" in told.out


def test_verify_tells_missing_added_and_renamed_files(home: Place) -> None:
    folder = home.folder / "images"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_text(name, "ascii")
    assert home("data", "add", "images").code == 0
    (folder / "a").unlink()
    (folder / "b").rename(folder / "d")
    (folder / "e").write_text("e", "ascii")
    told = home.json("data", "verify", "images")
    found = {(one["check"], one["location"]["path"]) for one in told["findings"]}
    assert found == {("data-file-missing", "a"), ("data-file-added", "d"), ("data-file-added", "e")}


def test_verify_looks_at_the_store_too(known: Place) -> None:
    packs = list((known.folder / ".ancile" / "data" / "packs").iterdir())
    for pack in packs:
        pack.write_bytes(b"x" * pack.stat().st_size)
    told = known("data", "verify", "data/train.csv")
    assert told.code == 1
    assert "data-store-damaged" in told.out


def tampered(known: Place, sql: str, *values: object) -> None:
    with sqlite3.connect(known.folder / ".ancile" / "data" / "data.db") as db:
        db.execute(sql, values)
    db.close()


def test_who_changes_files_and_store_alike_is_found_by_the_ledger(known: Place) -> None:
    """A second store in which other bytes are the second version takes the place of the first."""
    path = known.folder / "data" / "train.csv"
    other = known.folder / "other.csv"
    other.write_text(ROWS.replace("\n30,", "\n99,"), "ascii")
    assert known("data", "add", "other.csv", "--name", "other").code == 0
    held = known.folder / ".ancile" / "data" / "data.db"
    with sqlite3.connect(held) as db:
        ((body,),) = db.execute("SELECT body FROM versions WHERE name = 'other'").fetchall()
        body = body.replace(b"\xa5other", b"\xaedata/train.csv").replace(b"\xa6number\x01", b"\xa6number\x02")
        body = body.replace(b"\xa9other.csv", b"\xa9train.csv")
        db.execute("UPDATE versions SET body = ? WHERE name = 'data/train.csv' AND number = 2", (body,))
    db.close()
    path.write_bytes(other.read_bytes())
    told = known("data", "verify", "data/train.csv")
    assert told.code == 1
    assert "about other bytes than the store has" in told.out
    assert "do not rely on it" in known("data", "get", "data/train.csv", "-o", "out.csv").err


@pytest.mark.parametrize(
    ("entry", "said"),
    [(None, "it is not in the ledger"), (1, "not about this version"), (99, "entry 99")],
)
def test_a_version_without_its_entry_is_not_verified(known: Place, entry: int | None, said: str) -> None:
    assert known("data", "verify", "half.csv").code == 0
    tampered(known, "UPDATE versions SET entry = ?", entry)
    told = known("data", "verify", "half.csv")
    assert told.code == 1
    assert said in told.out


def test_an_addition_that_was_not_recorded_is_recorded_by_the_next(known: Place) -> None:
    tampered(known, "UPDATE versions SET entry = NULL WHERE name = 'half.csv'")
    assert known("data", "add", "half.csv").code == 0
    assert known("data", "verify", "half.csv").code == 0


def test_what_ancile_keeps_is_no_data(known: Place) -> None:
    for path in (".", ".ancile", ".ancile/keys", ".."):
        assert "what ancile keeps" in clear(known("data", "add", path, "--name", "all"))


def test_diff_says_how_much_changed(known: Place) -> None:
    told = known("data", "diff", "data/train.csv@1", "data/train.csv@2")
    assert told.code == 1
    assert told.out.startswith("changed  train.csv: ")
    told = known("data", "diff", "data/train.csv@2", "data/train.csv", "--format", "json")
    assert (told.code, json.loads(told.out)["changed"]) == (0, [])


def test_get_writes_what_was_added_and_nothing_over_anything(known: Place) -> None:
    assert known("data", "get", "data/train.csv@1", "-o", "first.csv").code == 0
    assert (known.folder / "first.csv").read_text("ascii") == ROWS
    assert "something is there already" in clear(known("data", "get", "data/train.csv@1", "-o", "first.csv"))
    assert (known.folder / "first.csv").read_text("ascii") == ROWS


def test_get_of_a_folder_is_the_folder(home: Place) -> None:
    (home.folder / "images" / "cat").mkdir(parents=True)
    (home.folder / "images" / "cat" / "ä 1.png").write_bytes(b"picture")
    assert home("data", "add", "images").code == 0
    assert home("data", "get", "images", "-o", "again").code == 0
    assert (home.folder / "again" / "cat" / "ä 1.png").read_bytes() == b"picture"


def test_lineage_goes_back_to_the_source(known: Place) -> None:
    told = known("data", "lineage", "half.csv", "--format", "json")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert [one["version"] for one in lines] == ["half.csv@1", "data/train.csv@1"]
    drawn = known("data", "lineage", "half.csv", "--format", "mermaid").out
    assert 'v1 -- "first half" --> v0' in drawn
    assert known("data", "lineage", "half.csv").out.startswith("half.csv@1 ")


def test_lineage_is_told_to_other_programs_too(known: Place) -> None:
    lines = known("data", "lineage", "half.csv", "--format", "openlineage").out.splitlines()
    assert [json.loads(one)["outputs"][0]["name"] for one in lines] == ["data/train.csv", "half.csv"]
    assert {json.loads(one)["job"]["namespace"] for one in lines} == {"test.example/log"}


def test_a_version_is_described_to_other_programs(known: Place) -> None:
    printed = json.loads(known("data", "export", "half.csv", "--format", "cyclonedx").out)
    assert printed["components"][0]["name"] == "half.csv"
    assert known("data", "export", "half.csv", "--format", "croissant", "-o", "half.json").code == 0
    held = json.loads((known.folder / "half.json").read_text("utf-8"))
    assert [one["name"] for one in held["recordSet"][0]["field"]] == ["age", "income"]


def test_words_of_a_source_draw_nothing(home: Place) -> None:
    (home.folder / "a").write_text("a", "ascii")
    assert home("data", "add", "a", "--source", '"]; click v0 "javascript:1"').code == 0
    drawn = home("data", "lineage", "a", "--format", "mermaid").out
    assert drawn.splitlines()[1:] == [
        '  v0["a@1<br/>from: #34;#93;#59; click v0 #34;javascript:1#34;"]',
    ]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("add", "absent.csv"), "cannot be read"),
        (("add", "linked"), "not everything here can be hashed"),
        (("add", "net.py", "--name", "a b"), "no name of a version"),
        (("add", "net.py", "--parent", "nothing"), "no such version"),
        (("verify", "nothing"), "no such version"),
        (("verify", "a@0"), "no name of a version"),
        (("verify", "@"), "no name of a version"),
        (("get", "nothing", "-o", "x"), "no such version"),
        (("lineage", "nothing"), "no such version"),
        (("lineage", "nothing", "-f", "openlineage"), "no such version"),
        (("export", "nothing", "-f", "croissant"), "no such version"),
        (("diff", "a", "b"), "no such version"),
    ],
)
def test_what_cannot_be_is_one_clear_line(home: Place, call: tuple[str, ...], said: str) -> None:
    (home.folder / "linked").mkdir()
    (home.folder / "linked" / "link").symlink_to("absent")
    assert said in clear(home("data", *call))


def test_without_a_home_the_remedy_is_to_make_one(place: Place) -> None:
    assert "ancile init" in place("data", "log").err


def test_a_home_without_data_says_how_to_add_some(home: Place) -> None:
    assert "ancile data add" in home("data", "log").err


@pytest.mark.parametrize(
    "call",
    [
        ("pii", "FILE"),
        ("risk", "FILE"),
        ("check", "FILE"),
        ("overlap", "FILE", "FILE"),
        ("verify", "NAME"),
        ("verify", "NAME@1", "--path", "FILE"),
        ("vet", "NAME@1"),
        ("prove", "NAME", "--row", "1"),
        ("prove", "half.csv", "--content", "FILE"),
        ("export", "NAME", "--format", "croissant"),
        ("export", "NAME", "--format", "cyclonedx"),
    ],
)
def test_no_result_is_written_over_the_data_it_comes_from(known: Place, call: tuple[str, ...]) -> None:
    path = known.folder / "data" / "train.csv"
    before = path.read_bytes()
    spoken = {"FILE": str(path), "NAME": "data/train.csv", "NAME@1": "data/train.csv@1"}
    told = known("data", *(spoken.get(one, one) for one in call), "--output", str(path))
    assert told.code == 2
    assert "would be written over what it comes from" in clear(told)
    assert path.read_bytes() == before


def test_no_report_of_a_seal_or_mark_is_written_over_the_data(known: Place) -> None:
    path = known.folder / "data" / "train.csv"
    before = path.read_bytes()
    for call in (("seal", str(path), "-o", "s"), ("mark", str(path), "-o", "m.csv", "--key", "m.key")):
        told = known("data", *call, "--report", str(path))
        assert (told.code, "would be written over" in clear(told)) == (2, True)
    assert known("data", "seal", str(path), "-o", "sealed").code == 0
    sealed = (known.folder / "sealed").read_bytes()
    assert known("data", "open", "sealed", "-o", "plain.csv", "--report", "sealed").code == 2
    assert (known.folder / "sealed").read_bytes() == sealed
    assert path.read_bytes() == before
