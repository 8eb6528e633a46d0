"""``ancile evidence``: made in one folder, believed in another as far as its policy says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.terminal import RULE, Place, clear

GATE = ("gate", "net.py:predict")


@pytest.fixture
def other(assessed: Place, tmp_path: Path) -> Place:
    """Another machine's folder, with keys of its own and the evidence in evidence.json."""
    folder = tmp_path / "other"
    folder.mkdir()
    made = Place(folder)
    made.data()
    made("init", "--unencrypted-key")
    assert assessed("evidence", "export", str(folder / "evidence.json")).code == 0
    return made


def trusted(maker: Place) -> tuple[list[str], str]:
    """The author, and the table of the log, as the maker prints them."""
    text = maker("keys", "list", "--public").out
    return [text.split('"')[1]], text[text.index("[[policy.logs]]") :]


def test_evidence_from_elsewhere_counts_where_signer_and_log_are_named(assessed: Place, other: Place) -> None:
    authors, logs = trusted(assessed)
    other.policy(RULE.format(at_least=0.1), authors=authors, logs=logs)
    assert other(*GATE).code == 2
    assert other(*GATE, "--evidence", "evidence.json").code == 0
    told = other("evidence", "import", "evidence.json")
    assert told.code == 0
    assert "count under the policy" in told.err
    assert other(*GATE).code == 0
    other.policy(RULE.format(at_least=0.1), authors=["sha256:" + "0" * 64], logs=logs)
    assert other(*GATE).code == 2


@pytest.mark.parametrize("named", ["author", "log", "nothing"])
def test_evidence_without_its_signer_or_its_log_gives_no_conclusion(
    assessed: Place, other: Place, named: str
) -> None:
    authors, logs = trusted(assessed)
    other.policy(
        RULE.format(at_least=0.1),
        authors=authors if named == "author" else None,
        logs=logs if named == "log" else "",
    )
    assert other(*GATE, "--evidence", "evidence.json").code == 2


def test_an_import_says_what_does_not_count(other: Place) -> None:
    told = other("evidence", "import", "evidence.json")
    assert told.code == 2 or "does not count" in told.err


def test_entries_are_exported_one_by_one(assessed: Place) -> None:
    assert assessed("evidence", "export", "one.json", "--index", "3").code == 0
    assert "1 entries" in assessed("evidence", "export", "one.json", "--index", "3").err
    clear(assessed("evidence", "export", "none.json", "--index", "99"))
    assert not (assessed.folder / "none.json").exists()


def test_without_evidence_there_is_nothing_to_export(home: Place) -> None:
    assert "no evidence yet" in clear(home("evidence", "export", "e.json"))


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"PK\x03\x04", b"[" * 100_000, b'{"a": "\\ud800"}', b"\xff\xfe"]
)
def test_a_file_that_is_no_evidence_is_refused(assessed: Place, data: bytes) -> None:
    (assessed.folder / "bad").write_bytes(data)
    before = sorted((assessed.folder / ".ancile").rglob("*"))
    clear(assessed("evidence", "import", "bad"))
    clear(assessed(*GATE, "--evidence", "bad"))
    assert [
        p
        for p in sorted((assessed.folder / ".ancile").rglob("*"))
        if p not in before and "imports" in p.parts
    ] == []


def test_a_changed_byte_of_evidence_is_found(assessed: Place, other: Place) -> None:
    authors, logs = trusted(assessed)
    other.policy(RULE.format(at_least=0.1), authors=authors, logs=logs)
    data = (other.folder / "evidence.json").read_bytes()
    for place in range(100, len(data), len(data) // 25):
        changed = bytearray(data)
        changed[place] ^= 1
        (other.folder / "changed.json").write_bytes(bytes(changed))
        assert other(*GATE, "--evidence", "changed.json", "--no-record").code == 2, place


def test_evidence_that_is_not_there_is_told(assessed: Place) -> None:
    assert "cannot be read" in clear(assessed("evidence", "import", "absent"))
    assert "cannot be written" in clear(assessed("evidence", "export", "absent/e.json"))
