"""Bundles of OpenSSF model signing: those of `model_signing` are read here, and ours by `model_signing`."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ancile.core.errors import AncileError
from ancile.release.manifest import Manifest, manifest_of
from ancile.release.openssf import (
    Differences,
    differences,
    left_out,
    openssf_bundle,
    read_openssf,
)
from ancile.release.openssf_chain import Roots
from ancile.release.openssf_form import SignedModel, parse_bundle
from ancile.release.openssf_keys import trusted
from tests.release.openssf_model import BUNDLES, COMMAND, FILES, make_model

GIT = (".git/config", ".gitignore")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


class Verified(NamedTuple):
    signed: SignedModel
    manifest: Manifest
    differences: Differences
    until: datetime | None


def verify_openssf(data: bytes, path: Path, key: ec.EllipticCurvePublicKey | Roots) -> Verified:
    opened = read_openssf(data, key)
    manifest = manifest_of(path, blake2b=opened.signed.algorithm == "blake2b")
    return Verified(opened.signed, manifest, differences(opened.signed, manifest), opened.until)


def key_of(name: str) -> ec.EllipticCurvePublicKey | Roots:
    return trusted((BUNDLES / f"{name}.pem").read_bytes(), name=name)


def verify(bundle: str, path: Path, key: str = "p256") -> Verified:
    return verify_openssf((BUNDLES / f"{bundle}.json").read_bytes(), path, key_of(key))


@pytest.mark.parametrize(
    ("bundle", "key"),
    [("p256", "p256"), ("p384", "p384"), ("p521", "p521"), ("files_blake2", "p256"), ("by_signer", "root")],
)
def test_what_model_signing_signed_holds(model: Path, bundle: str, key: str) -> None:
    """And what it never looked at is named: code in a hook of .git runs as well as any other."""
    found = verify(bundle, model, key)
    assert found.differences == Differences(uncovered=GIT)
    assert found.differences.hold()
    assert set(found.signed.digests) == set(found.manifest.parts) - set(GIT)
    assert found.signed.name == "model"
    assert (found.until is None) == (key != "root")


def test_a_model_of_one_file_holds(model: Path) -> None:
    assert verify("file", model / "weights.bin").differences == Differences()
    assert verify("file", model).differences.missing == (".",)
    assert not verify("p256", model / "weights.bin").differences.hold()


def test_what_the_signer_left_out_is_named_and_what_he_took_in_is_not(model: Path) -> None:
    assert verify("without_sub", model).differences.uncovered == (*GIT, "sub/config.json")
    assert verify("with_git", model).differences == Differences()


@pytest.mark.parametrize("bundle", ["p256", "files_blake2"])
def test_each_difference_is_named(model: Path, bundle: str) -> None:
    (model / "weights.bin").write_bytes(b"other")
    (model / "sub" / "config.json").unlink()
    (model / "sub" / "new").write_bytes(b"")
    (model / "__pycache__").mkdir()
    (model / "__pycache__" / "a.pyc").write_bytes(b"")
    assert verify(bundle, model).differences == Differences(
        changed=("weights.bin",),
        missing=("sub/config.json",),
        extra=("__pycache__/a.pyc", "sub/new"),
        uncovered=GIT,
    )


def test_a_changed_name_of_the_model_makes_no_difference(model: Path) -> None:
    assert verify("p256", model.rename(model.with_name("other"))).differences.hold()


@pytest.mark.parametrize(
    ("bundle", "key", "what"),
    [
        ("p256", "p384", "the bundle is signed with another key"),
        ("by_signer", "p256", "the bundle is not signed with a plain key"),
        ("p256", "root", "the bundle carries no chain of certificates"),
        ("by_other", "root", "no trusted certificate vouches for the signer"),
        ("shards_sha256", "p256", "the bundle names files in a way that is not read here"),
        ("files_blake3", "p256", "the bundle names files in a way that is not read here"),
    ],
)
def test_what_cannot_be_judged_is_one_error(model: Path, bundle: str, key: str, what: str) -> None:
    with pytest.raises(AncileError) as raised:
        verify(bundle, model, key)
    assert raised.value.what == what


def test_digests_that_were_not_taken_cannot_be_compared(model: Path) -> None:
    opened = read_openssf((BUNDLES / "files_blake2.json").read_bytes(), key_of("p256"))
    with pytest.raises(ValueError, match="without the digests"):
        differences(opened.signed, manifest_of(model))


# Written here


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_a_bundle_of_ours_holds_until_something_changes(model: Path, curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    manifest = manifest_of(model)
    data = openssf_bundle(manifest, key)
    assert left_out(manifest) == GIT
    assert verify_openssf(data, model, key.public_key()).differences == Differences(uncovered=GIT)
    (model / "weights.bin").write_bytes(b"")
    assert verify_openssf(data, model, key.public_key()).differences.changed == ("weights.bin",)


def test_the_statement_is_the_one_that_model_signing_makes(model: Path) -> None:
    """But for the order of keys, and of what is left out only that which is there."""
    theirs = payload((BUNDLES / "p256.json").read_bytes())
    ours = payload(openssf_bundle(manifest_of(model), ec.generate_private_key(ec.SECP256R1())))
    theirs["predicate"]["serialization"]["ignore_paths"] = [".git", ".gitignore"]
    assert ours == theirs


def test_what_is_left_out_here_is_left_out_there(model: Path) -> None:
    data = openssf_bundle(manifest_of(model, ignored=["sub"]), ec.generate_private_key(ec.SECP256R1()))
    assert payload(data)["predicate"]["serialization"]["ignore_paths"] == [".git", ".gitignore", "sub"]


def test_what_no_bundle_can_name_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_bytes(b"")
    with pytest.raises(AncileError, match="not UTF-8: %FF"):
        openssf_bundle(manifest_of(tmp_path), key)
    with pytest.raises(AncileError, match="curve"):
        openssf_bundle(manifest_of(make_model(tmp_path / "m")), ec.generate_private_key(ec.SECP256K1()))
    git = tmp_path / "git"
    git.mkdir()
    (git / ".gitignore").write_bytes(b"")
    with pytest.raises(AncileError, match="no file"):
        openssf_bundle(manifest_of(git), key)


def test_a_bundle_too_large_to_be_read_is_not_written(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ancile.release.openssf.LARGEST", 1000)
    with pytest.raises(AncileError, match="too large"):
        openssf_bundle(manifest_of(model), ec.generate_private_key(ec.SECP256R1()))


def payload(data: bytes) -> dict[str, dict[str, dict[str, object]]]:
    from ancile.trust.encoding import unb64

    found: dict[str, dict[str, dict[str, object]]] = json.loads(
        unb64(parse_bundle(data).dsse_envelope.payload, name="payload")
    )
    return found


# Against the command itself

needs_model_signing = pytest.mark.skipif(
    not COMMAND.exists(), reason="the model_signing CLI is not installed: python bench/signing_env.py"
)


def write_keys(folder: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "pub.pem").write_bytes(public)
    return key


def accepts(folder: Path, path: Path) -> tuple[bool, str]:
    """Whether `model_signing` takes the bundle, and what it says."""
    command: list[str | Path] = [
        COMMAND,
        "verify",
        "key",
        "--public_key",
        folder / "pub.pem",
        "--signature",
        folder / "sig",
        path,
    ]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    return ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.peers
@pytest.mark.slow
@needs_model_signing
@pytest.mark.parametrize(
    "change",
    [
        lambda model: model,
        lambda model: (model / "weights.bin").write_bytes(b"other"),
        lambda model: (model / "sub" / "config.json").unlink(),
        lambda model: (model / "new").write_bytes(b""),
        lambda model: (model / ".git" / "config").write_bytes(b"changed unnoticed"),
    ],
)
def test_both_verifiers_agree_on_our_bundle(
    model: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    key = write_keys(tmp_path)
    data = openssf_bundle(manifest_of(model), key)
    (tmp_path / "sig").write_bytes(data)
    change(model)
    took, said = accepts(tmp_path, model)
    assert verify_openssf(data, model, key.public_key()).differences.hold() == took, said


@pytest.mark.peers
@pytest.mark.slow
@needs_model_signing
def test_model_signing_takes_our_bundle_of_one_file_and_we_take_its(model: Path, tmp_path: Path) -> None:
    key, path = write_keys(tmp_path), model / "weights.bin"
    (tmp_path / "sig").write_bytes(openssf_bundle(manifest_of(path), key))
    assert accepts(tmp_path, path)[0]
    secret = tmp_path / "key.pem"
    command: list[str | Path] = [COMMAND, "sign", "key"]
    command += ["--private_key", secret, "--signature", tmp_path / "theirs", path]
    subprocess.run(command, check=True, capture_output=True)
    data = (tmp_path / "theirs").read_bytes()
    assert verify_openssf(data, path, key.public_key()).differences == Differences()


def test_the_kept_bundles_are_of_the_model_made_here(model: Path) -> None:
    assert manifest_of(model).sizes["weights.bin"] == len(FILES["weights.bin"])
    digest = hashlib.sha256(FILES["weights.bin"]).hexdigest()
    key = key_of("p256")
    assert read_openssf((BUNDLES / "file.json").read_bytes(), key).signed.digests == {".": digest}
