"""Files as others would pack them: every container that a scan opens, written with the standard library alone."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping

from backports.zstd import compress as zstd

LZ4_BLOCK = 1 << 16
LZ4_STORED = 0x80000000  # in a block's length
LZ4_HEAD = b"\x04\x22\x4d\x18\x60\x40\x82"  # independent blocks of 64 KiB, without sums
FIXED = (1980, 1, 1, 0, 0, 0)  # the same bytes in every run

Members = Mapping[str, bytes]


def zipped(members: Members, method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, FIXED), data, compress_type=method)
    return out.getvalue()


def deflated(members: Members) -> bytes:
    """A zip archive, each member compressed."""
    return zipped(members, zipfile.ZIP_DEFLATED)


def tarred(members: Members) -> bytes:
    """A tar archive in pax format."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            told = tarfile.TarInfo(name)
            told.size = len(data)
            archive.addfile(told, io.BytesIO(data))
    return out.getvalue()


def seven_zipped(members: Members) -> bytes:
    """A 7z archive whose one folder is stored: 7zFormat.txt of the LZMA SDK 23.01."""
    packed, many = b"".join(members.values()), len(members)
    sizes = [len(data) for data in members.values()]
    told = "".join(name + "\0" for name in members).encode("utf-16-le")
    header = b"\x01\x04\x06" + _number(0) + b"\x01\x09" + _number(len(packed)) + b"\x00"
    header += b"\x07\x0b\x01\x00\x01\x01\x00\x0c" + _number(len(packed)) + b"\x00"
    header += b"\x08\x0d" + _number(many) + b"\x09" * (many > 1)
    header += b"".join(_number(one) for one in sizes[:-1]) + b"\x00\x00"
    header += b"\x05" + _number(many) + b"\x11" + _number(len(told) + 1) + b"\x00" + told + b"\x00\x00"
    start = struct.pack("<QQI", len(packed), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<I", zlib.crc32(start)) + start + packed + header


def _number(value: int) -> bytes:
    return bytes((value,)) if value < 0x80 else b"\xff" + struct.pack("<Q", value)


def lz4(data: bytes) -> bytes:
    """An lz4 frame of stored blocks."""
    blocks = (data[at : at + LZ4_BLOCK] for at in range(0, len(data), LZ4_BLOCK))
    return LZ4_HEAD + b"".join(struct.pack("<I", len(one) | LZ4_STORED) + one for one in blocks) + bytes(4)


STREAMS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, 1, mtime=0),
    "bz2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=0),
    "zst": lambda data: zstd(data, 1),
    "lz4": lz4,
}
ARCHIVES: dict[str, Callable[[Members], bytes]] = {
    "zip": zipped,
    "deflated.zip": deflated,
    "tar": tarred,
    "7z": seven_zipped,
}


def wrappings(members: Members) -> dict[str, bytes]:
    """Name of a file to its bytes: one file or a folder in each container, and two within each other."""
    found = {f"model.{kind}": pack(members) for kind, pack in ARCHIVES.items()}
    found["model.tar.gz"] = STREAMS["gz"](found["model.tar"])
    found["model.tar.xz"] = STREAMS["xz"](found["model.tar"])
    found["zip in zip.zip"] = zipped({"inner.zip": found["model.deflated.zip"]})
    found["zip in tar.tar"] = tarred({"inner.zip": found["model.zip"]})
    if len(members) == 1:
        name, data = next(iter(members.items()))
        found |= {f"{name}.{kind}": pack(data) for kind, pack in STREAMS.items()}
        found[f"{name}.bz2.gz"] = STREAMS["gz"](STREAMS["bz2"](data))
        found["gz in zip.zip"] = zipped({f"{name}.gz": STREAMS["gz"](data)})
    return found
