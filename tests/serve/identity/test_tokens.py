"""Keys of an issuer come, change, go stale; a token is checked once; an address that guesses is put off."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ancile.core.errors import AncileError
from ancile.serve.identity.jwks import AGAIN_SECONDS, DISCOVERY, Issuer, fetched
from ancile.serve.identity.tokens import LATER, MOST_TRIES, Tokens
from ancile.serve.keys import Identity
from ancile.serve.refusal import Refused
from tests.serve.identity.local_issuer import claims, local_issuer, oidc, public, rsa, signed

ONE, TWO = rsa("one"), rsa("two")


def came(issuer: Issuer, now: float) -> bool:
    """Whether other keys came, once a fetch that was begun has ended."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if issuer.tick(now):
            return True
        time.sleep(0.005)
    return False


def test_a_new_key_is_fetched_once_a_minute_at_most_and_an_old_one_is_gone_then() -> None:
    with local_issuer() as local:
        local.answers["/keys"] = public(ONE)
        trusted = oidc(jwks=f"{local.url}/keys")
        issuer = Issuer(trusted, now=0.0)
        tokens = Tokens(trusted, issuer)
        assert isinstance(tokens.of(signed(ONE), b"first", ""), Identity)
        local.answers["/keys"] = public(TWO)
        assert tokens.of(signed(TWO), b"second", "") is None
        assert issuer.wanted
        assert not issuer.tick(AGAIN_SECONDS - 1)
        assert local.asked == 1
        assert came(issuer, AGAIN_SECONDS)
        assert set(issuer.keys) == {"two"}
        assert isinstance(tokens.of(signed(TWO), b"second", ""), Identity)
        assert tokens.of(signed(rsa("three")), b"third", "") is None
        assert not issuer.tick(AGAIN_SECONDS + 59)
        assert local.asked == 2


def test_tokens_are_forgotten_when_the_keys_change(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(public(ONE))
    trusted = oidc(jwks=str(tmp_path / "keys"))
    issuer = Issuer(trusted, now=time.monotonic() - 3600)
    tokens = Tokens(trusted, issuer)
    assert isinstance(tokens.of(signed(ONE), b"first", ""), Identity)
    (tmp_path / "keys").write_bytes(public(TWO))
    end = time.monotonic() + 60
    while tokens.of(signed(ONE), b"first", "") is not None and time.monotonic() < end:
        tokens.tick()
        time.sleep(0.005)
    assert tokens.of(signed(ONE), b"first", "") is None


def test_keys_that_cannot_be_fetched_anew_count_until_they_are_stale() -> None:
    with local_issuer() as local:
        local.answers["/keys"] = public(ONE)
        issuer = Issuer(oidc(jwks=f"{local.url}/keys", fresh_seconds=100, stale_seconds=1000), now=0.0)
        del local.answers["/keys"]
        assert not issuer.tick(100.0)
        assert set(issuer.keys) == {"one"}
        assert came(issuer, 1001.0)  # none are other keys than some
        assert issuer.keys == {}


def test_a_token_is_known_until_it_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    trusted = oidc(leeway_seconds=0)
    tokens = Tokens(trusted, Issuer(trusted, now=0.0, fetch=lambda _: public(ONE)))
    now = time.time()
    token = signed(ONE, claims(exp=now + 300))
    assert isinstance(tokens.of(token, b"hash", ""), Identity)
    assert isinstance(tokens.of(b"not looked at again", b"hash", ""), Identity)
    monkeypatch.setattr("ancile.serve.identity.tokens.time", SimpleNamespace(time=lambda: now + 301))
    assert tokens.of(token, b"hash", "") is None


def test_an_address_that_tries_tokens_is_put_off_and_no_other() -> None:
    trusted = oidc()
    tokens = Tokens(trusted, Issuer(trusted, now=0.0, fetch=lambda _: public(ONE)))
    good = signed(ONE)
    assert isinstance(tokens.of(good, b"known", "10.0.0.1"), Identity)
    for number in range(MOST_TRIES):
        assert tokens.of(b"a.b.c", b"%d" % number, "10.0.0.1") is None
    assert tokens.of(b"a.b.c", b"x", "10.0.0.1") is LATER
    assert tokens.of(signed(ONE, claims(sub="bob")), b"new", "10.0.0.1") is LATER
    assert isinstance(tokens.of(good, b"known", "10.0.0.1"), Identity)  # it was verified before
    assert isinstance(tokens.of(good, b"other", "10.0.0.2"), Identity)
    tokens.tick()
    assert tokens.of(b"a.b.c", b"x", "10.0.0.1") is None
    assert isinstance(LATER, Refused)


def test_an_issuer_is_found_by_its_discovery_document_which_must_be_its_own() -> None:
    with local_issuer() as local:
        local.answers["/keys"] = public(ONE)
        document = {"issuer": local.url, "jwks_uri": f"{local.url}/keys"}
        local.answers[DISCOVERY] = json.dumps(document).encode()
        assert fetched(oidc(issuer=local.url)) == public(ONE)
        local.answers[DISCOVERY] = json.dumps(document | {"issuer": "https://other"}).encode()
        with pytest.raises(AncileError, match="another name"):
            fetched(oidc(issuer=local.url))
        leading = {"issuer": local.url, "jwks_uri": "/etc/passwd"}  # a place on the network is asked, no file
        for broken in (b"<html>", b"[]", b"", b"[" * 100_000, json.dumps(leading).encode()):
            local.answers[DISCOVERY] = broken
            with pytest.raises(AncileError):
                fetched(oidc(issuer=local.url))
        with pytest.raises(AncileError, match="status 404"):
            fetched(oidc(jwks=f"{local.url}/none"))


def test_keys_come_over_tls_or_from_this_machine_and_never_from_metadata_services() -> None:
    with pytest.raises(AncileError, match="over https"):
        fetched(oidc(jwks="http://192.0.2.1/keys"))
    with pytest.raises(AncileError, match="not to be asked"):
        fetched(oidc(jwks="https://169.254.169.254/keys"))
    with pytest.raises(AncileError, match="cannot be read"):
        fetched(oidc(jwks="/nowhere/keys.json"))
    with pytest.raises(AncileError, match="cannot be fetched"):
        fetched(oidc(jwks="http://127.0.0.1:1/keys"))
