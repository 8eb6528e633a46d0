"""The licence of a model is a fact of its scan, wherever its files tell it, and never a reason to refuse it."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from onnx import helper as make

from ancile.core.report import Report
from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part
from ancile.scan.stage import files_of, scan
from ancile.work.clock import system_clock
from tests.formats.test_gguf import made, pair

MIT = (
    "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this "
    'software and so on\n\nTHE SOFTWARE IS PROVIDED "AS IS"\n'
)
CARD = "---\nlanguage: en\nlicense: {}\n---\n# A model\n"


def examined(name: str, held: bytes | str) -> Examination:
    return examine_part(Part(name, held if isinstance(held, bytes) else held.encode()))


def safetensors(**metadata: str) -> bytes:
    text = json.dumps({"__metadata__": metadata}).encode()
    return struct.pack("<Q", len(text)) + text


def onnx_model(key: str, value: str) -> bytes:
    model = make.make_model(make.make_graph([make.make_node("Identity", ["x"], ["y"])], "g", [], []))
    model.metadata_props.add(key=key, value=value)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("LICENSE", MIT),
        ("LICENSE.md", "SPDX-License-Identifier: MIT\n"),
        ("README.md", CARD.format("mit")),
        ("README.md", CARD.format("\n  - mit")),
        ("README.md", CARD.format("other\nlicense_name: MIT")),
        ("config.json", '{"model_type": "bert", "license": "MIT"}'),
        ("model.safetensors", safetensors(license="MIT")),
        ("model.gguf", made([pair("general.license", "mit")], [], data=b"")),
        ("model.onnx", onnx_model("license", "MIT")),
    ],
)
def test_a_licence_is_read_where_it_is_told(name: str, held: bytes | str) -> None:
    found = examined(name, held)
    assert found.licences == ("mit",)
    assert not found.findings
    assert found.verdict == "data-only"


@pytest.mark.parametrize("name", ["cc-by-nc-4.0", "llama3.1", "MIT AND CC-BY-NC-4.0"])
def test_a_licence_for_some_uses_is_a_warning_and_no_verdict(name: str) -> None:
    found = examined("README.md", CARD.format(name))
    assert [(one.check, one.status) for one in found.findings] == [("licence-restricted", "WARN")]
    assert found.verdict == "data-only"


@pytest.mark.parametrize("licence", ["other", ""])
def test_a_model_card_without_a_licence_is_a_warning(licence: str) -> None:
    found = examined("README.md", CARD.format(licence))
    assert [(one.check, one.status) for one in found.findings] == [("licence-missing", "WARN")]
    assert found.verdict == "data-only"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", "# A model\n\nThe license: cc-by-nc-4.0\n"),
        ("post.md", "---\ntitle: words\n---\nlicense: mit\n"),
        ("code.py", f'"""{MIT}"""\n'),
        ("LICENSE", "All rights reserved."),
        ("data.json", '{"rows": [{"license": "cc-by-nc-4.0"}]}'),
        ("model.safetensors", "no model"),
    ],
)
def test_other_texts_tell_no_licence(name: str, text: str) -> None:
    found = examined(name, text)
    assert found.licences == ()
    assert not any(one.check.startswith("licence") for one in found.findings)


def report(folder: Path, **files: str) -> Report:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return scan("model", files_of([folder]), clock=system_clock())


def test_files_of_a_folder_that_disagree_are_named(tmp_path: Path) -> None:
    found = report(tmp_path, LICENSE=MIT, README=CARD.format("apache-2.0"))
    told = [(one.location.path, one.detail) for one in found.findings if one.check == "licence-contradictory"]
    assert told == [("LICENSE", "mit"), ("README", "apache-2.0")]
    assert found.outcome == "pass"


def test_files_that_share_a_licence_agree(tmp_path: Path) -> None:
    found = report(
        tmp_path,
        LICENSE=MIT,
        README=CARD.format("MIT OR Apache-2.0"),
        other__LICENSE="SPDX-License-Identifier: ISC",
    )
    assert not found.findings
    counted = {one.slice["licence"]: one.value for one in found.measures if "licence" in one.slice}
    assert counted == {"apache-2.0": 1, "isc": 1, "mit": 2}
