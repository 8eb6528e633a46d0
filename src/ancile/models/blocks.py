"""Arrays as blocks of a frame, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.numeric import np
from ancile.work.frames import Block, Frame, Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray


def block_of(array: NDArray[np.generic]) -> Block:
    """The array as a block; its memory is shared where it lies in row-major order."""
    whole = np.ascontiguousarray(array)
    return Block(Shape(str(whole.dtype), array.shape), whole.reshape(-1).view(np.uint8).data)


def array_of(
    frame: Frame, place: int, *, dtype: str, axes: tuple[int | None, ...] | None
) -> NDArray[np.generic]:
    """The block at ``place`` as a writable array of exactly this type and, None for any, these axes."""
    if len(frame.blocks) <= place:
        raise _wrong(f"{len(frame.blocks)} arrays", f"{place + 1}")
    block = frame.blocks[place]
    found = block.shape.axes
    fits = axes is None or (
        len(axes) == len(found) and all(w in (None, f) for w, f in zip(axes, found, strict=True))
    )
    if block.shape.dtype != dtype or not fits:
        raise _wrong(f"{block.shape.dtype} {found}", f"{dtype} {axes}")
    flat: NDArray[np.generic] = np.frombuffer(block.data, dtype=dtype)
    return flat.reshape(found)


def _wrong(found: str, wanted: str) -> AncileError:
    return AncileError(
        "the model's process answers with other numbers than asked for",
        value=f"{found} instead of {wanted}",
        remedy="the model's own code interferes with its process: read that code before you trust it",
    )
