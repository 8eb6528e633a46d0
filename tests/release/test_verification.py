"""A release holds for exactly its bytes, by signers who count, while it is good."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import structs

from ancile.core.errors import AncileError
from ancile.core.report import Report, exit_code
from ancile.core.subject import Subject, digest_of
from ancile.release.checks import MOST_NAMED, verification_report
from ancile.release.pins import Pins, pins_of
from ancile.release.signing import release_of
from ancile.release.verification import Differences, Verification, differences, holder, verify_release
from ancile.trust.bundle import parse_bundle
from ancile.trust.key import NoteKey, private_key
from ancile.trust.note import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, parse_note, sign_line
from ancile.trust.note import PrivateKey as NoteSigner
from ancile.trust.quorum import Policy, parse_policy
from ancile.trust.statement import statement_of
from ancile.trust.tlog_proof import parse_proof
from tests.release.world import LATER, NOW, Signer, key_event, listing_of, model_in, signer, subject_of


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return model_in(tmp_path)


@pytest.fixture
def alice(tmp_path: Path) -> Signer:
    return signer(tmp_path, 1, name="alice")


@pytest.fixture
def bob(tmp_path: Path) -> Signer:
    return signer(tmp_path, 11, name="bob")


def pinned(*signers: Signer, threshold: int = 1, logs: bool = True, **more: dict[str, str]) -> Pins:
    vkeys = [vkey for one in signers for vkey in one.vkeys] if logs else []
    return pins_of([one.id for one in signers], logs=vkeys, threshold=threshold, revoked=more.get("revoked"))


def verified(bundle: bytes, subject: Subject, pins: Pins, **more: object) -> Verification:
    ignored = more.get("ignored", ())
    assert isinstance(ignored, tuple)
    return verify_release(
        parse_bundle(bundle), subject, pins, now=NOW + timedelta(seconds=1), ignored=ignored
    )


def reported(facts: Verification) -> Report:
    return verification_report(facts, parameters={}, started=NOW, finished=NOW)


def failed(facts: Verification) -> list[str]:
    return [one.check for one in reported(facts).findings if one.status == "FAIL"]


def test_what_was_signed_verifies(model: Path, alice: Signer) -> None:
    subject = subject_of(model)
    report = reported(verified(alice.release(subject), subject, pinned(alice)))
    assert exit_code(report, strict=True) == 0
    assert report.subject == subject
    assert report.parameters == {"signature": "hybrid", "threshold": 1}


def test_another_name_of_the_folder_changes_nothing(model: Path, alice: Signer) -> None:
    bundle = alice.release(subject_of(model))
    assert failed(verified(bundle, subject_of(model.rename(model.with_name("other"))), pinned(alice))) == []


def test_each_way_in_which_files_can_differ_is_named(model: Path, alice: Signer) -> None:
    bundle = alice.release(subject_of(model))
    (model / "weights.bin").write_text("other")
    (model / "config.json").unlink()
    (model / "added.py").write_text("new")
    (model / "README.md").write_text("new")
    facts = verified(bundle, subject_of(model), pinned(alice), ignored=("*.md",))
    assert facts.differences == Differences(("weights.bin",), ("config.json",), ("added.py",), ("README.md",))
    assert failed(facts) == ["release-file-changed", "release-file-missing", "release-file-unsigned"]


def test_a_bundle_for_another_model_is_told_in_one_finding(
    model: Path, alice: Signer, tmp_path: Path
) -> None:
    bundle = alice.release(subject_of(model))
    other = tmp_path / "other"
    other.mkdir()
    for name in ("weights.bin", "config.json"):
        (other / name).write_text(f"another {name}")
    assert failed(verified(bundle, subject_of(other), pinned(alice))) == ["release-other-model"]
    assert failed(verified(bundle, subject_of(other / "weights.bin"), pinned(alice))) == [
        "release-other-model"
    ]


def test_a_single_file_is_its_bytes_under_any_name(model: Path, alice: Signer) -> None:
    file = model / "weights.bin"
    bundle = alice.release(subject_of(file))
    renamed = shutil.copy(file, model / "renamed.bin")
    assert failed(verified(bundle, subject_of(Path(renamed)), pinned(alice))) == []
    file.write_text("other")
    assert failed(verified(bundle, subject_of(file), pinned(alice))) == ["release-file-changed"]


def test_a_folder_and_a_text_of_one_digest_are_two_models(model: Path, alice: Signer, bob: Signer) -> None:
    folder, text = subject_of(model), subject_of(listing_of(model))
    assert folder.digest == text.digest
    assert failed(verified(alice.release(text), folder, pinned(alice))) == ["release-other-model"]
    assert failed(verified(bob.release(folder), text, pinned(bob))) == ["release-other-model"]
    assert differences(text, text) == differences(folder, folder) == Differences()


def test_what_takes_back_a_digest_takes_back_whatever_has_it(model: Path, alice: Signer, bob: Signer) -> None:
    """A list cannot say which of the two it means: neither is to be used."""
    folder, text = subject_of(model), subject_of(listing_of(model))
    gone = {folder.digest: "stolen"}
    for signed, by in ((folder, alice), (text, bob)):
        facts = verified(by.release(signed), signed, pinned(by, revoked=gone))
        assert failed(facts) == ["release-revoked"]


def test_a_thousand_faults_are_counted_and_two_hundred_named(alice: Signer) -> None:
    facts = Verification(
        subject=Subject(kind="model", name="m", digest="sha256:" + "0" * 64),
        now=NOW,
        threshold=1,
        has_logs=True,
        differences=Differences(missing=tuple(map(str, range(1000)))),
    )
    missing = [one for one in reported(facts).findings if one.check == "release-file-missing"]
    assert len(missing) == MOST_NAMED + 1
    assert missing[-1].detail == "and 800 more files"


def test_a_signer_nobody_relies_on_does_not_count(model: Path, alice: Signer, bob: Signer) -> None:
    subject = subject_of(model)
    facts = verified(alice.release(subject), subject, pinned(bob))
    assert facts.signatures[0].standing == "unknown signer"
    assert failed(facts) == ["release-signer-unknown"]


def test_two_signers_meet_a_threshold_that_one_does_not(model: Path, alice: Signer, bob: Signer) -> None:
    subject = subject_of(model)
    one = alice.release(subject)
    both = bob.cosign(one, subject)
    pins = pinned(alice, bob, threshold=2)
    assert failed(verified(one, subject, pins)) == ["release-signer-unknown"]
    assert failed(verified(both, subject, pins)) == []


def test_who_signs_twice_counts_once(model: Path, alice: Signer, bob: Signer, tmp_path: Path) -> None:
    """The second entry stands in another log, which is pinned too."""
    subject = subject_of(model)
    statement = statement_of(release_of(subject, now=NOW, expires=None))
    again = alice._replace(log=bob.log, folder=tmp_path / "again")
    first, second = parse_bundle(alice.entries([statement])), parse_bundle(again.entries([statement]))
    whole = type(first)(
        logs=(*first.logs, *second.logs), signers=first.signers, entries=(*first.entries, *second.entries)
    )
    pins = pins_of([alice.id, bob.id], logs=[*alice.vkeys, *bob.vkeys], threshold=2)
    facts = verify_release(whole, subject, pins, now=NOW)
    assert [one.standing for one in facts.signatures] == ["counts", "signed before"]
    assert failed(facts) == ["release-signer-unknown"]


def test_a_rotated_key_is_the_same_signer(model: Path, alice: Signer, bob: Signer) -> None:
    """Bob's key is told to have taken the place of alice's, in whichever direction a forger turns it."""
    subject = subject_of(model)
    both = bob.cosign(alice.release(subject, key_event("rotated", bob.author, after=alice.id)), subject)
    assert failed(verified(both, subject, pinned(alice, bob, threshold=2))) == ["release-signer-unknown"]
    pins = pinned(alice, bob, threshold=2)._replace(rotated=frozenset({(bob.id, alice.id)}))
    plain = bob.cosign(alice.release(subject), subject)
    assert failed(verified(plain, subject, pins)) == ["release-signer-unknown"]


def test_links_join_keys_whatever_their_order() -> None:
    links = {("c", "b"), ("a", "b"), ("x", "y"), ("b", "a")}
    assert {holder(key, links) for key in "abc"} == {"a"}
    assert holder("y", links) == "x"
    assert holder("z", links) == "z"


def test_an_expired_release_fails(model: Path, alice: Signer) -> None:
    subject = subject_of(model)
    bundle = parse_bundle(alice.release(subject, expires="1d"))
    assert failed(verify_release(bundle, subject, pinned(alice), now=LATER)) == ["release-expired"]
    before = LATER - timedelta(seconds=1)
    assert failed(verify_release(bundle, subject, pinned(alice), now=before)) == []


def test_a_clock_that_was_set_back_shows(model: Path, alice: Signer) -> None:
    subject = subject_of(model)
    bundle = parse_bundle(alice.release(subject))
    earlier = NOW - timedelta(minutes=6)
    assert failed(verify_release(bundle, subject, pinned(alice), now=earlier)) == ["release-expired"]


def test_many_signers_who_do_not_count_are_counted(model: Path, alice: Signer, tmp_path: Path) -> None:
    subject = subject_of(model)
    data = alice.release(subject)
    for number in range(30, 37):
        data = signer(tmp_path, number).cosign(data, subject)
    nobody = pins_of(["sha256:" + "0" * 64])
    found = reported(verified(data, subject, nobody)).findings
    detail = next(one.detail for one in found if one.check == "release-signer-unknown")
    assert detail.startswith("0 of 1 needed; alice sha256:")
    assert detail.endswith("; and 3 more")


def test_without_expiry_nothing_is_concluded_of_it(model: Path, alice: Signer) -> None:
    subject = subject_of(model)
    report = reported(verified(alice.release(subject, expires=None), subject, pinned(alice)))
    assert [(one.check, one.status) for one in report.findings] == [("release-expired", "SKIP")]
    assert report.outcome == "pass"


@pytest.mark.parametrize("what", ["signer", "statement", "bytes"])
def test_what_was_taken_back_fails(model: Path, alice: Signer, what: str) -> None:
    subject = subject_of(model)
    statement = statement_of(release_of(subject, now=NOW, expires=None))
    digests = {
        "signer": alice.id,
        "statement": digest_of(statement),
        "bytes": subject.digest,
    }
    facts = verified(alice.entries([statement]), subject, pinned(alice, revoked={digests[what]: "stolen"}))
    assert "release-revoked" in failed(facts)


def test_a_revocation_in_the_bundle_counts(model: Path, alice: Signer) -> None:
    subject = subject_of(model)
    bundle = alice.release(subject, key_event("revoked", alice.author, reason="stolen"))
    assert failed(verified(bundle, subject, pinned(alice))) == ["release-signer-unknown", "release-revoked"]


def test_a_revoked_signer_beside_enough_others_is_a_warning(model: Path, alice: Signer, bob: Signer) -> None:
    subject = subject_of(model)
    both = bob.cosign(alice.release(subject), subject)
    report = reported(verified(both, subject, pinned(alice, bob, revoked={bob.id: "left"})))
    assert report.outcome == "pass"
    assert [one.check for one in report.findings if one.status == "WARN"] == ["release-revoked"]


def test_a_log_that_is_not_the_pinned_one_does_not_count(model: Path, alice: Signer, bob: Signer) -> None:
    subject = subject_of(model)
    facts = verified(alice.release(subject), subject, pins_of([alice.id], logs=bob.vkeys))
    assert failed(facts) == ["release-signer-unknown"]
    assert {one.check for one in reported(facts).findings} == {
        "release-signer-unknown",
        "release-log-unknown",
    }


def quorum_of(signer: Signer, witness: NoteKey) -> Policy:
    lines = [f"log {vkey}" for vkey in signer.vkeys]
    lines += [f"witness {name} {vkey}" for name, vkey in zip("ab", witness.public.vkeys, strict=True)]
    return parse_policy("\n".join([*lines, "group both all a b", "quorum both", ""]).encode())


def test_a_quorum_asks_for_the_word_of_witnesses(model: Path, alice: Signer) -> None:
    """The note of the checkpoint gets their lines; nothing else of the bundle changes."""
    subject, witness = subject_of(model), private_key("witness", "w.example/w")
    parsed = parse_bundle(alice.release(subject))
    pins = pinned(alice)._replace(quorum=quorum_of(alice, witness))
    alone = verify_release(parsed, subject, pins, now=NOW)
    assert alone.signatures[0].standing == "unwitnessed"
    assert failed(alone) == ["release-signer-unknown"]
    text = parse_note(parse_proof(parsed.entries[0].proof).checkpoint).text
    keys: list[tuple[int, NoteSigner]] = [
        (COSIGNATURE_ED25519, witness.ed25519),
        (COSIGNATURE_MLDSA44, witness.mldsa),
    ]
    lines = "".join(sign_line("w.example/w", kind, key, text=text, when=1) for kind, key in keys)
    seen = structs.replace(parsed.entries[0], proof=parsed.entries[0].proof + lines)
    assert failed(verify_release(structs.replace(parsed, entries=(seen,)), subject, pins, now=NOW)) == []


def test_without_a_pinned_log_the_place_in_it_is_not_checked(model: Path, alice: Signer) -> None:
    subject = subject_of(model)
    report = reported(verified(alice.release(subject), subject, pinned(alice, logs=False)))
    assert [(one.check, one.status) for one in report.findings] == [("release-log-unknown", "WARN")]
    assert (exit_code(report), exit_code(report, strict=True)) == (0, 1)


def test_a_bundle_without_the_signers_key_needs_the_whole_line(model: Path, alice: Signer) -> None:
    subject = subject_of(model)
    bare = type(parse_bundle(alice.release(subject)))
    parsed = parse_bundle(alice.entries([statement_of(release_of(subject, now=NOW, expires=None))]))
    stripped = bare(logs=parsed.logs, signers=(), entries=parsed.entries)
    by_id = verify_release(stripped, subject, pinned(alice), now=NOW)
    assert by_id.signatures[0].standing == "unchecked"
    assert failed(by_id) == ["release-signer-unknown"]
    line = pins_of([alice.author.public.text], logs=alice.vkeys)
    assert failed(verify_release(stripped, subject, line, now=NOW)) == []


def test_a_bundle_that_does_not_hold_tells_nothing_else(model: Path, alice: Signer) -> None:
    subject = subject_of(model)
    parsed = parse_bundle(alice.release(subject))
    entry = parsed.entries[0]
    salt = bytes(32)
    changed = type(parsed)(
        logs=parsed.logs,
        signers=parsed.signers,
        entries=(type(entry)(leaf=entry.leaf, salt=salt, envelope=entry.envelope, proof=entry.proof),),
    )
    facts = verify_release(changed, subject, pinned(alice), now=NOW)
    assert failed(facts) == ["release-signature-broken"]
    assert reported(facts).passed == {}


def test_evidence_without_a_release_or_with_two_is_refused(model: Path, alice: Signer) -> None:
    subject = subject_of(model)
    two = [statement_of(release_of(subject, now=NOW, expires=e)) for e in ("1d", "2d")]
    none = [statement_of(key_event("introduced", alice.author))]
    for statements in (two, none):
        with pytest.raises(AncileError, match="no release, or several"):
            verify_release(parse_bundle(alice.entries(statements)), subject, pinned(alice), now=NOW)


def test_a_classical_signature_fails_unless_it_is_let_through() -> None:
    subject = Subject(kind="model", name="m", digest="sha256:" + "0" * 64)
    for allowed, status in ((False, "FAIL"), (True, "WARN")):
        facts = Verification(
            subject=subject, now=NOW, threshold=1, has_logs=True, scheme="classical", allow_classical=allowed
        )
        found = [one.status for one in reported(facts).findings if one.check == "release-classical-only"]
        assert found == [status]


def test_nothing_differs_from_itself() -> None:
    subject = Subject(kind="model", name="m", digest="sha256:" + "0" * 64)
    assert differences(subject, subject) == Differences()
