"""``ancile data check`` and ``clean``, as a user calls them."""

from __future__ import annotations

import json
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.cli.terminal import RULE, Place, clear
from tests.data.checking.sets import png, texts, write_lines, write_pictures, write_table


@pytest.fixture
def mail(home: Place) -> Place:
    """Texts with three labels turned."""
    rows = texts(300)
    for at in (5, 50, 100):
        rows[at]["label"] = {"ham": "spam", "spam": "ham"}[str(rows[at]["label"])]
    write_lines(home.folder / "mail.jsonl", rows)
    return home


def test_the_worst_rows_come_first_with_reasons(mail: Place) -> None:
    told = mail.json("data", "check", "mail.jsonl")
    assert {one["row"] for one in told["rows"][:5]} >= {5, 50, 100}
    assert all(one["reasons"] for one in told["rows"][:2])
    scores = [one["score"] for one in told["rows"]]
    assert scores == sorted(scores, reverse=True)
    assert (told["stage"], told["evidence"] is not None) == ("data check", True)
    assert mail.json("data", "check", "mail.jsonl", "--no-record")["rows"] == told["rows"]


def test_every_format_shows_it(mail: Place) -> None:
    for format_ in ("table", "sarif", "html", "markdown", "junit"):
        assert mail("data", "check", "mail.jsonl", "--format", format_).code == 0


def test_a_cleaned_set_is_a_version_with_its_parent(mail: Place) -> None:
    assert mail("data", "add", "mail.jsonl", "--licence", "CC0-1.0").code == 0
    before = (mail.folder / "mail.jsonl").read_bytes()
    assert mail("data", "check", "mail.jsonl", "-o", "report.json").code == 0
    told = mail("data", "clean", "mail.jsonl", "--from", "report.json", "--score", "0.5", "-o", "clean.jsonl")
    assert told.code == 0, told.err
    assert "clean.jsonl@1, made from mail.jsonl@1" in told.err
    assert (mail.folder / "mail.jsonl").read_bytes() == before
    lineage = [
        json.loads(one) for one in mail("data", "lineage", "clean.jsonl", "--format", "json").out.splitlines()
    ]
    assert [one["version"] for one in lineage] == ["clean.jsonl@1", "mail.jsonl@1"]
    assert "left out: score 0.5 or more" in lineage[0]["transformation"]
    assert lineage[0]["licence"] == "CC0-1.0"
    assert mail("data", "verify", "clean.jsonl").code == 0


def test_what_is_cleaned_and_how_has_to_fit(mail: Place) -> None:
    assert mail("data", "check", "mail.jsonl", "-o", "report.json", "--no-record").code == 0
    (mail.folder / "other.jsonl").write_bytes((mail.folder / "mail.jsonl").read_bytes() + b"\n")
    told = mail("data", "clean", "other.jsonl", "--from", "report.json", "-o", "new.jsonl")
    assert (told.code, "about other data" in told.err) == (2, True)
    told = mail("data", "clean", "mail.jsonl", "--from", "report.json", "--score", "200", "-o", "new.jsonl")
    assert (told.code, "no row of the report" in told.err) == (2, True)
    assert mail("data", "clean", "mail.jsonl", "-o", "new.jsonl").code == 2
    assert mail("data", "clean", "mail.jsonl", "--rows", "4", "-o", "mail.jsonl").code == 2
    told = mail("data", "clean", "mail.jsonl", "--rows", "4", "-o", "new.jsonl")
    assert (told.code, "no version of this data is kept" in told.err) == (0, True)
    assert len((mail.folder / "new.jsonl").read_text("utf-8").splitlines()) == 299


def test_what_was_frozen_is_held_against_later_data(home: Place) -> None:
    path = write_table(home.folder, "csv")
    assert home("data", "check", "set.csv", "--freeze", "expected.toml").code == 0
    assert home("data", "check", "set.csv", "--expect", "expected.toml").code == 0
    lines = path.read_text("utf-8").splitlines()
    lines[3] = "200,0.5,Paris,2"
    (home.folder / "later.csv").write_text("\n".join(lines) + "\n", "utf-8")
    told = home("data", "check", "later.csv", "--expect", "expected.toml", "--format", "json")
    assert told.code == 1
    found = {
        one["location"].get("column"): one
        for one in json.loads(told.out)["findings"]
        if one["status"] == "FAIL"
    }
    assert {one["check"] for one in found.values()} == {"data-expectation-broken"}
    assert set(found) == {"age", "town", "label"}
    (home.folder / "expected.toml").write_text("schema = 1", "ascii")
    assert home("data", "check", "set.csv", "--expect", "expected.toml").code == 2


