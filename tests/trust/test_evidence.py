"""Evidence that travels: verified without the ledger, refused when changed, doubted when unknown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.trust.bundle import LARGEST, MOST_KEYS, Bundle, Carried, encode_bundle, parse_bundle
from ancile.trust.checkpoint import Head, sign_checkpoint
from ancile.trust.dsse import sign
from ancile.trust.evidence import VerifiedEvidence, verify_bundle
from ancile.trust.imports import MOST_BUNDLES, import_bundle, imported
from ancile.trust.key import private_key
from ancile.trust.leaf import Leaf, commitment_to, encode_leaf
from ancile.trust.ledger import open_ledger
from ancile.trust.merkle import leaf_hash, node_hash
from ancile.trust.notary import export_evidence, record
from ancile.trust.statement import statement_of
from ancile.trust.tlog_proof import TlogProof
from tests.trust.keys_help import MODEL, NOW, report, seeds

ALICE = private_key("author", "alice", seeds(1))
BOB = private_key("author", "bob", seeds(2))
LOG = private_key("log", "ci.example.org/log", seeds(3))
ROTATED = private_key("log", "ci.example.org/log", seeds(4))
AUTHORS = [ALICE.public.id]
SALT = bytes(range(32))


def carried(
    payload: bytes, *, kind: str = "report", time_ms: int = 1_795_000_000_000, log: object = LOG
) -> Carried:
    """An entry made by hand: a log of two leaves of which it is the second."""
    body = sign(payload, [ALICE])
    leaf = encode_leaf(Leaf(kind, time_ms, ALICE.public.id_bytes, commitment_to(SALT, body)))
    sibling = leaf_hash(b"another")
    head = Head(LOG.public.name, 2, node_hash(sibling, leaf_hash(leaf)))
    signer = ROTATED if log is ROTATED else LOG
    note = sign_checkpoint(head, ed25519=signer.ed25519, mldsa44=signer.mldsa, when=1_795_000_001)
    return Carried(
        leaf=leaf.decode(),
        salt=SALT,
        envelope=body.decode(),
        proof=TlogProof(1, (sibling,), note).text,
    )


ENTRY = carried(statement_of(report()))
WHOLE = Bundle(logs=LOG.public.vkeys, signers=(ALICE.public.text,), entries=(ENTRY,))
DATA = encode_bundle(WHOLE)


def verified(data: bytes) -> list[VerifiedEvidence]:
    return verify_bundle(data, logs=LOG.public.vkeys, authors=AUTHORS)


def entry(**fields: object) -> Bundle:
    return replace(WHOLE, entries=(replace(ENTRY, **fields),))


def test_evidence_of_a_ledger_verifies_without_it(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "ledger", clock=lambda: NOW) as ledger:
        for number in range(5):
            record(ledger, statement_of(report(b"%d" % number)), author=ALICE, log=LOG, clock=lambda: NOW)
        data = export_evidence(ledger, [4, 0, 2], logs=LOG.public.vkeys, signers=[BOB.public, ALICE.public])
    found = verified(data)
    assert [e.index for e in found] == [4, 0, 2]
    assert all(e.accepted and e.time == NOW for e in found)
    assert found[2].statement.covers(digest_of(b"2"))
    assert BOB.public.text not in parse_bundle(data).signers


def test_a_bundle_is_accepted_with_ids_or_lines_of_authors() -> None:
    for author in (ALICE.public.id, ALICE.public.text):
        (found,) = verify_bundle(DATA, logs=LOG.public.vkeys, authors=[author])
        assert found.accepted
        assert found.statement.covers(digest_of(MODEL))


def test_a_line_of_an_author_serves_where_the_bundle_has_no_key() -> None:
    data = encode_bundle(replace(WHOLE, signers=()))
    (found,) = verify_bundle(data, logs=LOG.public.vkeys, authors=[ALICE.public.text])
    assert found.accepted


def test_a_key_that_the_policy_names_and_nobody_has_leaves_the_signature_unchecked() -> None:
    (found,) = verified(encode_bundle(replace(WHOLE, signers=())))
    assert len(found.doubts) == 1
    assert "its signature is not checked" in found.doubts[0]


@pytest.mark.parametrize(
    ("logs", "authors", "doubt"),
    [
        (LOG.public.vkeys, [BOB.public.id], "not among the authors"),
        (LOG.public.vkeys, [], "not among the authors"),
        ((), AUTHORS, "log ci.example.org/log is not among those of the policy"),
        (private_key("log", "other.example", seeds(5)).public.vkeys, AUTHORS, "is not among those"),
        (ROTATED.public.vkeys, AUTHORS, "not signed by the keys pinned for ci.example.org/log"),
        (LOG.public.vkeys[:1], AUTHORS, "not signed by the keys pinned for ci.example.org/log"),
    ],
)
def test_an_unknown_log_or_signer_is_told_and_never_accepted(
    logs: tuple[str, ...], authors: list[str], doubt: str
) -> None:
    (found,) = verify_bundle(DATA, logs=logs, authors=authors)
    assert not found.accepted
    assert any(doubt in d for d in found.doubts)


def test_keys_from_before_a_rotation_still_verify_the_past() -> None:
    both = LOG.public.vkeys + ROTATED.public.vkeys
    later = carried(statement_of(report()), log=ROTATED)
    data = encode_bundle(replace(WHOLE, logs=both, entries=(ENTRY, later)))
    assert all(e.accepted for e in verify_bundle(data, logs=both, authors=AUTHORS))
    assert [e.accepted for e in verify_bundle(data, logs=LOG.public.vkeys, authors=AUTHORS)] == [True, False]


def other_signer() -> Bundle:
    return entry(envelope=sign(statement_of(report()), [BOB]).decode())


CHANGES: dict[str, Callable[[], Bundle]] = {
    "another leaf": lambda: entry(leaf=ENTRY.leaf.replace("\nreport\n", "\ndecision\n")),
    "a later time": lambda: entry(leaf=ENTRY.leaf.replace("1795000000000", "1795000000001")),
    "another author": lambda: entry(
        leaf=ENTRY.leaf.replace(ALICE.public.id_bytes.hex(), BOB.public.id_bytes.hex())
    ),
    "no leaf": lambda: entry(leaf=""),
    "another salt": lambda: entry(salt=bytes(32)),
    "no salt": lambda: entry(salt=b""),
    "another body": lambda: entry(envelope=ENTRY.envelope + " "),
    "another signer": other_signer,
    "no proof": lambda: entry(proof=""),
    "another index": lambda: entry(proof=ENTRY.proof.replace("index 1\n", "index 0\n")),
    "an index beyond": lambda: entry(proof=ENTRY.proof.replace("index 1\n", "index 2\n")),
    "another size": lambda: entry(proof=ENTRY.proof.replace("\n2\n", "\n3\n")),
    "no log key": lambda: replace(WHOLE, logs=()),
    "one log key": lambda: replace(WHOLE, logs=LOG.public.vkeys[:1]),
    "a foreign log key": lambda: replace(WHOLE, logs=ROTATED.public.vkeys),
    "no key at all": lambda: replace(WHOLE, logs=("x",)),
    "no signer at all": lambda: replace(WHOLE, signers=("x",)),
    "a stripped signature of the log": lambda: entry(
        proof="\n".join(line for line in ENTRY.proof.split("\n") if len(line) < 3000)
    ),
    "another kind": lambda: replace(WHOLE, entries=(carried(statement_of(report()), kind="decision"),)),
    "no statement": lambda: replace(WHOLE, entries=(carried(b"{}"),)),
    "a time beyond the calendar": lambda: replace(
        WHOLE, entries=(carried(statement_of(report()), time_ms=10**18),)
    ),
    "a good entry before a bad one": lambda: replace(WHOLE, entries=(ENTRY, replace(ENTRY, salt=b""))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_bundle_that_does_not_hold_is_refused(change: str) -> None:
    data = encode_bundle(CHANGES[change]())
    for logs in (LOG.public.vkeys, ()):
        with pytest.raises(AncileError):
            verify_bundle(data, logs=logs, authors=AUTHORS)


def test_the_error_names_the_entry_that_does_not_hold() -> None:
    with pytest.raises(AncileError, match="entry 2 of the bundle"):
        verified(encode_bundle(CHANGES["a good entry before a bad one"]()))


def test_a_stripped_signature_of_the_author_is_refused() -> None:
    envelope = msgspec.json.decode(ENTRY.envelope)
    envelope["signatures"].pop()
    body = msgspec.json.encode(envelope)
    leaf = encode_leaf(Leaf("report", 1, ALICE.public.id_bytes, commitment_to(SALT, body)))
    head = Head(LOG.public.name, 1, leaf_hash(leaf))
    note = sign_checkpoint(head, ed25519=LOG.ed25519, mldsa44=LOG.mldsa, when=1)
    stripped = Carried(
        leaf=leaf.decode(),
        salt=SALT,
        envelope=body.decode(),
        proof=TlogProof(0, (), note).text,
    )
    with pytest.raises(AncileError, match="ML-DSA-65 signature of a signer is missing"):
        verified(encode_bundle(replace(WHOLE, entries=(stripped,))))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"null",
        b"\xff",
        b"[" * 100_000,
        DATA[:-1],
        DATA + b" ",
        DATA.replace(b"ancile/evidence/v1", b"ancile/evidence/v2"),
        DATA.replace(b'"logs"', b'"more": 1,\n "logs"'),
        msgspec.json.encode({"format": "ancile/evidence/v1", "logs": ["x"] * (MOST_KEYS + 1)}),
        b" " * (LARGEST + 1),
    ],
)
def test_a_malformed_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(AncileError):
        verified(data)


def test_a_bundle_without_entries_says_nothing() -> None:
    assert verified(encode_bundle(replace(WHOLE, entries=()))) == []


def test_more_entries_than_a_bundle_may_hold_are_not_written() -> None:
    with pytest.raises(AncileError, match="bundle is too large"):
        encode_bundle(replace(WHOLE, entries=(Carried(leaf="", salt=b"", envelope="", proof=""),) * 10_001))


@given(st.integers(0, len(DATA) - 1), st.binary(max_size=2))
def test_fuzz_a_changed_bundle_is_refused_or_says_the_same(place: int, new: bytes) -> None:
    mutated = DATA[:place] + new + DATA[place + 1 :]
    try:
        found = verified(mutated)
    except AncileError:
        return
    assert [(e.statement, e.origin, e.index, e.author) for e in found if e.accepted] in (
        [],
        [(e.statement, e.origin, e.index, e.author) for e in verified(DATA)],
    )


@given(st.binary(max_size=100))
def test_fuzz_bytes_raise_one_error_type(data: bytes) -> None:
    with pytest.raises(AncileError):
        verified(data)


TEXTS = st.text(max_size=30)


@given(
    st.builds(
        Bundle,
        logs=st.lists(TEXTS | st.sampled_from(LOG.public.vkeys), max_size=2).map(tuple),
        signers=st.lists(TEXTS | st.just(ALICE.public.text), max_size=1).map(tuple),
        entries=st.lists(
            st.builds(
                Carried,
                leaf=TEXTS | st.just(ENTRY.leaf),
                salt=st.binary(max_size=5) | st.just(SALT),
                envelope=TEXTS | st.just(ENTRY.envelope),
                proof=TEXTS | st.just(ENTRY.proof),
            ),
            max_size=2,
        ).map(tuple),
    )
)
def test_fuzz_a_bundle_of_odd_parts_is_refused_or_holds(bundle: Bundle) -> None:
    try:
        found = verified(encode_bundle(bundle))
    except AncileError:
        return
    assert all(e.statement.covers(digest_of(MODEL)) for e in found)


def test_an_imported_bundle_is_kept_under_its_digest_and_verified_at_each_use(tmp_path: Path) -> None:
    folder = tmp_path / "imports"
    assert list(imported(folder, logs=[], authors=[])) == []
    digest = import_bundle(folder, DATA)
    assert import_bundle(folder, DATA) == digest == digest_of(DATA)
    assert (folder / f"{digest[7:]}.json").read_bytes() == DATA
    assert [e.accepted for e in imported(folder, logs=list(LOG.public.vkeys), authors=AUTHORS)] == [True]
    assert [e.accepted for e in imported(folder, logs=list(LOG.public.vkeys), authors=[])] == [False]


def test_a_bundle_that_does_not_hold_is_not_imported(tmp_path: Path) -> None:
    with pytest.raises(AncileError):
        import_bundle(tmp_path / "imports", encode_bundle(CHANGES["another salt"]()))
    assert not (tmp_path / "imports").exists()


def test_an_imported_bundle_that_was_changed_is_named(tmp_path: Path) -> None:
    digest = import_bundle(tmp_path, DATA)
    other = encode_bundle(replace(WHOLE, entries=()))
    (tmp_path / f"{digest[7:]}.json").write_bytes(other)
    with pytest.raises(AncileError, match="imported bundle was changed") as refusal:
        list(imported(tmp_path, logs=[], authors=[]))
    assert digest[7:] in refusal.value.value


@pytest.mark.slow
def test_more_imported_bundles_than_can_be_read_are_an_error(tmp_path: Path) -> None:
    for number in range(MOST_BUNDLES + 1):
        (tmp_path / f"{number}.json").touch()
    with pytest.raises(AncileError, match="too many imported bundles"):
        list(imported(tmp_path, logs=[], authors=[]))
