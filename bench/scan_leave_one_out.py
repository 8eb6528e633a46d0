"""What of the malicious corpus is still found when everything that was made for it is taken away.

Two leavings-out, both without a single file being changed:

names   For each family (the technique without its variant) the scan forgets every list entry that warns of a name:
        each top-level module that a file of the family looks up is struck from the feared ones, each class from
        those that were read and left out, and no word in a function's or module's name counts any more. What is
        left is what is not listed as harmless: default deny. Forgetting more than one family's own entries makes
        it harder, not easier.
rules   For each technique, variant and all, every check is off whose only hits in the malicious corpus are of that
        technique, and its names are forgotten as above. A check that also finds another technique stays, as it
        would have been written without this one.

By families instead of techniques the second would take away all that reads a format (nothing but its own checks
knows what an ONNX file refers to); that figure is shown and not asked for. Found is block or review.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from ancile.core.finding import Finding
from ancile.scan import keras_names, names, pickle_judge
from ancile.scan.examine import verdict_of
from ancile.scan.files import find_files, scan_file
from bar import Bar
from scan_corpus import CAUGHT, Entry, entries, lists, share, worst

NOTHING = re.compile(r"(?!)")
# The control: a scanner that knows what is bad, and lets pass what it does not know
DENIED_BY_DEFAULT = frozenset(("pickle-unlisted-call", "pickle-unknown-class", "pickle-computed-name"))
SHOWN = 12

Findings = Sequence[Sequence[Finding]]  # of each file of an entry


def found_in(entry: Entry) -> Findings:
    """The findings of each file of an entry, under whatever lists are in force."""
    return [scan_file(one).found.findings for one in find_files([entry.path])]


def is_found(findings: Findings, off: frozenset[str]) -> bool:
    """Whether an entry is blocked or reviewed with some checks off."""
    said = (verdict_of([one for one in file if one.check not in off], packages=False) for file in findings)
    return worst(said) in CAUGHT


@contextmanager
def looked_up() -> Iterator[set[tuple[str, str]]]:
    """The names that a scan asks its lists for, while it lasts."""
    asked: set[tuple[str, str]] = set()
    standing = names.standing

    def ask(module: str, path: str) -> names.Standing:
        asked.add((module, path))
        return standing(module, path)

    users = (names, pickle_judge, keras_names)
    for one in users:
        vars(one)["standing"] = ask
    try:
        yield asked
    finally:
        for one in users:
            vars(one)["standing"] = standing


def without(asked: set[tuple[str, str]]) -> names.Lists:
    """The lists without any entry that warns of one of the names."""
    held = names.lists()
    tops = {module.partition(".")[0] for module, _ in asked}
    return replace(
        held,
        feared=held.feared - tops,
        left_out={one: why for one, why in held.left_out.items() if one not in asked},
        verbs=NOTHING,
        tools=frozenset(),
    )


def groups(wanted: Sequence[Entry], key: Callable[[Entry], str]) -> dict[str, list[Entry]]:
    """Entries by their family or technique."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for one in wanted:
        found[key(one)].append(one)
    return dict(sorted(found.items()))


def own_checks(all_: Mapping[str, Findings], of: Mapping[str, Sequence[Entry]]) -> dict[str, frozenset[str]]:
    """Group to the checks that fail nowhere else in the malicious corpus."""
    hits: dict[str, set[str]] = defaultdict(set)
    for group, members in of.items():
        for entry in members:
            for file in all_[entry.name]:
                for one in file:
                    if one.status == "FAIL":
                        hits[one.check].add(group)
    return {group: frozenset(check for check, where in hits.items() if where == {group}) for group in of}


def left(
    of: Mapping[str, Sequence[Entry]],
    off: Mapping[str, frozenset[str]],
    asked: Mapping[str, set[tuple[str, str]]],
) -> dict[str, tuple[int, int]]:
    """Group to how many of its entries are found without what was made for it, and of how many."""
    found = {}
    for group, members in of.items():
        with lists(without(set().union(*(asked[one.name] for one in members)))):
            found[group] = sum(is_found(found_in(one), off[group]) for one in members), len(members)
    return found


def _bar(claim: str, found: Mapping[str, tuple[int, int]], note: str) -> Bar:
    k, n = sum(one for one, _ in found.values()), sum(many for _, many in found.values())
    missed = [f"{group} {one}/{many}" for group, (one, many) in found.items() if one < many]
    return Bar(
        claim=f"leave one out: {claim}",
        measured=f"{share(k, n)} over {len(found)} groups{note}; lost: {', '.join(missed[:SHOWN]) or 'none'}",
        wanted=">= 95 %",
        met=k >= 0.95 * n,
        raw={group: each for group, each in found.items() if each[0] < each[1]},
    )


def measure(*, control: bool = False) -> list[Bar]:
    """What is found without names, and without rules; the control finds by lists of what is bad alone."""
    wanted = entries("malicious")
    all_, asked = {}, {}
    for entry in wanted:
        with looked_up() as names_of:
            all_[entry.name] = found_in(entry)
        asked[entry.name] = names_of
    families, techniques = groups(wanted, lambda one: one.family), groups(wanted, lambda one: one.technique)
    always = DENIED_BY_DEFAULT if control else frozenset()
    by_name = left(families, dict.fromkeys(families, always), asked)
    own = own_checks(all_, techniques)
    by_rule = left(techniques, {group: off | always for group, off in own.items()}, asked)
    coarse = left(families, {group: off | always for group, off in own_checks(all_, families).items()}, asked)
    of_all = share(sum(k for k, _ in coarse.values()), len(wanted))
    return [
        _bar("families whose names no list warns of are found", by_name, ""),
        _bar(
            "techniques are found without the rules that only they break, and without their names",
            by_rule,
            f" (families without all of their rules: {of_all})",
        ),
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
