"""JSON is the whole record, and comes back as it was."""

from __future__ import annotations

import json

import pytest

from ancile.core.wire import read_record, record_document
from ancile.render.json import render
from tests.render.hostile import with_text
from tests.render.records import RECORDS


@pytest.mark.parametrize("name", RECORDS)
def test_what_is_printed_reads_back_as_the_same_record(name: str) -> None:
    record = RECORDS[name]()
    assert read_record(render(record).encode("ascii"), name="report") == record


def test_the_top_level_is_the_report_with_its_evidence() -> None:
    document = json.loads(render(RECORDS["empty"]()))
    wanted = "schema stage outcome complete subject parameters measures findings passed exhibits cost"
    assert list(document) == [*wanted.split(), "started", "finished", "version", "evidence"]
    assert document["evidence"] is None


def test_text_with_commands_and_controls_comes_back_exactly() -> None:
    record = with_text("##vso[x] ::error:: \x1b\x7f\u202e é =1", ("subject", "name"))
    assert json.loads(render(record)) == json.loads(json.dumps(record_document(record)))


def test_what_is_no_character_is_written_as_its_escape() -> None:
    record = with_text("\ud800 \udc80", ("subject", "name"))
    assert json.loads(render(record))["subject"]["name"].startswith("\\ud800 \\x80")
