"""What opening a model showed is said, and only then."""

from __future__ import annotations

import pytest

from ancile.core.check import examine
from ancile.models.checks import MODEL_CHECKS, Opening


@pytest.mark.parametrize(
    ("opening", "check"),
    [
        (Opening(code="net.py:net"), "model-runs-code"),
        (Opening(trusted="pickle"), "model-trusted-pickle"),
        (Opening(uncovered=("other.py",)), "model-code-not-covered"),
        (Opening(unfixed=True), "model-weights-not-fixed"),
        (Opening(endpoint="http://h/v2/models/m"), "model-endpoint-can-swap"),
    ],
)
def test_each_circumstance_is_one_warning(opening: Opening, check: str) -> None:
    found = examine(MODEL_CHECKS, opening)
    assert [f.check for f in found.findings] == [check]
    assert len(found.passed) == len(MODEL_CHECKS) - 1


def test_a_model_opened_without_any_of_these_passes_all() -> None:
    assert examine(MODEL_CHECKS, Opening()).findings == ()


def test_names_beyond_the_first_eight_are_counted() -> None:
    opening = Opening(uncovered=tuple(f"f{i}.py" for i in range(11)))
    (finding,) = examine(MODEL_CHECKS, opening).findings
    assert finding.detail.endswith("and 3 more")
