"""One incident: verdicts that belong together, and the entries of the ledger that hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

from ancile.serve.incidents.rules import Rule
from ancile.serve.record import VerdictRecord

MOST_NAMES = 1000  # identities and models that are listed; beyond them the incident says that there are more


class Incident:
    """What one incident is made of; it grows while it goes on.

    id        derived from the verdict that came first
    who       identities to their verdicts; empty for those that could not be told
    verdicts  (guard, reaction, status) to how many
    entries   of the ledger that hold them
    """

    def __init__(self, id_: str, rule: str) -> None:
        self.id, self.rule = id_, rule
        self.first = self.last = self.count = 0
        self.who: Counter[str] = Counter()
        self.models: Counter[str] = Counter()
        self.verdicts: Counter[tuple[str, str, int]] = Counter()
        self.entries: dict[int, None] = {}

    def extend(self, record: VerdictRecord, *, entry: int) -> None:
        """One more verdict, or several alike."""
        self.first = min(self.first or record.time, record.time)
        self.last = max(self.last, record.time)
        self.count += record.n
        for counter, name in ((self.who, record.who), (self.models, record.model)):
            if name in counter or len(counter) < MOST_NAMES:
                counter[name] += record.n
        self.verdicts[record.guard, record.said, record.status] += record.n
        self.entries[entry] = None


def document_of(incident: Incident, rules: Mapping[str, Rule]) -> dict[str, object]:
    """The incident as JSON has it."""
    rule = rules[incident.rule]
    return {
        "schema": "ancile/incident/v1",
        "id": incident.id,
        "rule": incident.rule,
        "title": rule.title,
        "severity": rule.severity,
        "first": instant(incident.first).isoformat(),
        "last": instant(incident.last).isoformat(),
        "count": incident.count,
        "who": [{"name": name, "count": count} for name, count in incident.who.most_common()],
        "models": sorted(name for name in incident.models if name),
        "verdicts": [
            {"guard": guard, "said": said, "status": status, "count": count}
            for (guard, said, status), count in sorted(incident.verdicts.items())
        ],
        "entries": sorted(incident.entries),
        "advice": rule.advice,
        "refs": list(rule.refs),
    }


def instant(microseconds: int) -> datetime:
    """A record's time."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC)
