"""A text that is the manifest of a model's files has their digest, and is another thing."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest
from msgspec import structs

from ancile.cli.home import need_home
from ancile.cli.recorder import open_recorder
from ancile.core.subject import Subject
from tests.cli.terminal import ASSESS, RULE, Place
from tests.cli.test_gate_against import details
from tests.govern.evidence import report

MODEL = ("linear.py:net", "--weights", "w.safetensors")
VERIFIED = """[[policy.require]]
name = "signed"
stage = "verify"
"""


@pytest.fixture
def listed(home: Place) -> Place:
    """A model of two files, and a verification of a text that lists them."""
    torch = pytest.importorskip("torch")
    save = pytest.importorskip("safetensors.torch").save_file
    (home.folder / "linear.py").write_text(
        "from torch import nn\n\ndef net():\n    return nn.Linear(2, 3)\n", "utf-8"
    )
    save({"weight": torch.eye(3, 2), "bias": torch.zeros(3)}, home.folder / "w.safetensors")
    home.policy(VERIFIED)
    found = home.json("gate", *MODEL, "--no-record")["subject"]
    assert len(found["parts"]) == 2
    text = Subject(kind="model", name="listing.json", digest=found["digest"])
    with chdir(home.folder), open_recorder(need_home(Path.cwd())) as recorder:
        recorder.report(structs.replace(report(0.9), stage="verify", subject=text, parameters={}))
    return home


def test_what_was_said_of_the_text_is_not_said_of_the_files(listed: Place) -> None:
    document = listed.json("gate", *MODEL)
    assert document["outcome"] == "no_conclusion"
    said = details(document, "gate-not-checked")
    assert "reports about a text that lists these files, which do not count: 1" in said


@pytest.mark.slow
def test_a_report_about_the_files_counts_beside_it(listed: Place) -> None:
    assert listed("assess", *MODEL, *ASSESS[2:]).code == 0
    listed.policy(RULE.format(at_least=0.0))
    document = listed.json("gate", *MODEL)
    assert document["outcome"] == "pass", document
    assert "which do not count: 1" in details(document, "gate-not-checked")
