"""Keyless bundles: published ones, and those of an instance of Sigstore that a test runs on loopback.

``keyless/v*.json`` and ``keyless/model`` come from the tests of OpenSSF model-transparency, ``rekor_v2.json`` from
those of sigstore-python, both Apache-2.0: signed by their maintainers with the public and the staging instance.
"""

from __future__ import annotations

import json
import random
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from cryptography import x509

from ancile.core.errors import AncileError
from ancile.release.keyless import Attested, Keyless, attested, expected, instance, trusted_root
from ancile.release.keyless_sign import SignedKeyless, identity_token, services, sign_keyless
from ancile.release.manifest import manifest_of
from ancile.release.openssf import openssf_statement
from ancile.release.openssf_verify import verify_openssf
from tests.release.openssf_model import COMMAND
from tests.release.sigstore_world import IDENTITY, ISSUER, SigstoreWorld, serving, token

PUBLISHED = Path(__file__).parent / "keyless"
MODEL = PUBLISHED / "model"
PUBLISHER = "https://sigstore.verify.ibm.com/oauth2"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library keeps copies of trusted roots below the user's folders, and looks for a job's identity."""
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "library"))
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "BUILDKITE", "GOOGLE_SERVICE_ACCOUNT_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def world() -> Iterator[SigstoreWorld]:
    with serving(SigstoreWorld()) as running:
        yield running


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"weights")
    return folder


def signed(world: SigstoreWorld, model: Path, folder: Path) -> SignedKeyless:
    config = instance(world.trust(folder))
    name = identity_token(config, {"ANCILE_OIDC_TOKEN": token()}, ask=False)
    return sign_keyless(openssf_statement(manifest_of(model)), name, config)


def publisher(data: bytes) -> str:
    """The name in a published bundle's certificate."""
    from ancile.trust.encoding import unb64

    der = unb64(json.loads(data)["verificationMaterial"]["certificate"]["rawBytes"], name="certificate")
    names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return str(names.value.get_values_for_type(x509.RFC822Name)[0])


@pytest.mark.parametrize(
    ("version", "when"),
    [
        ("v1.0.0", datetime(2025, 5, 3, 1, 34, 46, tzinfo=UTC)),
        ("v1.1.0", datetime(2025, 10, 10, 2, 12, 20, tzinfo=UTC)),
    ],
)
def test_a_bundle_that_model_signing_published_verifies_offline(version: str, when: datetime) -> None:
    data = (PUBLISHED / f"{version}.json").read_bytes()
    found = verify_openssf(
        data, MODEL, expected(publisher(data), PUBLISHER, None), clock=lambda: when, allow_classical=True
    )
    assert not found.broken
    assert found.differences.changed == found.differences.missing == found.differences.unsigned == ()
    (one,) = found.signatures
    assert (one.standing, one.time, found.time) == ("counts", when, when)
    assert one.origin.startswith("rekor.sigstore.dev")
    assert found.has_logs
    assert found.expires is None


@pytest.mark.parametrize(
    ("identity", "issuer"), [("other@example.org", PUBLISHER), ("", "https://accounts.google.com")]
)
def test_a_name_or_issuer_that_was_not_asked_for_does_not_verify(identity: str, issuer: str) -> None:
    data = (PUBLISHED / "v1.1.0.json").read_bytes()
    whose = expected(identity or publisher(data), issuer, None)
    found = verify_openssf(data, MODEL, whose, clock=lambda: datetime.now(UTC))
    assert not found.broken
    (one,) = found.signatures
    assert (one.name, one.standing, found.counting) == (publisher(data), "unknown signer", ())
    assert "does not match" in one.why or "do not match" in one.why


def test_another_file_is_found_under_a_good_keyless_signature(model: Path) -> None:
    data = (PUBLISHED / "v1.1.0.json").read_bytes()
    (model / "signme-1").write_bytes((MODEL / "signme-1").read_bytes())
    (model / "signme-2").write_bytes(b"changed")
    found = verify_openssf(
        data, model, expected(publisher(data), PUBLISHER, None), clock=lambda: datetime.now(UTC)
    )
    assert found.differences.changed == ("signme-2",)
    assert found.differences.unsigned == ("weights.bin",)


