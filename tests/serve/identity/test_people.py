"""Nobody logs in with one factor, twice with one code, or by guessing; a session ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyotp
import pytest

from ancile.core.errors import AncileError
from ancile.serve.identity.passwords import is_strong, weakness
from ancile.serve.identity.people import LONGEST_DELAY, LogInRefused, People, Person
from ancile.serve.identity.sessions import IDLE_SECONDS, LONGEST_SECONDS, Sessions
from ancile.serve.keys import Users
from ancile.trust.events import UserEvent

NOW = datetime(2026, 1, 2, tzinfo=UTC)
AT = NOW.timestamp()
GOOD = "correct horse battery staple"


@pytest.fixture
def users(tmp_path: Path) -> Iterator[Users]:
    with Users(tmp_path / "serve") as found:
        yield found


def enrolled(people: People, name: str = "carol") -> pyotp.TOTP:
    found = pyotp.parse_uri(people.add(name, role="admin", password=GOOD, now=NOW))
    assert isinstance(found, pyotp.TOTP)
    return found


def refused(people: People, name: str, password: str, code: str, now: float) -> float:
    with pytest.raises(LogInRefused) as found:
        people.log_in(name, password, code, now=now)
    return found.value.after


def test_both_factors_let_in_and_a_code_does_so_once(users: Users, cheap_passwords: None) -> None:
    people = People(users)
    totp = enrolled(people)
    refused(people, "carol", GOOD, "000000" if totp.at(AT) != "000000" else "000001", AT)
    refused(people, "carol", GOOD + " ", totp.at(AT), AT)
    assert people.log_in("carol", GOOD, totp.at(AT), now=AT) == Person("carol", "admin")
    refused(people, "carol", GOOD, totp.at(AT), AT)
    refused(people, "carol", GOOD, totp.at(AT - 30), AT)  # one before a code that was used
    assert people.log_in("carol", GOOD, totp.at(AT + 30), now=AT + 30).name == "carol"
    refused(people, "carol", GOOD, totp.at(AT + 120), AT + 60)


@pytest.mark.slow
def test_the_delay_doubles_for_names_that_are_there_and_for_those_that_are_not(users: Users) -> None:
    people = People(users)
    totp = enrolled(people)
    for name in ("carol", "nobody"):
        delays, now = [], AT
        for _ in range(5):
            delays.append(refused(people, name, "wrong", "000000", now))
            now += delays[-1]
        assert delays == [0.0, 0.0, 1.0, 2.0, 4.0]
        assert 3.9 < refused(people, name, "wrong", "000000", now - 4.0) <= 4.0
    assert refused(people, "carol", GOOD, totp.at(now - 1), now - 1) > 0  # right, and too early
    assert people.log_in("carol", GOOD, totp.at(now), now=now).name == "carol"
    assert refused(people, "carol", "wrong", "000000", now) == 0.0
    assert LONGEST_DELAY == 900


@pytest.mark.parametrize(
    "password",
    ["", "short", "aaaaaaaaaaaaaaaa", "Password1234!", "admin-admin-2026", "carol-carol-carol1", "123456789012345",
     "ChangeMe!ChangeMe!", "qwerty12345678", "a" * 300],
)  # fmt: skip
def test_a_weak_password_is_refused_with_its_reason(password: str, users: Users) -> None:
    assert weakness(password, name="carol")
    with pytest.raises(AncileError, match="too weak"):
        People(users).add("carol", role="admin", password=password, now=NOW)
    assert People(users).list() == []
    assert not weakness(GOOD, name="carol")


def test_secrets_in_a_weaker_form_refuse_to_start(users: Users) -> None:
    people = People(users)
    enrolled(people)
    people.refuse_weak()
    weak = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6Ue1Bnzz07Z8A"
    assert not is_strong(weak)
    assert not is_strong("plain")
    with users.changing() as db:
        db.execute("UPDATE people SET password = ?", (weak,))
    with pytest.raises(AncileError, match="weak form"):
        people.refuse_weak()


def test_the_file_of_users_gives_nobody_a_second_factor(users: Users) -> None:
    people = People(users)
    secret = enrolled(people).secret
    rows = users.rows("SELECT password, totp FROM people")
    assert secret.encode() not in repr(rows).encode()
    with users.changing() as db:
        db.execute("UPDATE people SET name = 'mallory'")  # a row under another name
    with pytest.raises(AncileError, match="second factor cannot be opened"):
        people.refuse_weak()


def test_a_session_ends_when_idle_at_the_latest_and_with_its_person(users: Users) -> None:
    people, sessions = People(users), Sessions(users)
    enrolled(people)
    carol = Person("carol", "admin")
    token = sessions.begin(carol, now=AT)
    found = sessions.of(token, now=AT + IDLE_SECONDS - 1)
    assert found is not None
    assert found.person == carol
    assert sessions.of(token, now=AT + 2 * IDLE_SECONDS - 2) is not None  # it was seen
    assert sessions.of(token, now=AT + 4 * IDLE_SECONDS) is None
    assert sessions.of(token, now=AT + LONGEST_SECONDS) is None
    assert sessions.of("", now=AT) is None
    other = sessions.begin(carol, now=AT)
    assert other != token
    sessions.end(other)
    assert sessions.of(other, now=AT) is None
    assert token not in repr(users.rows("SELECT * FROM sessions"))
    assert people.remove("carol", now=NOW)
    assert sessions.of(token, now=AT) is None
    assert [event.change for event in _events(users)] == ["person", "removed"]


def _events(users: Users) -> list[UserEvent]:
    seen: list[UserEvent] = []
    users.hand_over(seen.append)
    return seen
