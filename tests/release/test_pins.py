"""Pins are what a verifier holds beforehand, each fault of them told; revocations are read from either form."""

from __future__ import annotations

from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.release import pins
from ancile.release.pins import key_entries, pins_of, revocation_list, said_by
from ancile.trust.key import Seeds, private_key
from ancile.trust.ledger import open_ledger
from ancile.trust.statement import statement_of
from tests.release.world import NOW, Signer, key_event, model_in, signer, subject_of

ID = "sha256:" + "0" * 64


@pytest.fixture
def alice(tmp_path: Path) -> Signer:
    return signer(tmp_path, 1, name="alice")


def test_a_signer_is_named_by_id_or_line(alice: Signer) -> None:
    line = alice.author.public.text
    assert pins_of([alice.id]).signers == pins_of([line]).signers == {alice.id}
    assert (pins_of([alice.id]).lines, pins_of([line]).lines) == ((), (line,))


def test_wrong_pins_are_refused(alice: Signer) -> None:
    shared = private_key("author", "eve", Seeds(alice.author.seeds.ed25519, bytes(32)))
    both = [alice.author.public.text, shared.public.text]
    for signers, logs, threshold, said in (
        ([alice.id], [], 2, "threshold that nobody can reach"),
        ([alice.id, alice.author.public.text], [], 2, "threshold that nobody can reach"),
        ([alice.id], [], 0, "threshold that nobody can reach"),
        ([alice.log.public.text], [], 1, "a log signs no release"),
        (["alice"], [], 1, "not a public key of ancile"),
        (both, [], 1, "one key stands under two signers"),
        ([alice.id], alice.vkeys[:1], 1, "a log signs with two keys, and one is given"),
        ([alice.id], ["x"], 1, "malformed"),
    ):
        with pytest.raises(AncileError, match=said):
            pins_of(signers, logs=logs, threshold=threshold)


def test_a_list_of_lines_takes_back_with_a_reason() -> None:
    data = f"# a list\n\n{ID} laptop\x1b stolen\n  sha256:{'1' * 64}  \n".encode()
    assert revocation_list(data, name="list") == {
        ID: "laptop\\x1b stolen",
        f"sha256:{'1' * 64}": "no reason is given",
    }
    assert revocation_list(b"# nothing yet\n", name="list") == {}


@pytest.mark.parametrize(
    "data", [b"", b" \n", b"\xff", b"alice\n", ID[:-1].encode(), b"[1]", b"{}", b'{"format": 1}']
)
def test_what_is_no_list_is_refused(data: bytes) -> None:
    with pytest.raises(AncileError, match=r"not a (list of what was revoked|bundle of evidence)"):
        revocation_list(data, name="list")


def test_a_list_is_read_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "LARGEST_LIST", 100)
    assert len(revocation_list(f"{ID} x\n".encode(), name="list")) == 1
    with pytest.raises(AncileError, match="not a list of what was revoked"):
        revocation_list(f"{ID} {'x' * 100}\n".encode(), name="list")


def test_evidence_with_a_revocation_is_a_list(alice: Signer, tmp_path: Path) -> None:
    revoked = key_event("revoked", alice.author, reason="stolen")
    data = alice.release(subject_of(model_in(tmp_path)), revoked)
    assert revocation_list(data, name="list") == {alice.id: "stolen"}


def test_evidence_without_any_word_on_a_key_is_no_list(alice: Signer, tmp_path: Path) -> None:
    """The release itself, given by mistake, would say that nothing was taken back."""
    data = alice.release(subject_of(model_in(tmp_path)))
    with pytest.raises(AncileError, match="evidence that says nothing of any key"):
        revocation_list(data, name="list")
    introduced = alice.entries([statement_of(key_event("introduced", alice.author))])
    assert revocation_list(introduced, name="list") == {}
    with pytest.raises(AncileError):
        revocation_list(introduced.replace(b'"salt": "', b'"salt": "A', 1), name="list")


def test_a_ledger_tells_its_key_events(alice: Signer) -> None:
    events = [key_event("introduced", alice.author), key_event("rotated", alice.author, after=ID)]
    alice.entries([statement_of(one) for one in events])
    with open_ledger(alice.folder, clock=lambda: NOW) as ledger:
        assert list(key_entries(ledger)) == list(enumerate(events))
    said = said_by(events)
    assert (said.revoked, said.rotated) == ({}, frozenset({(ID, alice.id)}))
