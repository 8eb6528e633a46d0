"""Addresses of houses in texts, by the forms that streets have in many languages (``addresses.json``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from ancile.patterns.personal import Personal
from ancile.patterns.words import INITIAL, PARTICLE, WORD

ADDRESS = "address of a house"
STREETS = Path(__file__).with_name("addresses.json")
DOOR = r"(?:[,\s]{1,8}(?i:apt|apartment|suite|ste|unit|floor|fl|room|no|#)\.?[ \t]?#?\w{1,6})"
NUMBER = r"\d{1,6}[A-Za-z]?(?:[/-]\d{1,4}[A-Za-z]?)?"
BEFORE = rf"(?:\b{NUMBER},?[ \t]){{0,2}}"
WORDS = rf"(?:{WORD}|\d{{1,3}}[snrt][tdh]|{INITIAL}|{PARTICLE})\.?"
BOX = r"\b(?i:p\.?\s?o\.?\s?box|psc|unit|postfach|apartado)[ \t]\d{1,6}(?:,?[ \t](?i:box)[ \t]\d{1,6})?"


@cache
def forms() -> tuple[re.Pattern[str], ...]:
    """The forms, with the words for streets in them."""
    held = msgspec.json.decode(STREETS.read_bytes())
    behind, joined, before, before_name, behind_name = (
        "|".join(held[one]) for one in ("behind", "joined", "before", "before_name", "behind_name")
    )
    whole = (
        rf"\b{NUMBER}[ \t](?:{NUMBER}[ \t])?(?:{WORDS}[ \t]){{1,4}}(?i:{behind})\b\.?{DOOR}?",
        rf"{BEFORE}\b(?:{WORD}[ \t])?{WORD}(?:{joined})[ \t]{NUMBER}{DOOR}?",
        rf"{BEFORE}\b(?i:{before})[ \t](?:{WORDS}[ \t,]{{1,2}}){{1,5}}(?:n\u00ba?[ \t])?{NUMBER}{DOOR}?",
        rf"\b{NUMBER},?[ \t](?:{NUMBER},?[ \t])?(?i:{before_name})(?:[ \t]{WORDS}){{1,5}}{DOOR}?",
        rf"{BEFORE}\b{WORD}(?:[ \t]{WORD}){{0,3}}[ \t](?i:{behind_name})[ \t]{NUMBER}\.?{DOOR}?",
        rf"\b{NUMBER}[ \t](?:{WORDS}[ \t]){{1,4}}{NUMBER}{DOOR}",
        BOX,
    )
    return tuple(map(re.compile, whole))


def find_addresses(text: str) -> Iterator[Personal]:
    """Addresses of houses, ``medium`` sure; some may lie in others."""
    for form in forms():
        for found in form.finditer(text):
            end = found.start() + len(found[0].rstrip("., \t\n"))
            yield Personal(ADDRESS, found.start(), end, "medium")