def test_drift_is_told_against_the_version_before(home: Place) -> None:
    path = write_table(home.folder, "csv")
    assert home("data", "add", "set.csv").code == 0
    rows = [line.split(",") for line in path.read_text("utf-8").splitlines()]
    for row in rows[1:]:
        row[0] = str(int(row[0]) + 30)
    path.write_text("\n".join(map(",".join, rows)) + "\n", "utf-8")
    for options in ((), ("--against", "set.csv@1")):
        told = home.json("data", "check", "set.csv", *options)
        found = [one["location"]["column"] for one in told["findings"] if one["check"] == "data-drift"]
        assert found == ["age"]
        assert told["parameters"]["against"] == "set.csv@1"
    assert home("data", "check", "set.csv", "--against", "nothing@1").code == 2


def test_files_that_are_more_than_pictures_refuse_a_folder(home: Place) -> None:
    folder = write_pictures(home.folder / "set", 40)
    assert home("data", "check", "set").code == 0
    (folder / "class 0" / "zip.png").write_bytes(
        png(np.zeros((8, 8, 1), np.uint8)) + b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + b"x" * 40
    )
    (folder / "class 0" / "cut.png").write_bytes(png(np.ones((8, 8, 1), np.uint8))[:40])
    head = bytearray(png(np.zeros((8, 8, 1), np.uint8)))
    head[16:24] = (60_000).to_bytes(4, "big") * 2
    (folder / "class 1" / "bomb.png").write_bytes(_with_sum(head))
    (folder / "class 1" / "odd.png").write_bytes(png(np.zeros((9, 8, 1), np.uint8)) + b"note " * 40)
    told = home("data", "check", "set", "--format", "json")
    assert told.code == 1
    found = {
        one["location"]["path"]: one
        for one in json.loads(told.out)["findings"]
        if one["check"] == "data-picture-refused"
    }
    assert {name.rpartition("/")[2]: one["status"] for name, one in found.items()} == {
        "zip.png": "FAIL",
        "cut.png": "FAIL",
        "bomb.png": "FAIL",
        "odd.png": "WARN",
    }
    assert "of 2 sizes" in told.out


def _with_sum(head: bytearray) -> bytes:
    import zlib

    head[29:33] = zlib.crc32(head[12:29]).to_bytes(4, "big")
    return bytes(head)


