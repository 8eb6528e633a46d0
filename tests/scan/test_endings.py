"""What a container holds as it stands is no disguise; what only a reader of zip sees in it is judged as well."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable

import pytest

from ancile.scan.examine import examine_part
from ancile.scan.part import Part

HOSTILE = b"cos\nsystem\n(Vtrue\ntR."
HARMLESS = pickle.dumps([1, 2, 3])
LZ4_HEAD = b"\x04\x22\x4d\x18\x60\x40\x82"
ZSTD_SKIPPED = b"\x50\x2a\x4d\x18"


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.pkl", data)
    return out.getvalue()


def tarred(*members: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number, data in enumerate(members):
            told = tarfile.TarInfo(f"{number}.zip")
            told.size = len(data)
            archive.addfile(told, io.BytesIO(data))
    return out.getvalue()


def stored(data: bytes, block: int = 1 << 16) -> bytes:
    """An lz4 frame of stored blocks."""
    blocks = [data[at : at + block] for at in range(0, len(data), block)]
    return LZ4_HEAD + b"".join(struct.pack("<I", len(one) | 0x80000000) + one for one in blocks) + bytes(4)


def verdict(data: bytes) -> str:
    return examine_part(Part("file", data)).verdict


@pytest.mark.parametrize("pack", [tarred, stored, lambda data: stored(tarred(data))])
def test_a_zip_that_a_container_holds_keeps_its_verdict(pack: Callable[[bytes], bytes]) -> None:
    assert verdict(pack(zipped(HARMLESS))) == "data-only"
    assert verdict(pack(zipped(HOSTILE))) == "block"


def test_a_zip_over_several_blocks_of_a_stream_is_what_comes_out() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(8):
            archive.writestr(f"{number}.pkl", pickle.dumps(list(range(number, 100))))
    for block in (64, 100, 500):
        assert verdict(stored(out.getvalue(), block)) == "data-only"
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("last.pkl", HOSTILE)
    assert verdict(stored(out.getvalue(), 100)) == "block"


def test_an_empty_zip_in_a_tar_is_data() -> None:
    assert verdict(tarred(b"PK\5\6" + bytes(18))) == "data-only"


def test_a_zip_behind_the_members_of_a_tar_is_a_disguise() -> None:
    assert verdict(tarred(b"words") + zipped(HARMLESS)) == "block"


def test_a_zip_that_reaches_out_of_its_member_is_a_disguise() -> None:
    inner, other = zipped(HARMLESS), zipped(HOSTILE)
    whole = bytearray(tarred(other, inner))
    directory = struct.unpack_from("<I", inner, len(inner) - 6)[0]
    at = whole.index(inner) + directory
    # The member's directory now leads to the header in the member before it
    shift = whole.index(inner) - whole.index(other)
    struct.pack_into("<i", whole, at + 42, -shift if shift < 0 else 0)
    struct.pack_into("<I", whole, whole.index(inner) + len(inner) - 6, directory + shift)
    assert verdict(bytes(whole)) == "block"


def test_a_zip_among_the_skipped_bytes_of_a_stream_is_judged_as_well() -> None:
    hidden = ZSTD_SKIPPED + struct.pack("<I", len(zipped(HOSTILE))) + zipped(HOSTILE)
    assert verdict(stored(b"words") + hidden) == "block"
    assert verdict(stored(HARMLESS) + stored(b"words")) == "data-only"


def named(name: bytes) -> bytes:
    """A tar whose first bytes are these: the name of its only member."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(name.decode("ascii")))
    return out.getvalue()


@pytest.mark.parametrize(
    "pack", [named, lambda data: gzip.compress(named(data)), b"GIF87a\x01\x000\x95\x25\0\0\0\0\0\0".__add__]
)
def test_what_an_unpickler_would_run_is_judged_in_any_format(pack: Callable[[bytes], bytes]) -> None:
    assert verdict(pack(HOSTILE)) == "block"


def test_the_first_letter_of_a_zip_is_no_persistent_id() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "a line\n")
        archive.writestr("b.pkl", pickle.dumps(OrderedDict(a=1)))
    assert verdict(out.getvalue()) == "data-only"
