"""``ancile data pii`` and ``redact``, as a user calls them."""

from __future__ import annotations

import datetime as dt
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.terminal import Place, clear

CARD, MAIL, TOKEN = "4111111111111111", "jane@mail.example", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
TEXT = f"id,note\n1,paid by {CARD}\n2,nothing\n3,{MAIL} wrote\n4,token {TOKEN}\n"


@pytest.fixture
def held(home: Place) -> Place:
    (home.folder / "notes.csv").write_text(TEXT, "ascii")
    return home


def test_kinds_and_lines_are_told_and_what_stands_there_is_not(held: Place) -> None:
    for format_ in ("table", "json", "html", "sarif", "markdown", "junit"):
        told = held("data", "pii", "notes.csv", "--format", format_)
        assert told.code == 0
        assert not any(word in told.out + told.err for word in (CARD, MAIL, TOKEN))
    found = {one["check"]: one for one in held.json("data", "pii", "notes.csv")["findings"]}
    assert found["data-personal-number"]["location"] == {"path": "notes.csv", "row": 2}
    assert found["data-personal-contact"]["location"]["row"] == 4
    assert found["data-secret"]["location"]["row"] == 5


def test_a_warning_counts_where_it_is_asked_to(held: Place) -> None:
    assert held("data", "pii", "notes.csv", "--strict").code == 1
    (held.folder / "clean.txt").write_text("nobody is named here\n", "ascii")
    assert held("data", "pii", "clean.txt", "--strict").code == 0


def test_it_is_evidence_where_there_is_a_ledger(held: Place) -> None:
    told = held.json("data", "pii", "notes.csv")
    assert told["evidence"] is not None
    assert held.json("data", "pii", "notes.csv", "--no-record")["evidence"] is None
    assert held("ledger", "verify").code == 0


def test_what_is_redacted_holds_nothing_any_more_and_the_rest_as_it_was(held: Place) -> None:
    (held.folder / "notes.csv").write_bytes(TEXT.encode() + b"\xff\xfe not UTF-8\r\n")
    assert held("data", "redact", "notes.csv", "-o", "clean.csv").code == 0
    assert (held.folder / "clean.csv").read_bytes() == (
        b"id,note\n1,paid by [credit card]\n2,nothing\n3,[e-mail address] wrote\n4,token [GitHub token]\n"
        b"\xff\xfe not UTF-8\r\n"
    )
    assert held("data", "pii", "clean.csv", "--strict").code == 0


def test_one_kind_alone_can_be_redacted(held: Place) -> None:
    assert held("data", "redact", "notes.csv", "-o", "clean.csv", "--kind", "credit card").code == 0
    assert MAIL in (held.folder / "clean.csv").read_text("ascii")
    assert CARD not in (held.folder / "clean.csv").read_text("ascii")


def test_a_folder_is_looked_at_whole(held: Place) -> None:
    (held.folder / "texts" / "more").mkdir(parents=True)
    (held.folder / "texts" / "more" / "a.txt").write_text(f"{MAIL}\n{CARD}\n", "ascii")
    (held.folder / "texts" / "b.jsonl").write_text(json.dumps({"text": f"mail\n{MAIL}"}) + "\n", "ascii")
    told = held.json("data", "pii", "texts")
    paths = {one["location"]["path"] for one in told["findings"]}
    assert paths == {"texts/more/a.txt", "texts/b.jsonl"}
    assert set(told["subject"]["parts"]) == paths


def test_numbers_of_lines_hold_over_blocks(held: Place) -> None:
    lines = [f"{number} words and nothing else" for number in range(60_000)]
    lines[50_000] = f"{MAIL} is here"
    (held.folder / "long.txt").write_text("\n".join(lines), "ascii")
    (found,) = held.json("data", "pii", "long.txt")["findings"]
    assert found["location"]["row"] == 50_001


def test_a_line_without_end_is_read_too(held: Place) -> None:
    (held.folder / "one.txt").write_text("word " * 2_000_000 + MAIL, "ascii")
    (found,) = held.json("data", "pii", "one.txt")["findings"]
    assert found["location"]["row"] == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("pii", "absent"), "cannot be read"),
        (("pii", "binary"), "no text in UTF-8"),
        (("redact", "binary", "-o", "new"), "no text in UTF-8"),
        (("redact", "notes.csv", "-o", "notes.csv"), "something is there already"),
        (("redact", ".ancile", "-o", "new"), "a folder is not redacted as one"),
    ],
)
def test_what_cannot_be_is_one_clear_line_and_nothing_is_written(
    held: Place, call: tuple[str, ...], said: str
) -> None:
    (held.folder / "binary").write_bytes("Wörter".encode("utf-16"))
    before = sorted(held.folder.iterdir())
    assert said in clear(held("data", *call))
    assert sorted(held.folder.iterdir()) == before
    assert (held.folder / "notes.csv").read_text("ascii") == TEXT