def test_a_signature_over_something_else_is_no_signature_of_a_model() -> None:
    """The second generation of the log, with a time stamp; and a statement about the origin of software."""
    from sigstore.models import ClientTrustConfig

    data = (PUBLISHED / "rekor_v2.json").read_bytes()
    workflow = "extremely-dangerous-public-oidc-beacon"
    name = (
        f"https://github.com/sigstore-conformance/{workflow}/.github/workflows/"
        "extremely-dangerous-oidc-beacon.yml@refs/heads/main"
    )
    root = ClientTrustConfig.staging(offline=True).trusted_root
    whose = Keyless(name, "https://token.actions.githubusercontent.com", root)
    found = attested(data, whose)
    assert b"slsa.dev/provenance" in found.payload
    assert found.time == datetime(2026, 5, 13, 19, 23, 32, tzinfo=UTC)  # the certificate's first second
    told = verify_openssf(data, MODEL, whose, clock=lambda: datetime.now(UTC))
    assert "not a statement of OpenSSF model signing" in told.broken
    elsewhere = verify_openssf(
        data, MODEL, whose._replace(root=trusted_root(None)), clock=lambda: datetime.now(UTC)
    )
    assert "does not hold" in elsewhere.broken


def test_what_is_signed_here_verifies_with_the_root_alone(
    world: SigstoreWorld, model: Path, tmp_path: Path
) -> None:
    made = signed(world, model, tmp_path)
    assert (made.identity, made.issuer) == (IDENTITY, ISSUER)
    assert world.asked == ["/api/v2/signingCert", "/api/v1/log/entries"]
    found = verify_openssf(
        made.data,
        model,
        expected(IDENTITY, ISSUER, tmp_path / "root.json"),
        clock=lambda: datetime.now(UTC),
        allow_classical=True,
    )
    assert not found.broken
    (one,) = found.signatures
    assert (one.name, one.origin, one.standing) == (IDENTITY, "log.example - 1", "counts")
    assert one.time is not None
    assert abs(one.time - datetime.now(UTC)) < timedelta(minutes=1)


