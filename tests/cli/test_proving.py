"""``ancile data prove`` and ``check-proof``, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.terminal import Place, clear

ROWS = "age,income\n" + "".join(f"{number % 90},{number * 7}\n" for number in range(3_000))


@pytest.fixture
def known(home: Place) -> Place:
    """A home with a folder of a CSV, a Parquet file, a picture and a table that cannot be read."""
    folder = home.folder / "set"
    folder.mkdir()
    (folder / "rows.csv").write_text(ROWS, "ascii")
    pq.write_table(
        pa.table({"a": list(range(100)), "b": ["x"] * 100}), folder / "t.parquet", row_group_size=50
    )
    (folder / "p.png").write_bytes(b"picture")
    assert home("data", "add", "set").code == 0
    return home


def proved(known: Place, *call: str) -> str:
    told = known("data", "prove", "set", *call, "-o", "proof.json")
    assert told.code == 0, told.err
    return told.err


def checked(known: Place, *call: str, code: int = 0) -> str:
    told = known("data", "check-proof", "proof.json", *call)
    assert told.code == code, told.out + told.err
    return told.out


def test_a_file_is_proved_in_and_another_is_not_it(known: Place) -> None:
    assert f"in set@1: rows.csv, all {len(ROWS)} bytes" in proved(known, "rows.csv")
    assert "it is what set/rows.csv holds" in checked(known, "set/rows.csv")
    (known.folder / "other.csv").write_text(ROWS.replace("89,", "88,"), "ascii")
    assert "not it: bytes " in checked(known, "other.csv", code=1)
    (known.folder / "other.csv").write_text(ROWS + "1,1\n", "ascii")
    assert "has other bytes after" in checked(known, "other.csv", code=1)
    (known.folder / "other.csv").write_text("", "ascii")
    assert "not it: bytes " in checked(known, "other.csv", code=1)


def test_a_file_is_proved_out(known: Place) -> None:
    assert "not in set@1: none.csv" in proved(known, "none.csv")
    assert checked(known, "set/p.png").startswith("not in set@1: none.csv\n")


def test_bytes_and_row_groups_are_proved_in(known: Place) -> None:
    assert ", bytes " in proved(known, "rows.csv", "--bytes", "5000-5001")
    checked(known, "set/rows.csv")
    assert " in set@1: t.parquet, " in proved(known, "t.parquet", "--row-group", "1")
    checked(known, "set/t.parquet")


def test_rows_and_pictures_are_proved_in_and_out_by_what_they_hold(known: Place) -> None:
    proved(known, "rows.csv", "--row", "0")
    assert "it is what set/rows.csv holds" in checked(known, "set/rows.csv")
    checked(known, "set/p.png", code=1)
    (known.folder / "mine.png").write_bytes(b"mine")
    proved(known, "--content", "mine.png")
    assert checked(known, "mine.png").startswith("not in set@1: sha256:")
    proved(known, "--content", "set/p.png")
    assert checked(known).startswith("in set@1: sha256:")
    (known.folder / "some.csv").write_text("age,income\n0,0\n0,1\n", "ascii")
    told = proved(known, "--content", "some.csv")
    assert (told.count("not in set@1"), told.count(" in set@1")) == (2, 4)
    entries = known("ledger", "log", "--format", "json").out
    assert proved(known, "t.parquet", "--row", "99")
    assert known("ledger", "log", "--format", "json").out == entries


def test_rows_that_cannot_be_listed_are_told_of(home: Place) -> None:
    (home.folder / "set").mkdir()
    (home.folder / "set" / "broken.parquet").write_bytes(b"PAR1 and no more")
    (home.folder / "set" / "a.txt").write_text("one\none\ntwo\n", "ascii")
    assert home("data", "add", "set").code == 0
    assert "not listed: broken.parquet" in proved(home, "a.txt", "--row", "0")
    said = checked(home)
    assert ", 2 times" in said
    assert "not looked into: broken.parquet" in said


def test_a_list_that_was_damaged_can_be_made_again(known: Place) -> None:
    proved(known, "rows.csv", "--row", "0")
    (path,) = (known.folder / ".ancile" / "data" / "rows").iterdir()
    path.write_bytes(b"")
    assert "damaged or gone" in clear(known("data", "prove", "set", "rows.csv", "--row", "0", "-o", "p.json"))
    path.unlink()
    proved(known, "rows.csv", "--row", "0")
    checked(known)


def test_elsewhere_a_proof_counts_where_its_signer_is_relied_on(known: Place, tmp_path: Path) -> None:
    proved(known, "rows.csv")
    away = Place(tmp_path / "away")
    away.folder.mkdir()
    (away.folder / "proof.json").write_bytes((known.folder / "proof.json").read_bytes())
    assert "in set@1" in checked(away, code=2)
    held = json.loads((away.folder / "proof.json").read_text("utf-8"))["evidence"]
    keys = [part for key in held["logs"] for part in ("--key", key)]
    assert "in set@1" in checked(away, *keys, "--signer", held["signers"][0])


def test_a_proof_of_another_version_is_none(known: Place) -> None:
    proved(known, "rows.csv")
    first = json.loads((known.folder / "proof.json").read_text("utf-8"))
    (known.folder / "set" / "rows.csv").write_text(ROWS + "1,1\n", "ascii")
    assert known("data", "add", "set").code == 0
    proved(known, "rows.csv")
    second = json.loads((known.folder / "proof.json").read_text("utf-8"))
    for mixed in (
        second | {"evidence": first["evidence"]},
        second | {"version": "set@1", "evidence": first["evidence"]},
    ):
        (known.folder / "mixed.json").write_text(json.dumps(mixed, indent=1) + "\n", "utf-8")
        told = clear(known("data", "check-proof", "mixed.json"))
        assert "not about this version" in told or "does not show" in told or "not a proof" in told


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("nothing", "a"), "no such version"),
        (("set", "rows.csv", "--row", "3000"), "no such row"),
        (("set", "rows.csv", "--row", str(10**20)), "no such row"),
        (("set", "none.csv", "--row", "0"), "no such file"),
        (("set", "--row", "0"), "no such file"),
        (("set", "rows.csv", "--bytes", "9999999-99999999"), "no such bytes"),
        (("set", "rows.csv", "--bytes", "x"), "no range of bytes"),
        (("set", "t.parquet", "--row-group", "2"), "no such row group"),
        (("set", "rows.csv", "--row-group", "0"), "cannot be read"),
        (("set", "rows.csv", "--row", "0", "--bytes", "0-1"), "two things"),
        (("set", "--content", "none"), "cannot be read"),
    ],
)
def test_what_cannot_be_proved_is_one_clear_line(known: Place, call: tuple[str, ...], said: str) -> None:
    assert said in clear(known("data", "prove", *call, "-o", "proof.json"))
    assert not (known.folder / "proof.json").exists()


@pytest.mark.parametrize("data", [b"", b"{}", b"x" * 100])
def test_what_is_no_proof_is_one_clear_line(known: Place, data: bytes) -> None:
    (known.folder / "proof.json").write_bytes(data)
    assert "not a proof of data" in clear(known("data", "check-proof", "proof.json"))


def test_too_many_rows_are_refused(known: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ancile.cli.proving.MOST_ITEMS", 10)
    assert "too many rows" in clear(
        known("data", "prove", "set", "--content", "set/rows.csv", "-o", "p.json")
    )
