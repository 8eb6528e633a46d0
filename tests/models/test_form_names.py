"""The words that reports have for a search form, and back."""

from __future__ import annotations

import pytest

from ancile.core.errors import AncileError
from ancile.models.form import Form, form_name, form_named


@pytest.mark.parametrize(
    "form",
    [
        Form(precision="float32"),
        Form(precision="bfloat16", layout="channels-last", batch=512),
        Form(precision="float64", batch=1),
    ],
)
def test_a_name_gives_its_form_back(form: Form) -> None:
    assert form_named(form_name(form)) == form


def test_no_form_has_a_name_too() -> None:
    assert form_name(None) == "none"


@pytest.mark.parametrize(
    "name",
    ["", "none", "float16, contiguous, batch 8", "float32, rows, batch 8", "float32, contiguous, batch 0"],
)
def test_other_words_are_refused_with_an_example(name: str) -> None:
    with pytest.raises(AncileError, match="no such search form") as error:
        form_named(name)
    assert "float32, contiguous, batch 128" in error.value.remedy
