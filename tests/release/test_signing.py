"""What a release says, which scans it names, and what another signer signs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from ancile.core.errors import AncileError
from ancile.core.report import Report, ScannedFile, Verdict
from ancile.core.subject import Subject, digest_of, subject_of_parts
from ancile.release.signing import (
    Scan,
    author_events,
    expiry,
    joined,
    leads,
    refused_files,
    release_of,
    require_clean,
    scans_of,
    statement_to_cosign,
    statement_to_sign,
)
from ancile.trust.bundle import parse_bundle
from ancile.trust.dsse import unverified
from ancile.trust.events import MOST_SCANS, Release
from ancile.trust.evidence import VerifiedEvidence, verify_bundle
from ancile.trust.ledger import open_ledger
from ancile.trust.statement import statement_of
from tests.release.world import LATER, NOW, Signer, key_event, listing_of, model_in, signer, subject_of

ONE, TWO, THREE = (digest_of(data) for data in (b"1", b"2", b"3"))
MODEL = subject_of_parts("model", "m", {"a": ONE, "b": TWO})


@pytest.fixture
def alice(tmp_path: Path) -> Signer:
    return signer(tmp_path, 1, name="alice")


@pytest.fixture
def bob(tmp_path: Path) -> Signer:
    return signer(tmp_path, 11, name="bob")


def scan(stage: str = "scan", **verdicts: Verdict) -> Report:
    """A report on files named by their digests' places: one, two, three."""
    digests = {"one": ONE, "two": TWO, "three": THREE}
    files = tuple(
        ScannedFile(path=name, format="json", digest=digests[name], verdict=verdict)
        for name, verdict in verdicts.items()
    )
    return Report(
        stage=stage,
        complete=True,
        subject=subject_of_parts("files", "x", {one.path: one.digest for one in files}),
        files=files,
        started=NOW,
        finished=NOW,
        version="0.1.0",
    )


def evidence(alice: Signer, *reports: Report, accepted: bool = True) -> list[VerifiedEvidence]:
    data = alice.entries([statement_of(one) for one in reports])
    return verify_bundle(data, logs=alice.vkeys if accepted else (), authors=[alice.id])


def test_a_release_expires_after_its_lifetime() -> None:
    assert release_of(MODEL, now=NOW, expires="90d").expires == NOW + timedelta(days=90)
    assert release_of(MODEL, now=NOW, expires=None).expires is None
    for wrong in ("soon", "0d", "999999999d", "0.0000001s"):
        with pytest.raises(AncileError):
            expiry(wrong, now=NOW)


def test_a_release_names_the_newest_scans() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    scans = [
        Scan(digest_of(b"%d" % n), start + timedelta(hours=n), "data-only") for n in range(MOST_SCANS + 5)
    ]
    named = release_of(MODEL, now=NOW, expires=None, scans=scans[::-1]).scans
    assert named == tuple(one.digest for one in scans[5:])


def test_a_scan_speaks_of_a_release_when_it_saw_each_of_its_files(alice: Signer) -> None:
    reports = (
        scan(one="data-only", two="data-only"),
        scan(one="data-only"),
        scan(one="review", two="data-only", three="block"),
        scan("assess", one="block", two="block"),
    )
    found = scans_of(MODEL, evidence(alice, *reports))
    assert [one.verdict for one in found] == ["data-only", "review"]
    single = Subject(kind="model", name="f", digest=THREE)
    assert [one.verdict for one in scans_of(single, evidence(alice, *reports))] == ["block"]


def test_a_scan_that_nobody_relies_on_is_not_named(alice: Signer) -> None:
    assert scans_of(MODEL, evidence(alice, scan(one="data-only", two="data-only"), accepted=False)) == []


def test_the_latest_scan_decides_whether_to_sign() -> None:
    good, bad = Scan(ONE, NOW, "named-classes"), Scan(TWO, LATER, "block")
    require_clean([], {}, name="m")
    require_clean([bad, good], {}, name="m")
    with pytest.raises(AncileError, match="says block, and nothing is signed: m"):
        require_clean([good, bad], {"a": "review"}, name="m")


def test_a_file_that_its_latest_scan_refuses_refuses_the_whole(alice: Signer) -> None:
    """Whatever else that scan looked at, and whatever lies beside the file now."""
    found = evidence(alice, scan(one="block"), scan(one="review", three="block"), scan(two="data-only"))
    assert scans_of(MODEL, found) == []
    assert refused_files(MODEL, found) == {"a": "review"}
    alone = Subject(kind="model", name="f", digest=THREE)
    assert refused_files(alone, found) == {"f": "block"}
    assert refused_files(MODEL, [*found, *evidence(alice, scan(one="data-only"))]) == {}
    with pytest.raises(AncileError, match=r"says block, and nothing is signed: a, b, c and 1 more"):
        require_clean([], {"d": "review", "b": "review", "a": "block", "c": "review"}, name="m")


