"""Named data sets."""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from ancile.core.errors import AncileError
from ancile.core.subject import manifest_digest
from ancile.inputs.catalogue import Form, NamedSet, PinnedFile, catalogue, data_folders
from ancile.inputs.named import Choice, named_set
from ancile.inputs.opener import open_data
from ancile.inputs.values import Bounds
from tests.inputs.files import npz
from tests.inputs.server import Answer, serving
from tests.inputs.tables import parquet
from tests.shared import SHARED, needs_shared

PICTURES = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
IMAGES = gzip.compress(struct.pack(">4I", 2051, 2, 4, 4) + PICTURES.tobytes(), mtime=0)
LABELS = gzip.compress(struct.pack(">2I", 2049, 2) + b"\x03\x01", mtime=0)


def pinned(path: str, content: bytes, url: str = "") -> PinnedFile:
    return PinnedFile(path=path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), url=url)


def sets(*forms: Form, **settings: str) -> Mapping[str, NamedSet]:
    return {"toy": NamedSet(title="toy", source="us", licence="CC0-1.0", forms=forms, **settings)}  # type: ignore[arg-type]  # only words are given


def environ(folder: Path) -> dict[str, str]:
    return {"ANCILE_DATA": str(folder), "HOME": str(folder / "home")}


def test_digits_are_the_held_out_quarter_as_pictures() -> None:
    data = named_set("digits")
    assert (data.x.shape, data.kind, data.low, data.high) == ((450, 8, 8), "images", 0, 1)
    assert data.rows.tolist() == list(range(1347, 1797))
    assert data.classes == tuple("0123456789")
    assert data.subject.name == "digits"
    assert not data.doubts


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    bunch, data = load_digits(), named_set("digits")
    np.testing.assert_array_equal(data.x * 16, bunch.images[1347:])
    np.testing.assert_array_equal(data.y, bunch.target[1347:])
    parts = {"x": bunch.data.astype("<f8"), "y": bunch.target.astype("<i8")}
    digests = {k: f"sha256:{hashlib.sha256(a.tobytes()).hexdigest()}" for k, a in parts.items()}
    assert (data.subject.parts, data.subject.digest) == (digests, manifest_digest(digests))


def test_breast_cancer_is_a_table_with_named_columns() -> None:
    data = named_set("breast-cancer")
    assert (data.x.shape, data.kind, data.classes) == ((142, 30), "table", ("malignant", "benign"))
    assert data.features is not None
    assert data.features[0] == "mean radius"
    assert data.scale is not None


@pytest.mark.parametrize("name", ["digits", "breast-cancer"])
def test_training_and_held_out_parts_share_no_row_and_are_the_whole(name: str) -> None:
    held, train = named_set(name), named_set(name, choice=Choice(part="train"))
    rows = [*held.rows.tolist(), *train.rows.tolist()]
    assert sorted(rows) == list(range({"digits": 1797, "breast-cancer": 569}[name]))
    assert held.subject == train.subject


def test_arrays_that_are_not_the_pinned_ones_are_refused() -> None:
    changed = {"digits": NamedSet(title="", source="", licence="", loader="load_digits", digest="sha256:0")}
    with pytest.raises(AncileError, match="not the pinned one"):
        named_set("digits", sets=changed)


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(AncileError) as told:
        named_set("digits")
    assert 'pip install "ancile[sklearn]"' in told.value.remedy


def test_an_unknown_name_lists_the_sets() -> None:
    with pytest.raises(AncileError, match="no such data set: imagenet") as told:
        named_set("imagenet")
    assert "digits, breast-cancer, mnist, gtsrb" in told.value.remedy


@pytest.mark.parametrize("folder", ["", "sub"])
def test_a_file_is_found_by_its_path_or_its_name(tmp_path: Path, folder: str) -> None:
    content = npz(x_test=PICTURES, y_test=np.array([0, 1]), x_train=PICTURES[:1], y_train=np.array([2]))
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "toy.npz").write_bytes(content)
    known = sets(Form(kind="npz", files=(pinned("sub/toy.npz", content),)))
    data = named_set("toy", sets=known, environ=environ(tmp_path))
    assert data.subject.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert (len(data), data.subject.name) == (2, "toy")
    train = named_set("toy", sets=known, environ=environ(tmp_path), choice=Choice(part="train"))
    assert train.y.tolist() == [2]


def test_a_file_that_is_not_the_pinned_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "toy.npz").write_bytes(b"other")
    known = sets(Form(kind="npz", files=(pinned("toy.npz", b"content"),)))
    with pytest.raises(AncileError, match=r"not the pinned one: .*toy\.npz: sha256:d9298"):
        named_set("toy", sets=known, environ=environ(tmp_path))


def test_a_table_knows_its_label_and_its_split(tmp_path: Path) -> None:
    content = parquet({"split": ["train", "test", "test"], "a": [1, 2, 3], "b": [4, 5, 6], "y": [0, 1, 0]})
    (tmp_path / "toy.parquet").write_bytes(content)
    known = sets(
        Form(kind="parquet", files=(pinned("toy.parquet", content),)),
        label="y", where="split=test", training_where="split=train",
    )  # fmt: skip
    data = named_set("toy", sets=known, environ=environ(tmp_path))
    assert (data.x.tolist(), data.y.tolist(), data.rows.tolist()) == ([[2, 4 + 1], [3, 6]], [1, 0], [1, 2])
    choice = Choice(part="train", drop=("b",), bounds=Bounds(0, 9))
    train = named_set("toy", sets=known, environ=environ(tmp_path), choice=choice)
    assert (train.x.tolist(), train.high) == ([[1]], 9)
    other = Choice(label="b", where="a=3", drop=("split", "y"))
    assert named_set("toy", sets=known, environ=environ(tmp_path), choice=other).y.tolist() == [6]


