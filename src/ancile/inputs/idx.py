"""Arrays in the idx format of the MNIST files, gzipped or not: yann.lecun.com/exdb/mnist, "File formats"."""

from __future__ import annotations

import math
import zlib

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.numeric import NDArray, np

GZIP = 16 + zlib.MAX_WBITS
GZIP_HEAD = b"\x1f\x8b"
HEAD = b"\x00\x00\x08"  # 8: unsigned bytes
AXES = 4


def is_idx(head: bytes) -> bool:
    """Whether a file that begins so is an idx file of unsigned bytes, or gzipped."""
    return head.startswith((GZIP_HEAD, HEAD))


def read_idx(data: bytes, *, name: str, limit_bytes: int) -> NDArray[np.uint8]:
    """The unsigned bytes in an idx file, gzipped or not, in the shape that its header states.

    At most ``limit_bytes`` are unpacked, whatever the file says.
    """
    content = _unpacked(data, name, limit_bytes) if data.startswith(GZIP_HEAD) else data
    axes = content[3] if len(content) >= 4 else 0
    start = 4 + 4 * axes
    if content[:3] != HEAD or not 1 <= axes <= AXES or len(content) < start:
        raise _damaged("not an idx file of unsigned bytes", name)
    shape = tuple(int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4))
    if math.prod(shape) != len(content) - start or not math.prod(shape):
        raise _damaged(f"shape {shape} does not fit {len(content) - start} bytes", name)
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _unpacked(data: bytes, name: str, limit_bytes: int) -> bytes:
    reader = zlib.decompressobj(GZIP)
    try:
        content = reader.decompress(data, limit_bytes + 1)
    except zlib.error as reason:
        raise _damaged(str(reason), name) from reason
    if len(content) > limit_bytes:
        raise _damaged(f"more than {limit_bytes} bytes unpacked", name)
    if not reader.eof or reader.unused_data:
        raise _damaged("cut short, or more follows", name)
    return content


def _damaged(detail: str, name: str) -> AncileError:
    return AncileError(
        "idx file is damaged",
        value=f"{plain(name)}: {detail}",
        remedy="take it from its source once more",
    )
