"""``ancile sign --keyless`` and ``ancile verify --identity`` against an instance of Sigstore on loopback."""

from __future__ import annotations

import json
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ancile.core.subject import digest_of
from ancile.trust.ledger import open_ledger
from ancile.work.clock import system_clock
from tests.cli.terminal import Place
from tests.release.sigstore_world import IDENTITY, ISSUER, SigstoreWorld, serving, token

WHO = ("--identity", IDENTITY, "--issuer", ISSUER, "--trust-config", "trust.json", "--allow-classical")


@pytest.fixture
def world(home: Place) -> Iterator[SigstoreWorld]:
    (home.folder / "model").mkdir()
    (home.folder / "model" / "weights.bin").write_bytes(b"weights")
    with serving(SigstoreWorld()) as running:
        running.trust(home.folder)
        yield running


def sign(home: Place, **environment: str) -> tuple[int, str]:
    ended = home("sign", "model", "--keyless", "--trust-config", "trust.json", **environment)
    return ended.code, ended.err


def entries(home: Place) -> int:
    with open_ledger(home.folder / ".ancile", clock=system_clock().now) as ledger:
        return ledger.size()


def test_a_model_signed_keyless_verifies_offline_and_says_whose_it_is(
    home: Place, world: SigstoreWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = sign(home, ANCILE_OIDC_TOKEN=token())
    assert code == 0, said
    assert f"your identity and the digests go to {world.url}" in said
    assert f"--identity '{IDENTITY}' --issuer '{ISSUER}'" in said
    assert token() not in said
    assert home("verify", "model").code == 0
    monkeypatch.setattr(socket.socket, "connect", _no_network)
    verified = home("verify", "model", *WHO, "--no-record", "--format", "json")
    assert verified.code == 0, verified
    report = json.loads(verified.out)
    assert report["parameters"]["signers"] == [IDENTITY]
    assert report["parameters"]["issuer"] == ISSUER
    assert {one["check"] for one in report["findings"]} == {"release-classical-only", "release-expired"}
    assert home("verify", "model", *WHO[:-1], "--no-record").code == 1  # classical only
    (home.folder / "model" / "weights.bin").write_bytes(b"changed")
    assert home("verify", "model", *WHO, "--no-record").code == 1


def _no_network(*_: object) -> None:
    raise AssertionError("verification asks no network")


@pytest.mark.parametrize(
    ("option", "value"), [("--identity", "mallory@example.org"), ("--issuer", "https://other.example")]
)
def test_another_name_or_issuer_is_no_signature(
    home: Place, world: SigstoreWorld, option: str, value: str
) -> None:
    assert sign(home, ANCILE_OIDC_TOKEN=token())[0] == 0
    whose = list(WHO)
    whose[whose.index(option) + 1] = value
    ended = home("verify", "model", *whose, "--no-record")
    assert ended.code == 1
    assert "Too few signers who count have signed" in ended.out
    assert IDENTITY in ended.out


def test_nothing_is_written_or_recorded_where_signing_keyless_fails(
    home: Place, world: SigstoreWorld
) -> None:
    before = entries(home)
    world.refuses = True
    for environment, said in [
        ({"ANCILE_OIDC_TOKEN": token()}, "keyless signing failed"),
        ({"ANCILE_OIDC_TOKEN": "nonsense"}, "no identity was given"),
        (
            {"GITHUB_ACTIONS": "", "GITLAB_CI": "", "CIRCLECI": "", "BUILDKITE": ""},
            "nobody says who is signing",
        ),
    ]:
        code, told = sign(home, **environment)
        assert (code, told.count("ancile: error:")) == (2, 1)
        assert said in told
    assert entries(home) == before
    assert not [*home.folder.glob("model.*")]


def test_what_a_scan_refused_is_not_told_to_the_public_log(home: Place, world: SigstoreWorld) -> None:
    (home.folder / "model" / "bad.pkl").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    assert home("scan", "model").code == 1
    code, said = sign(home, ANCILE_OIDC_TOKEN=token())
    assert (code, "nothing is signed" in said) == (2, True)
    assert world.asked == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sign", "model", "--keyless", "--openssf", "key.pem"), "one file is to be signed in two ways"),
        (("sign", "model", "--trust-config", "trust.json"), "nothing is asked of it"),
        (("sign", "model", "--keyless", "--trust-config", "missing"), "cannot be read"),
        (("verify", "model", "--identity", "a"), "half said"),
        (("verify", "model", "--issuer", "a"), "half said"),
        (("verify", "model", "--trust-config", "trust.json"), "half said"),
        (("verify", "model", *WHO), "there is no bundle"),
        (("verify", "model", *WHO, "--threshold", "2"), "has one signer"),
        (("verify", "model", *WHO, "--openssf-key", "key.pem"), "not both"),
        (("verify", "model", *WHO, "--signature", "trust.json"), "not an OpenSSF bundle"),
    ],
)
def test_wrong_use_is_one_line(
    home: Place, world: SigstoreWorld, arguments: tuple[str, ...], said: str
) -> None:
    ended = home(*arguments)
    assert (ended.code, ended.err.count("ancile: error:")) == (2, 1)
    assert said in ended.err


def test_a_keyless_bundle_is_told_by_its_name(home: Place, world: SigstoreWorld, tmp_path: Path) -> None:
    assert sign(home, ANCILE_OIDC_TOKEN=token())[0] == 0
    ended = home("verify", "model", "--signature", "model.sig")
    assert ended.code == 2
    assert "--identity and --issuer" in ended.err


def test_a_gate_takes_a_keyless_verification_where_the_policy_names_whose(
    home: Place, world: SigstoreWorld
) -> None:
    """The instance is named by its file's digest: another file of the same name is another instance."""
    (home.folder / "model.pkl").write_bytes(pickle.dumps({"weights": [1.0, 2.0]}))
    signed = home("sign", "model.pkl", "--keyless", "--trust-config", "trust.json", ANCILE_OIDC_TOKEN=token())
    assert signed.code == 0, signed
    assert home("verify", "model.pkl", *WHO).code == 0
    digest = digest_of((home.folder / "trust.json").read_bytes())
    for issuer, code in ((ISSUER, 0), ("https://other.example", 2)):
        home.policy(
            '[[policy.require]]\nname = "signed"\nstage = "verify"\nparameters = { signature = "classical", '
            f'threshold = 1, signers = ["{IDENTITY}"], issuer = "{issuer}", trust_config = "{digest}" }}'
        )
        assert home("gate", "model.pkl", "--no-record").code == code
