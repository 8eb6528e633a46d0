"""The formats are known by name alone; each is imported when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ancile.core.errors import AncileError
from ancile.core.report import exit_code
from ancile.render.formats import FORMATS, render_as
from tests.render.records import RECORDS


def test_the_names_of_the_formats_load_no_template_engine() -> None:
    code = "import sys, ancile.render.formats; print({'jinja2', 'json'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "jinja2" not in found.stdout


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("record", RECORDS)
def test_every_record_has_every_form_and_ends_in_one_newline(name: str, record: str) -> None:
    output = render_as(name, RECORDS[record]())
    assert output.endswith("\n")
    assert not output.endswith("\n\n")


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_record_gives_the_same_bytes(name: str) -> None:
    assert render_as(name, RECORDS["assessed"]()) == render_as(name, RECORDS["assessed"]())


@pytest.mark.parametrize("name", FORMATS)
def test_rendering_changes_no_exit_code(name: str) -> None:
    for make in RECORDS.values():
        record = make()
        before = exit_code(record.report)
        render_as(name, record)
        assert exit_code(record.report) == before


def test_another_format_is_refused_with_the_names_of_all() -> None:
    with pytest.raises(AncileError) as caught:
        render_as("pdf", RECORDS["empty"]())
    assert "table, json, sarif, html, markdown, junit" in caught.value.remedy
