"""Frames of zstd (RFC 8878), by the library; kept apart, as few files have one."""

from __future__ import annotations

from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

LIMITS = {int(DecompressionParameter.window_log_max): 27}  # 128 MiB: what `zstd` itself accepts unless told


class ZstdInflater:
    """One frame; ValueError where it breaks the rules."""

    def __init__(self) -> None:
        self._inner = ZstdDecompressor(options=LIMITS)

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """What stands behind it."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most so many bytes."""
        try:
            return self._inner.decompress(data, max_length)
        except ZstdError as reason:
            raise ValueError(str(reason)) from reason