def test_pseudonyms_are_of_the_same_form_in_all_files_of_a_key(held: Place) -> None:
    key = held.folder / "key"
    key.write_text("5a" * 32, "ascii")
    key.chmod(0o600)
    (held.folder / "more.txt").write_text(f"again {MAIL} and {CARD}\n", "ascii")
    for name in ("notes.csv", "more.txt"):
        assert held("data", "redact", name, "-o", f"new-{name}", "--pseudonyms", "key").code == 0
    first, second = ((held.folder / f"new-{name}").read_text("ascii") for name in ("notes.csv", "more.txt"))
    card, mail = second.split()[3], second.split()[1]
    assert card in first
    assert mail in first
    assert CARD not in first + second
    assert MAIL not in first + second
    assert "token [GitHub token]" in first
    found = {one["check"] for one in held.json("data", "pii", "new-notes.csv")["findings"]}
    assert found == {"data-personal-number", "data-personal-contact"}


def test_columns_of_parquet_and_arrow_are_told_apart(held: Place) -> None:
    table = pa.table(
        {
            "card": [CARD, None, "nothing", CARD],
            "full_name": ["Peter Schmidt", "Julia Rossi", "Anna Nowak", "Peter Schmidt"],
            "born": pa.array([dt.date(1980, 1, n) for n in range(1, 5)]),
            "ssn": pa.array([536228765, 536228765, 536228765, 536228765]),
            "number": pa.array([4111111111111111, 1, 2, 3]),
            "api_key": ["Qm7-tulip_Rx94", "Qm7-tulip_Rx95", "", "x"],
            "share": [0.1, 0.2, 0.3, 0.4],
        }
    )
    pq.write_table(table, held.folder / "t.parquet")
    with pa.ipc.new_file(held.folder / "t.arrow", table.schema) as file:
        file.write_table(table)
    for name in ("t.parquet", "t.arrow"):
        told = held.json("data", "pii", name)
        found = {
            (one["check"], one["location"]["column"]): one["detail"]
            for one in told["findings"]
            if one["status"] == "WARN"
        }
        assert set(found) == {
            ("data-personal-number", "card"),
            ("data-personal-number", "ssn"),
            ("data-personal-name", "full_name"),
            ("data-personal-name", "born"),
            ("data-secret", "api_key"),
        }
        assert found["data-personal-number", "card"].startswith("2 of 3 cells of kind credit card")
        assert "4 cells (medium confidence)" in found["data-personal-name", "full_name"]
        assert told["subject"]["digest"].startswith("sha256:")
        assert CARD not in held("data", "pii", name, "--format", "html").out


def test_columns_of_a_csv_stand_in_a_table_of_their_own(held: Place) -> None:
    (held.folder / "people.csv").write_text("id,surname\n" + "1,Schmidt\n2,Rossi\n3,Nowak\n" * 5, "ascii")
    told = held.json("data", "pii", "people.csv")
    (found,) = (one for one in told["findings"] if one["status"] == "WARN")
    assert (found["check"], found["location"]["column"]) == ("data-personal-name", "surname")
    assert told["exhibits"][0]["title"] == "What stands in which column"


def test_a_csv_whose_columns_cannot_be_told_apart_is_read_as_text(held: Place) -> None:
    (held.folder / "bad.csv").write_text(f"a,a\n1,{CARD}\n", "ascii")
    checks = {one["check"]: one for one in held.json("data", "pii", "bad.csv")["findings"]}
    assert checks["data-columns-unread"]["status"] == "SKIP"
    assert checks["data-personal-number"]["location"]["row"] == 2


def test_a_broken_parquet_file_is_refused(held: Place) -> None:
    (held.folder / "bad.parquet").write_bytes(b"PAR1" + b"x" * 100)
    told = held("data", "pii", "bad.parquet")
    assert told.code == 2
    assert "Parquet" in told.err


def test_names_are_looked_for_where_they_are_asked_for(held: Place) -> None:
    (held.folder / "letter.txt").write_text("Dear Julia, we met Peter Schmidt at 12 High Street.\n", "ascii")
    assert not held.json("data", "pii", "letter.txt")["findings"]
    told = held.json("data", "pii", "letter.txt", "--names")["findings"]
    assert {one["check"] for one in told} == {"data-personal-name"}
    assert held("data", "redact", "letter.txt", "--names", "-o", "out.txt").code == 0
    assert (held.folder / "out.txt").read_text("ascii") == (
        "Dear [name of a person], we met [name of a person] at [address of a house].\n"
    )


def test_a_kind_that_is_not_there_is_refused_and_nothing_is_written(held: Place) -> None:
    told = held("data", "redact", "notes.csv", "-o", "clean.csv", "--kind", "credit crad")
    assert told.code == 2
    assert "nothing of this kind is in the file: credit crad" in told.err
    assert "it holds: GitHub token, credit card, e-mail address" in told.err
    assert not (held.folder / "clean.csv").exists()
    assert not list(held.folder.glob(".clean*"))
