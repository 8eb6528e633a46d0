"""What code imports from beside it runs, is in the digest, and runs from the bytes that were hashed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis.strategies import binary

from ancile.core.errors import AncileError
from ancile.core.subject import Subject
from ancile.models.judged import copy_judged, judged_model
from ancile.models.neighbours import RELATIVE, imported_names, neighbours, own_package
from ancile.models.opener import open_model
from ancile.models.package import Checked, package_in
from ancile.models.reference import refer
from ancile.models.request import ModelRequest
from tests.models import foreign

X = foreign.images()
HEAD = "import numpy as np\ndef predict(x): return np.full((len(x), 3), {})\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A model's file, a module and a package beside it, a module that both need, and a script."""
    sources = {
        "net.py": f"from layers import WIDTH\nimport parts.deep as d\n{HEAD.format('WIDTH + d.DEPTH')}",
        "layers.py": "import shared_by_all\nWIDTH = 2",
        "parts/deep.py": "from .more import DEPTH",
        "parts/more.py": "import shared_by_all\nDEPTH = 3",
        "shared_by_all.py": "",
        "train.py": "import net",
        "whole/__init__.py": "from .inner import predict",
        "whole/inner.py": HEAD.format(7),
        "whole/other.py": f"from whole.inner import predict\n{HEAD.format(7)}",
        "apart/inner.py": f"from .other import X\n{HEAD.format(8)}",
        "apart/other.py": "X = 1",
    }
    for name, source in sources.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    return tmp_path


def subject(base: Path, reference: str = "net.py:predict") -> Subject:
    return refer(ModelRequest(reference=reference, base=base)).subject


def first(base: Path, reference: str) -> float:
    with open_model(ModelRequest(reference=reference, base=base), X) as opened:
        assert "model-code-not-covered" not in [one.check for one in opened.findings]
        return float(opened.model.scores(X)[0, 0])


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["net.py:predict", "net:predict"])
def test_what_is_imported_from_beside_runs_and_is_covered(project: Path, reference: str) -> None:
    assert first(project, reference) == 5
    parts = set(subject(project, reference).parts)
    assert parts == {reference, "module/layers", "module/shared_by_all", "package/parts"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("whole:predict", 7),
        ("whole/__init__.py:predict", 7),
        ("whole/other.py:predict", 7),
        ("whole.other:predict", 7),
        ("apart.inner:predict", 8),
    ],
)
def test_a_file_of_a_package_is_opened_by_path_or_by_name(
    project: Path, reference: str, answer: float
) -> None:
    assert first(project, reference) == answer
    assert any(part.startswith("package/") for part in subject(project, reference).parts)


@pytest.mark.parametrize("hidden", [True, False])
def test_it_imports_where_the_folder_itself_cannot_be_listed(
    project: Path, monkeypatch: pytest.MonkeyPatch, *, hidden: bool
) -> None:
    """Hidden entries, or a home folder, keep a folder from being readable as a whole."""
    if hidden:
        (project / ".git").mkdir()
    else:
        monkeypatch.setenv("HOME", str(project))
        (project / "parts" / "__init__.py").write_text("")
    assert first(project, "net.py:predict") == 5


