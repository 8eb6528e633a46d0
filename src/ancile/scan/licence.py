"""The licence that a model is given under: where files tell one, which, and whether they agree.

A fact for a policy to read, never a reason to refuse a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ancile.core.check import Check, Examined, Remark, check, examine, ok, warn
from ancile.core.finding import Finding, Location
from ancile.core.text import plain
from ancile.formats import json_text
from ancile.patterns.licences import family_of, licence_of_text, licences_named
from ancile.scan.part import Formatted, Part

# Files that are a licence by custom: reuse.software, version 3.3; github.com/licensee/licensee
LICENCE_FILE = re.compile(r"(?:.*[-_.])?(?:un)?licen[sc]e(?:[-_.].*)?|copying(?:\..*)?", re.IGNORECASE)
# A model card: huggingface/hub-docs, modelcard.md
CARD = re.compile(r"---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", re.DOTALL)
CARD_KEYS = re.compile(
    r"^(?:license|language|library_name|pipeline_tag|tags|datasets|metrics|base_model|model-index|license_name):",
    re.MULTILINE,
)
CARD_LICENCE = re.compile(r"^licen[sc]e:[ \t]*([^\r\n]*)((?:\r?\n[ \t]*-[ \t]+[^\r\n]+)*)", re.MULTILINE)
CARD_NAME = re.compile(r"^license_name:[ \t]*([^\r\n]+)", re.MULTILINE)
SPDX = re.compile(r"SPDX-License-Identifier:[ \t]*([^\r\n*]+)")
KEYS = ("license", "licence", "license_name", "general.license", "modelspec.license")
RESTRICTED = ("non-commercial", "restricted use")


class LicenceFacts(NamedTuple):
    """What a part says of its licence.

    told     identifiers, in one spelling
    is_card  whether it is a model card, in which a licence has its place
    """

    part: Part
    told: tuple[str, ...]
    is_card: bool = False


@check("licence-restricted", severity="low", refs=())
def restricted(facts: LicenceFacts) -> Iterator[Remark]:
    """A model is given for some uses only.

    Why   Its licence allows no commercial use, or forbids uses that it lists: who ships the model answers for
          what is done with it.
    Fix   Have somebody read the licence who may decide; or take a model under another one.
    """
    for one in facts.told:
        family = family_of(one)
        yield warn(plain(f"{one}: {family}"), where=facts.part.where()) if family in RESTRICTED else ok()
    if not facts.told:
        yield ok()


@check("licence-missing", severity="low", refs=())
def missing(facts: LicenceFacts) -> Iterator[Remark]:
    """A model card names no licence.

    Why   Without one nobody but its author may use the model.
    Fix   Ask for the licence, or state it: the key ``license`` at the head of the card.
    """
    is_missing = facts.is_card and not facts.told
    yield warn("its head has no license", where=facts.part.where()) if is_missing else ok()


class Disagreement(NamedTuple):
    """Files of one folder that name different licences: path to what each names."""

    named: Mapping[str, tuple[str, ...]]


@check("licence-contradictory", severity="low", refs=())
def contradictory(facts: Disagreement) -> Iterator[Remark]:
    """Files of one model name different licences.

    Why   Which one counts is anybody's guess, and the stricter one may.
    Fix   Ask the author, and keep the answer with the model.
    """
    for path, told in facts.named.items():
        yield warn(plain(" and ".join(told)), where=Location(path=path))


LICENCE_CHECKS: tuple[Check[LicenceFacts], ...] = (restricted, missing)
FOLDER_CHECKS: tuple[Check[Disagreement], ...] = (contradictory,)


def examine_licence(part: Part, text: str) -> Formatted | None:
    """What a text says of the licence; None where it says nothing and is no place to."""
    card = CARD.match(text)
    is_card = card is not None and CARD_KEYS.search(card[1]) is not None
    names = list(_named_in(part, text, card[1] if is_card and card else ""))
    told = tuple(dict.fromkeys(one for name in names for one in licences_named(name)))
    return _formatted(part, "text", told, is_card=is_card) if told or is_card else None


def examine_metadata(part: Part, format_: str, texts: Iterable[tuple[str, str]]) -> Iterator[Formatted]:
    """What metadata say of the licence: nothing where they say nothing."""
    found = (one for key, value in texts if key.lower() in KEYS for one in licences_named(value))
    if told := tuple(dict.fromkeys(found)):
        yield _formatted(part, format_, told)


def _formatted(part: Part, format_: str, told: tuple[str, ...], *, is_card: bool = False) -> Formatted:
    said: Examined = examine(LICENCE_CHECKS, LicenceFacts(part, told, is_card))
    return Formatted(format_, said, licences=frozenset(told))


def _named_in(part: Part, text: str, head: str) -> Iterator[str]:
    """Every name of a licence: in the head of a card, a licence's own text, a key of a document."""
    for found in CARD_LICENCE.finditer(head):
        yield found[1].strip("[] \t")
        yield from re.findall(r"-[ \t]+([^\r\n]+)", found[2])
    yield from CARD_NAME.findall(head)
    name = (part.members[-1] if part.members else part.path).rpartition("/")[2]
    if LICENCE_FILE.fullmatch(name) and not name.endswith((".py", ".json")):
        yield licence_of_text(text)
        yield from SPDX.findall(text)[:1]
    if text.lstrip("\ufeff \t\r\n").startswith("{") and any(f'"{key}"' in text for key in KEYS):
        document = json_text.parse(text)
        root = document.root if document else None
        if isinstance(root, dict):
            yield from (value for key in KEYS if isinstance(value := root.get(key), str))


def disagreements(files: Iterable[tuple[str, tuple[str, ...]]]) -> list[Finding]:
    """Where the files of a folder name licences of which none is named by all.

    files  paths, and the licences that each names
    """
    folders: dict[str, dict[str, tuple[str, ...]]] = {}
    for path, told in files:
        if told:
            folders.setdefault(path.rpartition("/")[0], {})[path] = told
    return [
        finding
        for named in folders.values()
        if not set.intersection(*(set(told) for told in named.values()))
        for finding in examine(FOLDER_CHECKS, Disagreement(named)).findings
    ]
