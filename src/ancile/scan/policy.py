"""What becomes of doubt: told apart under the standard policy, refused under the strict one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from ancile.core.check import Check, Remark, check, examine, fail, ok
from ancile.core.finding import Location
from ancile.core.report import Verdict
from ancile.scan.examine import verdict_of
from ancile.scan.files import Scanned

Policy = Literal["standard", "strict"]
POLICIES: tuple[Policy, ...] = ("standard", "strict")
DOUBTFUL: tuple[Verdict, ...] = ("review", "incomplete")


class Doubt(NamedTuple):
    """A file, and the verdict that leaves it in doubt; None where none does."""

    shown: str
    verdict: Verdict | None


@check("policy-strict-doubt", severity="high", refs=())
def in_doubt(facts: Doubt) -> Iterator[Remark]:
    """The strict policy refuses a file that is in doubt.

    Why   Under it only what is known to be harmless is opened: review and incomplete count as block.
    Fix   Settle the other findings of the file; or accept them in a baseline, with a reason and an end.
    """
    where = Location(path=facts.shown)
    yield fail(f"its verdict would be {facts.verdict}", where=where) if facts.verdict else ok()


POLICY_CHECKS: tuple[Check[Doubt], ...] = (in_doubt,)
STRICT_DOUBT = in_doubt.id


def stricter(one: Scanned) -> Scanned:
    """The file as the strict policy sees it: in doubt is blocked, with a finding that says why.

    Findings that a baseline accepts leave no doubt behind; what they made of the verdict stays.
    """
    found = one.found
    open_verdict = verdict_of(found.findings, packages=bool(found.packages))
    doubt = open_verdict if open_verdict in DOUBTFUL else None
    said = examine(POLICY_CHECKS, Doubt(one.shown, doubt))
    judged = found._replace(
        verdict="block" if doubt else found.verdict,
        findings=(*found.findings, *said.findings),
        passed=found.passed | said.passed,
    )
    return one._replace(found=judged)