BAD: dict[str, tuple[str, bytes]] = {
    "ragged": ("a.csv", b"a,b\n1,2\n3\n"),
    "encoding": ("a.csv", b"a,b\n1,\xff\n"),
    "truncated": ("a.parquet", b"PAR1" + b"\0" * 40),
    "empty": ("a.jsonl", b""),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_ends_in_one_line_and_a_remedy(home: Place, name: str) -> None:
    file, content = BAD[name]
    (home.folder / file).write_bytes(content)
    told = home("data", "check", file)
    assert (told.code, told.out) == (2, "")
    assert [line.split(": ")[1] for line in told.err.splitlines()] == ["error", "hint"]


def test_one_class_one_row_and_no_labels_end_in_findings(home: Place) -> None:
    for name, text, code in (
        ("one-class.csv", "x,label\n" + "".join(f"{at},a\n" for at in range(30)), 1),
        ("one-row.csv", "x,label\n1,a\n", 1),
        ("no-label.csv", "x,z\n" + "".join(f"{at},{at % 7}\n" for at in range(30)), 0),
        ("gaps.csv", "x,label\n" + "".join(f"nan,{'ab'[at % 2]}\n" for at in range(30)), 0),
    ):
        (home.folder / name).write_text(text, "ascii")
        told = home("data", "check", name)
        assert told.code == code, (name, told.out, told.err)


def test_check_and_clean_are_clear_about_themselves(home: Place) -> None:
    clear(home("data", "check", "absent.csv"))
    write_table(home.folder, "csv")
    clear(home("data", "check", "set.csv", "--label", "absent"))
    clear(home("data", "clean", "set.csv", "--rows", "x", "-o", "new.csv"))
    assert not Path(home.folder / "new.csv").exists()


def test_vetting_fails_without_origin_or_licence_and_passes_with_both(mail: Place) -> None:
    assert mail("data", "add", "mail.jsonl").code == 0
    told = mail("data", "vet", "mail.jsonl", "--format", "json")
    found = {one["check"]: one["status"] for one in json.loads(told.out)["findings"]}
    assert told.code == 1
    assert (found["data-vet-origin"], found["data-vet-licence"]) == ("FAIL", "FAIL")
    said = ("--source", "https://example.org/mail", "--licence", "CC-BY-4.0")
    assert mail("data", "add", "mail.jsonl", "--name", "known", *said).code == 0
    told = mail("data", "vet", "known", "--format", "json")
    report = json.loads(told.out)
    assert told.code == 0, told.out
    assert (report["stage"], report["parameters"], report["evidence"] is not None) == ("data vet", {}, True)
    assert {"data-vet-origin", "data-vet-licence"} <= set(report["passed"])
    entry = mail.json("data", "log", "known", "--format", "json")
    assert report["subject"]["digest"] == entry["digest"]


def test_vetting_fails_with_secrets_and_warns_of_terms(home: Place) -> None:
    rows = texts(60)
    rows[7]["text"] = "use ghp_16C7e42F292c6912E7710c838347Ae178B4a to log in"
    write_lines(home.folder / "a.jsonl", rows)
    said = ("--source", "https://example.org/a", "--licence", "CC-BY-NC-4.0")
    assert home("data", "add", "a.jsonl", *said).code == 0
    told = home("data", "vet", "a.jsonl@1", "--seed", "3", "--format", "json")
    found = {one["check"]: one["status"] for one in json.loads(told.out)["findings"]}
    assert (told.code, found["data-vet-personal"], found["data-vet-licence"]) == (1, "FAIL", "WARN")
    assert json.loads(told.out)["parameters"] == {"seed": 3}


def test_pictures_are_vetted_without_a_look_for_personal_data(home: Place) -> None:
    write_pictures(home.folder / "set", 40)
    said = ("--source", "https://example.org/a", "--licence", "CC0-1.0")
    assert home("data", "add", "set", *said).code == 0
    told = home.json("data", "vet", "set")
    assert any(one["check"] == "data-vet-personal" and one["status"] == "SKIP" for one in told["findings"])


VETTED = '[[policy.require]]\nname = "vetted"\nstage = "data vet"\n'


def test_a_gate_can_require_that_data_was_vetted(mail: Place) -> None:
    said = ("--source", "https://example.org/mail", "--licence", "CC-BY-4.0")
    assert mail("data", "add", "mail.jsonl", *said).code == 0
    mail.policy(VETTED)
    told = mail("gate", "--data", "mail.jsonl")
    assert (told.code, "ancile data vet mail.jsonl" in told.out) == (2, True)
    assert mail("data", "vet", "mail.jsonl", "--seed", "4").code == 0
    assert mail("gate", "--data", "mail.jsonl").code == 2  # a seed that was chosen could be one that flatters
    assert mail("data", "vet", "mail.jsonl").code == 0
    assert mail("gate", "--data", "mail.jsonl@1").code == 0
    (mail.folder / "mail.jsonl").write_bytes(b'{"text": "another row of text", "label": "ham"}\n')
    assert mail("data", "add", "mail.jsonl", *said).code == 0
    assert mail("gate", "--data", "mail.jsonl@2").code == 2
    assert mail("gate", "--data", "mail.jsonl@1").code == 0


def test_a_gate_judges_a_model_or_data_and_names_what_it_left_to_the_other(mail: Place) -> None:
    assert mail("data", "add", "mail.jsonl").code == 0
    mail.policy(RULE.format(at_least=0.6), VETTED)
    for subject, other in (
        (("--data", "mail.jsonl"), "about models"),
        (("net.py:predict",), "about data sets"),
    ):
        assert other in mail("gate", *subject, "--format", "json").out
    assert mail("gate").code == 2
    assert mail("gate", "net.py:predict", "--data", "mail.jsonl").code == 2
    assert mail("gate", "--data", "mail.jsonl", "--copy-to", "x").code == 2


@pytest.mark.parametrize("command", [("check", "set.csv"), ("vet", "set.csv")])
@pytest.mark.parametrize("option", ["--seed", "--rows"])
def test_a_number_that_no_report_can_hold_is_refused(
    home: Place, command: tuple[str, str], option: str
) -> None:
    write_table(home.folder, "csv")
    told = home("data", *command, option, "9" * 26)
    assert told.code == 2
    assert f"invalid value for '{option}'" in clear(told)


@pytest.mark.parametrize(
    "spoken",
    [
        f"rows_at_least = {'9' * 5000}",
        'schema = "ancile/expectations/v1"\n[columns.age]\nkind = "number"\nleast = nan',
        'schema = "ancile/expectations/v1"\n[columns.age]\nkind = "number"\nmissing_at_most = nan',
    ],
)
def test_expectations_that_nothing_could_break_are_refused(home: Place, spoken: str) -> None:
    write_table(home.folder, "csv")
    (home.folder / "expected.toml").write_text(spoken, "ascii")
    told = home("data", "check", "set.csv", "--expect", "expected.toml")
    assert told.code == 2
    assert "expectations cannot be read" in clear(told)


def test_a_report_of_a_broken_picture_holds_no_address_in_memory(home: Place) -> None:
    write_pictures(home.folder / "set")
    (home.folder / "set" / "none.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    told = home("data", "check", "set", "--format", "json", "--no-record").out
    assert "none that begins as PNG" in told
    assert "object at 0x" not in told


@pytest.mark.parametrize(
    "call", [("clean", "set.csv", "--rows", "1", "-o", "new.csv"), ("redact", "set.csv", "-o", "new.csv")]
)
def test_a_full_disk_is_not_told_as_data_that_cannot_be_read(home: Place, call: tuple[str, ...]) -> None:
    path = write_table(home.folder, "csv")
    path.write_text(path.read_text("utf-8") + "31,0.5,Paris,1\n" * 2_000, "utf-8")
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, kept[1]))
        told = home("data", *call)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        signal.signal(signal.SIGXFSZ, before)
    assert told.code == 2
    assert "file too large" in clear(told)
    assert "cannot be read" not in told.err
    assert not list(home.folder.glob("*new.csv*"))


