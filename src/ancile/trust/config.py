"""The table ``[ledger]`` of ancile.toml: the name of the log and the keys that sign its checkpoints."""

from __future__ import annotations

import msgspec


class LedgerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pinned log.

    origin  the log's name in its checkpoints
    keys    C2SP verifier keys: one Ed25519 and one ML-DSA-44, both required on every checkpoint
    before  keys that were rotated out; they still verify the checkpoints that they signed
    """

    origin: str = ""
    keys: list[str] = []
    before: list[str] = []
