"""Tables of ancile.toml: each is declared by the room that reads it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ancile.assess.config import AssessConfig, ThreatModel
from ancile.govern.policy import Policy
from ancile.serve.config import ServeConfig
from ancile.trust.config import LedgerConfig

TABLES: Mapping[str, type[msgspec.Struct]] = {
    "threat": ThreatModel,
    "assess": AssessConfig,
    "policy": Policy,
    "ledger": LedgerConfig,
    "serve": ServeConfig,
}
