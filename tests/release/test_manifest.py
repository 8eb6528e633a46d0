"""A manifest names every file by its plain SHA-256, and says what it cannot name."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ancile.core.errors import AncileError
from ancile.core.subject import manifest_digest
from ancile.release.manifest import Manifest, _unchanged, manifest_of, require_no_listing
from ancile.work.hashing import ChangedError, NotRegularError, hash_file, seen
from ancile.work.listing import SHOWN, Entry
from tests.release.world import listing_of

ZEROS = "sha256:" + "0" * 64


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"weights")
    (folder / "sub" / "config.json").write_bytes(b"{}")
    return folder


def test_a_folder_is_its_files_by_path(model: Path) -> None:
    found = manifest_of(model)
    assert found == Manifest(
        name="model",
        parts={"sub/config.json": sha256(b"{}"), "weights.bin": sha256(b"weights")},
        sizes={"sub/config.json": 2, "weights.bin": 7},
    )
    assert list(found.parts) == sorted(found.parts)
    assert found.subject().digest == manifest_digest(found.parts)


def test_a_single_file_is_named_by_its_plain_digest(model: Path) -> None:
    found = manifest_of(model / "weights.bin")
    assert found.alone
    assert found.parts == {"weights.bin": sha256(b"weights")}
    assert found.subject().digest == sha256(b"weights")
    assert found.subject().parts == {}


def test_a_file_that_is_the_manifest_of_a_folder_is_told(model: Path) -> None:
    listing = listing_of(model)
    assert manifest_of(listing).subject().digest == manifest_of(model).subject().digest
    with pytest.raises(AncileError, match="this file is the manifest of a folder"):
        require_no_listing(listing, manifest_of(listing))
    require_no_listing(model, manifest_of(model))


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "[" * 10_000, "{" * 10_000, '{"a":1}', '{"a":"sha256:"}', f'{{"a":"{ZEROS}"}}\n',
     f'{{"b":"{ZEROS}","a":"{ZEROS}"}}', f'{{"a": "{ZEROS}"}}', f'{{"a":"{ZEROS}","a":"{ZEROS}"}}', "\ud800"],
)  # fmt: skip
def test_a_file_that_is_nothing_of_the_kind_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "f"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    require_no_listing(file, manifest_of(file))


def test_a_file_that_changes_before_the_second_look_is_told(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"1")
    found = manifest_of(file)
    file.write_bytes(b"2")
    with pytest.raises(AncileError, match="changed while it was read"):
        require_no_listing(file, found)


def test_the_digests_are_those_that_sha256sum_prints(model: Path) -> None:
    said = subprocess.run(["sha256sum", "weights.bin"], cwd=model, check=True, capture_output=True, text=True)
    assert manifest_of(model).parts["weights.bin"] == f"sha256:{said.stdout.split()[0]}"


@pytest.mark.parametrize(
    "name", [".git/hooks/post-checkout", ".gitattributes", ".github/w.yml", ".gitignore", "__pycache__/a.pyc"]
)
def test_what_other_tools_leave_out_is_in_it(model: Path, name: str) -> None:
    (model / name).parent.mkdir(exist_ok=True, parents=True)
    (model / name).write_bytes(b"x")
    assert manifest_of(model).parts[name] == sha256(b"x")


def test_names_are_the_bytes_that_they_are(model: Path) -> None:
    Path(os.fsdecode(os.fsencode(model) + b"/a\xff\n\x1b[2J")).write_bytes(b"")
    assert manifest_of(model).parts["a%FF%0A%1B%5B2J"] == sha256(b"")


def test_what_is_left_out_is_said(model: Path) -> None:
    (model / "sub" / "link").symlink_to("config.json")
    found = manifest_of(model, ignored=["sub/"])
    assert list(found.parts) == ["weights.bin"]
    assert found.ignored == ("sub",)


def test_a_path_to_the_model_may_be_a_link(model: Path) -> None:
    link = model.parent / "latest"
    link.symlink_to("model")
    assert manifest_of(link) == manifest_of(model)


def test_blake2b_comes_from_the_same_bytes(model: Path) -> None:
    assert manifest_of(model, blake2b=True).blake2b["weights.bin"] == hashlib.blake2b(b"weights").hexdigest()


def refused(path: Path) -> AncileError:
    with pytest.raises(AncileError) as raised:
        manifest_of(path)
    assert raised.value.value
    assert raised.value.remedy
    assert "\n" not in str(raised.value)
    return raised.value


def make_device(path: Path) -> None:
    try:
        os.mknod(path, 0o020600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this user may make no device")


def make_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: path.symlink_to("weights.bin"), "a link"),
        (lambda path: path.symlink_to("odd"), "a link"),
        (lambda path: path.symlink_to("."), "a link"),
        (os.mkfifo, "a pipe"),
        (make_socket, "a socket"),
        (make_device, "a device"),
    ],
)
def test_what_has_no_content_of_its_own_is_refused(
    model: Path, make: Callable[[Path], None], kind: str
) -> None:
    make(model / "odd")
    error = refused(model)
    assert error.value.endswith(f"odd: {kind}")
    if kind != "a link":
        assert refused(model / "odd").value.endswith(f"odd: {kind}")


def test_all_that_is_wrong_is_told_at_once(model: Path) -> None:
    for number in range(SHOWN + 2):
        (model / f"link{number}").symlink_to("weights.bin")
    assert "link0: a link; " in refused(model).value
    assert refused(model).value.endswith("; and 2 more")


def test_a_loop_of_links_nothing_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    assert "symbolic links" in refused(tmp_path / "loop").value
    assert "No such file" in refused(tmp_path / "none").value
    assert "null" in refused(Path("a\0b")).value
    assert refused(tmp_path / "empty").what == "there is no file to hash"


def test_folders_without_end_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    inner = folder
    for _ in range(202):
        inner /= "d"
        inner.mkdir()
    assert "more than 200 folders deep" in refused(folder).value


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_file_that_may_not_be_read_is_told() -> None:
    """Root ignores the modes of files; user 65534 does not."""
    with TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "sub").mkdir(mode=0)
        (folder / "weights.bin").touch(mode=0)
        folder.chmod(0o755)
        os.seteuid(65534)
        try:
            said = refused(folder).value
            alone = refused(folder / "weights.bin").value
        finally:
            os.seteuid(0)
    assert "sub: Permission denied; " in said
    assert said.endswith("weights.bin: no right to read it")
    assert alone.endswith("weights.bin: no right to read it")


@pytest.mark.parametrize("change", ["new", "gone", "rewritten", "touched", "replaced"])
def test_a_folder_that_changes_while_it_is_read_is_refused(model: Path, change: str) -> None:
    """Also where each file by itself was read in one state."""
    once = threading.Event()

    def meanwhile(done: int, total: int) -> None:
        if once.is_set():
            return
        once.set()
        path = model / "weights.bin"
        if change == "new":
            (model / "more").write_bytes(b"")
        elif change == "gone":
            path.unlink()
        elif change == "rewritten":
            path.write_bytes(b"WEIGHTS")
        elif change == "touched":
            os.utime(path)
        else:
            (model / "other").write_bytes(b"weights")
            (model / "other").rename(path)

    with pytest.raises(AncileError, match=r"changed while it was read|cannot be read"):
        manifest_of(model, progress=meanwhile)


def test_what_was_listed_is_what_was_hashed(model: Path) -> None:
    """A file that went or changed between the two is told, and no manifest is made."""
    path = model / "weights.bin"
    listed = {"weights.bin": Entry(path, seen(path.stat()))}
    assert list(_unchanged(listed, [hash_file(path)])) == ["weights.bin"]
    for found in (ChangedError(), NotRegularError(), hash_file(model / "sub" / "config.json")):
        with pytest.raises(AncileError, match="changed while it was read"):
            _unchanged(listed, [found])
    with pytest.raises(AncileError, match="No such file"):
        _unchanged(listed, [FileNotFoundError(2, "No such file or directory")])


def test_a_folder_of_too_many_files_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ancile.work.listing.MOST_FILES", 1)
    assert "more than 1" in refused(model).value


def test_a_hole_is_no_model(tmp_path: Path) -> None:
    """Hashing a terabyte that is not there would take a quarter of an hour."""
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert "almost nothing of it on the disk" in refused(tmp_path).value
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 20)
    assert manifest_of(tmp_path).sizes == {"sparse": 1 << 20}