def test_what_a_gate_hands_over_is_whole_and_opens(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = tmp_path_factory.mktemp("out") / "release"
    judged = judged_model("net.py:predict", weights=None, factory_args={}, base=project)
    copy_judged(judged, target, names=("net.py",))
    assert subject(target).digest == judged.subject.digest
    assert first(target, "net.py:predict") == 5
    (project / "layers.py").write_text("WIDTH = 7")
    with pytest.raises(AncileError, match="not the one that was judged"):
        copy_judged(judged, target.with_name("again"), names=("net.py",))
    assert not target.with_name("again").exists()


@pytest.mark.slow
def test_what_is_installed_is_not_handed_over(tmp_path: Path) -> None:
    judged = judged_model("sklearn.dummy:DummyClassifier", weights=None, factory_args={}, base=tmp_path)
    copy_judged(judged, tmp_path / "dummy.py", names=("dummy.py",))
    assert (tmp_path / "dummy.py").is_file()


@pytest.mark.parametrize("changed", ["layers.py", "parts/more.py", "shared_by_all.py", "parts/new.py"])
def test_a_change_in_what_is_imported_changes_the_digest(project: Path, changed: str) -> None:
    before = subject(project)
    (project / changed).write_text("WIDTH = DEPTH = 9")
    assert subject(project).digest != before.digest


def test_a_script_that_nobody_imports_does_not(project: Path) -> None:
    before = subject(project)
    (project / "train.py").write_text("")
    assert subject(project) == before


def test_a_neighbour_that_changed_after_it_was_hashed_is_not_run(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = neighbours(b"import layers", project)[:1]
    (project / "layers.py").write_text("WIDTH = 3")
    monkeypatch.setattr(sys, "meta_path", [Checked(one.name, one.root, one.files), *sys.meta_path])
    with pytest.raises(AncileError, match="not the one that its digest names"):
        __import__("layers")


def test_a_neighbour_reads_no_more_than_the_model_s_file(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    away = tmp_path_factory.mktemp("away") / "secret.txt"
    away.write_text("A SECRET")
    (project / "layers.py").write_text(f"WIDTH = len(open({str(away)!r}).read())")
    with pytest.raises(AncileError, match="may not read"):
        first(project, "net.py:predict")


@pytest.mark.parametrize(
    ("reference", "remedy"),
    [
        ("apart/inner.py:predict", "name the model apart.inner:NAME"),
        ("lost.py:predict", "put the module beside"),
    ],
)
def test_an_import_that_fails_says_what_to_do(project: Path, reference: str, remedy: str) -> None:
    (project / "lost.py").write_text("import nowhere_at_all")
    with pytest.raises(AncileError, match="cannot be imported") as caught:
        first(project, reference)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a, b.c as d, e", {"a", "b", "e"}),
        ("if x: import a; from b.c import d", {"a", "b"}),
        ("  from . import a\nfrom .b import c\nfrom ..d import e", {RELATIVE}),
        ("important = 1\n# from nowhere\nx.import_module('a')\nimport ,", set()),
        ("from a import (\n  b,\n)\r\nimport\tc", {"a", "c"}),
    ],
)
def test_imports_are_seen_in_the_text(source: str, names: set[str]) -> None:
    assert imported_names(source.encode()) == names


@given(binary(max_size=200))
def test_any_bytes_can_be_looked_through(source: bytes) -> None:
    assert all("." not in name for name in imported_names(b"import " + source + b"\nfrom " + source))


def test_what_python_or_a_package_of_that_name_brings_is_no_neighbour(project: Path) -> None:
    """A folder without __init__.py yields to what is installed, a file does not; builtins yield to nothing."""
    for name in ("numpy/table.py", "sys.py", "msgspec.py"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("")
    found = neighbours(b"import numpy, sys, msgspec, gone\nfrom not-a-name import x", project)
    assert [one.name for one in found] == ["msgspec"]


def test_the_folders_of_python_hold_no_neighbours() -> None:
    for place in (Path(json.__file__).parents[1], Path(msgspec.__file__).parents[1]):
        assert neighbours(b"import json, numpy", place) == ()


def test_a_file_is_of_a_package_only_where_it_imports_from_it(project: Path) -> None:
    inner = project / "whole" / "inner.py"
    assert own_package(inner, b"import numpy") is None
    assert own_package(inner, b"from . import x") == "whole.inner"
    assert own_package(project / "whole" / "__init__.py", b"import whole.x") == "whole"
    assert own_package(project / "whole" / "my-net.py", b"from . import x") is None
    assert own_package(project / "net.py", b"from . import x") is None


def test_a_package_named_as_something_installed_does_not_hide_it(project: Path) -> None:
    for name in ("numpy", "json"):
        (project / name).mkdir()
        (project / name / "__init__.py").write_text("")
        assert own_package(project / name / "net.py", b"from . import x") is None


def test_a_package_whose_start_is_native_code_is_found_as_python_finds_it(tmp_path: Path) -> None:
    (tmp_path / "native").mkdir()
    (tmp_path / "native" / "__init__.pyc").write_bytes(b"")
    one = package_in(tmp_path / "native", "native")
    spec = Checked(one.name, one.root, one.files).find_spec("native")
    assert spec is not None
    assert spec.origin == str(tmp_path / "native" / "__init__.pyc")


def test_a_pipe_in_a_package_is_not_waited_for(project: Path) -> None:
    (project / "parts").joinpath("never.py").unlink(missing_ok=True)
    os.mkfifo(project / "parts" / "never.py")
    assert first(project, "net.py:predict") == 5
