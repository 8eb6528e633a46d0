"""``ancile data seal``, ``open``, ``access`` and ``recipient``, as a user calls them."""

from __future__ import annotations

import json
import resource
import signal
from pathlib import Path

import pytest

from tests.cli.terminal import Place, clear, copied

ROWS = "age,income\n" + "".join(f"{number % 90},{number * 7}\n" for number in range(5_000))


@pytest.fixture
def held(home: Place) -> Place:
    """A home with a table in it."""
    (home.folder / "rows.csv").write_text(ROWS, "ascii")
    return home


@pytest.fixture
def friend(tmp_path: Path) -> Place:
    """Another home, with keys of its own."""
    (tmp_path / "friend").mkdir()
    made = Place(tmp_path / "friend")
    assert made("init", "--unencrypted-key", "--origin", "friend.example/log").code == 0
    return made


def believing(one: Place, other: Place) -> Path:
    """The other's recipient file, whose keys ``one`` trusts."""
    assert other("keys", "export", "-o", "public.txt").code == 0
    seen = next(
        line.split()[-1]
        for line in (other.folder / "public.txt").read_text("ascii").splitlines()
        if line.startswith("# fingerprint")
    )
    assert one("keys", "trust", str(other.folder / "public.txt"), "--fingerprint", seen).code == 0
    assert other("data", "recipient", "-o", "me.json").code == 0
    return other.folder / "me.json"


def test_sealed_and_opened_it_is_the_same(held: Place) -> None:
    told = held("data", "seal", "rows.csv", "-o", "rows.sealed")
    assert told.code == 0
    assert "data-plain-copy" in told.out
    assert held("data", "open", "rows.sealed", "-o", "again.csv").code == 0
    assert (held.folder / "again.csv").read_text("ascii") == ROWS
    assert (held.folder / "rows.sealed").read_bytes().count(b"income") == 0


def test_a_version_is_sealed_as_it_was_added(held: Place) -> None:
    assert held("data", "add", "rows.csv").code == 0
    (held.folder / "rows.csv").unlink()
    told = held("data", "seal", "rows.csv@1", "-o", "rows.sealed", "--strict")
    assert told.code == 0
    assert held("data", "open", "rows.sealed", "-o", "rows.csv").code == 0
    assert held("data", "verify", "rows.csv@1").code == 0
    assert clear(held("data", "seal", "absent@3", "-o", "x.sealed"))


def test_every_opening_is_in_the_ledger_with_who_and_what(held: Place) -> None:
    assert held("data", "access").out == ""
    assert held("data", "seal", "rows.csv", "-o", "rows.sealed").code == 0
    assert held("data", "open", "rows.sealed", "-o", "part", "--bytes", "4:10").code == 0
    assert (held.folder / "part").read_text("ascii") == ROWS[4:10]
    (one,) = [json.loads(line) for line in held("data", "access", "--format", "json").out.splitlines()]
    assert (one["data"], one["part"], one["place"]) == ("rows.csv", "bytes 4 to 9", "part")
    assert held("data", "access", "rows.csv").out.count("bytes 4 to 9 of rows.csv, to part") == 1
    assert held("data", "access", one["digest"]).out != ""
    assert "nobody opened other.csv" in held("data", "access", "other.csv").err
    assert held("ledger", "verify").code == 0


