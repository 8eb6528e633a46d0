"""Small data files, sound and hostile, for the tests of the openers."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
from numpy.typing import NDArray


def npz(**arrays: NDArray[np.generic]) -> bytes:
    """What ``numpy.savez_compressed`` writes."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=True, **arrays)
    return file.getvalue()


def npy(array: NDArray[np.generic]) -> bytes:
    """What ``numpy.save`` writes."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_of(header: str, content: bytes = b"", *, version: int = 1) -> bytes:
    """An npy file with any header."""
    text = header.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + content


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of any members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as target:
        for name, content in members:
            target.writestr(name, content)
    return file.getvalue()


def lying_archive(
    name: str, packed: bytes, *, stated: int, method: int = zipfile.ZIP_DEFLATED, crc: int = 0
) -> bytes:
    """An archive of one member whose headers state any size, whatever ``packed`` holds."""
    encoded = name.encode()
    zip64 = struct.pack("<HHQQ", 1, 16, stated, len(packed))
    sizes = struct.pack("<III", crc, 0xFFFFFFFF, 0xFFFFFFFF)
    both = struct.pack("<HHHH", 0, method, 0, 33)
    local = b"PK\x03\x04" + struct.pack("<H", 45) + both + sizes + struct.pack("<HH", len(encoded), 20)
    entry = b"PK\x01\x02" + struct.pack("<HH", 45, 45) + both + sizes
    entry += struct.pack("<HHHHHII", len(encoded), 20, 0, 0, 0, 0, 0) + encoded + zip64
    body = local + encoded + zip64 + packed
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(body), 0)
    return body + entry + end


def deflated(content: bytes) -> bytes:
    """Raw deflate, as a zip member holds it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()