def test_another_instance_does_not_vouch(world: SigstoreWorld, model: Path, tmp_path: Path) -> None:
    made = signed(world, model, tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    SigstoreWorld().trust(other)
    with pytest.raises(AncileError, match="keyless signature does not hold"):
        attested(made.data, expected(IDENTITY, ISSUER, other / "root.json"))
    with pytest.raises(AncileError, match="keyless signature does not hold"):
        attested(made.data, expected(IDENTITY, ISSUER, None))


@pytest.mark.parametrize("wrong", ["certificates", "entries"])
def test_a_log_with_another_key_is_noticed_before_anything_is_written(
    wrong: str, model: Path, tmp_path: Path
) -> None:
    """The certificate log's promise, and the signature log's: neither is taken on its word."""
    world, other = SigstoreWorld(), SigstoreWorld()
    with serving(world):
        world.trust(tmp_path)
        setattr(world, wrong, getattr(other, wrong))
        config = instance(tmp_path / "trust.json")
        name = identity_token(config, {"ANCILE_OIDC_TOKEN": token()}, ask=False)
        with pytest.raises(AncileError, match=r"keyless signing failed|does not hold"):
            sign_keyless(openssf_statement(manifest_of(model)), name, config)


def test_a_change_anywhere_in_a_bundle_breaks_it_or_changes_nothing(
    world: SigstoreWorld, model: Path, tmp_path: Path
) -> None:
    made = signed(world, model, tmp_path)
    whose = expected(IDENTITY, ISSUER, tmp_path / "root.json")
    good, rng = attested(made.data, whose), random.Random(7)
    document = json.loads(made.data)
    places = [*_leaves(document)]
    taken = 0
    for _ in range(300):
        holder, key = rng.choice(places)
        kept = holder[key]
        holder[key] = rng.choice(
            [
                "",
                "x",
                None,
                [],
                {},
                0,
                -1,
                2**70,
                "A" * 5000,
                str(kept)[1:],
                str(kept)[::-1],
                f"{kept}A",
                [kept, kept],
            ]
        )
        try:
            found: Attested | None = attested(json.dumps(document).encode(), whose)
        except AncileError:
            found = None
        holder[key] = kept
        assert found is None or found.payload == good.payload
        taken += found is not None
    assert taken < 60
    for cut in range(0, len(made.data) - 1, 97):
        with pytest.raises(AncileError):
            attested(made.data[:cut], whose)


def _leaves(document: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield document, key
        if isinstance(value, dict | list):
            yield from _leaves(value)


def test_a_service_that_refuses_or_is_not_there_is_one_line(
    world: SigstoreWorld, model: Path, tmp_path: Path
) -> None:
    config = instance(world.trust(tmp_path))
    assert services(config).authority == world.url
    name = identity_token(config, {"ANCILE_OIDC_TOKEN": token()}, ask=False)
    statement = openssf_statement(manifest_of(model))
    world.refuses = True
    with pytest.raises(AncileError, match="keyless signing failed"):
        sign_keyless(statement, name, config)
    world.url = "http://127.0.0.1:1"
    nobody = instance(world.trust(tmp_path))
    with pytest.raises(AncileError, match="keyless signing failed"):
        sign_keyless(statement, name, nobody)


def test_a_service_that_never_answers_is_not_waited_for_for_ever(
    world: SigstoreWorld, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = instance(world.trust(tmp_path))
    name = identity_token(config, {"ANCILE_OIDC_TOKEN": token()}, ask=False)
    monkeypatch.setattr("ancile.release.keyless_sign.PATIENCE_SECONDS", 0.2)
    world.silent = world.refuses = True
    with pytest.raises(AncileError, match=r"keyless signing failed: no answer within 0\.2 s"):
        sign_keyless(openssf_statement(manifest_of(model)), name, config)


def test_an_identity_is_given_by_variable_or_file_and_never_guessed(
    world: SigstoreWorld, tmp_path: Path
) -> None:
    config, file = instance(world.trust(tmp_path)), tmp_path / "token"
    file.write_text(token("file@example.org") + "\n", "utf-8")
    assert (
        identity_token(config, {"ANCILE_OIDC_TOKEN_FILE": str(file)}, ask=False).identity
        == "file@example.org"
    )
    for environ, said in [
        ({}, "nobody says who is signing"),
        ({"ANCILE_OIDC_TOKEN": "no.token.at-all"}, "malformed"),
        ({"ANCILE_OIDC_TOKEN": token(audience="another")}, "malformed"),
        ({"ANCILE_OIDC_TOKEN": token(lives=-600)}, "malformed|validity"),
        ({"ANCILE_OIDC_TOKEN_FILE": str(tmp_path / "missing")}, "missing"),
    ]:
        with pytest.raises(AncileError, match=said):
            identity_token(config, environ, ask=False)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves a socket
def test_somebody_at_a_terminal_is_asked_in_a_browser(
    world: SigstoreWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browsers: list[threading.Thread] = []

    def browser(url: str) -> bool:
        browsers.append(threading.Thread(target=lambda: urlopen(url, timeout=20).close()))  # noqa: S310 - of the test
        browsers[-1].start()
        return True

    monkeypatch.setattr("webbrowser.open", browser)
    assert identity_token(instance(world.trust(tmp_path)), {}, ask=True).identity == "browser@example.org"
    browsers[0].join()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "not json", '{"mediaType": "x"}', "{" * 5000, '"clienttrustconfig"']
)
def test_what_is_no_trust_configuration_is_one_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "trust.json"
    file.write_text(text, "utf-8")
    with pytest.raises(AncileError, match="no trust configuration"):
        trusted_root(file)
    with pytest.raises(AncileError, match="no trust configuration"):
        instance(file)


def test_without_a_place_to_keep_it_the_public_root_is_told_to_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    with pytest.raises(
        AncileError, match="no trust configuration of Sigstore: of the public instance"
    ) as told:
        trusted_root(None)
    assert "XDG_CACHE_HOME" in told.value.remedy


def test_a_root_without_authorities_and_a_file_that_is_none_are_told(
    world: SigstoreWorld, tmp_path: Path
) -> None:
    world.trust(tmp_path)
    document = json.loads((tmp_path / "root.json").read_text("utf-8"))
    document["certificateAuthorities"] = []
    (tmp_path / "empty.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(AncileError, match="no trust configuration"):
        trusted_root(tmp_path / "empty.json")
    (tmp_path / "large.json").write_bytes(b" " * (1 << 20) + b"{}")
    with pytest.raises(AncileError, match="over 1048576 bytes"):
        trusted_root(tmp_path / "large.json")
    for missing in (tmp_path, tmp_path / "missing"):
        with pytest.raises(AncileError, match="cannot be read"):
            trusted_root(missing)


@pytest.mark.peers
@pytest.mark.slow
@pytest.mark.skipif(
    not COMMAND.exists(), reason="the model_signing CLI is not installed: python bench/signing_env.py"
)
def test_model_signing_takes_what_is_signed_here(world: SigstoreWorld, model: Path, tmp_path: Path) -> None:
    (tmp_path / "model.sig").write_bytes(signed(world, model, tmp_path).data)
    command: list[str | Path] = [COMMAND, "verify", "sigstore", "--identity", IDENTITY]
    command += ["--identity_provider", ISSUER, "--trust_config", tmp_path / "trust.json"]
    command += ["--signature", tmp_path / "model.sig", model]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (model / "weights.bin").write_bytes(b"changed")
    assert subprocess.run(command, check=False, capture_output=True, text=True).returncode == 1
