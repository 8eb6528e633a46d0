"""What may go wrong with a signature and what it is of: one clear line each, and nothing under the final name."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from tests.cli.terminal import Place

BUNDLE = "model.ancile.json"
REMEDY = "take the file that `ancile sign` wrote from the signer once more"


@pytest.fixture
def signed(home: Place) -> Place:
    (home.folder / "model").mkdir()
    (home.folder / "model" / "weights.bin").write_bytes(b"weights")
    assert home("sign", "model").code == 0
    return home


def test_a_bundle_that_was_cut_anywhere_is_none(signed: Place) -> None:
    whole = (signed.folder / BUNDLE).read_bytes()
    for end in (*range(0, len(whole) - 1, len(whole) // 7), len(whole) - 1):
        (signed.folder / BUNDLE).write_bytes(whole[:end])
        ended = signed("verify", "model", "--no-record")
        assert ended.code == 2
        assert ended.err.count("ancile: error:") == 1
        assert REMEDY in ended.err


@pytest.mark.parametrize("options", [(), ("--openssf-key", "key.pem", "--signature", BUNDLE)])
def test_a_bundle_of_a_gigabyte_is_refused_in_little_memory(signed: Place, options: tuple[str, ...]) -> None:
    (signed.folder / "key.pem").write_bytes(
        (Path(__file__).parents[1] / "release/openssf/p256.pem").read_bytes()
    )
    with (signed.folder / BUNDLE).open("r+b") as file:
        file.truncate(1 << 30)

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))

    ended = signed.process("verify", "model", "--no-record", *options, before=little)
    assert ended.code == 2
    assert "ancile: error: " in ended.err
    assert "67108864 are read" in ended.err


@pytest.mark.slow
@pytest.mark.parametrize("what", ["weights.bin", "new.bin"])
def test_a_folder_that_changes_while_it_is_signed_is_not_signed(home: Place, what: str) -> None:
    """Somebody writes for as long as it is read: into a file of it, or a file beside those."""
    model = home.folder / "model"
    model.mkdir()
    with (model / "weights.bin").open("wb") as file:
        file.truncate(1 << 30)
    running = home.start("sign", "model", "--quiet")
    count = 0
    while running.poll() is None:
        with (model / what).open("ab") as file:
            file.write(b"more")
        count += 1
        time.sleep(0.01)
    out, err = running.communicate()
    assert (running.returncode, out) == (2, "")
    assert err.startswith("ancile: error: changed while it was read: ")
    assert err.count("\n") == 2
    assert count > 1
    assert not (home.folder / BUNDLE).exists()
    assert home("ledger", "log", "--kind", "release").out == ""


def test_a_bundle_of_another_model_and_of_too_few_signers_fail(signed: Place) -> None:
    (signed.folder / "other").mkdir()
    (signed.folder / "other" / "w").write_bytes(b"other")
    ended = signed("verify", "other", "--signature", BUNDLE, "--no-record")
    assert (ended.code, "The bundle was made for another model" in ended.out) == (1, True)
    assert signed("keys", "export", "-o", "team.keys").code == 0
    nobody = f"sha256:{'0' * 64}"
    both = ("--signer", "team.keys", "--signer", nobody)
    assert signed("verify", "model", *both, "--no-record").code == 0
    ended = signed("verify", "model", *both, "--threshold", "2", "--no-record")
    assert (ended.code, "1 of 2 needed" in " ".join(ended.out.split())) == (1, True)
