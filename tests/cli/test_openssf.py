"""A second file for who verifies with model_signing, and bundles that were made with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.cli.terminal import Place
from tests.release.openssf_model import BUNDLES, make_model


def write_keys(folder: Path, sealed: KeySerializationEncryption | None = None) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "key.pem").touch(mode=0o600)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed or NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "pub.pem").write_bytes(public)


def test_a_second_file_is_written_and_verified(home: Place) -> None:
    write_keys(home.folder)
    make_model(home.folder / "model")
    signed = home("sign", "model", "--openssf", "key.pem")
    assert signed.code == 0
    assert "OpenSSF bundle, classical only, in model.sig" in signed.err
    assert "all but 2 files that model_signing leaves out: .git/config" in signed.err
    assert home("verify", "model").code == 0
    strict = home("verify", "model", "--openssf-key", "pub.pem")
    assert strict.code == 1
    assert "The signature is classical alone" in strict.out
    assert home("verify", "model", "--openssf-key", "pub.pem", "--allow-classical").code == 0
    (home.folder / "model" / "weights.bin").write_bytes(b"")
    assert home("verify", "model", "--openssf-key", "pub.pem", "--allow-classical").code == 1


def test_a_bundle_by_model_signing_is_verified_without_a_home(place: Place) -> None:
    make_model(place.folder / "model")
    file, key = BUNDLES / "p256.json", BUNDLES / "p256.pem"
    command = ("verify", "model", "--signature", str(file), "--openssf-key", str(key), "--allow-classical")
    said = place(*command, "--format", "json")
    report = json.loads(said.out)
    assert said.code == 0
    assert report["parameters"]["signature"] == "classical"
    uncovered = [one for one in report["findings"] if one["check"] == "release-file-uncovered"]
    assert [one["location"]["path"] for one in uncovered] == [".git/config", ".gitignore"]
    assert place(*command, "--strict").code == 1


def test_a_sealed_key_asks_for_its_own_passphrase(home: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    write_keys(home.folder, BestAvailableEncryption(b"word"))
    make_model(home.folder / "model")
    monkeypatch.setenv("ANCILE_OPENSSF_PASSPHRASE", "word")
    assert home("sign", "model", "--openssf", "key.pem").code == 0
    monkeypatch.setenv("ANCILE_OPENSSF_PASSPHRASE", "other")
    assert home("sign", "model", "--openssf", "key.pem").code == 2


def test_nothing_is_signed_where_the_second_file_cannot_be(home: Place) -> None:
    """A key that others can read, a name that JSON cannot carry: no entry, no bundle."""
    make_model(home.folder / "model")
    write_keys(home.folder)
    before = home("ledger", "log").out
    (home.folder / "key.pem").chmod(0o644)
    assert home("sign", "model", "--openssf", "key.pem").code == 2
    (home.folder / "key.pem").chmod(0o600)
    (home.folder / "model" / "a\udcff").write_bytes(b"")
    assert home("sign", "model", "--openssf", "key.pem").code == 2
    assert home("ledger", "log").out == before
    assert not list(home.folder.glob("model.*"))


@pytest.mark.parametrize("more", [("--signer", "sha256:" + "a" * 64), ("--log", "x"), ("--threshold", "2")])
def test_one_signature_meets_no_threshold_and_no_log(place: Place, more: tuple[str, str]) -> None:
    make_model(place.folder / "model")
    file, key = str(BUNDLES / "p256.json"), str(BUNDLES / "p256.pem")
    said = place("verify", "model", "--signature", file, "--openssf-key", key, *more)
    assert said.code == 2
    assert "one signer, and no log" in said.err


@pytest.mark.parametrize(
    ("signature", "key"),
    [("none", "p256.pem"), ("p256.json", "none"), ("p256.pem", "p256.pem"), ("p256.json", "p256.json")],
)
def test_bad_input_is_one_line(place: Place, signature: str, key: str) -> None:
    make_model(place.folder / "model")
    files = str(BUNDLES / signature), str(BUNDLES / key)
    said = place("verify", "model", "--signature", files[0], "--openssf-key", files[1])
    assert said.code == 2
    assert said.err.startswith("ancile: error: ")
    assert said.err.count("\n") == 2


def test_a_bundle_of_the_other_kind_is_told_by_its_name(home: Place) -> None:
    make_model(home.folder / "model")
    said = home("verify", "model", "--signature", str(BUNDLES / "p256.json"))
    assert said.code == 2
    assert "--openssf-key" in said.err
    assert home("sign", "model").code == 0
    key = str(BUNDLES / "p256.pem")
    said = home("verify", "model", "--signature", "model.ancile.json", "--openssf-key", key)
    assert said.code == 2
    assert "not an OpenSSF bundle" in said.err
