"""``ancile scan`` as a user types it: policy, baseline, again, formats, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from ancile.cli.home import find_home
from ancile.core.subject import digest_of
from ancile.scan.loading import trusted_digests
from tests.cli.terminal import Place, clear

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."
RAW = b"\x01\x02\xff\xfe" * 9


@pytest.fixture
def files(tmp_path: Path) -> Place:
    """A folder without home, key or data: a hostile pickle, a text, and what nobody knows."""
    models = tmp_path / "work" / "models"
    models.mkdir(parents=True)
    (models / "old.pkl").write_bytes(HOSTILE)
    (models / "card.md").write_text("# card\n")
    (tmp_path / "work" / "raw.bin").write_bytes(RAW)
    return Place(tmp_path / "work")


def test_strict_makes_block_of_incomplete(files: Place) -> None:
    assert files("scan", "raw.bin").code == 2
    ended = files("scan", "raw.bin", "--policy", "strict")
    assert ended.code == 1
    assert "policy-strict-doubt" in ended.out


def test_a_folder_without_a_regular_file_is_one_error(files: Place) -> None:
    (files.folder / "pipes").mkdir()
    os.mkfifo(files.folder / "pipes" / "model.pt")
    assert clear(files("scan", "pipes")).startswith("no regular file there, so nothing was examined: pipes")


def test_the_files_of_several_folders_keep_their_names(files: Place) -> None:
    other = files.folder / "other"
    other.mkdir()
    (other / "old.pkl").write_text("# text\n")
    said = files.json("scan", "models", "other", "models/old.pkl")
    verdicts = {one["path"]: (one["verdict"], len(one["findings"]) > 0) for one in said["files"]}
    assert verdicts == {
        "models/card.md": ("data-only", False),
        "models/old.pkl": ("block", True),
        "other/old.pkl": ("data-only", False),
    }
    assert set(said["subject"]["parts"]) == set(verdicts)


def test_a_baseline_is_written_filled_in_and_obeyed(files: Place) -> None:
    ended = files("scan", "models", "--write-baseline", "accepted.toml")
    assert ended.code == 1
    assert "2 entries in accepted.toml, 2 without a reason" in ended.err
    assert files("scan", "models", "--baseline", "accepted.toml").code == 1
    path = files.folder / "accepted.toml"
    path.write_text(path.read_text().replace('reason = ""', 'reason = "kept as a warning to others"'))
    ended = files("scan", "models", "--baseline", "accepted.toml")
    assert ended.code == 0
    assert "kept as a warning to others" in ended.out
    assert "Everything that was found in these files was accepted." in ended.out
    assert files("scan", "models", "--baseline", "accepted.toml", "--strict").code == 1
    ended = files("scan", "models", "--baseline", "accepted.toml", "--write-baseline", "accepted.toml")
    assert ended.code == 0
    assert "2 entries in accepted.toml, 0 without a reason" in ended.err
    strict = ("scan", "models", "raw.bin", "--baseline", "accepted.toml", "--policy", "strict")
    assert files(*strict).code == 1
    files(*strict, "--write-baseline", "accepted.toml")
    path.write_text(path.read_text().replace('reason = ""', 'reason = "numbers"'))
    assert files(*strict).code == 0


def test_a_baseline_is_never_written_over_another_file(files: Place) -> None:
    said = clear(files("scan", "models", "--write-baseline", "raw.bin"))
    assert said.startswith("the baseline would be written over a file")
    assert (files.folder / "raw.bin").read_bytes() == RAW


@pytest.mark.parametrize("name", ["gone.toml", "models", "raw.bin", "pipe"])
def test_a_baseline_that_cannot_be_read_is_one_error(files: Place, name: str) -> None:
    os.mkfifo(files.folder / "pipe")
    assert "baseline" in clear(files("scan", "models", "--baseline", name))


@pytest.mark.slow
def test_it_works_without_numpy_and_any_other_extra_and_writes_nothing(files: Place) -> None:
    script = (
        "import sys; [sys.modules.__setitem__(one, None) for one in ('numpy', 'scipy', 'torch', 'sklearn', "
        "'joblib', 'safetensors', 'onnx', 'onnxruntime', 'pyarrow', 'skops', 'xgboost', 'lightgbm')];"
        "from ancile.cli.main import main; main()"
    )
    before = sorted(files.folder.rglob("*"))
    for format_ in ("table", "json", "sarif", "html", "markdown", "junit"):
        ended = subprocess.run(
            [sys.executable, "-c", script, "scan", "models", "--format", format_],
            cwd=files.folder,
            capture_output=True,
            check=False,
        )
        assert ended.returncode == 1, ended.stderr
        assert b"pickle-unlisted-call" in ended.stdout
    assert sorted(files.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "give a path to scan, or --again"),
        (("models", "--again"), "give no path with it"),
        (("models", "--no-digest", "--record"), "--record needs the digests of the files"),
        (("models", "--no-digest", "--baseline", "b"), "--baseline needs the digests of the files"),
        (("models", "--no-digest", "--write-baseline", "b"), "--baseline needs the digests of the files"),
        (("--again", "--no-digest"), "--again needs the digests of the files"),
        (("--again",), "no .ancile here or above"),
    ],
)
def test_options_that_contradict_each_other_are_one_error(
    files: Place, options: tuple[str, ...], said: str
) -> None:
    assert said in clear(files("scan", *options))


def test_without_digests_nothing_is_signed_and_the_verdicts_are_the_same(home: Place) -> None:
    (home.folder / "old.pkl").write_bytes(HOSTILE)
    before = home("ledger", "log").out
    ended = home("scan", "old.pkl", "--no-digest", "--format", "json")
    (file,) = json.loads(ended.out)["files"]
    assert (file["digest"], file["verdict"], ended.code) == ("", "block", 1)
    assert "without digests it names no file" in ended.err
    assert home("ledger", "log").out == before


def test_a_report_that_cannot_be_recorded_is_not_lost_and_no_pass(home: Place) -> None:
    path = home.folder / "ancile.toml"
    path.write_text(path.read_text("utf-8").replace("test.example/log", "test.example/other"), "utf-8")
    ended = home("scan", "net.py", "--format", "json")
    assert ended.code == 2
    assert json.loads(ended.out)["outcome"] == "pass"
    assert "ancile: error: not recorded: the log that ancile.toml pins is another one" in ended.err
    assert "ancile: hint: set [ledger] origin and keys" in ended.err


def test_a_damaged_configuration_in_a_checkout_does_not_keep_it_from_being_scanned(home: Place) -> None:
    (home.folder / "ancile.toml").write_text("[", "utf-8")
    assert "configuration is damaged" in clear(home("scan", "net.py"))
    assert home("scan", "net.py", "--no-record").code == 0


def test_again_scans_what_the_ledger_knows_and_says_what_changed(home: Place) -> None:
    models = home.folder / "models"
    models.mkdir()
    for name in ("same.txt", "new.txt", "gone.txt"):
        (models / name).write_text("text\n")
    assert "no file is known that was scanned before" in clear(home("scan", "--again"))
    assert home("scan", "models").code == 0
    (models / "new.txt").write_bytes(HOSTILE)
    (models / "gone.txt").unlink()
    (models / "sub").mkdir()
    here = Place(models / "sub")  # from wherever: paths are those of the home
    ended = here("scan", "--again", "--format", "json")
    assert ended.code == 1
    said = json.loads(ended.out)
    assert {one["path"]: one["verdict"] for one in said["files"]} == {
        "models/new.txt": "block",
        "models/same.txt": "data-only",
    }
    (table,) = (one for one in said["exhibits"] if one["title"].startswith("What changed"))
    assert table["rows"] == [
        ["models/new.txt", "data-only", "block", "new content"],
        ["models/gone.txt", "data-only", "none", "gone"],
    ]
    (models / "new.txt").unlink()
    (models / "same.txt").unlink()
    assert home("scan", "--again").code == 2  # nothing was examined


def test_the_table_of_files_fits_eighty_columns_and_names_the_gravest_first(files: Place) -> None:
    (files.folder / "models" / ("long-" * 30 + ".pkl")).write_bytes(HOSTILE)
    ended = files("scan", "models", "raw.bin")
    lines = ended.out.splitlines()
    assert max(map(len, lines)) <= 80
    table = ended.out.partition("Files, the gravest first")[2].partition("\n\n")[0]
    assert table.index("block") < table.index("incomplete")


def test_sarif_names_file_member_and_byte(files: Place) -> None:
    import zipfile

    with zipfile.ZipFile(files.folder / "models" / "m.zip", "w") as archive:
        archive.writestr("inner/evil.pkl", HOSTILE)
    ended = files("scan", "models/m.zip", "models/old.pkl", "--format", "sarif")
    (run,) = json.loads(ended.out)["runs"]
    places = [one["locations"][0] for one in run["results"] if one["ruleId"] == "pickle-unlisted-call"]
    plain = next(p for p in places if p["physicalLocation"]["artifactLocation"]["uri"] == "models/old.pkl")
    assert plain["physicalLocation"]["region"] == {"byteOffset": 19}
    packed = next(p for p in places if p["physicalLocation"]["artifactLocation"]["uri"] == "models/m.zip")
    assert (
        packed["logicalLocations"][0]["fullyQualifiedName"] == "models/m.zip, member inner/evil.pkl, byte 19"
    )


@pytest.mark.slow
def test_signed_evidence_is_trusted_while_it_holds(home: Place) -> None:
    home.folder.joinpath("own.pkl").write_bytes(HOSTILE)
    home.folder.joinpath("fine.txt").write_text("text\n")
    assert home("scan", "own.pkl", "fine.txt").code == 1
    assert home("evidence", "export", "scans.json").code == 0
    assert home("sign", "own.pkl", "--expires", "30d", "-o", "own.json", "--allow-failed-scan").code == 0
    found = find_home(home.folder)
    assert found is not None
    digests = partial(trusted_digests, logs=found.log.keys, authors=found.policy.authors)
    now = datetime.now(UTC)
    scans = home.folder.joinpath("scans.json").read_bytes()
    assert digests(scans, now=now) == {digest_of(b"text\n")}
    assert digests(scans, authors=(), now=now) == frozenset()
    release = home.folder.joinpath("own.json").read_bytes()
    assert digests(release, now=now) == {digest_of(HOSTILE)}
    assert digests(release, now=now + timedelta(days=31)) == frozenset()
