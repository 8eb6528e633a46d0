"""One verdict on a data set that somebody else made: origin, licence, content, personal data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ancile.core.check import Check, Remark, check, error, examine, fail, ok, skip, warn
from ancile.core.report import Parameters, Report
from ancile.core.text import plain
from ancile.data.version import Version
from ancile.version import __version__
from ancile.work.clock import Clock

CHAIN = ("AML.M0025 (ATLAS 5.6.0)", "ML06:2023 (OWASP ML)")
# NOASSERTION: SPDX 2.3, 7.13
UNKNOWN = re.compile(r"(?i)\s*(unknown|none|n/?a|noassertion|\?|-)\s*")
# Terms that a product cannot keep to: Creative Commons NC and ND, "for research only" in its many wordings
BOUND = re.compile(r"(?i)\bNC\b|\bND\b|non-?\s?commercial|research|academic|evaluation only|no derivative")
SECRET = "data-secret"  # noqa: S105 - the id of a check


class Vetted(NamedTuple):
    """What is known of a version.

    origins   the version, and all that it was made from
    content   the report of its check
    personal  the report on personal data, or why there is none
    """

    version: Version
    origins: Sequence[Version]
    content: Report
    personal: Report | str


@check("data-vet-origin", severity="high", refs=CHAIN)
def origin(facts: Vetted) -> Iterator[Remark]:
    """Nobody can say where the data, or what it was made from, comes from.

    Why   Who publishes a set decides what a model learns. Without a source nobody can be asked, nothing can
          be compared, and a poisoned row leads to nobody.
    Fix   Add it with --source, or with --parent for what was made from versions whose source is known.
    """
    roots = [one for one in facts.origins if not one.provenance.parents]
    silent = [one.spelled for one in roots if not one.provenance.source.strip()]
    for spelled in silent:
        yield fail(f"{plain(spelled, 80)} names no source")
    if not silent:
        yield ok()


@check("data-vet-licence", severity="high", refs=CHAIN)
def licence(facts: Vetted) -> Iterator[Remark]:
    """The terms under which the data may be used are not known, or bind whoever uses it.

    Why   A model takes over the terms of what it was trained on; a set for research alone in a product is
          found when it is too late to train again.
    Fix   Ask its publisher and add it with --licence; for terms that bind, ask those who answer for the
          product.
    """
    for one in facts.origins:
        said = one.provenance.licence.strip()
        inherits = one.provenance.parents and not said
        if inherits:
            continue
        if not said or UNKNOWN.fullmatch(said):
            yield fail(f"{plain(one.spelled, 80)} names no licence")
        elif BOUND.search(said):
            yield warn(f"{plain(one.spelled, 80)} is bound: {plain(said, 120)}")
        else:
            yield ok()


@check("data-vet-content", severity="high", refs=CHAIN)
def content(facts: Vetted) -> Iterator[Remark]:
    """What the data holds was refused, or could not be looked at.

    Why   A set that is published anew every week is looked at by nobody but you.
    Fix   What was found stands beside this; `ancile data check` says more, `ancile data clean` leaves rows
          out.
    """
    report = facts.content
    failures = sorted({one.check for one in report.findings if one.status == "FAIL"})
    warnings = sorted({one.check for one in report.findings if one.status == "WARN"})
    if failures:
        yield fail(f"the check of its content fails: {', '.join(failures)}")
    elif report.outcome == "no_conclusion":
        yield error("the check of its content came to no conclusion")
    elif warnings:
        yield warn(f"the check of its content warns: {', '.join(warnings)}")
    else:
        yield ok()


@check("data-vet-personal", severity="high", refs=("CWE-359", "CWE-540"))
def personal(facts: Vetted) -> Iterator[Remark]:
    """The data holds secrets, or data about people.

    Why   Secrets open what they belong to, to whoever has the set; whose data it holds has rights in what is
          made from it.
    Fix   `ancile data pii` says where it stands, `ancile data redact` writes the files without it.
    """
    report = facts.personal
    if isinstance(report, str):
        yield skip(report)
        return
    found = sorted({one.check for one in report.findings if one.status in ("FAIL", "WARN")})
    if SECRET in found:
        yield fail("it holds keys, tokens or passwords")
    if set(found) - {SECRET}:
        yield warn(f"it holds data about people: {', '.join(one for one in found if one != SECRET)}")
    if not found:
        yield ok()


VETTED: tuple[Check[Vetted], ...] = (origin, licence, content, personal)


def vet_report(facts: Vetted, *, said: Parameters, clock: Clock) -> Report:
    """The verdict, with all that it rests on.

    said  what was chosen by hand, where another choice could flatter; a policy has to name it
    """
    found = examine(VETTED, facts)
    parts = [facts.content, *([facts.personal] if isinstance(facts.personal, Report) else [])]
    beside = [one for part in parts for one in part.findings if one.status != "SKIP"]
    passed = dict(found.passed)
    for part in parts:
        passed |= part.passed
    measures = {(one.name, tuple(sorted(one.slice.items()))): one for part in parts for one in part.measures}
    return Report(
        stage="data vet",
        complete=all(part.complete for part in parts),
        subject=facts.version.subject(),
        parameters=said,
        measures=tuple(measures.values()),
        findings=(*found.findings, *beside),
        passed=passed,
        exhibits=tuple(one for part in parts for one in part.exhibits),
        rows=facts.content.rows,
        cost=facts.content.cost,
        started=facts.content.started,
        finished=clock.now(),
        version=__version__,
    )
