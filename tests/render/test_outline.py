"""What a report says, in the order in which people need it."""

from __future__ import annotations

import msgspec
import pytest

from ancile.core.report import Report
from ancile.render.outline import (
    actions,
    cited,
    drawn,
    groups,
    not_examined,
    open_questions,
    passed,
    whole,
)
from ancile.render.verdict import GENERAL, MEANINGS, because, stage_name, verdict
from tests.render.records import BROKEN, FINDINGS, RECORDS, UNFINISHED, assessed, gate, report


def test_the_gravest_comes_first_and_each_check_once() -> None:
    found = actions(report(findings=(*FINDINGS, BROKEN)))
    assert [a.first.severity for a in found] == ["critical", "high", "medium", "medium", "low", "low", "info"]
    places = {a.first.check: len(a.seen) for a in found}
    assert places["model-uncovered-code"] == 2
    assert sum(places.values()) == 8


def test_errors_and_skips_are_no_actions() -> None:
    found = report(complete=False, findings=(*FINDINGS, UNFINISHED))
    assert [a.first.check for a in open_questions(found)] == ["evasion-unfinished"]
    assert [a.first.check for a in not_examined(found)] == ["evasion-masked-gradient"]


def test_a_check_that_found_something_somewhere_has_not_passed() -> None:
    assert passed(gate().report) == ()
    assert dict(passed(assessed().report)) == assessed().report.passed


def test_every_measure_is_either_of_the_whole_or_in_one_group() -> None:
    found = assessed().report
    grouped = [m for g in groups(found) for _, row in g.rows for m in row if m]
    assert len(grouped) + len(whole(found)) == len(found.measures)
    assert [g.key for g in groups(found)] == ["class", "inputs", "eps"]
    assert groups(found)[0].names == ("clean_accuracy", "robust_accuracy")


def test_a_slice_of_two_keys_is_a_row_with_both() -> None:
    both = msgspec.structs.replace(report().measures[3], slice={"class": "a b", "eps": 0.1})
    (group,) = groups(report(measures=(both,)))
    assert (group.key, group.rows[0][0]) == ("class and eps", "class a b, eps 0.1")


def test_a_curve_over_a_slice_key_is_known() -> None:
    assert drawn(assessed().report) == {"eps"}
    assert drawn(report(measures=())) == set()


def test_each_reference_is_named_once_with_those_who_cite_it() -> None:
    found = dict(cited(assessed().report))
    assert found["CWE-829"] == ("model-uncovered-code",)
    assert len(found["AML.T0043 (ATLAS 5.6.0)"]) == 3


def test_a_pass_with_warnings_says_so_in_its_first_word() -> None:
    assert verdict(report()).word == "Pass with 7 warnings"
    assert verdict(report()).warned
    clean = verdict(report(findings=()))
    assert (clean.word, clean.warned) == ("Pass", False)


def test_an_assessment_that_passes_does_not_say_that_the_model_is_robust() -> None:
    assert "does not say that the model is robust enough" in verdict(report()).caution


def test_reasons_are_counted() -> None:
    found = report(complete=False, findings=(*FINDINGS, UNFINISHED))
    assert because(found) == (
        "1 error, 7 warnings, 1 check not examined, 3 checks passed; the run is incomplete"
    )
    assert because(RECORDS["empty"]().report) == "nothing was examined"


@pytest.mark.parametrize("stage", ["assess", "gate", "ledger", "scan"])
def test_every_stage_and_outcome_has_words(stage: str) -> None:
    base = report(stage=stage)
    for changed in (base, report(stage=stage, findings=(BROKEN,)), report(stage=stage, complete=False)):
        assert isinstance(changed, Report)
        meaning = verdict(changed)
        assert meaning.meaning == MEANINGS.get((stage, changed.outcome), GENERAL[changed.outcome])[0]
        assert not meaning.meaning.endswith(".")
        assert meaning.caution.endswith(".")


def test_stages_have_names_for_people() -> None:
    assert stage_name(report()) == "Assessment"
    assert stage_name(report(stage="scan")) == "Scan"
