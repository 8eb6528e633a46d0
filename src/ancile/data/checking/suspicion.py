"""What the search for planted and mislabelled rows comes to, as findings."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.core.check import Check, Remark, check, fail, ok, skip, warn
from ancile.core.finding import Location
from ancile.core.text import plain
from ancile.data.checking.facts import Facts, Searched, suspect
from ancile.data.poison.combine import FINDING
from ancile.data.rows import Integers, Rows
from ancile.data.spots import redacted
from ancile.numeric import np

POISON = ("AML.T0020 (ATLAS 5.6.0)", "NISTAML.013 (NIST AI 100-2e2025)", "ML02:2023 (OWASP ML)")
LABELS = ("AML.T0059 (ATLAS 5.6.0)", "NISTAML.024 (NIST AI 100-2e2025)")
# Evidence from which a group refuses the set. A group at 3 is one that a clean set has by chance once in a
# thousand; what detectors take for chance is a model, and real sets have corners that no model knows.
PLANTED = 8.0
MOST_GROUPS = 30
NAMED_ROWS = 8
DOUBTED = 0.8  # expected share of wrong labels from which a list of rows is worth a warning
FEWEST_DOUBTED = 5


@check("data-rows-planted", severity="critical", refs=POISON)
def rows_planted(facts: Facts) -> Iterator[Remark]:
    """Rows share what rows of an honest set do not share: a pattern, a phrase, a combination, a flood.

    Why   A backdoor is taught by few rows that have one thing in common. A model trained on them does what
          their author wants whenever that thing is there, and no accuracy shows it.
    Fix   Look at the rows; ask their source. `ancile data clean` writes the set without them.
    """
    yield from _not_asked(facts)
    groups = facts.groups
    for one in groups[:MOST_GROUPS]:
        group, rows = one
        what = f"{plain(redacted(group.what).text, 300)}{_label(rows, group.label)}"
        named = _named(rows, group.rows)
        said = f"{len(group.rows)} rows: {what}; rows {named} (evidence {group.evidence:.1f})"
        say = fail if group.evidence >= PLANTED else warn
        yield say(said, where=_where(rows, int(group.rows[0]) if len(group.rows) else 0))
    if len(groups) > MOST_GROUPS:
        yield warn(f"and {len(groups) - MOST_GROUPS} groups more")
    if facts.searched and not groups:
        yield ok()


@check("data-rows-suspect", severity="high", refs=POISON)
def rows_suspect(facts: Facts) -> Iterator[Remark]:
    """Single rows look as rows of an honest set do not, and are in no group.

    Why   A planted row that shares nothing with others still stands out from its class.
    Fix   Look at them, worst first, as the report ranks them; `ancile data clean` writes the set without
          those that you reject.
    """
    some = 0
    for one in facts.searched:
        alone = np.setdiff1d(suspect(one), _grouped(one))
        some += len(alone)
        if len(alone):
            worst = alone[np.argsort(-one.found.score[alone], kind="stable")]
            why = one.found.reasons(int(worst[0]))
            yield warn(
                f"{len(alone)} rows: {_named(one.rows, worst)}; of the first: "
                f"{plain(redacted('; '.join(why)).text, 300)}",
                where=_where(one.rows, int(worst[0])),
            )
    if facts.searched and not some:
        yield ok()
    elif not facts.searched:
        yield skip("nothing was searched")


@check(
    "data-labels-doubtful",
    severity="medium",
    refs=LABELS,
)
def labels_doubtful(facts: Facts) -> Iterator[Remark]:
    """Labels of rows are others than what the rest of the set speaks for.

    Why   Wrong labels cost accuracy, and labels of chosen rows that somebody turned on purpose cost it
          where he wants. Who reads only the first of the list finds most of them.
    Fix   Look at the rows in the order of the report, and stop where they are right; correct the labels in a
          new version of the set.
    """
    if not any(one.rows.y is not None for one in facts.searched):
        yield skip("the rows have no labels, or nothing was searched")
        return
    doubted = 0
    for one in facts.searched:
        sure = np.flatnonzero(one.found.precision >= DOUBTED)
        first = one.found.order[: int(sure[-1]) + 1 if sure.size else 0]
        alone = first[~np.isin(first, _grouped(one))]
        if len(alone) >= FEWEST_DOUBTED:
            doubted += len(alone)
            yield warn(
                f"{len(alone)} rows at the head of the ranking, beside those of groups; of these about "
                f"{one.found.precision[len(first) - 1]:.0%} are wrong or planted, by its own estimate: "
                f"{_named(one.rows, alone)}",
                where=_where(one.rows, int(alone[0])),
            )
    if not doubted:
        yield ok()


def _grouped(one: Searched) -> Integers:
    """Rows of groups that are findings."""
    some = [group.rows for group in one.found.groups if group.evidence >= FINDING]
    return np.concatenate([np.zeros(0, dtype=np.int64), *some])


def _not_asked(facts: Facts) -> Iterator[Remark]:
    for one in facts.searched:
        for skipped in one.found.skipped:
            yield skip(f"{skipped.name}: {skipped.why}")
    looked = max((len(one.rows) for one in facts.searched), default=0)
    total = facts.opened.total - facts.opened.labels.missing
    if not facts.searched:
        yield skip("nothing was searched")
    elif looked < total:
        yield skip(f"{looked} of {total} rows were searched, drawn at random: --rows takes more")


def _label(rows: Rows, label: int) -> str:
    return f", labelled {plain(rows.classes[label], 60)}" if 0 <= label < len(rows.classes) else ""


def _named(rows: Rows, some: Integers) -> str:
    """The first of some rows, as people find them."""
    shown = [_row(rows, int(at)) for at in some[:NAMED_ROWS]]
    return ", ".join(shown) + (f" and {len(some) - NAMED_ROWS} more" if len(some) > NAMED_ROWS else "")


def _row(rows: Rows, at: int) -> str:
    place = int(rows.places[at])
    return plain(rows.names[place], 80) if rows.names else str(place)


def _where(rows: Rows, at: int) -> Location:
    place = int(rows.places[at])
    return Location(path=rows.names[place]) if rows.names else Location(row=place)


SUSPICION: tuple[Check[Facts], ...] = (rows_planted, rows_suspect, labels_doubtful)
