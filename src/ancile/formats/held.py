"""Bytes that are looked at: in memory, or mapped from a file."""

from __future__ import annotations

import mmap

Held = bytes | mmap.mmap
