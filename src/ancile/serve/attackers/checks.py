"""What a gateway let through when it was attacked, as findings; and the report of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from ancile.core.check import Remark, check, examine, fail, ok, skip, warn
from ancile.core.exhibit import Table
from ancile.core.measure import Count
from ancile.core.report import Parameters, Report
from ancile.core.subject import Subject
from ancile.serve.attackers.campaign import STUFFING, Result
from ancile.serve.attackers.extraction import THIEVES
from ancile.serve.attackers.walks import WALKS
from ancile.version import __version__

REFS = ("AML.T0040 (ATLAS 5.6.0)", "AML.T0024 (ATLAS 5.6.0)")  # inference API access; exfiltration through it
BLIND = "the gateway's records are not in this home: whether a guard spoke cannot be told"
NOT_RUN = "no such attack was run"
NATURAL = "natural"  # its queries are those of use: the budget bounds it


@check("gateway-search-unseen", severity="high", refs=("AML.T0043 (ATLAS 5.6.0)",))
def search_unseen(results: Sequence[Result]) -> Iterator[Remark]:
    """A search found an adversarial example before a guard spoke.

    Why   Whoever has a key can change what the model says of an input, and nobody would know.
    Fix   Give `ancile serve` a --reference set as benign callers send it; fewer digits for the role; profile
          full, where searches get less precise answers.
    """
    walks = [one for one in results if one.attack.partition("-")[0] in WALKS]
    if not walks:
        yield skip(NOT_RUN)
    for one in walks:
        if not one.succeeded:
            yield ok()
        elif one.seen is None:
            yield skip(f"{one.attack} succeeded at query {one.succeeded}; {BLIND}")
        elif 0 < one.seen < one.succeeded:
            yield ok()
        else:
            yield fail(f"{one.attack} succeeded at query {one.succeeded}, seen {_at(one.seen)}")


@check("gateway-theft-unseen", severity="medium", refs=REFS)
def theft_unseen(results: Sequence[Result]) -> Iterator[Remark]:
    """Synthetic queries of extraction went through, and no guard spoke.

    Why   A copy of the model can be trained on the answers, without any data of the thief's own.
    Fix   Give `ancile serve` a --reference set; bound what a role may learn in a day (`bits_daily`).
    """
    thefts = [one for one in results if one.attack in THIEVES and one.attack != NATURAL]
    if not thefts:
        yield skip(NOT_RUN)
    for one in thefts:
        if one.seen is None:
            yield skip(f"{one.attack}: {BLIND}")
        elif one.seen or one.refused:
            yield ok()
        else:
            yield warn(f"{len(one.asked)} {one.attack} queries, a copy with accuracy {one.accuracy or 0:.3f}")


@check("gateway-key-guessed", severity="critical", refs=("CWE-307", "AML.T0012 (ATLAS 5.6.0)"))
def key_guessed(results: Sequence[Result]) -> Iterator[Remark]:
    """A key that nobody was given lets in.

    Why   Then keys protect nothing: anybody is somebody.
    Fix   Find out what stands before the gateway and answers in its place; do not serve until then.
    """
    tried = [one for one in results if one.attack == STUFFING]
    if not tried:
        yield skip(NOT_RUN)
    for one in tried:
        yield fail(f"{one.guessed} of {len(one.asked)} random keys") if one.guessed else ok()


GATEWAY_CHECKS = (search_unseen, theft_unseen, key_guessed)


def attack_report(
    subject: Subject, results: Sequence[Result], parameters: Parameters, *, wanted: int, started: datetime
) -> Report:
    """The report of a campaign; ``wanted`` is how many attacks there should have been."""
    examined = examine(GATEWAY_CHECKS, results)
    rows = tuple(
        (
            one.attack,
            str(len(one.asked)),
            f"at query {one.succeeded}" if one.succeeded else "no",
            "" if one.accuracy is None else f"{one.accuracy:.3f}",
            _at(one.seen),
            str(one.throttled),
            str(one.refused),
        )
        for one in results
    )
    columns = ("attack", "queries", "succeeded", "copy's accuracy", "seen", "throttled", "refused")
    return Report(
        stage="attack-gateway",
        complete=len(results) == wanted,
        subject=subject,
        parameters=parameters,
        measures=tuple(_measures(results)),
        findings=examined.findings,
        passed=examined.passed,
        exhibits=(Table(title="Attacks", columns=columns, rows=rows),),
        started=started,
        finished=datetime.now(UTC),
        version=__version__,
    )


def _measures(results: Sequence[Result]) -> Iterator[Count]:
    for one in results:
        yield Count(
            name="queries",
            slice={"attack": one.attack},
            value=len(one.asked),
            unit="queries",
            method="counted by the attacker",
        )
        if one.seen:
            yield Count(
                name="queries_until_seen",
                slice={"attack": one.attack},
                value=one.seen,
                unit="queries",
                method="first record of the gateway in which a guard spoke",
            )


def _at(seen: int | None) -> str:
    if seen is None:
        return "cannot be told"
    return f"at query {seen}" if seen else "no"
