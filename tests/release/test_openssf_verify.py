"""An OpenSSF bundle ends in the same findings as one of ours, and is never more than classical."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.core.finding import Finding
from ancile.release.checks import verification_report
from ancile.release.openssf import key_hint
from ancile.release.openssf_chain import Roots
from ancile.release.openssf_keys import trusted
from ancile.release.openssf_verify import verify_openssf
from ancile.release.verification import Verification
from tests.release.openssf_model import BUNDLES, make_model

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


def facts_of(
    bundle: str,
    path: Path,
    key: str = "p256",
    *,
    now: datetime = NOW,
    ignored: tuple[str, ...] = (),
    revoked: dict[str, str] | None = None,
    allow_classical: bool = True,
) -> Verification:
    pem = (BUNDLES / f"{key}.pem").read_bytes()
    return verify_openssf(
        (BUNDLES / f"{bundle}.json").read_bytes(),
        path,
        trusted(pem, name=key),
        clock=lambda: now,
        allow_classical=allow_classical,
        ignored=ignored,
        revoked=revoked,
    )


def findings(facts: Verification, *statuses: str) -> set[tuple[str, str]]:
    """Check and path of the findings with these statuses."""
    found: tuple[Finding, ...] = verification_report(facts, parameters={}, started=NOW, finished=NOW).findings
    return {(one.check, one.location.path or "") for one in found if one.status in statuses}


def test_a_good_bundle_fails_alone_by_being_classical(model: Path) -> None:
    assert findings(facts_of("p256", model, allow_classical=False), "FAIL") == {
        ("release-classical-only", "")
    }
    assert findings(facts_of("p256", model), "FAIL") == set()
    assert findings(facts_of("p256", model), "WARN") == {
        ("release-classical-only", ""),
        ("release-log-unknown", ""),
        ("release-file-uncovered", ".git/config"),
        ("release-file-uncovered", ".gitignore"),
    }


@pytest.mark.parametrize("bundle", ["p256", "files_blake2"])
def test_each_difference_is_a_finding(model: Path, bundle: str) -> None:
    (model / "weights.bin").write_bytes(b"other")
    (model / "sub" / "config.json").unlink()
    for name in ("new.py", "notes.md"):
        (model / name).write_bytes(b"")
    facts = facts_of(bundle, model, ignored=("*.md",))
    assert findings(facts, "FAIL") == {
        ("release-file-changed", "weights.bin"),
        ("release-file-missing", "sub/config.json"),
        ("release-file-unsigned", "new.py"),
    }
    assert ("release-file-unsigned", "notes.md") in findings(facts, "SKIP")


def test_a_bundle_of_another_model_says_nothing_of_this_one(model: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a").write_bytes(b"a")
    assert findings(facts_of("p256", tmp_path / "other"), "FAIL") == {("release-other-model", "")}
    assert findings(facts_of("file", model), "FAIL") == {("release-other-model", "")}


def test_a_model_of_one_file_is_named_by_its_file(model: Path) -> None:
    assert findings(facts_of("file", model / "weights.bin"), "FAIL") == set()
    (model / "weights.bin").write_bytes(b"other")
    assert findings(facts_of("file", model / "weights.bin"), "FAIL") == {
        ("release-file-changed", "weights.bin")
    }


@pytest.mark.parametrize(("bundle", "key"), [("p256", "p384"), ("p256", "root"), ("by_other", "root")])
def test_a_signature_that_does_not_hold_is_the_one_finding(model: Path, bundle: str, key: str) -> None:
    assert findings(facts_of(bundle, model, key), "FAIL", "WARN") == {("release-signature-broken", "")}


def test_what_is_no_bundle_is_no_finding(model: Path) -> None:
    pem = trusted((BUNDLES / "p256.pem").read_bytes(), name="p256")
    with pytest.raises(AncileError, match="not an OpenSSF bundle"):
        verify_openssf(b"{}", model, pem, clock=lambda: NOW)


def test_a_revoked_key_or_model_counts_no_longer(model: Path) -> None:
    pem = trusted((BUNDLES / "p256.pem").read_bytes(), name="p256")
    assert not isinstance(pem, Roots)
    subject = facts_of("p256", model).subject.digest
    for taken_back in (f"sha256:{key_hint(pem)}", subject):
        facts = facts_of("p256", model, revoked={taken_back: "stolen"})
        assert ("release-revoked", "") in findings(facts, "FAIL")


def test_a_certificate_vouches_until_it_expires(model: Path) -> None:
    """The bundle does not say when it was made: it may be younger than the certificate's end."""
    facts = facts_of("by_signer", model, "root")
    assert findings(facts, "FAIL") == set()
    assert facts.expires is not None
    late = facts_of("by_signer", model, "root", now=facts.expires + timedelta(days=1))
    assert findings(late, "FAIL") == {("release-expired", "")}
