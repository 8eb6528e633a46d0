"""Data sets in numpy's .npz archives; nothing in them is ever unpickled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.inputs.faults import named
from ancile.inputs.labels import NAME_LENGTH
from ancile.inputs.members import check_sizes, members, unpack
from ancile.inputs.npy import Array, read_array

# Inputs and labels as people name them, the held-out part first; upper and lower case are one.
PAIRS = (
    ("x_test", "y_test"),
    ("test_images", "test_labels"),
    ("x", "y"),
    ("data", "target"),
    ("images", "labels"),
)
TRAINING = (("x_train", "y_train"), ("train_images", "train_labels"))
CLASS_NAMES = "class_names"
REMEDY = "save the held-out part as numpy.savez(FILE, x=…, y=…)"


class Arrays(NamedTuple):
    """The chosen inputs and labels, the names of the classes where the archive has them, what to say."""

    x: Array
    y: Array
    classes: tuple[str, ...] | None
    notes: tuple[str, ...]


Pairs = Sequence[tuple[str, str]]


def read_npz(data: bytes, *, limit_bytes: int, pairs: Pairs = PAIRS) -> Arrays:
    """The held-out inputs and labels of an archive.

    Looked for, in this order: x_test and y_test, test_images and test_labels, x and y, data and target,
    images and labels; ``pairs`` are other names. Only these are unpacked,
    after their stated sizes have passed ``limit_bytes``.
    """
    found = members(data)
    x_name, y_name = pair_of(found, pairs)
    wanted = {name: found[name] for name in (x_name, y_name)}
    if CLASS_NAMES in found:
        wanted[CLASS_NAMES] = found[CLASS_NAMES]
    check_sizes(wanted, limit_bytes=limit_bytes)
    arrays = {name: read_array(unpack(data, member), name=name) for name, member in wanted.items()}
    others = [name for name in found if name not in wanted]
    notes = (f"{x_name} and {y_name} were used, not {named(others, most=6)}",) if others else ()
    return Arrays(arrays[x_name], arrays[y_name], _class_names(arrays.get(CLASS_NAMES)), notes)


def pair_of(found: Iterable[str], pairs: Pairs) -> tuple[str, str]:
    """The names of inputs and labels among those of an archive."""
    spelt: dict[str, list[str]] = {}
    for name in found:
        spelt.setdefault(name.lower(), []).append(name)
    for pair in pairs:
        if all(part in spelt for part in pair):
            several = [name for part in pair for name in spelt[part] if len(spelt[part]) > 1]
            if several:
                raise AncileError("arrays differ in case alone", value=named(several), remedy=REMEDY)
            return spelt[pair[0]][0], spelt[pair[1]][0]
    raise AncileError(
        "archive has no inputs with labels", value=f"it holds {named(found) or 'nothing'}", remedy=REMEDY
    )


def _class_names(array: Array | None) -> tuple[str, ...] | None:
    if array is None or array.dtype.kind != "U" or array.ndim != 1:
        return None
    return tuple(plain(name, NAME_LENGTH) for name in array.tolist())
