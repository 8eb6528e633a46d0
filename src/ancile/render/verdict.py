"""The first thing that every renderer says: the outcome, what it means for this stage, and why."""

from __future__ import annotations

from typing import NamedTuple

from ancile.core.finding import Finding
from ancile.core.measure import Measure
from ancile.core.report import Outcome, Report
from ancile.core.text import plain
from ancile.render.outline import passed
from ancile.render.phrases import counted, interval_text, label, setting, slice_text, value_text

WORDS: dict[Outcome, str] = {"pass": "Pass", "fail": "Fail", "no_conclusion": "No conclusion"}

# (stage, outcome): what the outcome says, and what it does not
MEANINGS: dict[tuple[str, Outcome], tuple[str, str]] = {
    ("assess", "pass"): (
        "The assessment ran to its end, and no check refuses its figures",
        "It does not say that the model is robust enough: that is for a gate to decide.",
    ),
    ("assess", "fail"): (
        "The assessment found a failure",
        "What has to change stands under what to do.",
    ),
    ("assess", "no_conclusion"): (
        "The figures cannot be relied on yet",
        "They speak of what was done so far; do not compare or quote them.",
    ),
    ("gate", "pass"): (
        "Every requirement of the policy is met",
        "The evidence for this digest holds; another file needs evidence of its own.",
    ),
    ("gate", "fail"): ("The policy is not met", "This subject may not be shipped under this policy."),
    ("gate", "no_conclusion"): (
        "The policy cannot be answered from the evidence at hand",
        "Missing, stale or contradicting evidence never counts as a pass.",
    ),
    ("scan", "pass"): (
        "Nothing in these files runs, breaks or misleads by being opened",
        "It speaks of these bytes: pin the packages that are named, and open the files with those.",
    ),
    ("scan", "fail"): (
        "Something in these files must not be opened, or somebody has to look first",
        "What has to change stands under what to do.",
    ),
    ("scan", "no_conclusion"): (
        "Something in these files was not examined",
        "Nothing is known of it; this is not a pass.",
    ),
    ("ledger", "pass"): (
        "The ledger is what the log signed",
        "Whether it was replaced as a whole shows only against a checkpoint kept elsewhere.",
    ),
    ("ledger", "fail"): (
        "The ledger is not what the log signed",
        "Evidence from the first place named on is not to be believed.",
    ),
}

# a scan that passes because somebody answers for what it found
ACCEPTED = (
    "Everything that was found in these files was accepted",
    "Whoever accepted it answers for it: what, why and until when stands below.",
)

GENERAL: dict[Outcome, tuple[str, str]] = {
    "pass": ("Nothing was found that refuses this subject", "It speaks of what was examined, listed below."),
    "fail": ("This subject is refused", "What has to change stands under what to do."),
    "no_conclusion": ("What was examined is not enough to decide", "This is not a pass."),
}


GOES_ON = "The same command again goes on where this run stopped."
MEND_FIRST = "What the model raised has to be mended first."

# parameters without which a robustness figure means nothing
THREAT = ("goal", "norm", "eps", "access", "effort")

STAGES = {"scan": "Scan", "assess": "Assessment", "gate": "Gate decision", "ledger": "Ledger audit"}


class Verdict(NamedTuple):
    """Outcome in words, its meaning in a sentence, what to keep in mind, and the reasons in figures.

    warned  a pass that carries warnings: shown in another colour than one without
    """

    word: str
    meaning: str
    caution: str
    because: str
    warned: bool


def verdict(report: Report) -> Verdict:
    """The verdict on a report."""
    meaning, caution = MEANINGS.get((report.stage, report.outcome), GENERAL[report.outcome])
    if report.stage == "assess" and not report.complete:
        raised = any(f.check == "evasion-model-raised" for f in report.findings)
        caution = f"{caution} {MEND_FIRST if raised else GOES_ON}"
    if report.outcome == "pass" and "ledger-rollback-not-checked" in report.passed:
        caution = "It goes on from what was kept elsewhere."
    if report.outcome == "pass" and report.measure("accepted_findings"):
        meaning, caution = ACCEPTED
    word, warnings = WORDS[report.outcome], _number(report.findings, "WARN")
    warned = report.outcome == "pass" and warnings > 0
    if warned:
        word = f"{word} with {counted(warnings, 'warning')}"
    return Verdict(word, meaning, caution, because(report), warned)


def stage_name(report: Report) -> str:
    """What the report is, as a heading begins: "Assessment" of a model."""
    return STAGES.get(report.stage, plain(report.stage, 40).capitalize())


def headline(report: Report) -> str:
    """An assessment's figures in a phrase: "clean 97.3 %, robust at most 17.2 % (14.2 to 20.5)"; or empty.

    Where the samples are of one class they are those of that class, and begin with its name.
    """
    clean, robust = _figure(report, "clean_accuracy"), _figure(report, "robust_accuracy")
    said = ", ".join(
        f"{word} {value_text(found)}" for word, found in (("clean", clean), ("robust", robust)) if found
    )
    if clean and clean.slice:
        said = f"{slice_text(clean.slice)} alone: {said}"
    if robust is None:
        return f"{said}, robustness not evaluated" if said else ""
    return f"{said} ({interval_text(robust).partition(' at ')[0]})" if robust.low is not None else said


def _figure(report: Report, name: str) -> Measure | None:
    """The measure of all samples, or of the one class that all of them are of."""
    of_class = [m for m in report.measures if m.name == name and list(m.slice) == ["class"]]
    return report.measure(name) or (of_class[0] if len(of_class) == 1 else None)


def ball(report: Report) -> str:
    """How far an attacker of these figures may go: "linf eps 0.15"; empty where the report does not say."""
    if not {"norm", "eps"} <= report.parameters.keys():
        return ""
    return f"{setting(report.parameters['norm'])} eps {_eps(report)}"


def _eps(report: Report) -> str:
    """The eps with what it is a share of, where it is one."""
    of = " of each range" if report.parameters.get("units") == "range" else ""
    return setting(report.parameters["eps"]) + of


def against(report: Report) -> str:
    """The threat that the figures speak of, from the parameters that say it."""
    named = [(name, report.parameters[name]) for name in THREAT if name in report.parameters]
    return ", ".join(
        setting(value)
        if name == "goal"
        else f"{label(name)} {_eps(report) if name == 'eps' else setting(value)}"
        for name, value in named
    )


def because(report: Report) -> str:
    """What the outcome follows from: "1 failure, 2 warnings, 7 checks passed; the run is incomplete"."""
    counts = [
        (_number(report.findings, "FAIL"), "failure", ""),
        (_number(report.findings, "ERROR"), "error", ""),
        (_number(report.findings, "WARN"), "warning", ""),
        (_number(report.findings, "SKIP"), "check not examined", "checks not examined"),
        (len(passed(report)), "check passed", "checks passed"),
    ]
    words = ", ".join(counted(n, one, many) for n, one, many in counts if n) or "nothing was examined"
    return words if report.complete else f"{words}; the run is incomplete"


def _number(findings: tuple[Finding, ...], status: str) -> int:
    return sum(f.status == status for f in findings)
