"""Small pickles that several files have are read once, and told for each."""

from __future__ import annotations

import io
import zipfile

import torch

from ancile.scan.examine import Examination, examine_part
from ancile.scan.part import Part
from ancile.scan.pickles import ALIKE_BYTES

HOSTILE = b"\x80\x04cos\nsystem\nX\x02\x00\x00\x00id\x85R."
PERSISTENT = b"\x80\x02X\x01\x00\x00\x00aQ."


def checkpoint(value: float, *, shape: int = 3) -> bytes:
    file = io.BytesIO()
    torch.save({"weight": torch.full((shape,), value)}, file)
    return file.getvalue()


def less(data: bytes, name: str) -> bytes:
    """The archive without a member."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as read, zipfile.ZipFile(file, "w") as written:
        for one in read.namelist():
            if not one.endswith(name):
                written.writestr(one, read.read(one))
    return file.getvalue()


def checks(found: Examination) -> set[str]:
    return {one.check for one in found.findings}


def test_the_same_pickle_is_told_under_the_name_of_each_file() -> None:
    for path in ("a.pkl", "b.pkl", "a.pkl"):
        found = examine_part(Part(path, HOSTILE))
        assert found.verdict == "block"
        assert {one.location.path for one in found.findings} == {path}


def test_who_reads_it_is_part_of_what_is_remembered() -> None:
    for _ in range(2):
        assert "pickle-persistent-id" in checks(examine_part(Part("a.pkl", PERSISTENT)))
        assert "pickle-persistent-id" not in checks(examine_part(Part("a.pkl", PERSISTENT, torch=True)))


def test_storages_are_compared_with_what_a_pickle_known_from_before_asks_for() -> None:
    whole = checkpoint(1.5)
    for _ in range(2):
        assert examine_part(Part("a.pt", whole)).findings == ()
        assert "archive-damaged" in checks(examine_part(Part("b.pt", less(checkpoint(2.5), "data/0"))))


def test_long_pickles_are_not_remembered_and_get_the_same_verdict() -> None:
    long = HOSTILE[:-1] + b"0" + b"N0" * ALIKE_BYTES + b"N."
    assert checks(examine_part(Part("a.pkl", long))) == checks(examine_part(Part("a.pkl", HOSTILE)))
