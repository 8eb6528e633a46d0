"""What hardly more than a name or the first bytes tell: zip archives, numbers, single words.

Kept apart from what looks at them, as it is asked of every part.
"""

from __future__ import annotations

import re

from ancile.formats import beginnings
from ancile.scan.part import Part

STORAGE = re.compile(r"((weight|tensor|param|buffer)_)?[0-9]+")
# Members in which torch says a number or a byte order: caffe2/serialize/inline_container.cc
WORDS = ("version", "byteorder", ".format_version", ".storage_alignment", "serialization_id")
WORD = re.compile(rb"(?:[0-9]{1,80}|little|big)\n?")


def is_storage(part: Part) -> bool:
    """Whether torch reads these bytes as numbers: ``data/0``, ``weights/weight_0`` and so on.

    Torch goes by the name and so does this: numbers that begin as a pickle does are still numbers.
    """
    if not part.torch or not part.members:
        return False
    folder, _, name = part.members[-1].rpartition("/")
    return STORAGE.fullmatch(name) is not None and folder.endswith(("data", "constants", "weights"))


def is_word(part: Part) -> bool:
    """Whether this is a number or a byte order, in a member that says no more than that."""
    return (
        part.torch
        and bool(part.members)
        and part.members[-1].rpartition("/")[2] in WORDS
        and WORD.fullmatch(part.head) is not None
    )


def is_archive(part: Part) -> bool:
    """Whether this is a zip, or ends as one that is not just what another container holds."""
    if beginnings.is_zip(part.head):
        return True
    if beginnings.zip_end(part.data) < 0:
        return False
    from ancile.scan.endings import is_held  # noqa: PLC0415 - it imports every container, and few files end so

    return not is_held(part)
