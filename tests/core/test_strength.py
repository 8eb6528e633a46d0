"""The scales by which a gate tells weaker evidence from what was asked for."""

from __future__ import annotations

import pytest

from ancile.core.strength import ACCESSES, EFFORTS, reaches


@pytest.mark.parametrize("scale", [EFFORTS, ACCESSES])
def test_a_step_reaches_itself_and_all_weaker_ones(scale: tuple[str, ...]) -> None:
    for given in scale:
        assert [reaches(given, wanted, scale) for wanted in scale] == [
            scale.index(wanted) <= scale.index(given) for wanted in scale
        ]


@pytest.mark.parametrize("given", [None, "", "QUICK", 2, ["thorough"], True])
def test_what_is_not_on_the_scale_reaches_nothing(given: object) -> None:
    assert not any(reaches(given, wanted, EFFORTS) for wanted in EFFORTS)
