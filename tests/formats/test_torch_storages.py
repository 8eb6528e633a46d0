"""The storages of a torch archive are those that its pickle asks for, in the sizes that it tells."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from ancile.formats.torch_storages import asked_storages, layout_faults
from ancile.scan.examine import examine_part
from ancile.scan.part import Part

PICKLE = (
    b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQK\x00K\x04\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR."
)


def archive(*, data: dict[str, bytes], pickle: bytes | None = PICKLE) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        if pickle is not None:
            made.writestr("archive/data.pkl", pickle)
        for name, held in {"version": b"3\n", **data}.items():
            made.writestr(f"archive/{name}", held)
    return file.getvalue()


def verdict(data: bytes) -> str:
    return examine_part(Part("file", data)).verdict


def test_the_storage_that_a_pickle_asks_for() -> None:
    assert [(one.key, one.size_bytes) for one in (asked_storages(PICKLE) or {}).values()] == [("0", 16)]
    assert asked_storages(PICKLE[:-9]) is None


def test_a_whole_archive_names_its_classes_and_one_that_lacks_something_is_reviewed() -> None:
    assert verdict(archive(data={"data/0": bytes(16)})) == "named-classes"
    assert verdict(archive(data={})) == "review"
    assert verdict(archive(data={"data/0": bytes(12)})) == "review"
    assert verdict(archive(data={"data/0": bytes(16), "data/1": bytes(4)})) == "review"
    assert verdict(archive(data={"byteorder": b"little"}, pickle=None)) == "review"


def test_numbers_that_begin_like_another_format_are_numbers() -> None:
    for begin in (b"\x80\x02", b"\x1f\x8b", b"PK\x03\x04", b"BZh9", b"x\x9c", b"MZ"):
        assert verdict(archive(data={"data/0": begin.ljust(16, b"\x07")})) == "named-classes"


def test_an_archive_of_something_else_lacks_nothing() -> None:
    assert layout_faults({"project/version": 1, "project/setup.cfg": 9}, None, has_pickle=False) == []


def tensor(
    key: str, items: int, *, offset: int = 0, sizes: tuple[int, ...], strides: tuple[int, ...]
) -> bytes:
    """Opcodes that push one tensor of 32-bit numbers."""
    numbers = [b"J" + struct.pack("<i", one) for one in (items, offset, *sizes, *strides)]
    size, stride = numbers[2 : 2 + len(sizes)], numbers[2 + len(sizes) :]
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" + key.encode()
        + b"X\x03\0\0\0cpu" + numbers[0] + b"tQ" + numbers[1]
        + b"(" + b"".join(size) + b"t(" + b"".join(stride) + b"t\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spans", "dead"),
    [
        ([(0, (1000,), (1,))], 0),
        ([(0, (10, 100), (100, 1))], 0),
        ([(0, (100, 10), (1, 100))], 0),  # transposed
        ([(0, (600,), (1,)), (400, (600,), (1,))], 0),
        ([(100, (500,), (1,))], 2000),
        ([(0, (0,), (1,))], 4000),
        ([(0, (1,), (1,)), (999, (), ())], 3992),
    ],
)
def test_what_no_tensor_reaches_is_counted(
    spans: list[tuple[int, tuple[int, ...], tuple[int, ...]]], dead: int
) -> None:
    made = b"".join(tensor("0", 1000, offset=at, sizes=size, strides=stride) for at, size, stride in spans)
    pickle = b"\x80\x02](" + made + b"e."
    (found,) = (asked_storages(pickle) or {}).values()
    assert found.dead_bytes == dead
    checks = {
        one.check: one.status
        for one in examine_part(Part("f", archive(data={"data/0": bytes(4000)}, pickle=pickle))).findings
    }
    assert checks == ({"tensors-dead-storage": "WARN"} if dead >= 1024 else {})


def test_a_storage_that_something_else_takes_is_wholly_used() -> None:
    taken = b"ctorch._utils\n_rebuild_sparse_tensor\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuM\xe8\x03tQtR"
    assert [one.dead_bytes for one in (asked_storages(b"\x80\x02" + taken + b".") or {}).values()] == [0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_what_torch_writes_lacks_nothing() -> None:
    torch = pytest.importorskip("torch")
    kinds = (
        torch.float16,
        torch.bfloat16,
        torch.int8,
        torch.bool,
        torch.complex64,
        torch.float8_e5m2,
        torch.uint16,
    )
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).eval()
    traced = torch.jit.trace(model, torch.zeros(1, 3))
    whole = torch.arange(9.0)
    for thing in (
        {str(kind): torch.zeros(3, dtype=kind) for kind in kinds},
        [whole, whole[2:4], torch.zeros(0), torch.eye(3).to_sparse()],
        {"state": model.state_dict(), "rng": torch.get_rng_state(), "meta": torch.zeros(2, device="meta")},
        model,
    ):
        file = io.BytesIO()
        torch.save(thing, file)
        assert faults_of(file.getvalue()) == []
        assert "tensors-dead-storage" not in {
            one.check for one in examine_part(Part("f", file.getvalue())).findings
        }
    file = io.BytesIO()
    torch.jit.save(traced, file)
    assert faults_of(file.getvalue()) == []
    assert verdict(file.getvalue()) != "block"


def faults_of(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        sizes = {one.filename: one.file_size for one in read.infolist()}
        asked = asked_storages(read.read(next(name for name in sizes if name.endswith("/data.pkl")))) or {}
        return layout_faults(sizes, asked, has_pickle=True)
