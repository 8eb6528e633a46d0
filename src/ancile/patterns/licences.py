"""Licences as files name them, in one spelling, and the family that each belongs to (``licences.json``)."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec

LISTS = Path(__file__).with_name("licences.json")
LONGEST_NAME = 200  # of a licence; a longer text is no name
TEXT_CHARACTERS = 20_000  # of a licence's text that are read: each names itself before that
JOINED = re.compile(r"\s+(?:or|and|with)\s+|[(),;]", re.IGNORECASE)  # SPDX 2.3, annex D
NONE_TOLD = frozenset(("", "other", "unknown", "none", "n/a", "custom", "see license", "noassertion"))


class _Lists(NamedTuple):
    aliases: tuple[tuple[re.Pattern[str], str], ...]
    creative_commons: re.Pattern[str]
    families: tuple[tuple[re.Pattern[str], str], ...]
    texts: tuple[tuple[tuple[str, ...], str], ...]


@cache
def _lists() -> _Lists:
    held = msgspec.json.decode(LISTS.read_bytes())
    return _Lists(
        tuple((re.compile(one["pattern"]), one["id"]) for one in held["aliases"]),
        re.compile(held["creative_commons"]),
        tuple((re.compile(one["pattern"]), one["family"]) for one in held["families"]),
        tuple((tuple(one["marks"]), one["id"]) for one in held["texts"]),
    )


def licences_named(name: str) -> tuple[str, ...]:
    """The licences that a name or an SPDX expression names, in one spelling; none where it says nothing."""
    if len(name) > LONGEST_NAME:
        return ()
    whole = _spelled(name)
    if whole != name.strip().strip("\"'").lower() or family_of(whole):
        return (whole,) if whole not in NONE_TOLD else ()
    parts = (_spelled(one) for one in JOINED.split(name))
    return tuple(dict.fromkeys(one for one in parts if one not in NONE_TOLD))


def _spelled(name: str) -> str:
    plain = " ".join(name.strip().strip("\"'").lower().split())
    lists = _lists()
    if found := lists.creative_commons.fullmatch(plain):
        return f"cc-{found[1].replace(' ', '-')}-{found[2]}"
    return next((id_ for form, id_ in lists.aliases if form.fullmatch(plain)), plain)


def licence_of_text(text: str) -> str:
    """The licence whose text this is; empty where it is none that is known."""
    plain = " ".join(text[:TEXT_CHARACTERS].lower().replace("\u201c", '"').replace("\u201d", '"').split())
    return next((id_ for marks, id_ in _lists().texts if all(mark in plain for mark in marks)), "")


def family_of(licence: str) -> str:
    """The family of a licence: non-commercial, restricted use, copyleft or permissive; empty if unknown."""
    return next((family for form, family in _lists().families if form.fullmatch(licence)), "")
