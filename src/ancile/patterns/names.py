"""Names of people in texts, by lists of names and the words before them.

A name has no form that says for sure what it is: what is found here is told apart from numbers and
addresses of the net, with its own confidence. ``medium``: a title, an introduction or two lists say so;
``low``: one of them half. Lists: ``names.json``. Who needs more asks a model of
the language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from ancile.patterns.addresses import find_addresses
from ancile.patterns.personal import Personal, Sure
from ancile.patterns.words import INITIAL, PARTICLE, WORD

NAME = "name of a person"
LISTS = Path(__file__).with_name("names.json")
PART = rf"(?:{INITIAL}|{WORD})"
# Not over the end of a line: what stands there is another thing
REST = rf"(?:[ \t](?:{PARTICLE}[ \t]){{0,2}}{PART}){{0,3}}"
TITLED = re.compile(
    r"\b(?i:mrs?|ms|miss|dr|prof|herrn?|frau|monsieur|madame|mme|sra?|se\u00f1ora?|dhr|mevr"
    r"|pan[ij]?)\b\.?[ \t]+(?:(?:Dr|Prof|med)\.?[ \t]+){0,2}"
    rf"(?P<name>{PART}{REST})"
)
SAID = re.compile(
    r"\b(?i:my name is|name is|name'?s|i am|i'm|this is|called|dear|hello|hi|regards,|sincerely,"
    r"|signed,?|attn:?"
    r"|patient:?|customer:?|client:?|employee:?|user:|name:|contact:?|from:|to:|cc:|address:"
    r"|author:?|by)[ \t\n]+"
    rf"(?P<name>{PART}{REST})"
)
RUN = re.compile(rf"(?<![\w.]){WORD}(?:[ \t](?:{PARTICLE}[ \t]){{0,2}}{PART}){{1,3}}")
NONE = re.compile(  # with a capital where a sentence or a title begins
    r"customer|service|sir|madam|team|friend|friends|everyone|the|this|that|these|those|then|there|when|where|what|who|why|how|and|but|for|with|from|your|"
    r"our|their|his|her|its|my|we|you|they|it|he|she|i|in|on|at|as|is|are|was|a|an|to|of|or|if|not|"
    r"no|yes|all|any|please|thanks|dear|hello|hi|mr|mrs|monday|tuesday|wednesday|thursday|friday|"
    r"saturday|sunday|january|february|march|april|june|july|august|september|october|november|"
    r"december|street|avenue|road|inc|ltd|llc|gmbh|corp|company|university|bank|new|united|north|"
    r"south|east|west|the|orchestra"
)


@cache
def names(kind: str) -> frozenset[str]:
    """The names of a list, folded: ``given`` or ``family``."""
    lists = msgspec.json.decode(LISTS.read_bytes())
    return frozenset(" ".join(lists[kind]).split())


def find_names(text: str) -> Iterator[Personal]:
    """Names of people and addresses of houses, by place; none lies in another, the surest is told."""
    found = [*find_addresses(text), *_names(text)]
    kept: list[Personal] = []
    end = 0
    for one in sorted(found, key=lambda one: (one.start, one.sure == "low", -one.end)):
        if one.start >= end:
            kept.append(one)
            end = one.end
        elif one.sure == "medium" and kept[-1].sure == "low" and one.end > kept[-1].end:
            kept[-1] = one._replace(start=kept[-1].start)
            end = one.end
    yield from kept


def _names(text: str) -> Iterator[Personal]:
    for found in TITLED.finditer(text):
        words = _words(found["name"])
        if words:
            yield _named(found.start("name"), found["name"], words, "medium")
    for found in SAID.finditer(text):
        words = _words(found["name"])
        if words:
            known = _known(words[0], "given")
            if known or len(words) > 1 or found[0][:8].lower() == "my name ":
                yield _named(found.start("name"), found["name"], words, "medium" if known else "low")
    for found in RUN.finditer(text):
        yield from _run(found)


def _run(found: re.Match[str]) -> Iterator[Personal]:
    """Of words with capitals those that begin with a given name and go on with a family name."""
    words = list(re.finditer(PART, found[0]))
    for place, one in enumerate(words[:-1]):
        rest = words[place + 1 :]
        last = next((other for other in rest if not other[0].endswith(".")), rest[-1])
        if not _known(one[0], "given") or not last[0][:1].isupper() or NONE.fullmatch(last[0].casefold()):
            continue
        sure: Sure = "medium" if _known(last[0], "family") else "low"
        yield Personal(NAME, found.start() + one.start(), found.start() + last.end(), sure)
        return


def _words(name: str) -> list[str]:
    """The words of a name as long as they can be some."""
    found: list[str] = []
    for one in re.findall(PART, name):
        if (
            not one[0].isupper()
            or NONE.fullmatch(one.casefold())
            or (one.isupper() and len(one) > 3 and not found)
        ):
            break
        found.append(one)
    return found


def _named(start: int, name: str, words: list[str], sure: Sure) -> Personal:
    end = 0
    for one in words:
        end = name.index(one, end) + len(one)
    return Personal(NAME, start, start + end, sure)


def _known(word: str, kind: str) -> bool:
    folded = word.casefold()
    return word[:1].isupper() and any(one in names(kind) for one in (folded, *folded.split("-")))
