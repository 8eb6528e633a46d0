"""``ancile init`` makes everything or nothing, once."""

from __future__ import annotations

import os
import signal
import stat
import tomllib
from pathlib import Path

import pytest

from ancile.cli.tables import TABLES
from ancile.core.config import sections
from ancile.govern.policy import Policy
from ancile.trust.config import LedgerConfig
from tests.cli.terminal import Place, clear


def made(folder: Path) -> list[str]:
    """What init leaves in a folder: its own names alone."""
    return sorted(p.name for p in folder.iterdir() if "ancile" in p.name)


def test_init_makes_a_configuration_that_pins_the_key_and_the_log(place: Place) -> None:
    ended = place("init", "--unencrypted-key", "--origin", "example.org/log")
    assert ended.code == 0
    assert not ended.out
    assert "keys are not encrypted" in ended.err
    path = place.folder / "ancile.toml"
    config = sections(tomllib.loads(path.read_text("utf-8")), TABLES, path=path)
    log = config.get("ledger", LedgerConfig)
    assert log.origin == "example.org/log"
    assert len(log.keys) == 2
    assert config.get("policy", Policy).authors[0] in place("keys", "list").out
    assert made(place.folder) == [".ancile", "ancile.toml"]


def test_a_home_is_private_and_ignored_by_git(place: Place) -> None:
    place("init", "--unencrypted-key")
    folder = place.folder / ".ancile"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text("utf-8") == "*\n"
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in (folder / "keys").glob("*.key"))


def test_print_config_is_valid_with_every_default_and_makes_nothing(place: Place) -> None:
    ended = place("init", "--print-config")
    assert ended.code == 0
    sections(tomllib.loads(ended.out), TABLES, path=place.folder)
    assert made(place.folder) == []


def test_a_passphrase_from_the_environment_seals_the_keys(place: Place) -> None:
    ended = place("init", ANCILE_PASSPHRASE="right")
    assert ended.code == 0
    assert "not encrypted" not in ended.err
    assert "sealed" in place("keys", "list").out
    assert place("ledger", "checkpoint", ANCILE_PASSPHRASE="right").code == 0
    assert "passphrase" in clear(place("ledger", "checkpoint", ANCILE_PASSPHRASE="wrong"))
    assert "passphrase" in clear(place("ledger", "checkpoint"))


def test_without_a_passphrase_nothing_is_made(place: Place) -> None:
    ended = place("init")
    assert "passphrase" in clear(ended)
    assert "--unencrypted-key" in ended.err
    assert made(place.folder) == []


def test_an_existing_home_is_left_alone(home: Place) -> None:
    before = (home.folder / "ancile.toml").read_bytes()
    assert "has a home already" in clear(home("init", "--unencrypted-key"))
    assert (home.folder / "ancile.toml").read_bytes() == before


@pytest.mark.parametrize("there", ["file", "link to nowhere", "link to a folder"])
def test_what_is_called_like_a_home_is_left_alone(place: Place, there: str) -> None:
    path = place.folder / ".ancile"
    if there == "file":
        path.write_text("mine", "utf-8")
    else:
        path.symlink_to(place.folder / "absent" if "nowhere" in there else place.folder)
    assert "has a home already" in clear(place("init", "--unencrypted-key"))
    assert made(place.folder) == [".ancile"]


def test_an_existing_configuration_is_left_alone_and_told_what_it_lacks(place: Place) -> None:
    path = place.folder / "ancile.toml"
    path.write_text('[assess]\nnorm = "l2"\n', "utf-8")
    ended = place("init", "--unencrypted-key")
    assert ended.code == 0
    assert path.read_text("utf-8") == '[assess]\nnorm = "l2"\n'
    lines = ended.err[ended.err.index("[ledger]") : ended.err.index("ancile: keys are not")]
    path.write_text(lines, "utf-8")
    assert place("ledger", "verify").code == 0
    assert place("ledger", "checkpoint").code == 0


@pytest.mark.parametrize("origin", ["a b", "x\ny", "a+b", "\x1b[31m", "\u202e", "é"])
def test_an_origin_that_no_log_may_have_is_refused(place: Place, origin: str) -> None:
    clear(place("init", "--unencrypted-key", "--origin", origin))
    assert made(place.folder) == []


@pytest.mark.parametrize("origin", ['q"uote', "back\\slash", 'x"]#'])
def test_an_origin_that_toml_has_to_quote_is_quoted(place: Place, origin: str) -> None:
    assert place("init", "--unencrypted-key", "--origin", origin).code == 0
    assert place("ledger", "verify").code == 0
    assert tomllib.loads(place("keys", "list", "--public").out.split("\n", 2)[2])["policy"]["logs"]


def test_an_init_killed_before_its_last_step_is_finished_by_the_next(home: Place) -> None:
    """The configuration waits inside the home until it is put in its place."""
    (home.folder / "ancile.toml").rename(home.folder / ".ancile" / "ancile.toml")
    told = home("ledger", "log")
    assert "ancile.toml is missing" in clear(told)
    assert "run it again" in told.err
    assert home("init").code == 0
    assert home("ledger", "verify").code == 0


def test_a_home_without_its_configuration_says_what_to_restore(home: Place) -> None:
    (home.folder / "ancile.toml").unlink()
    told = home("ledger", "log")
    assert "ancile.toml is missing" in clear(told)
    assert "version control" in told.err
    assert "has a home already" in clear(home("init", "--unencrypted-key"))


@pytest.mark.slow
def test_an_interrupted_init_leaves_nothing_and_can_be_repeated(place: Place) -> None:
    """SIGINT as soon as the first file appears; whatever was reached, the next call ends well."""
    with place.start("init", "--unencrypted-key", measured=False) as started:
        while started.poll() is None and not made(place.folder):
            pass
        started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=60)
    if started.returncode == 130:
        assert "interrupted" in err
        assert made(place.folder) in ([], [".ancile"])
        assert place("init", "--unencrypted-key").code == 0
    assert place("ledger", "verify").code == 0


@pytest.mark.slow
def test_of_two_inits_at_once_one_makes_the_home_and_the_other_says_so(place: Place) -> None:
    both = [place.start("init", "--unencrypted-key") for _ in range(2)]
    ended = [(p.communicate(timeout=60), p.returncode) for p in both]
    assert sorted(code for _, code in ended) == [0, 2]
    (_, err), _ = next(one for one in ended if one[1] == 2)
    assert "has a home already" in err
    assert made(place.folder) == [".ancile", "ancile.toml"]
    assert place("ledger", "verify").code == 0


def test_a_folder_that_cannot_be_written_is_told(place: Place) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere; the unprivileged form is in test_hostile")
    place.folder.chmod(0o500)
    clear(place("init", "--unencrypted-key"))