def test_what_fails_after_the_evidence_stays_in_the_ledger(held: Place) -> None:
    """A reader who reads up to a damage has read."""
    (held.folder / "large").write_bytes(bytes(3 << 20))
    assert held("data", "seal", "large", "-o", "large.sealed").code == 0
    data = bytearray((held.folder / "large.sealed").read_bytes())
    data[len(data) // 2] ^= 1
    (held.folder / "large.sealed").write_bytes(data)
    told = held("data", "open", "large.sealed", "-o", "again")
    assert "damaged or was changed" in clear(told)
    assert not (held.folder / "again").exists()
    assert not list(held.folder.glob(".again*"))
    assert held("data", "access").out.count("whole of large") == 1


def test_a_friend_opens_what_is_sealed_to_a_role(held: Place, friend: Place) -> None:
    file = believing(held, friend)
    told = held("data", "seal", "rows.csv", "-o", "rows.sealed", "--to", f"analyst={file}")
    assert told.code == 0
    assert "sealed to others" in clear(held("data", "open", "rows.sealed", "-o", "mine.csv"))
    sealed = str(held.folder / "rows.sealed")
    told = friend("data", "open", sealed, "-o", "rows.csv", "--strict")
    assert (told.code, "data-sealer-unknown" in told.out) == (1, True)
    assert (friend.folder / "rows.csv").read_text("ascii") == ROWS
    assert "as analyst: whole of rows.csv" in friend("data", "access").out
    believing(friend, held)
    assert friend("data", "open", sealed, "-o", "again.csv", "--strict").code == 0


def test_nobody_unknown_is_sealed_to(held: Place, friend: Place) -> None:
    assert friend("data", "recipient", "-o", "me.json").code == 0
    told = held("data", "seal", "rows.csv", "-o", "rows.sealed", "--to", str(friend.folder / "me.json"))
    assert "nobody here knows this recipient" in clear(told)
    assert "cannot be read" in clear(held("data", "seal", "rows.csv", "-o", "x", "--to", "absent"))
    assert "no file of a recipient" in clear(held("data", "seal", "rows.csv", "-o", "x", "--to", "rows.csv"))
    assert not (held.folder / "rows.sealed").exists()


def test_after_a_rotation_what_was_sealed_before_still_opens(held: Place) -> None:
    assert held("data", "seal", "rows.csv", "-o", "rows.sealed").code == 0
    assert held("keys", "rotate", "author", "--unencrypted-key").code == 0
    assert held("data", "open", "rows.sealed", "-o", "again.csv").code == 0


def test_nothing_is_written_over_anything(held: Place) -> None:
    (held.folder / "link").symlink_to("target")
    for place in ("rows.csv", "link"):
        assert "something is there already" in clear(held("data", "seal", "rows.csv", "-o", place))
    assert not (held.folder / "target").exists()
    assert held("data", "seal", "rows.csv", "-o", "rows.sealed").code == 0
    assert "something is there already" in clear(held("data", "open", "rows.sealed", "-o", "link"))
    assert held("data", "access").out == ""


def test_parts_that_are_none_are_refused_before_the_evidence(held: Place) -> None:
    assert held("data", "seal", "rows.csv", "-o", "rows.sealed").code == 0
    for part in (
        ("--bytes", "5"),
        ("--row-groups", "x"),
        ("--bytes", "0:99999999"),
        ("--file", "other"),
        ("--bytes", "0:1", "--row-groups", "0"),
    ):
        clear(held("data", "open", "rows.sealed", "-o", "part", *part))
    assert held("data", "access").out == ""


def test_a_limit_of_file_sizes_leaves_nothing(held: Place) -> None:
    (held.folder / "large").write_bytes(bytes(2 << 20))
    limit = (600_000, 600_000)
    started = held.start(
        "data",
        "seal",
        "large",
        "-o",
        "large.sealed",
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
        measured=False,
    )
    _, told = started.communicate(timeout=60)
    assert started.returncode == 2
    assert "does not take it" in told
    assert not list(held.folder.glob("*large.sealed*"))


@pytest.mark.slow
def test_a_kill_leaves_no_file_of_the_final_name(held: Place) -> None:
    (held.folder / "large").write_bytes(bytes(64 << 20))
    for wait in (0.3, 0.6, 0.9):
        started = held.start("data", "seal", "large", "-o", "large.sealed", measured=False)
        try:
            started.communicate(timeout=wait)
        except Exception:  # noqa: BLE001 - it is still running, as is wanted
            started.send_signal(signal.SIGKILL)
            started.communicate()
        target = held.folder / "large.sealed"
        if target.exists():
            place = held.folder / f"again-{wait}"
            assert held("data", "open", "large.sealed", "-o", str(place)).code == 0
            assert place.stat().st_size == 64 << 20
            target.unlink()


def test_a_copied_home_opens_it_too(held: Place, tmp_path: Path) -> None:
    """The key is all that it takes, so that a restored backup opens what was sealed."""
    assert held("data", "seal", "rows.csv", "-o", "rows.sealed").code == 0
    again = Place(copied(held.folder, tmp_path / "restored"))
    assert again("data", "open", "rows.sealed", "-o", "again.csv").code == 0