def test_few_digests_lead_to_every_report_of_any_file(alice: Signer) -> None:
    with open_ledger(alice.folder, clock=lambda: NOW) as ledger:
        assert leads(ledger, MODEL) == []
    evidence(alice, *[scan(one="data-only", two="data-only")] * 3, scan(three="block"))
    alice.release(MODEL)
    with open_ledger(alice.folder, clock=lambda: NOW) as ledger:
        assert leads(ledger, MODEL) == [min(ONE, TWO)]
        assert leads(ledger, Subject(kind="model", name="f", digest=THREE)) == [THREE]
    evidence(alice, scan(one="block"), scan(two="data-only"))
    with open_ledger(alice.folder, clock=lambda: NOW) as ledger:
        assert leads(ledger, MODEL) == sorted([ONE, TWO])


def test_a_cosigner_signs_the_same_bytes(tmp_path: Path, alice: Signer, bob: Signer) -> None:
    subject = subject_of(model_in(tmp_path))
    both = parse_bundle(bob.cosign(alice.release(subject), subject))
    first, second = (unverified(one.envelope.encode()).payload for one in both.entries)
    assert first == second
    assert len(set(both.signers)) == 2


def test_a_cosigner_refuses_what_differs_is_old_or_was_signed(
    tmp_path: Path, alice: Signer, bob: Signer
) -> None:
    model = model_in(tmp_path)
    subject = subject_of(model)
    bundle = parse_bundle(alice.release(subject, expires="1d"))
    with pytest.raises(AncileError, match="you have signed this release already"):
        statement_to_cosign(bundle, subject, now=NOW, author=alice.id)
    with pytest.raises(AncileError, match="the release has expired"):
        statement_to_cosign(bundle, subject, now=LATER, author=bob.id)
    (model / "more").write_bytes(b"")
    with pytest.raises(AncileError, match="not the bytes that the others have signed: 1 files differ: more"):
        statement_to_cosign(bundle, subject_of(model), now=NOW, author=bob.id)
    other = Subject(kind="model", name="o", digest=ONE)
    with pytest.raises(AncileError, match="not the bytes that the others have signed: another model"):
        statement_to_cosign(bundle, other, now=NOW, author=bob.id)


def test_a_cosigner_tells_a_folder_from_the_text_of_its_manifest(
    tmp_path: Path, alice: Signer, bob: Signer
) -> None:
    model = model_in(tmp_path)
    text = listing_of(model)
    for signed, here, by in ((model, text, alice), (text, model, bob)):
        bundle = parse_bundle(by.release(subject_of(signed)))
        with pytest.raises(AncileError, match="not the bytes that the others have signed: another model"):
            statement_to_cosign(bundle, subject_of(here), now=NOW, author=ONE)


def test_a_scan_of_the_text_of_a_manifest_is_none_of_its_folder(alice: Signer) -> None:
    text = ScannedFile(path="t", format="json", digest=MODEL.digest, verdict="data-only")
    reports = evidence(alice, structs.replace(scan(one="data-only"), files=(text,)))
    assert scans_of(MODEL, reports) == []
    alone = Subject(kind="model", name="t", digest=MODEL.digest)
    assert scans_of(alone, evidence(alice, scan(one="data-only", two="data-only"))) == []


def test_joining_carries_each_key_once(tmp_path: Path, alice: Signer) -> None:
    data = alice.release(subject_of(model_in(tmp_path)))
    twice = parse_bundle(joined(parse_bundle(data), data))
    assert (len(twice.entries), len(twice.signers), len(twice.logs)) == (2, 1, 2)


def test_events_of_authors_travel_and_those_of_logs_do_not(alice: Signer, bob: Signer) -> None:
    events = [
        key_event("introduced", alice.author),
        key_event("rotated", bob.author, after=alice.id),
        key_event("revoked", alice.author, reason="stolen"),
    ]
    alice.entries([statement_of(one) for one in events])
    with open_ledger(alice.folder, clock=lambda: NOW) as ledger:
        assert author_events(ledger, {alice.id}) == [1, 2]
        assert author_events(ledger, {bob.id}) == []


@pytest.mark.slow
def test_fifty_thousand_files_fit_and_too_many_are_told_with_their_number() -> None:
    def release(count: int, length: int) -> Release:
        parts = {f"{number:05}".ljust(length, "x"): ONE for number in range(count)}
        return release_of(subject_of_parts("model", "m", parts), now=NOW, expires=None)

    statement = statement_to_sign(release(50_000, 70))
    assert len(statement) < 16 << 20
    with pytest.raises(
        AncileError, match="the model has too many files for one release: 60000 files"
    ) as told:
        statement_to_sign(release(60_000, 70))
    assert "pack the small ones" in told.value.remedy
