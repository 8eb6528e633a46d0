"""The file in which evidence travels: for each entry envelope, salt, leaf and proof; public keys beside them.

Nothing in it is believed because it stands there: ``ancile.trust.evidence`` verifies it against keys that
the reader holds.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ancile.core.errors import AncileError
from ancile.core.text import plain

LARGEST = 64 << 20  # bytes of a bundle
MOST_ENTRIES = 10_000
MOST_KEYS = 1_000


class Carried(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry on its way.

    leaf      text of the leaf
    salt      that the leaf's commitment was made with
    envelope  text of the DSSE envelope that is the entry's body
    proof     C2SP tlog-proof: index, inclusion proof, checkpoint
    """

    leaf: str
    salt: bytes
    envelope: str
    proof: str


class Bundle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries, verifier keys of their logs, and lines ``author:v1:…`` of their signers."""

    format: Literal["ancile/evidence/v1"] = "ancile/evidence/v1"
    logs: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_KEYS)]
    signers: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_KEYS)]
    entries: Annotated[tuple[Carried, ...], msgspec.Meta(max_length=MOST_ENTRIES)]


def encode_bundle(bundle: Bundle) -> bytes:
    """The bytes of a bundle's file."""
    data = msgspec.json.format(msgspec.json.encode(bundle), indent=1) + b"\n"
    if len(data) > LARGEST or len(bundle.entries) > MOST_ENTRIES:
        raise AncileError(
            "bundle is too large",
            value=f"{len(bundle.entries)} entries, {len(data)} bytes",
            remedy=f"export fewer entries at once: at most {MOST_ENTRIES}, and {LARGEST} bytes",
        )
    return data


def parse_bundle(data: bytes) -> Bundle:
    """The bundle in ``data``; bytes that ``encode_bundle`` would not write are refused."""
    if len(data) > LARGEST:
        raise AncileError(
            "bundle is too large", value=f"{len(data)} bytes", remedy=f"at most {LARGEST} are read"
        )
    try:
        bundle = msgspec.json.decode(data, type=Bundle)
        same = encode_bundle(bundle) == data
    except (msgspec.MsgspecError, ValueError, RecursionError) as reason:
        raise _damaged(str(reason)) from reason
    if not same:
        raise _damaged("spelled in another way than ancile does")
    return bundle


def _damaged(reason: str) -> AncileError:
    return AncileError(
        "not a bundle of evidence, or a damaged one",
        value=plain(reason),
        remedy="export it once more with `ancile evidence export`",
    )
