"""``ancile data erase`` and ``retain``, as a user calls them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ancile.data.expiring import day_of
from tests.cli.terminal import Ended, Place

HEAD = "user,day,note\n"
ROWS = HEAD + "".join(f"u{n % 50},{n},said number {n * 7919}\n" for n in range(4000))
WITHOUT = HEAD + "".join(
    line for line in ROWS.removeprefix(HEAD).splitlines(keepends=True) if "u7," not in line
)


class Held:
    """A home whose keys of subjects lie elsewhere."""

    def __init__(self, place: Place, keys: Path) -> None:
        self.place, self.folder, self.keys = place, place.folder, keys

    def __call__(self, *arguments: str) -> Ended:
        return self.place("data", *arguments, ANCILE_SUBJECT_KEYS=str(self.keys))

    def stored(self) -> bytes:
        """All bytes that the home keeps of data."""
        packs = (self.folder / ".ancile" / "data" / "packs").iterdir()
        return b"".join(one.read_bytes() for one in packs)


@pytest.fixture
def held(home: Place, tmp_path: Path) -> Held:
    """A home with two versions of a set that is sealed by subject."""
    found = Held(home, tmp_path / "keys")
    path = home.folder / "rows.csv"
    path.write_text(ROWS, "ascii")
    assert found("add", "rows.csv", "--subject", "user", "--source", "x").code == 0
    path.write_text(ROWS.replace("said number 0\n", "said nothing\n"), "ascii")
    assert found("add", "rows.csv", "--subject", "user", "--source", "x").code == 0
    return found


def test_sealed_rows_are_kept_unreadable_and_come_back_as_they_were(held: Held) -> None:
    assert b"said" not in held.stored()
    assert held("get", "rows.csv@1", "-o", "back.csv").code == 0
    assert (held.folder / "back.csv").read_text("ascii") == ROWS
    assert held("verify", "rows.csv").code == 0
    assert held("verify", "rows.csv@1").code == 1


def test_versions_share_the_rows_that_are_the_same(held: Held) -> None:
    grown = len(held.stored())
    (held.folder / "rows.csv").write_text(ROWS, "ascii")
    assert held("add", "rows.csv", "--subject", "user").code == 0
    assert len(held.stored()) == grown


def test_an_erased_subject_is_gone_from_every_version_and_an_entry_says_so(held: Held) -> None:
    before = held.stored()
    told = held("erase", "--subject", "u7", "--reason", "asked to", "--yes", "--format", "json")
    assert told.code == 0
    report = json.loads(told.out)
    counts = {one["slice"]["version"]: one["value"] for one in report["measures"]}
    assert counts == {"rows.csv@1": 80, "rows.csv@2": 80}
    assert report["evidence"] is not None
    assert '"u7"' not in told.out
    for number in (1, 2):
        done = held("get", f"rows.csv@{number}", "-o", f"back{number}.csv")
        assert "80 rows of erased subjects left out" in done.err
    assert (held.folder / "back1.csv").read_text("ascii") == WITHOUT
    assert held.stored() == before  # a key is gone, no byte of a version is another
    assert held.place("ledger", "verify").code == 0
    assert held("verify", "rows.csv").code == 1  # the file still holds the rows


def test_without_a_yes_rows_are_counted_and_nothing_is_done(held: Held) -> None:
    told = held("erase", "--subject", "u7")
    assert "80 in rows.csv@1, 80 in rows.csv@2" in told.err
    assert held("get", "rows.csv", "-o", "back.csv").err.count("left out") == 0


def test_who_is_unknown_or_was_erased_before_is_said(held: Held) -> None:
    assert "no rows of this subject" in held("erase", "--subject", "nobody", "--yes").err
    assert held("erase", "--subject", "u7", "--yes").code == 0
    assert "was erased before" in held("erase", "--subject", "u7", "--yes").err


def test_rows_of_an_erased_subject_do_not_come_in_again(held: Held) -> None:
    assert held("erase", "--subject", "u7", "--yes").code == 0
    told = held("add", "rows.csv", "--subject", "user")
    assert told.code == 2
    assert "erased are in this data" in told.err
    (held.folder / "rows.csv").write_text(WITHOUT, "ascii")
    assert held("add", "rows.csv", "--subject", "user").code == 0
    assert held("verify", "rows.csv").code == 0


def test_a_sealed_set_takes_no_open_rows(held: Held) -> None:
    told = held("add", "rows.csv")
    assert told.code == 2
    assert "--subject user" in told.err


def test_a_sealed_set_whose_versions_ended_takes_no_open_rows_either(held: Held) -> None:
    assert held("retain", "rows.csv", "--older-than", "0.001s", "--yes").code == 0
    (held.folder / "rows.csv").write_text("user,note\nu1,in the open\n", "ascii")
    told = held("add", "rows.csv")
    assert told.code == 2
    assert "rows of this set were sealed by subject: rows.csv" in told.err
    assert b"in the open" not in held.stored()
    assert held("add", "rows.csv", "--subject", "user").code == 0


def test_an_open_set_whose_versions_ended_takes_open_rows(held: Held) -> None:
    (held.folder / "open.csv").write_text("a\n1\n", "ascii")
    assert held("add", "open.csv", "--source", "x").code == 0
    assert held("retain", "open.csv", "--older-than", "0.001s", "--yes").code == 0
    (held.folder / "open.csv").write_text("a\n2\n", "ascii")
    assert held("add", "open.csv", "--source", "x").code == 0


def test_copies_in_the_open_are_warned_of(held: Held) -> None:
    (held.folder / "open.csv").write_text(ROWS, "ascii")
    assert held("add", "open.csv", "--source", "x").code == 0
    (held.folder / "sums.csv").write_text("sum\n1\n", "ascii")
    assert held("add", "sums.csv", "--parent", "rows.csv@1").code == 0
    (held.folder / "other.csv").write_text("sum\n1\n2\n", "ascii")
    assert held("add", "other.csv", "--source", "x").code == 0
    told = held("erase", "--subject", "u7", "--yes", "--format", "json", "--strict")
    assert told.code == 1
    said = {one["detail"] for one in json.loads(told.out)["findings"]}
    assert said == {
        "open.csv@1: the identifier stands in it",
        "sums.csv@1: made from a version that held rows of the subject",
    }


def test_folders_and_json_lines_are_sealed_too(home: Place, tmp_path: Path) -> None:
    held = Held(home, tmp_path / "keys")
    (home.folder / "set" / "a").mkdir(parents=True)
    (home.folder / "set" / "a" / "x.jsonl").write_text(
        '{"who": 7, "t": "x"}\n{"who": "8", "t": "y"}\n', "ascii"
    )
    (home.folder / "set" / "b.tsv").write_text('who\tt\n7\t"two\nlines"\n', "ascii")
    assert held("add", "set", "--subject", "who", "--source", "x").code == 0
    assert held("verify", "set").code == 0
    assert held("erase", "--subject", "7", "--yes").code == 0
    assert held("get", "set", "-o", "back").code == 0
    assert (home.folder / "back" / "a" / "x.jsonl").read_text("ascii") == '{"who": "8", "t": "y"}\n'
    assert (home.folder / "back" / "b.tsv").read_text("ascii") == "who\tt\n"


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.csv", "x,y\n1,2\n", "no such column"),
        ("a.csv", "user,user\n1,2\n", "stands there twice"),
        ("a.csv", "x,user\n1\n", "does not say whom"),
        ("a.csv", "", "no such column"),
        ("a.csv", 'x,user\n5" pipe,a\n6" pipe,b\n', "not in pairs"),
        ("a.jsonl", '{"user": null}\n', "does not say whom"),
        ("a.jsonl", "[" * 100_000 + "\n", "does not say whom"),
        ("a.parquet", "PAR1", "row by row"),
    ],
)
def test_what_cannot_be_sealed_by_subject_is_refused(
    home: Place, tmp_path: Path, name: str, content: str, what: str
) -> None:
    held = Held(home, tmp_path / "keys")
    (home.folder / name).write_text(content, "ascii")
    told = held("add", name, "--subject", "user")
    assert told.code == 2
    assert what in told.err
    assert held("log").err.startswith("ancile: no versions")


def test_keys_do_not_lie_beside_the_data(home: Place) -> None:
    (home.folder / "a.csv").write_text("user\n1\n", "ascii")
    told = home("data", "add", "a.csv", "--subject", "user", ANCILE_SUBJECT_KEYS=str(home.folder / "keys"))
    assert told.code == 2
    assert "beside the data" in told.err


def test_by_default_keys_lie_where_the_user_s_data_lies(home: Place, tmp_path: Path) -> None:
    (home.folder / "a.csv").write_text("user\n1\n", "ascii")
    said = {"XDG_DATA_HOME": str(tmp_path / "share"), "ANCILE_SUBJECT_KEYS": ""}
    assert home("data", "add", "a.csv", "--subject", "user", **said).code == 0
    assert len(list((tmp_path / "share" / "ancile" / "subjects").glob("*/keys.db"))) == 1
    assert home("data", "get", "a.csv", "-o", "b.csv", **said).code == 0
    told = home("data", "get", "a.csv", "-o", "c.csv", **(said | {"XDG_DATA_HOME": str(tmp_path / "other")}))
    assert told.code == 2
    assert "is not here, and was not erased" in told.err
    (home.folder / ".ancile" / "subject-keys").write_text("../..", "ascii")
    assert "where the keys of subjects lie" in home("data", "get", "a.csv", "-o", "c.csv", **said).err


def test_versions_beyond_their_time_lose_their_content_and_verify_says_by_which_entry(home: Place) -> None:
    path = home.folder / "rows.csv"
    for text in (ROWS, ROWS.replace("said", "told")):
        path.write_text(text, "ascii")
        assert home("data", "add", "rows.csv", "--source", "x").code == 0
    assert "--yes does it" in home("data", "retain", "--older-than", "0.001s").err
    assert "no version was made" in home("data", "retain", "rows.csv", "--older-than", "365d", "--yes").err
    assert home("data", "get", "rows.csv@1", "-o", "back.csv").code == 0
    told = home("data", "retain", "rows.csv", "--older-than", "0.001s", "--reason", "a year is over", "--yes")
    assert told.code == 0
    packs = list((home.folder / ".ancile" / "data" / "packs").iterdir())
    assert not any(b"said" in one.read_bytes() or b"told" in one.read_bytes() for one in packs)
    told = home("data", "verify", "rows.csv")
    assert told.code == 0
    assert "erased by entry" in told.out
    told = home("data", "get", "rows.csv@1", "-o", "again.csv")
    assert told.code == 2
    assert "erased by entry" in told.err
    assert home("data", "add", "rows.csv", "--source", "x").code == 0
    assert home("data", "get", "rows.csv@3", "-o", "third.csv").code == 0
    assert home("ledger", "verify").code == 0
    assert "no such data set" in home("data", "retain", "nothing", "--older-than", "1d").err


DAYS = "day,who\n" + "".join(f"20{10 + n % 16:02d}-03-0{1 + n % 9},person {n}\n" for n in range(3000))


@pytest.mark.slow
@pytest.mark.parametrize("sealed", [False, True])
def test_rows_beyond_their_time_are_in_no_version_any_more(home: Place, tmp_path: Path, sealed: bool) -> None:
    held = Held(home, tmp_path / "keys")
    said = ("--subject", "who") if sealed else ()
    for text in (DAYS, DAYS + "2026-11-01,person new\n"):
        (home.folder / "days.csv").write_text(text, "ascii")
        assert held("add", "days.csv", "--source", "x", *said).code == 0
    before = ("retain", "days.csv", "--older-than", "3650d", "--column", "day")
    told = held(*before)
    assert "rows would go" in told.err
    assert held("get", "days.csv@1", "-o", "first.csv").code == 0
    assert held(*before, "--yes").code == 0
    assert held("get", "days.csv", "-o", "rest.csv").code == 0
    rest = (home.folder / "rest.csv").read_text("ascii")
    years = {int(line[:4]) for line in rest.splitlines()[1:]}
    assert min(years) >= 2016
    assert rest.splitlines()[0] == "day,who"
    assert "person new" in rest
    assert held("get", "days.csv@2", "-o", "gone.csv").code == 2
    assert b"2010-03" not in held.stored()
    assert "erased by entry" in held("verify", "days.csv@1", "--path", "rest.csv").out
    assert "is older than that" in held(*before, "--yes").err
    assert home("ledger", "verify").code == 0


def test_a_column_without_days_takes_no_row(home: Place) -> None:
    (home.folder / "a.csv").write_text(ROWS, "ascii")
    assert home("data", "add", "a.csv", "--source", "x").code == 0
    told = home("data", "retain", "a.csv", "--older-than", "1d", "--column", "note", "--yes")
    assert told.code == 2
    assert "no row of the column names a day" in told.err
    assert "one set at a time" in home("data", "retain", "--older-than", "1d", "--column", "note").err
    assert home("data", "get", "a.csv", "-o", "b.csv").code == 0


def test_days_are_read_as_tables_write_them() -> None:
    day = datetime(2026, 11, 2, tzinfo=UTC)
    for text in ("2026-11-02", "2026-11-02T00:00:00Z", "02.11.2026", "2026/11/02", "02-Nov-2026", "20261102"):
        assert day_of(text) == day
    assert day_of(str(int(day.timestamp()))) == day_of(str(int(day.timestamp()) * 1000)) == day
    assert day_of("11/02/2026") is None
    assert day_of("yesterday") is None


def test_a_model_that_the_ledger_knows_with_such_data_is_named(assessed: Place, tmp_path: Path) -> None:
    held = Held(assessed, tmp_path / "keys")
    (held.folder / "rows.csv").write_text(ROWS, "ascii")
    assert held("add", "rows.csv", "--subject", "user", "--source", "x").code == 0
    assert held("add", "data.npz", "--parent", "rows.csv@1").code == 0
    told = held("erase", "--subject", "u7", "--yes", "--format", "json")
    said = {one["check"]: one["detail"] for one in json.loads(told.out)["findings"]}
    assert "data.npz@1" in said["data-copy-unsealed"]
    assert "net.py" in said["data-model-trained"]
    assert held.place("ledger", "erase", "2", "--reason", "a test", "--yes").code == 0
    assert held("erase", "--subject", "u8", "--yes").code == 0
