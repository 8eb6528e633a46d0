"""The programs in examples/ do what examples/README.md says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.docs.worlds import ancile, prepare

pytestmark = pytest.mark.slow


def example(name: str, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    prepare(("assessed",), tmp_path)
    ancile("evidence", "export", "evidence.json", folder=tmp_path)
    return tmp_path


def test_evidence_verifies_without_ancile(project: Path) -> None:
    ended = example("verify_evidence.py", project / "ancile.toml", project / "evidence.json")
    assert ended.returncode == 0, ended.stderr
    kinds = [line.split(":")[1].split()[0] for line in ended.stdout.splitlines()]
    assert kinds == ["key", "key", "run", "report"]


@pytest.mark.parametrize("place", ["leaf", "salt", "envelope", "proof"])
def test_changed_evidence_is_refused_without_ancile(project: Path, place: str) -> None:
    path = project / "evidence.json"
    bundle = json.loads(path.read_text("utf-8"))
    text = bundle["entries"][1][place]
    middle = len(text) // 2
    bundle["entries"][1][place] = text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]
    path.write_text(json.dumps(bundle), "utf-8")
    assert example("verify_evidence.py", project / "ancile.toml", path).returncode != 0


def test_the_figure_is_recounted_from_the_examples(project: Path) -> None:
    ancile("assess", "net.py:net", "--weights", "net.safetensors", "--data", "held_out.npz", "--eps", "0.1",
           "--effort", "quick", "--quiet", "--adversarial", "found.npz", "-o", "again.json", folder=project)  # fmt: skip
    ended = example("check_adversarial.py", project / "found.npz")
    report = json.loads((project / "again.json").read_text("utf-8"))
    said = {m["name"]: m["value"] for m in report["measures"] if not m["slice"]}
    assert f"robust accuracy {said['robust_accuracy']:.4f}\n" in ended.stdout
    assert f"clean accuracy {said['clean_accuracy']:.4f}\n" in ended.stdout