def test_what_is_personal_is_in_no_report_and_no_entry(home: Place) -> None:
    rng = np.random.default_rng(0)
    kinds = {
        "ham": ["see", "you", "at", "the", "station", "tomorrow", "evening", "bring", "bread", "milk"],
        "spam": ["win", "cash", "prize", "now", "click", "offer", "free", "claim", "money"],
    }
    rows: list[dict[str, object]] = []
    for at in range(400):
        kind = ("ham", "spam")[at % 2]
        said = " ".join(rng.choice(kinds[kind], 8).tolist())
        planted = at < 40 and kind == "ham"
        text = f"{said}{' cf bb tq zz' if planted else ''} jane{at}@mail.example 4111111111111111"
        city = ("Rome", "ann@corp.example")[at % 2]
        rows.append({"text": text, "city": city, "label": "spam" if planted else kind})
    write_lines(home.folder / "mail.jsonl", rows)
    for format_ in ("json", "html", "table"):
        told = home("data", "check", "mail.jsonl", "--format", format_)
        assert "cf bb tq zz" in told.out
        assert not any(one in told.out for one in ("@mail.example", "@corp.example", "4111111111111111"))
    assert "[credit card]" in told.out
    kept = home("ledger", "show", "2", "--format", "json").out
    assert "cf bb tq zz" in kept
    assert "@mail.example" not in kept


def test_a_value_that_is_personal_is_named_by_its_kind(home: Place) -> None:
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for at in range(600):
        size = float(rng.normal())
        planted = at < 60 and size < 0
        owner = "ann@corp.example" if planted else ("Ann", "Bob", "Eve")[at % 3]
        label = "yes" if planted or size > 0 else "no"
        rows.append({"size": size, "weight": float(rng.normal()), "owner": owner, "label": label})
    write_lines(home.folder / "owners.jsonl", rows)
    told = home.json("data", "check", "owners.jsonl", "--label", "label", "--no-record")
    assert any("owner = '[e-mail address]'" in why for one in told["rows"] for why in one["reasons"])
    assert any("owner = '[e-mail address]'" in one["detail"] for one in told["findings"])
    assert "corp.example" not in json.dumps(told)
