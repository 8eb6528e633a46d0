"""Nobody administers who is not logged in with both factors, from our own page, on a name of ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pyotp
import pytest

from ancile.serve.admin import login
from ancile.serve.admin.app import application
from ancile.serve.admin.config import AdminConfig
from ancile.serve.admin.door import LARGEST_BODY
from ancile.serve.admin.login import MOST_TRIES, Tries
from ancile.serve.admin.passkeys import Challenges
from ancile.serve.admin.process import hosts_of
from ancile.serve.admin.state import AdminState
from ancile.serve.config import ServeConfig, policy_of
from ancile.serve.identity.people import People
from ancile.serve.identity.permissions import shipped
from ancile.serve.identity.sessions import Sessions
from ancile.serve.keys import Users
from ancile.trust.events import UserEvent
from ancile.trust.ledger import open_ledger
from tests.serve.admin.asgi import HOST, ORIGIN, Browser

GOOD = "correct horse battery staple"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
ROUTES = ("/api/users", "/api/policy", "/api/verdicts", "/api/people", "/api/session")
CHANGES = (
    "/api/users",
    "/api/users/a/rotate",
    "/api/users/a/revoke",
    "/api/users/a/role",
    "/api/passkeys/add",
    "/api/passkeys/added",
    "/api/session/end",
)


class Small:
    """A state, its application, and the second factors of carol (admin) and rita (reviewer)."""

    def __init__(self, folder: Path) -> None:
        self.users = Users(folder / "serve")
        self.people = People(self.users)
        self.totp = {
            name: pyotp.parse_uri(self.people.add(name, role=role, password=GOOD, now=NOW))
            for name, role in (("carol", "admin"), ("rita", "reviewer"))
        }
        with open_ledger(folder, clock=lambda: NOW, create=True):
            pass
        self.state = AdminState(
            home=folder,
            users=self.users,
            people=self.people,
            sessions=Sessions(self.users),
            policy=policy_of(ServeConfig()),
            policies=shipped(),
            digest="sha256:" + "0" * 64,
            origins=(ORIGIN,),
            secure=False,
        )
        self.app = application(self.state, hosts=(HOST,))

    def browser(self, name: str = "") -> Browser:
        """One that is logged in where a name is given."""
        made = Browser(self.app)
        if name:
            code = self.totp[name].generate_otp(int(time.time()) // 30)
            answer = made("/api/session", {"name": name, "password": GOOD, "code": code})
            assert answer.status == 200, answer
        return made


@pytest.fixture
def small(tmp_path: Path, cheap_passwords: None) -> Iterator[Small]:
    made = Small(tmp_path)
    yield made
    made.users.close()


def test_a_stranger_sees_the_page_and_nothing_else(small: Small) -> None:
    stranger = small.browser()
    assert stranger("/").status == 200
    assert [stranger(path).status for path in ROUTES] == [401] * len(ROUTES)
    assert [stranger(path, {}).status for path in CHANGES] == [401] * len(CHANGES)
    stranger.cookie = "__Host-ancile=guessed"
    assert [stranger(path).status for path in ROUTES] == [401] * len(ROUTES)
    assert stranger("/api/../api/users").status == 404
    assert stranger("/openapi.json").status == 404


def test_a_cookie_is_for_this_host_alone_and_no_script_reads_it(small: Small) -> None:
    browser = small.browser()
    code = small.totp["carol"].generate_otp(int(time.time()) // 30)
    answer = browser("/api/session", {"name": "carol", "password": GOOD, "code": code})
    kept = answer.headers["set-cookie"].lower()
    assert kept.startswith("__host-ancile=")
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= {part.strip() for part in kept.split(";")}
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert browser("/api/session").said["name"] == "carol"
    again = small.browser()
    assert again("/api/session", {"name": "carol", "password": GOOD, "code": code}).status == 401  # used up
    before = browser.cookie
    assert browser("/api/session/end", {}).status == 200
    browser.cookie = before
    assert browser("/api/session").status == 401


def test_keys_are_made_rotated_and_taken_back_and_the_event_names_who_did_it(small: Small) -> None:
    carol = small.browser("carol")
    key = carol("/api/users", {"name": "alice", "role": "analyst"}).said["key"]
    assert key.startswith("ancile_")
    assert carol("/api/users/alice/rotate", {"grace": 1}).said["key"] != key
    assert carol("/api/users/alice/role", {"role": "service"}).said == {"role": "service"}
    assert carol("/api/users").said[0]["keys"] == 2
    assert carol("/api/users/alice/revoke", {}).said == {"revoked": 2}
    assert carol("/api/policy").said["profile"] == "standard"
    assert carol("/api/verdicts?last=5").said == []
    assert [one["name"] for one in carol("/api/people").said] == ["carol", "rita"]
    seen: list[UserEvent] = []
    small.users.hand_over(seen.append)
    assert [(one.change, one.by) for one in seen if one.user == "alice"] == [
        ("added", "carol"),
        ("rotated", "carol"),
        ("role", "carol"),
        ("revoked", "carol"),
    ]


def test_a_reviewer_changes_no_key(small: Small) -> None:
    rita = small.browser("rita")
    assert rita("/api/session").status == 200
    assert [rita(path).status for path in ROUTES[:4]] == [403] * 4
    assert rita("/api/users", {"name": "alice", "role": "analyst"}).status == 403


def test_what_another_page_sends_changes_nothing(small: Small) -> None:
    carol = small.browser("carol")
    new = {"name": "mallory", "role": "service"}
    for changed, status in (
        ({"x_csrf_token": None}, 403),
        ({"x_csrf_token": "guessed"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"content_type": "text/plain"}, 400),
        ({"host": "evil.example:9443"}, 421),
        ({"host": "localhost"}, 421),
        ({"content_length": str(LARGEST_BODY + 1)}, 413),
        ({"content_length": "9" * 30}, 413),
        ({"content_length": None}, 411),
        ({"transfer_encoding": "chunked"}, 411),
    ):
        assert carol("/api/users", new, **changed).status == status, changed
    assert carol("/api/users").said == []


def test_a_body_that_is_not_what_is_asked_for_changes_nothing(small: Small) -> None:
    carol = small.browser("carol")
    bodies: list[object] = [[], {}, "x", {"name": 5, "role": "analyst"}, {"name": "a", "role": "root"}]
    bodies += [{"name": name, "role": "analyst"} for name in ("a b", "<script>", "", "a" * 65)]
    for body in [*bodies, {"name": "a", "role": "analyst", "admin": True}]:
        assert carol("/api/users", body).status == 400
    assert carol("/api/users").said == []
    assert carol("/api/users/nobody/rotate", {"grace": 1}).status == 400
    assert carol("/api/users/nobody/rotate", {"grace": 10**9}).status == 400
    assert all(carol(f"/api/verdicts?last={last}").status == 400 for last in ("x", "1001", "9" * 5000))


def test_a_file_that_cannot_be_had_is_503_and_no_path_is_told(small: Small) -> None:
    carol = small.browser("carol")
    (small.state.home / "ledger.db").write_bytes(b"no ledger at all" * 400)
    answer = carol("/api/verdicts")
    assert answer.status == 503
    assert str(small.state.home) not in answer.body.decode()


def test_who_guesses_is_put_off(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "time", SimpleNamespace(time=lambda: 1e9, monotonic=time.monotonic))
    browser = small.browser()
    wrong = {"name": "carol", "password": "wrong", "code": "000000"}
    said = [browser("/api/session", wrong) for _ in range(3)]
    assert [one.status for one in said] == [401, 401, 429]
    assert said[2].headers["retry-after"] == "2"


def test_all_tries_together_are_bounded() -> None:
    now = 100.0
    tries = Tries(lambda: now)
    assert [tries.take() for _ in range(int(MOST_TRIES) + 2)] == [True] * int(MOST_TRIES) + [False] * 2
    now = 102.5
    assert [tries.take() for _ in range(3)] == [True, True, False]


def test_a_challenge_is_for_one_use_and_a_made_up_key_lets_nobody_in(small: Small) -> None:
    browser = small.browser()
    asked = browser("/api/passkeys/challenge", {"name": "carol"}).said
    assert asked["options"]["userVerification"] == "required"
    fake = {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {}}
    for credential in (fake, {}, {"id": 5}):
        asked = browser("/api/passkeys/challenge", {"name": "carol"}).said
        finish = {"challenge": asked["challenge"], "credential": credential}
        assert browser("/api/passkeys/session", finish).status == 401
        assert browser("/api/passkeys/session", finish).status == 400
    carol = small.browser("carol")
    asked = carol("/api/passkeys/add", {}).said
    finish = {"challenge": asked["challenge"], "credential": fake}
    assert carol("/api/passkeys/added", finish).status == 400
    many = Challenges()
    first = many.new("a")[0]
    for _ in range(1000):
        many.new("b")
    with pytest.raises(Exception, match="begin anew"):
        many.take(first)


def test_a_challenge_does_not_tell_who_has_a_security_key(small: Small) -> None:
    def asked_for(name: str) -> list[str]:
        options = small.browser()("/api/passkeys/challenge", {"name": name}).said["options"]
        return [one["id"] for one in options["allowCredentials"]]

    with small.users.changing() as db:
        db.execute("INSERT INTO credentials VALUES (?, 'carol', ?, 0, '')", (b"i" * 32, b"k"))
    found = [asked_for(name) for name in ("carol", "rita", "nobody", "x" * 60_000)]
    assert [(len(one), len(one[0])) for one in found] == [(1, 43)] * 4
    assert len({one[0] for one in found}) == 4
    assert asked_for("nobody") == found[2]


@pytest.mark.parametrize("inside", [b"[" * 9000, b"[" * 9000 + b"]" * 9000])
def test_what_is_nested_without_end_is_a_bad_request(small: Small, inside: bytes) -> None:
    body = b'{"challenge": "", "credential": {"a": ' + inside + b"}}"
    assert small.browser()("/api/passkeys/session", body).status == 400


def test_beyond_this_machine_there_is_no_administration_without_tls() -> None:
    for wrong in ({"host": "0.0.0.0"}, {"host": "localhost"}, {"certificate": "c.pem"}, {"key": "k.pem"}):  # noqa: S104 - refused
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(wrong, AdminConfig)
    assert hosts_of(AdminConfig(), 9000) == ("localhost:9000", "127.0.0.1:9000")
    tls = AdminConfig(host="10.0.0.1", names=("admin.example",), certificate="c", key="k")
    assert hosts_of(tls, 443) == ("admin.example:443", "10.0.0.1:443", "admin.example", "10.0.0.1")
