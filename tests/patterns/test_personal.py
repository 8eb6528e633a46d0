"""What is personal by its form: published examples, checksums, and what only looks alike."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from importlib import import_module

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.patterns.personal import KINDS, Personal, find_personal
from tests.shared import SHARED, needs_shared

NAMES = {
    "CREDIT_CARD": "credit card",
    "EMAIL_ADDRESS": "e-mail address",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP address",
    "PHONE_NUMBER": "telephone number",
    "US_SSN": "US social security number",
    "DOMAIN_NAME": "link",
}


def kinds(text: str) -> list[str]:
    return [one.kind for one in find_personal(text)]


# Examples of the publications that personal.json names, or of python-stdnum's own tests where they have none
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("to jane.doe+x@mail.example.co.uk, please", "e-mail address"),
        ("card 4111 1111 1111 1111", "credit card"),
        ("card 5555555555554444.", "credit card"),
        ("amex 3782-822463-10005", "credit card"),
        ("pay GB82 WEST 1234 5698 7654 32 now", "IBAN"),
        ("DE89370400440532013000", "IBAN"),
        ("ssn 536-90-4399", "US social security number"),
        ("nino QQ 12 34 56 C", ""),
        ("nino AB 12 34 56 C", "UK national insurance number"),
        ("NHS number 943 476 5870", "UK NHS number"),
        ("943 476 5870", "telephone number"),
        ("IdNr 36 574 261 809", "German tax number"),
        ("DNI 54362315K", "Spanish identity number"),
        ("NIE X-2482300W", "Spanish foreigner's number"),
        ("PESEL 44051401359", "Polish identity number"),
        ("född 880320-0016", "Swedish identity number"),
        ("131052-308T", "Finnish identity code"),
        ("CPF 390.533.447-05", "Brazilian taxpayer number"),
        ("AHV 756.9217.0769.85", "Swiss insurance number"),
        ("from 192.0.2.44:8080", "IP address"),
        ("host 2001:db8::8a2e:370:7334", "IP address"),
        ("call (212) 555-0199", "telephone number"),
        ("+44 20 7946 0018", "telephone number"),
        ("phone: 0393 1144137", "telephone number"),
        ("see https://example.org/~jane?x=1.", "link"),
    ],
)
def test_an_example_is_told_as_what_it_is(text: str, kind: str) -> None:
    assert kinds(text) == ([kind] if kind else [])


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # no Luhn
        "0000 0000 0000 0000",
        "GB82 WEST 1234 5698 7654 33",
        "536-00-4399",  # no such group
        "version 1.2.3.4.5",
        "300.1.2.3",
        "127.0.0.1",
        "12:34:56",
        "2026-11-22 05:43:57",
        "11/22/2026",
        "1,234,567.89",
        "3.14159265358979",
        "sha256:0c7001d012bc4e4aa5900d924f207aed",
        "90010-170",
        "44051401359",  # without the word
        "@decorator",
        "a@b",
    ],
)
def test_what_only_looks_alike_is_nothing(text: str) -> None:
    assert kinds(text) == []


def test_places_are_exact_and_apart() -> None:
    text = "a@b.example, 4111111111111111\nand DE89370400440532013000 there"
    found = list(find_personal(text))
    assert [text[one.start : one.end] for one in found] == [
        "a@b.example",
        "4111111111111111",
        "DE89370400440532013000",
    ]


def test_a_word_of_another_line_is_no_context_unless_the_number_begins_the_next() -> None:
    assert kinds("pesel\nname 44051401359") == []
    assert kinds("pesel:\n44051401359") == ["Polish identity number"]
    assert kinds("[telephone number] 668 5702") == []


def test_every_checksum_that_is_named_is_there() -> None:
    for one in msgspec.json.decode(KINDS.read_bytes())["kinds"]:
        assert one["source"]
        if "valid" in one:
            assert callable(import_module(one["valid"]).is_valid)


@given(st.text(alphabet="0123456789 .-+()/@:aGBx\n", max_size=200))
def test_any_text_is_read_and_places_follow_each_other(text: str) -> None:
    end = 0
    for one in find_personal(text):
        assert end <= one.start < one.end <= len(text)
        end = one.end


def fits(one: Personal, start: int, end: int) -> bool:
    """Whether at least half of both is shared."""
    return 2 * (min(one.end, end) - max(one.start, start)) >= max(one.end - one.start, end - start)


@needs_shared
@pytest.mark.parametrize("name", ["presidio_synthetic", "presidio_small"])
def test_annotated_sentences_are_read_as_their_makers_meant(name: str) -> None:
    assert SHARED is not None
    right: Counter[str] = Counter()
    told: Counter[str] = Counter()
    meant: Counter[str] = Counter()
    with gzip.open(SHARED / "data" / "pii" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            document = json.loads(line)
            found = list(find_personal(document["text"]))
            told.update(one.kind for one in found)
            for span in document["spans"]:
                if kind := NAMES.get(span["type"]):
                    meant[kind] += 1
                    right[kind] += any(
                        one.kind == kind and fits(one, span["start"], span["end"]) for one in found
                    )
    assert all(2 * right[kind] / (told[kind] + meant[kind]) >= 0.9 for kind in meant)
