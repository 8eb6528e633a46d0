"""Numbers without a header are known where a sound model beside them accounts for every byte."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from ancile.formats.extents import PAGES, covers
from ancile.scan.stage import files_of, scan
from ancile.work.clock import system_clock

NUMBERS = bytes(range(1, 33)) * 4  # 128 bytes that are no text
HOSTILE = b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."


def model(*places: tuple[str, int, int | None], operator: str = "Add") -> bytes:
    """A model whose tensors are kept in these files, from an offset on, so many bytes."""
    held = onnx.ModelProto(ir_version=8)
    held.opset_import.add(domain="", version=17)
    held.graph.node.add(op_type=operator)
    for location, offset, length in places:
        tensor = held.graph.initializer.add(name="w", data_location=onnx.TensorProto.EXTERNAL)
        told = {"location": location, "offset": str(offset)}
        for key, value in (told if length is None else told | {"length": str(length)}).items():
            tensor.external_data.add(key=key, value=value)
    data: bytes = held.SerializeToString()
    return data


def verdicts(folder: Path, *paths: Path) -> dict[str, tuple[str, str]]:
    report = scan("here", files_of(paths or [folder]), clock=system_clock())
    return {one.path.rpartition("/")[2]: (one.format, one.verdict) for one in report.files or ()}


def write(folder: Path, data: bytes, **files: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "m.onnx").write_bytes(data)
    for name, held in files.items():
        (folder / name).write_bytes(held)
    return folder


def test_data_beside_a_model_that_accounts_for_it_is_known(tmp_path: Path) -> None:
    halves = model(("./d a", 0, 64), ("d a", 64, None))
    folder = write(tmp_path / "m", halves, **{"d a": NUMBERS})
    assert verdicts(folder) == {"m.onnx": ("onnx", "data-only"), "d%20a": ("numbers", "data-only")}
    both = verdicts(folder, folder / "m.onnx", folder / "d a")
    assert both["d%20a"] == ("numbers", "data-only")
    assert verdicts(folder, folder / "d a")["d%20a"] == ("unknown", "incomplete")


@pytest.mark.parametrize(
    ("data", "held", "verdict"),
    [
        (model(("d", 0, 64)), NUMBERS + bytes(PAGES), "incomplete"),  # more than the model tells of
        (model(("d", 0, 128), operator="PyOp"), NUMBERS, "incomplete"),  # no sound model
        (model(("e", 0, 128)), NUMBERS, "incomplete"),
        (model(("d", 0, None)), NUMBERS + HOSTILE, "block"),
    ],
)
def test_other_data_stays_what_it_is(tmp_path: Path, data: bytes, held: bytes, verdict: str) -> None:
    assert verdicts(write(tmp_path / "m", data, d=held))["d"][1] == verdict


def test_what_lies_in_another_folder_is_not_meant(tmp_path: Path) -> None:
    write(tmp_path / "a", model(("d", 0, None)), d=NUMBERS)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "d").write_bytes(NUMBERS)
    report = scan("here", files_of([tmp_path]), clock=system_clock())
    assert {one.path: one.verdict for one in report.files or ()} == {
        "a/d": "data-only",
        "a/m.onnx": "data-only",
        "b/d": "incomplete",
    }


def test_extents_cover_a_file_when_they_leave_no_page_of_it() -> None:
    assert covers([(0, 10), (10, 20)], 20)
    assert covers([(0, 10), (PAGES, PAGES + 5)], PAGES + 6)
    assert not covers([(0, 10), (PAGES + 10, PAGES + 15)], PAGES + 15)
    assert not covers([(0, 10)], PAGES + 10)
    assert not covers([(0, 30)], 20)
