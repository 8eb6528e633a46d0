"""The programs in examples/ do what examples/README.md says."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ancile.trust.merkle import inclusion_path, leaf_hash, node_hash, range_root, verify_inclusion
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


@given(data=st.data(), size=st.integers(1, 40))
def test_its_proofs_are_those_of_the_log(data: st.DataObject, size: int) -> None:
    """Whatever index, length and siblings it is given, it finds the root where the log's own check does."""
    root_above = runpy.run_path(str(ROOT / "examples" / "verify_evidence.py"))["root_above"]
    leaves = [b"%d" % n for n in range(size)]
    hashes = [leaf_hash(leaf) for leaf in leaves]
    node = partial(_node, hashes)
    at = data.draw(st.integers(0, size - 1))
    path = inclusion_path(node, lambda a, b: range_root(node, a, b), index=at, size=size)
    root = range_root(node, 0, size)
    claimed = data.draw(st.one_of(st.just(at), st.integers(-1, 4 * size)))
    given_path = data.draw(st.sampled_from([path, path[:-1], [*path, bytes(32)], path[::-1]]))
    try:
        found = root_above(leaves[at], claimed, size, given_path) == root
    except ValueError:
        found = False
    assert found == verify_inclusion(given_path, index=claimed, size=size, leaf=hashes[at], root=root)


def _node(hashes: list[bytes], level: int, n: int) -> bytes:
    if not level:
        return hashes[n]
    return node_hash(_node(hashes, level - 1, 2 * n), _node(hashes, level - 1, 2 * n + 1))


def test_the_figure_is_recounted_from_the_examples(project: Path) -> None:
    ancile("assess", "net.py:net", "--weights", "net.safetensors", "--data", "held_out.npz", "--eps", "0.1",
           "--effort", "quick", "--quiet", "--adversarial", "found.npz", "-o", "again.json", folder=project)  # fmt: skip
    ended = example("check_adversarial.py", project / "found.npz")
    report = json.loads((project / "again.json").read_text("utf-8"))
    said = {m["name"]: m["value"] for m in report["measures"] if not m["slice"]}
    assert f"robust accuracy {said['robust_accuracy']:.4f}\n" in ended.stdout
    assert f"clean accuracy {said['clean_accuracy']:.4f}\n" in ended.stdout
