"""Verdicts add up to the same incidents, however the ledger was read."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.serve.incidents import correlate
from ancile.serve.incidents.correlate import Seen, incidents_of
from ancile.serve.incidents.incident import document_of
from ancile.serve.incidents.rules import Rule, rules_of, shipped_rules
from ancile.serve.record import VerdictRecord

SECOND = 1_000_000
RULE = Rule(title="t", guards=("g",), by=("who",), count=3, window_seconds=10.0)


def seen(at: float, line: int = 0, *, who: str = "a", guard: str = "g", n: int = 1, entry: int = 0) -> Seen:
    record = VerdictRecord(
        time=int(at * SECOND), who=who, model="m", said="flag", guard=guard, status=200, n=n
    )
    return Seen(record.time, entry, line, record, f"sha256:{entry:064d}")


def documents(verdicts: list[Seen], **rules: Rule) -> list[dict[str, Any]]:
    return [document_of(one, rules) for one in incidents_of(verdicts, rules)]


def test_an_incident_opens_with_the_verdict_that_fills_the_count_within_the_window() -> None:
    assert documents([seen(1, 0), seen(2, 1)], r=RULE) == []
    assert documents([seen(1, 0), seen(6, 1), seen(12, 2)], r=RULE) == []
    (one,) = documents([seen(1, 0), seen(6, 1), seen(10, 2, entry=1)], r=RULE)
    assert (one["count"], one["entries"], one["who"]) == (3, [0, 1], [{"name": "a", "count": 3}])
    assert one["first"] == "1970-01-01T00:00:01+00:00"


def test_it_goes_on_without_a_new_name_until_nothing_comes_for_a_window() -> None:
    at = [1.0, 2.0, 3.0, 12.0, 21.0]
    begun = [seen(t, line) for line, t in enumerate(at)]
    (before,) = documents(begun[:3], r=RULE)
    (after,) = documents(begun, r=RULE)
    assert before["id"] == after["id"]
    assert after["count"] == 5
    later = [seen(t, 9 + line) for line, t in enumerate((40.0, 41.0, 42.0))]
    assert len({one["id"] for one in documents([*begun, *later], r=RULE)}) == 2


def test_counted_verdicts_weigh_what_they_count() -> None:
    assert documents([seen(1, n=2)], r=RULE) == []
    (one,) = documents([seen(1, n=700)], r=RULE)
    assert one["count"] == 700


def test_identities_are_apart_or_together_as_the_rule_says() -> None:
    mixed = [seen(1 + n / 10, n, who="abc"[n % 3]) for n in range(6)]
    assert documents(mixed, r=RULE) == []
    together = msgspec.structs.replace(RULE, by=("model",), count=2, identities=3)
    (one,) = documents(mixed, r=together)
    assert {who["name"] for who in one["who"]} == {"a", "b", "c"}
    four = msgspec.structs.replace(together, identities=4)
    assert documents(mixed, r=four) == []
    slow = [seen(6 * n, n, who="abc"[n // 2]) for n in range(6)]
    assert documents(slow, r=together) == []


def test_a_rule_hears_its_own_guards_alone() -> None:
    others = [seen(n, n, guard="other") for n in range(5)]
    assert documents(others, r=RULE) == []
    rest = msgspec.structs.replace(RULE, guards=(), other_than=("g",))
    assert len(documents(others, r=rest)) == 1
    assert documents([seen(n, n) for n in range(5)], r=rest) == []
    assert documents([seen(n, n) for n in range(5)], r=msgspec.structs.replace(RULE, count=0)) == []


@given(
    verdicts=st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from("abc"), st.sampled_from("gh"), st.integers(1, 4)),
        max_size=40,
    ),
    seed=st.integers(0, 99),
)
def test_the_order_of_reading_changes_nothing(verdicts: list[tuple[int, str, str, int]], seed: int) -> None:
    all_of = [
        seen(at, line, who=who, guard=guard, n=n, entry=line // 5)
        for line, (at, who, guard, n) in enumerate(verdicts)
    ]
    other = msgspec.structs.replace(RULE, by=("guard",), guards=("g", "h"), count=2, identities=2)
    wanted = documents(all_of, r=RULE, s=other)
    random.Random(seed).shuffle(all_of)
    assert documents(all_of, r=RULE, s=other) == wanted


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlate, "MOST_GROUPS", 10)
    correlator = correlate.Correlator({"r": RULE})
    for n in range(1000):
        assert list(correlator.add(seen(n, n, who=f"u{n}"))) == []
    assert len(correlator._groups["r"]) <= 21


def test_the_shipped_rules_name_their_reasons_and_can_be_changed() -> None:
    assert all(rule.title and rule.advice and rule.refs for rule in shipped_rules().values())
    off = msgspec.structs.replace(shipped_rules()["flood"], count=0)
    assert rules_of({"flood": off})["flood"].count == 0
    assert rules_of({})["probing"].concerns("sequence")
    assert not rules_of({})["probing"].concerns("rate")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"guards": []}, "names guards"),
        ({"other_than": ["x"]}, "names guards"),
        ({"count": -1}, "count is"),
        ({"identities": 0}, "identities"),
        ({"window_seconds": 0}, "window_seconds"),
        ({"by": ["address"]}, "address"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(changed: dict[str, object], said: str) -> None:
    good = {"title": "t", "guards": ["g"], "count": 1, "window_seconds": 1.0}
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(good | changed, Rule)
