"""Data sets in .npz archives."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ancile.core.errors import AncileError
from ancile.inputs.arrays import read_npz
from ancile.inputs.opener import open_data
from ancile.inputs.source import LIMIT_BYTES
from tests.inputs.files import archive, npy, npz
from tests.shared import SHARED, needs_shared

X = np.arange(24, dtype=np.float32).reshape(6, 4)
Y = np.array([0, 1, 2, 0, 1, 2])


def write(folder: Path, **arrays: NDArray[np.generic]) -> str:
    path = folder / "data.npz"
    path.write_bytes(npz(**arrays))
    return str(path)


def test_the_digest_of_a_file_is_its_plain_sha256(tmp_path: Path) -> None:
    file = write(tmp_path, x=X, y=Y)
    found = open_data(file).subject
    assert found.digest == f"sha256:{hashlib.sha256(Path(file).read_bytes()).hexdigest()}"
    assert (found.kind, found.name) == ("dataset", "data.npz")


def test_arrays_come_back_as_they_were_saved(tmp_path: Path) -> None:
    found = open_data(write(tmp_path, x=X, y=Y))
    assert found.x.dtype == np.float32
    np.testing.assert_array_equal(found.x, X)
    np.testing.assert_array_equal(found.y, Y)
    np.testing.assert_array_equal(found.rows, np.arange(6))


def test_what_was_opened_cannot_be_changed(tmp_path: Path) -> None:
    found = open_data(write(tmp_path, x=X, y=Y))
    for array in (found.x, found.y, found.rows):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize(
    "names",
    [
        ("x", "y"),
        ("X", "Y"),
        ("x_test", "y_test"),
        ("X_test", "y_test"),
        ("test_images", "test_labels"),
        ("data", "target"),
        ("images", "labels"),
    ],
)
def test_inputs_and_labels_are_known_by_the_names_that_people_give(names: tuple[str, str]) -> None:
    found = read_npz(npz(**{names[0]: X, names[1]: Y}), limit_bytes=LIMIT_BYTES)
    np.testing.assert_array_equal(found.x, X)
    np.testing.assert_array_equal(found.y, Y)
    assert not found.notes


def test_the_held_out_part_goes_before_the_rest_and_the_choice_is_told() -> None:
    found = read_npz(npz(x_train=X, y_train=Y, x_test=X[:2], y_test=Y[:2]), limit_bytes=LIMIT_BYTES)
    assert len(found.x) == 2
    assert found.notes == ("x_test and y_test were used, not x_train, y_train",)


def test_names_of_classes_are_taken_from_the_archive(tmp_path: Path) -> None:
    found = open_data(write(tmp_path, x=X, y=Y, class_names=np.array(["cat", "d\x1bog", "owl"])))
    assert found.classes == ("cat", "d\\x1bog", "owl")


def test_class_names_that_are_no_text_are_left_alone(tmp_path: Path) -> None:
    for names in (np.arange(3), np.array([["a"]])):
        assert open_data(write(tmp_path, x=X, y=Y, class_names=names)).classes is None


def test_a_label_beyond_the_class_names_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(AncileError, match=r"label 2 at sample 2, 2 classes are 0\.\.1"):
        open_data(write(tmp_path, x=X, y=Y, class_names=np.array(["a", "b"])))


def test_an_archive_without_labels_says_what_it_holds() -> None:
    with pytest.raises(AncileError) as told:
        read_npz(npz(x=X, z=Y), limit_bytes=LIMIT_BYTES)
    assert told.value.value == "it holds x, z"
    assert "numpy.savez" in told.value.remedy


def test_names_that_differ_in_case_alone_are_refused() -> None:
    with pytest.raises(AncileError, match="differ in case alone: x, X"):
        read_npz(npz(x=X, X=X, y=Y), limit_bytes=LIMIT_BYTES)


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_an_array_of_objects_is_refused_and_never_unpickled(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    trap = np.empty(1, dtype=object)
    trap[0] = Trap(mark)
    for arrays in ({"x": trap, "y": Y}, {"x": X, "y": trap}, {"x": X, "y": Y, "class_names": trap}):
        with pytest.raises(AncileError, match="Python objects, which means a pickle"):
            open_data(write(tmp_path, **arrays))
    assert not mark.exists()
    pickle.loads(pickle.dumps(Trap(mark)))  # noqa: S301 - the trap itself works
    assert mark.exists()


def test_an_array_of_objects_that_is_not_asked_for_is_left_where_it_is(tmp_path: Path) -> None:
    extra = np.array([object()], dtype=object)
    member = io.BytesIO()
    np.lib.format.write_array(member, np.array([None]), allow_pickle=True)
    assert extra.dtype == object
    data = archive(("x.npy", npy(X)), ("y.npy", npy(Y)), ("meta.npy", member.getvalue()))
    assert len(read_npz(data, limit_bytes=LIMIT_BYTES).x) == 6


def test_a_limit_holds_for_what_is_unpacked() -> None:
    zeros = npz(x=np.zeros((1000, 100), dtype=np.float64), y=np.zeros(1000, dtype=np.int64))
    assert len(zeros) < 10_000
    with pytest.raises(AncileError, match="808256 bytes unpacked"):
        read_npz(zeros, limit_bytes=500_000)


@needs_shared
def test_mnist_opens_with_its_recorded_arrays() -> None:
    assert SHARED
    found = open_data(str(SHARED / "data" / "mnist.npz"))
    assert found.kind == "images"
    assert found.x.shape == (10_000, 28, 28)
    eight_bit = np.round(found.x * 255).astype(np.uint8)
    digest = hashlib.sha256(eight_bit.tobytes()).hexdigest()
    assert digest == "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161"


@pytest.mark.slow
@needs_shared
def test_gtsrb_opens_from_its_lzma_archive() -> None:
    assert SHARED
    found = open_data(str(SHARED / "data" / "gtsrb.npz"))
    assert (found.x.shape, len(found.classes or ())) == ((2041, 32, 32, 3), 43)
    digest = hashlib.sha256(np.round(found.x * 255).astype(np.uint8).tobytes()).hexdigest()
    assert digest == "cd5254b70d006bed9f77d124425afbcddf9ce09daf9a0beb5786913e221046cf"
