"""Verdicts into incidents: the same ledger gives the same ones, with the same ids.

An incident opens with the verdict that fills a rule's count, goes on while the next one comes within the
window, and is named after the first verdict that opened it: the root of the segment that holds it and its
line there. So the id does not change while the incident goes on, and nobody can know it beforehand.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ancile.serve.incidents.incident import Incident
from ancile.serve.incidents.rules import Rule
from ancile.serve.record import VerdictRecord

MOST_GROUPS = 50_000  # of one rule that may become an incident; beyond them those that are over are forgotten


class Seen(NamedTuple):
    """A verdict with its place in the ledger.

    entry  index of the segment's entry
    line   of the segment, from 0
    root   of the segment
    """

    time: int
    entry: int
    line: int
    record: VerdictRecord
    root: str


class _Kept:
    """The last verdicts of one identity, no more than are needed to fill the count."""

    __slots__ = ("seen", "sum")

    def __init__(self) -> None:
        self.seen: deque[Seen] = deque()
        self.sum = 0

    def add(self, one: Seen, *, count: int, since: int) -> None:
        self.seen.append(one)
        self.sum += one.record.n
        while self.seen[0].time < since or self.sum - self.seen[0].record.n >= count:
            self.sum -= self.seen.popleft().record.n


class _Group:
    """Verdicts that share what the rule asks for."""

    __slots__ = ("incident", "last", "of")

    def __init__(self) -> None:
        self.of: dict[str, _Kept] = {}
        self.incident: Incident | None = None
        self.last = 0


class Correlator:
    """Takes verdicts in the order of their times, and knows the incidents so far."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = {name: rule for name, rule in sorted(rules.items()) if rule.count}
        self._groups: dict[str, dict[tuple[str, ...], _Group]] = {name: {} for name in self._rules}

    def add(self, one: Seen) -> Iterator[Incident]:
        """Incidents that open with this verdict, which a guard has said."""
        for name, rule in self._rules.items():
            if rule.concerns(one.record.guard):
                opened = self._add(name, rule, one)
                if opened is not None:
                    yield opened

    def _add(self, name: str, rule: Rule, one: Seen) -> Incident | None:
        groups, window = self._groups[name], int(rule.window_seconds * 1e6)
        key = tuple(str(getattr(one.record, shared)) for shared in rule.by)
        group = groups.get(key)
        if group is None or one.time - group.last > window:
            if len(groups) >= MOST_GROUPS:
                _forget(groups, before=one.time - window)
            group = groups[key] = _Group()
        group.last = max(group.last, one.time)
        if group.incident is not None:
            group.incident.extend(one.record, entry=one.entry)
            return None
        kept = group.of.setdefault(one.record.who, _Kept())
        kept.add(one, count=rule.count, since=one.time - window)
        if kept.sum < rule.count:
            return None
        full = [k for k in group.of.values() if k.sum >= rule.count and k.seen[-1].time >= one.time - window]
        if len(full) < rule.identities:
            return None
        group.incident = _incident(name, key, sorted(seen for k in full for seen in k.seen))
        group.of = {}
        return group.incident


def incidents_of(verdicts: Iterable[Seen], rules: Mapping[str, Rule]) -> list[Incident]:
    """All incidents, in the order in which they opened."""
    correlator = Correlator(rules)
    return [opened for one in sorted(verdicts, key=place) for opened in correlator.add(one)]


def place(one: Seen) -> tuple[int, int, int]:
    """What verdicts are ordered by: their time, and where that is the same their place in the ledger."""
    return one.time, one.entry, one.line


def _incident(rule: str, key: tuple[str, ...], seen: list[Seen]) -> Incident:
    first = seen[0]
    named = "\n".join((rule, *key, first.root, str(first.line)))
    found = Incident(f"inc-{hashlib.sha256(named.encode('utf-8')).hexdigest()[:12]}", rule)
    for one in seen:
        found.extend(one.record, entry=one.entry)
    return found


def _forget(groups: dict[tuple[str, ...], _Group], *, before: int) -> None:
    for key in [key for key, group in groups.items() if group.last < before]:
        del groups[key]
