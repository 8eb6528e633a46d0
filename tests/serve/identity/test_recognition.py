"""A certificate stands for the identity that its URI names, where no header names another."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.serve.identity.config import Identities
from ancile.serve.identity.recognition import UNREADABLE_SECONDS, Recognition
from ancile.serve.keys import Identity, Users
from ancile.serve.refusal import Refused
from ancile.trust.events import UserEvent

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ROLES = {"spiffe://example.org/batch": "service", "spiffe://example.org/team/*": "analyst"}


@dataclass
class Asked:
    headers: dict[bytes, bytes] = field(default_factory=dict)
    address: str = "127.0.0.1"
    certificate: str = ""
    proof: tuple[bytes, bytes] = (b"", b"")


@pytest.mark.parametrize(
    ("uri", "role"),
    [
        ("spiffe://example.org/batch", "service"),
        ("spiffe://example.org/team/a", "analyst"),
        ("spiffe://example.org/team/a/b", "analyst"),
        ("spiffe://example.org/team", None),
        ("spiffe://example.org/teams/a", None),
        ("spiffe://example.org/batch/x", None),
        ("spiffe://other.org/batch", None),
        ("spiffe://example.org/team/*", "analyst"),
        ("", None),
    ],
)
def test_a_uri_has_the_role_of_itself_or_of_what_is_above_it(
    uri: str, role: str | None, tmp_path: Path
) -> None:
    with Users(tmp_path / "serve") as users:
        found = Recognition(users, Identities(certificates=ROLES)).of(Asked(certificate=uri))
    if role is None:
        assert isinstance(found, Refused)
    else:
        assert found == Identity(f"cert:{uri}", role, "certificate")


def test_a_key_goes_before_a_certificate_and_a_wrong_key_is_not_saved_by_it(tmp_path: Path) -> None:
    with Users(tmp_path / "serve") as users:
        key = users.add("alice", role="analyst", now=NOW).encode()
        recognition = Recognition(users, Identities(certificates=ROLES))
        both = Asked({b"authorization": b"Bearer " + key}, certificate="spiffe://example.org/batch")
        assert recognition.of(both) == Identity("alice", "analyst")
        for given in (b"Bearer x", b"Bearer ", b"bearer " + key, b"Basic YTpi", b"", key):
            wrong = Asked({b"authorization": given}, certificate="spiffe://example.org/batch")
            assert isinstance(recognition.of(wrong), Refused)


def test_who_was_taken_back_is_let_in_by_no_certificate_until_admitted(tmp_path: Path) -> None:
    asked, name = Asked(certificate="spiffe://example.org/batch"), "cert:spiffe://example.org/batch"
    with Users(tmp_path / "serve") as users, Users(tmp_path / "serve") as writer:
        recognition = Recognition(users, Identities(certificates=ROLES))
        writer.block(name, now=NOW)
        recognition.tick()
        assert isinstance(recognition.of(asked), Refused)
        assert isinstance(recognition.of(Asked(certificate="spiffe://example.org/team/a")), Identity)
        assert writer.admit(name, now=NOW)
        assert not writer.admit(name, now=NOW)
        recognition.tick()
        assert recognition.of(asked) == Identity(name, "service", "certificate")
        for wrong in ("alice", "oidc:", "cert:\n", "ldap:x", "oidc: a"):
            with pytest.raises(AncileError, match="not the name"):
                writer.block(wrong, now=NOW)
        seen: list[UserEvent] = []
        writer.hand_over(seen.append)
    assert [(one.change, one.user) for one in seen] == [("blocked", name), ("admitted", name)]


def test_users_that_cannot_be_read_are_known_for_a_minute_and_then_nobody_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that cannot be seen might be that a key was taken back."""
    users = Users(tmp_path / "serve")
    key = users.add("alice", role="analyst", now=NOW).encode()
    asked = Asked({b"authorization": b"Bearer " + key})
    certified = Asked(certificate="spiffe://example.org/batch")
    recognition = Recognition(users, Identities(certificates=ROLES))
    users.close()
    recognition.tick()
    assert recognition.of(asked) == Identity("alice", "analyst")
    assert isinstance(recognition.of(certified), Identity)
    later = time.monotonic() + UNREADABLE_SECONDS + 1
    monkeypatch.setattr("ancile.serve.identity.recognition.time.monotonic", lambda: later)
    recognition.tick()
    assert isinstance(recognition.of(asked), Refused)
    assert isinstance(recognition.of(certified), Refused)
    with pytest.raises(AncileError, match="cannot be read"):
        Recognition(users, Identities())
