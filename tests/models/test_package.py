"""A module of a package: every file of the package is in the digest, and none runs that is not."""

from __future__ import annotations

import importlib
import os
import py_compile
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from ancile.core.errors import AncileError
from ancile.core.subject import Subject, digest_of
from ancile.models import package as package_module
from ancile.models.opener import OpenedModel, open_model
from ancile.models.package import Checked, package_of, run_only
from ancile.models.reference import refer
from ancile.models.request import ModelRequest
from tests.models import foreign

X = foreign.images()
MODEL = "from wing.parts.bolt import STRENGTH\nimport numpy as np\ndef predict(x): return np.full((len(x), 3), STRENGTH)"


@pytest.fixture
def wing(tmp_path: Path) -> Path:
    root = tmp_path / "wing"
    (root / "parts").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "model.py").write_text(MODEL)
    (root / "parts" / "bolt.py").write_text("STRENGTH = 5")
    (root / "table.csv").write_text("1,2")
    return root


def subject(base: Path, reference: str = "wing.model:predict") -> Subject:
    return refer(ModelRequest(reference=reference, base=base)).subject


def opened(base: Path) -> OpenedModel:
    return open_model(ModelRequest(reference="wing.model:predict", base=base), X)


@pytest.mark.parametrize(
    "changed",
    [
        "parts/bolt.py",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("table.csv", "__init__.py", "model.py", "new.py")
        ),
    ],
)
def test_any_change_in_the_package_changes_the_digest(wing: Path, changed: str) -> None:
    before = subject(wing.parent)
    (wing / changed).write_text("STRENGTH = 6")
    assert subject(wing.parent).digest != before.digest


@pytest.mark.slow
def test_what_python_keeps_for_itself_does_not(wing: Path) -> None:
    before = subject(wing.parent)
    py_compile.compile(str(wing / "parts" / "bolt.py"))
    assert (wing / "parts" / "__pycache__").exists()
    assert subject(wing.parent) == before


@pytest.mark.slow
def test_a_module_of_a_package_is_run_from_the_bytes_that_were_hashed(wing: Path) -> None:
    with opened(wing.parent) as model:
        assert model.model.scores(X)[0, 0] == 5
        assert sorted(model.subject.parts) == ["package/wing", "wing.model:predict"]
        assert digest_of((wing / "model.py").read_bytes()) in model.subject.parts.values()
        assert "model-code-not-covered" not in [one.check for one in model.findings]
    assert "wing" not in sys.modules


@pytest.mark.slow
def test_bytecode_that_was_planted_is_not_run(wing: Path) -> None:
    """A cache with the source's time and size is what Python would take in its place."""
    bolt = wing / "parts" / "bolt.py"
    was = bolt.stat()
    bolt.write_text("STRENGTH = 6")
    os.utime(bolt, ns=(was.st_atime_ns, was.st_mtime_ns))
    py_compile.compile(str(bolt))
    bolt.write_text("STRENGTH = 5")
    os.utime(bolt, ns=(was.st_atime_ns, was.st_mtime_ns))
    with opened(wing.parent) as model:
        assert model.model.scores(X)[0, 0] == 5


@pytest.fixture
def clean(wing: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.syspath_prepend(str(wing.parent))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "wing"]:
        del sys.modules[name]


@pytest.mark.usefixtures("clean")
def test_a_file_that_changed_after_it_was_hashed_is_not_run(wing: Path) -> None:
    found = package_of(wing / "model.py", "wing.model")
    if found is None:
        pytest.fail("a package")
    (wing / "parts" / "bolt.py").write_text("STRENGTH = 7")
    run_only(found.name, str(found.root), found.files)
    with pytest.raises(AncileError, match="not the one that its digest names"):
        importlib.import_module("wing.model")


@pytest.mark.usefixtures("clean")
def test_a_link_out_of_the_package_is_not_followed(
    wing: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "hook.py").write_text("HOOK = 1")
    (wing / "away").symlink_to(other)
    found = package_of(wing / "model.py", "wing.model")
    if found is None:
        pytest.fail("a package")
    assert "away/hook.py" not in found.files
    run_only(found.name, str(found.root), found.files)
    assert importlib.import_module("wing.parts.bolt").__name__ == "wing.parts.bolt"
    with pytest.raises(AncileError, match="its digest names"):
        importlib.import_module("wing.away.hook")


@pytest.mark.usefixtures("clean")
def test_a_file_that_an_installer_linked_into_the_package_is_part_of_it(
    wing: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bolt, stored = wing / "parts" / "bolt.py", tmp_path_factory.mktemp("store") / "bolt"
    bolt.rename(stored)
    bolt.symlink_to(stored)
    found = package_of(bolt, "wing.parts.bolt")
    if found is None:
        pytest.fail("a package")
    assert found.root == wing
    run_only(found.name, str(found.root), found.files)
    assert importlib.import_module("wing.parts.bolt").STRENGTH == 5


def test_only_modules_of_the_package_are_looked_at(wing: Path) -> None:
    finder = Checked("wing", wing, {})
    assert finder.find_spec("json") is None
    assert finder.find_spec("wing.nothing", [str(wing)]) is None


def test_a_module_by_itself_is_in_no_package(tmp_path: Path) -> None:
    assert package_of(tmp_path / "model.py", "model") is None


def test_a_package_is_found_from_any_of_its_modules(wing: Path) -> None:
    names = {("__init__.py", "wing"), ("model.py", "wing.model"), ("parts/bolt.py", "wing.parts.bolt")}
    found = [package_of(wing / path, module) for path, module in names]
    assert {one.root for one in found if one} == {wing}
    assert len({one.digest() for one in found if one}) == 1


def test_a_package_beyond_counting_is_refused(wing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_module, "MOST_FILES", 3)
    with pytest.raises(AncileError, match="too many files"):
        package_of(wing / "model.py", "wing.model")


def test_a_file_that_cannot_be_read_is_a_known_error(wing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", gone)
    with pytest.raises(AncileError, match="cannot be read"):
        package_of(wing / "model.py", "wing.model")


@pytest.mark.slow
def test_an_installed_module_is_covered_with_its_version_and_its_files(tmp_path: Path) -> None:
    parts = subject(tmp_path, "sklearn.dummy:DummyClassifier").parts
    assert f"distribution/scikit-learn=={version('scikit-learn')}" in parts
    assert "package/sklearn" in parts