def idx_set(url: str = "") -> Mapping[str, NamedSet]:
    files = tuple(
        pinned(name, content, url and f"{url}/{name}")
        for name, content in (("images.gz", IMAGES), ("labels.gz", LABELS))
    )
    return sets(Form(kind="npz", files=(pinned("toy.npz", b""),)), Form(kind="idx", files=files))


def test_idx_files_are_one_subject_of_two_parts(tmp_path: Path) -> None:
    (tmp_path / "images.gz").write_bytes(IMAGES)
    (tmp_path / "labels.gz").write_bytes(LABELS)
    data = named_set("toy", sets=idx_set(), environ=environ(tmp_path))
    np.testing.assert_array_equal(np.round(data.x * 255), PICTURES)
    assert data.y.tolist() == [3, 1]
    assert data.subject.covers(f"sha256:{hashlib.sha256(LABELS).hexdigest()}")
    assert set(data.subject.parts) == {"images.gz", "labels.gz"}


def test_a_set_is_fetched_once_after_asking(tmp_path: Path) -> None:
    questions: list[str] = []
    answers = {"/images.gz": Answer(body=IMAGES), "/labels.gz": Answer(body=LABELS)}

    def agree(question: str) -> bool:
        questions.append(question)
        return True

    with serving(answers) as site:
        for _ in range(2):
            data = named_set(
                "toy", sets=idx_set(site.url), environ={}, base=tmp_path, cache=tmp_path / "kept", ask=agree
            )
            assert data.y.tolist() == [3, 1]
    assert site.asked == ["/images.gz", "/labels.gz"]
    assert len(questions) == 1
    for words in ("2 files", f"{len(IMAGES) + len(LABELS)} bytes", "127.0.0.1", "kept", "CC0-1.0"):
        assert words in questions[0]


@pytest.mark.parametrize("answer", [None, False])
def test_without_consent_nothing_is_asked_of_the_network(tmp_path: Path, answer: bool | None) -> None:
    ask = None if answer is None else lambda _: False
    with serving({}) as site, pytest.raises(AncileError, match="toy is not on this machine") as told:
        named_set("toy", sets=idx_set(site.url), environ=environ(tmp_path), base=tmp_path, ask=ask)
    assert not site.asked
    for words in (f"{site.url}/images.gz", hashlib.sha256(IMAGES).hexdigest(), "ANCILE_DATA"):
        assert words in told.value.remedy


def test_a_set_without_an_address_is_never_fetched(tmp_path: Path) -> None:
    known = sets(Form(kind="npz", files=(pinned("toy.npz", b""),)))
    with pytest.raises(AncileError) as told:
        named_set("toy", sets=known, environ=environ(tmp_path), base=tmp_path, ask=lambda _: True)
    assert "us: obtain toy.npz" in told.value.remedy


def test_folders_are_the_given_one_and_then_a_cache(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path / "me")}
    assert data_folders(base=tmp_path, environ=home) == (tmp_path / "me" / ".cache" / "ancile" / "data",)
    xdg = home | {"XDG_CACHE_HOME": str(tmp_path / "xdg"), "ANCILE_DATA": "mine"}
    assert data_folders(base=tmp_path, environ=xdg) == (
        tmp_path / "mine",
        tmp_path / "xdg" / "ancile" / "data",
    )
    (tmp_path / ".ancile").mkdir()
    (tmp_path / "deep").mkdir()
    assert data_folders(base=tmp_path / "deep", environ=home) == (tmp_path / ".ancile" / "cache" / "data",)
    assert data_folders(base=tmp_path, environ=home, cache_folder=Path("c")) == (tmp_path / "c",)


def test_every_set_of_the_catalogue_is_pinned_and_licensed() -> None:
    for name, one in catalogue().items():
        files = [file for form in one.forms for file in (*form.files, *form.training)]
        assert (bool(one.loader), bool(one.digest)) == (not files, not files), name
        assert one.title
        assert one.source
        assert one.licence
        assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) and file.bytes > 0 for file in files)
        assert all(file.url.startswith("https://") for file in files if file.url)
        if any(file.url for file in files):  # only what its licence lets anyone copy
            assert one.licence.startswith("CC")


def test_a_named_set_goes_before_a_file_and_a_path_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digits").write_bytes(npz(x=np.zeros((1, 2)), y=np.array([0])))
    monkeypatch.chdir(tmp_path)
    assert len(open_data("digits")) == 450
    assert len(open_data("./digits")) == 1
    assert open_data("digits", bounds="0,2", base=tmp_path).high == 2


@needs_shared
@pytest.mark.parametrize(
    ("name", "shape"),
    [("mnist", (10_000, 28, 28)), ("gtsrb", (2041, 32, 32, 3)), ("spambase", (1187, 57)), ("heloc", (2469, 23)),
     ("credit_default", (7497, 23)), ("phishing_url", (2863, 81)), ("creditcard_fraud", (5176, 30))],
)  # fmt: skip
def test_real_sets_open_by_name(name: str, shape: tuple[int, ...]) -> None:
    assert SHARED
    data = named_set(name, environ={"ANCILE_DATA": str(SHARED / "data")})
    assert data.x.shape == shape
    assert data.subject.name == name


@needs_shared
@pytest.mark.parametrize("name", ["adult", "german_credit", "compas"])
def test_real_sets_with_text_say_which_columns(name: str) -> None:
    assert SHARED
    folder = {"ANCILE_DATA": str(SHARED / "data")}
    with pytest.raises(AncileError, match="neither numbers nor booleans") as told:
        named_set(name, environ=folder)
    choice = Choice(drop=tuple(told.value.value.split(", ")))
    assert named_set(name, environ=folder, choice=choice).kind == "table"
