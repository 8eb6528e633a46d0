"""A pseudonym has the form of what it stands for, is the same for the same, and another under another key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.core.errors import AncileError
from ancile.data.pseudonyms import luhn, pseudonyms, read_key
from ancile.patterns.personal import find_personal

OF = pseudonyms(bytes(range(32)))
OTHER = pseudonyms(bytes(32))
VALUES = {
    "credit card": "4111 1111 1111 1111",
    "IBAN": "DE89 3704 0044 0532 0130 00",
    "e-mail address": "jane.doe@mail.example",
    "IP address": "203.0.113.77",
    "link": "https://www.example.org/people/jane",
    "telephone number": "+49 30 901820-11",
    "US social security number": "536-22-8765",
    "Spanish identity number": "54362315K",
}
FOUND_AGAIN = ("credit card", "IBAN", "e-mail address", "link", "telephone number")


@pytest.mark.parametrize("kind", VALUES)
def test_it_is_another_of_the_same_form_and_always_the_same(kind: str) -> None:
    value = VALUES[kind]
    found = OF(kind, value)
    assert found not in (value, OTHER(kind, value))
    assert found == pseudonyms(bytes(range(32)))(kind, value)
    if kind not in ("e-mail address", "link", "IP address"):
        assert [one.isdigit() for one in found] == [one.isdigit() for one in value]
        assert [one for one in found if not one.isalnum()] == [one for one in value if not one.isalnum()]


@pytest.mark.parametrize("kind", FOUND_AGAIN)
def test_what_looks_for_the_kind_finds_the_pseudonym(kind: str) -> None:
    assert kind in {one.kind for one in find_personal(f"call: {OF(kind, VALUES[kind])} ")}


@given(st.integers(10**15, 10**16 - 1))
def test_a_card_keeps_its_issuer_and_its_checksum(number: int) -> None:
    body = str(number)[:-1]
    card = body + luhn(body)
    found = OF("credit card", card)
    assert found[:6] == card[:6]
    assert luhn(found[:-1]) == found[-1]
    assert OF("credit card", " ".join(card[i : i + 4] for i in range(0, 16, 4))).replace(" ", "") == found


def test_no_two_cards_of_an_issuer_become_one() -> None:
    cards = [body + luhn(body) for body in (f"411111{n:09d}" for n in range(2000))]
    assert len({OF("credit card", one) for one in cards}) == len(cards)


def test_people_of_one_host_stay_at_one() -> None:
    jane, john = (OF("e-mail address", one) for one in ("jane@a.example", "John@A.example"))
    assert jane.partition("@")[2] == john.partition("@")[2]
    assert jane != john == OF("e-mail address", "john@a.example")


def test_addresses_of_both_versions_stay_addresses() -> None:
    assert OF("IP address", "203.0.113.7").count(".") == 3
    assert ":" in OF("IP address", "2001:db8::7")


def test_a_name_becomes_a_word_however_it_is_written() -> None:
    assert OF("name", "Jane  Doe") == OF("name", "jane doe") != OF("name", "john doe")
    assert OF("name", "Jane Doe").startswith("Name-")


def test_a_link_that_is_none_has_a_pseudonym_too() -> None:
    assert OF("link", "http://[broken").startswith("https://")


def key_file(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("data", [bytes(range(32)), bytes(range(32)).hex().encode() + b"\n"])
def test_a_key_is_raw_or_hexadecimal(tmp_path: Path, data: bytes) -> None:
    assert read_key(key_file(tmp_path, data)) == bytes(range(32))


@pytest.mark.parametrize("data", [b"", b"ab" * 31, b"\xff" * 33, b"no key at all"])
def test_what_is_no_key_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(AncileError, match="not a key"):
        read_key(key_file(tmp_path, data))


def test_a_key_that_others_can_read_or_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AncileError, match="others may read"):
        read_key(key_file(tmp_path, bytes(32), 0o644))
    with pytest.raises(AncileError, match="cannot be read"):
        read_key(tmp_path / "nothing")


def test_a_key_is_a_plain_file_and_no_pipe_is_waited_at(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(key_file(tmp_path, bytes(32)))
    with pytest.raises(AncileError, match="cannot be read"):
        read_key(tmp_path / "link")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(AncileError, match="not a key of pseudonyms"):
        read_key(tmp_path / "pipe")
