"""Some bytes that are looked at, where they stand, and how much may still be taken out of containers."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from ancile.core.check import Examined
from ancile.core.finding import Location
from ancile.core.text import plain
from ancile.formats.held import Held
from ancile.formats.torch_storages import Asking
from ancile.scan.neighbours import Neighbours
from ancile.scan.tensor_sample import Sample

HEAD_BYTES = 4096
DEEPEST = 12  # containers within each other
UNPACKED_BYTES = 4 << 30  # out of all containers of one file
PARTS = 200_000  # members, of all containers of one file
RATIO = 1000  # a container that unpacks to so many times its size, beyond RATIO_FREE_BYTES, is a bomb
RATIO_FREE_BYTES = 64 << 20
SUMMED_BYTES = (
    32 << 20
)  # stored as they are, of which checksums are compared: it takes as long as their digest
SEARCHED_BYTES = 8 << 20  # of the numbers of one file: a search takes thirty times as long as their digest


class Spent(Exception):  # noqa: N818 - a limit, not a fault of the scanner
    """More than a scan takes on."""


class Allowance(msgspec.Struct, eq=False):
    """What is left of the limits for one file."""

    unpacked_bytes: int = UNPACKED_BYTES
    parts: int = PARTS
    searched_bytes: int = SEARCHED_BYTES
    summed_bytes: int = SUMMED_BYTES
    sample: Sample = msgspec.field(default_factory=Sample)

    def take(self, size: int, *, packed: int) -> None:
        """Account for something that is unpacked; Spent where that is too much.

        packed  bytes that it takes in its container
        """
        self.parts -= 1
        self.unpacked_bytes -= size
        if self.parts < 0:
            raise Spent(f"more than {PARTS} members")
        if self.unpacked_bytes < 0:
            raise Spent(f"more than {UNPACKED_BYTES >> 30} GiB when unpacked")
        if size > RATIO_FREE_BYTES and size > RATIO * max(1, packed):
            raise Spent(f"{packed} bytes unpack to {size}")

    def may_sum(self, size: int) -> bool:
        """Whether the checksum of so many bytes is compared, which is accounted for."""
        self.summed_bytes -= size
        return self.summed_bytes >= 0


class Part(msgspec.Struct, frozen=True, eq=False):
    """Bytes of a file, or of a member of a container in it.

    path     of the file as it is shown
    members  names on the way in, outermost first
    torch    whether torch's own unpickler reads it, which knows what a persistent id is
    neighbours  what lies beside it in its folder or archive; None where that is not known
    numbers  the kind of numbers that it is, as in ``extents.Numbers``, where what lies beside it tells
    asking   notes the storages that it asks for, where it is the pickle of a torch archive
    """

    path: str
    data: Held
    members: tuple[str, ...] = ()
    torch: bool = False
    allowance: Allowance = msgspec.field(default_factory=Allowance)
    neighbours: Neighbours | None = None
    numbers: str = ""
    asking: Asking | None = None

    def inner(
        self,
        name: str,
        data: Held,
        *,
        packed: int | None = None,
        torch: bool = False,
        neighbours: Neighbours | None = None,
    ) -> Part:
        """A member of this part; Spent where it is one too many.

        packed  bytes that it takes in here; None where it is not packed
        """
        self.allowance.take(0 if packed is None else len(data), packed=packed or 0)
        if len(self.members) >= DEEPEST:
            raise Spent(f"more than {DEEPEST} containers within each other")
        members = (*self.members, name)
        return Part(self.path, data, members, torch, self.allowance, neighbours)

    def where(self, offset: int | None = None) -> Location:
        """The place in here."""
        member = " > ".join(plain(name, 80) for name in self.members[-4:])
        return Location(path=self.path, member=member or None, offset=offset)

    @property
    def head(self) -> bytes:
        """The first bytes."""
        data = self.data
        return data if type(data) is bytes and len(data) <= HEAD_BYTES else bytes(data[:HEAD_BYTES])


class Formatted(NamedTuple):
    """What was found in one part, which packages whoever opens it would need, which licences it names.

    keeps  names of files beside it of which it accounts for every byte
    """

    format: str
    examined: Examined
    packages: frozenset[str] = frozenset()
    licences: frozenset[str] = frozenset()
    keeps: frozenset[str] = frozenset()
