"""Checks, their pages, and what they say of facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ancile.core.check import Check, Remark, check, error, examine, fail, ok, page_of, skip, warn
from ancile.core.finding import Location

Facts = tuple[Remark, ...]


@check("remark-made", severity="medium", refs=("CWE-1", "AML.T0043"))
def says(facts: Facts) -> Iterator[Remark]:
    """A remark was made.

    Why   Somebody
          saw something.
    Fix   Do not
          look away.

    More words
    over two lines.

    And a second paragraph.
    """
    yield from facts


@check("nothing-said", severity="low")
def silent(facts: Facts) -> Iterator[Remark]:
    """Nothing is said.

    Why   It may be bad.
    Fix   Say something.
    """
    yield from facts[:0]


def test_a_page_is_the_docstring_taken_apart() -> None:
    assert says.page == (
        "A remark was made",
        "Somebody saw something.",
        "Do not look away.",
        "More words over two lines.\n\nAnd a second paragraph.",
    )
    assert silent.page.more == ""
    assert (says.id, says.severity, says.refs) == ("remark-made", "medium", ("CWE-1", "AML.T0043"))


@pytest.mark.parametrize(
    "doc",
    ["", "Title.", "Title.\n\nWhy   a", "Title.\n\nFix   a", "\n\nWhy   a\nFix   b", "Title.\n\nWhy\nFix"],
)
def test_a_page_without_title_reason_or_remedy_is_refused(doc: str) -> None:
    with pytest.raises(ValueError, match="has a title, a Why and a Fix"):
        page_of(doc)


def test_a_check_without_a_page_is_refused() -> None:
    def bare(facts: Facts) -> Iterator[Remark]:
        yield from facts

    with pytest.raises(ValueError, match="has a title"):
        check("a-b", severity="low")(bare)


@pytest.mark.parametrize(
    "id_", ["", "one", "Two-words", "two_words", "two-", "-two", "two--words", "1-two", "a-b\n"]
)
def test_an_id_is_words_joined_by_hyphens(id_: str) -> None:
    with pytest.raises(ValueError, match="words joined by hyphens"):
        check(id_, severity="low")


@pytest.mark.parametrize("speak", [warn, fail, skip, error])
def test_a_remark_becomes_a_finding_in_the_words_of_its_check(speak: Callable[..., Remark]) -> None:
    remark = speak("seen there", where=Location(row=3))
    found = says.finding(remark)
    assert (found.check, found.title, found.refs) == (
        "remark-made",
        "A remark was made",
        ("CWE-1", "AML.T0043"),
    )
    assert (found.detail, found.location.row, found.severity) == ("seen there", 3, "medium")
    assert found.status == speak.__name__.upper()
    assert found.fix == ("Do not look away." if found.status in ("WARN", "FAIL") else "")


def test_a_remark_may_be_graver_than_its_check() -> None:
    assert says.finding(fail("seen", severity="critical")).severity == "critical"
    assert says.finding(warn("seen", severity="info")).severity == "info"


def test_findings_stand_in_the_order_of_the_checks_and_passes_are_counted() -> None:
    twice: tuple[Check[Facts], ...] = (says, says)
    found = examine(twice, (ok(), fail("one"), ok(), warn("two")))
    assert [f.detail for f in found.findings] == ["one", "two", "one", "two"]
    assert found.passed == {"remark-made": 4}


def test_a_check_that_says_nothing_has_not_looked() -> None:
    found = examine((silent,), (ok(),))
    assert [(f.check, f.status) for f in found.findings] == [("nothing-said", "ERROR")]
    assert "no conclusion" in found.findings[0].detail
    assert found.passed == {}


def test_no_checks_find_nothing() -> None:
    assert examine((), ()) == ((), {})
