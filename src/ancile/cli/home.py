"""Where a project keeps keys, ledger and policy, found upwards as git finds its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from ancile.assess.config import AssessConfig, ThreatModel
from ancile.core.config import FILE, HOME, Sections, find_upwards, read_config, sections
from ancile.core.errors import AncileError
from ancile.govern.policy import Policy
from ancile.trust.config import LedgerConfig

TABLES: Mapping[str, type[msgspec.Struct]] = {
    "threat": ThreatModel,
    "assess": AssessConfig,
    "policy": Policy,
    "ledger": LedgerConfig,
}


class Home(NamedTuple):
    """A project's folder ``.ancile`` and its configuration."""

    folder: Path
    config_file: Path
    config: Sections

    @property
    def keys(self) -> Path:
        """The folder of keys."""
        return self.folder / "keys"

    @property
    def cache(self) -> Path:
        """What may be deleted at any time."""
        return self.folder / "cache"

    @property
    def imports(self) -> Path:
        """Evidence that came from elsewhere."""
        return self.folder / "imports"

    @property
    def log(self) -> LedgerConfig:
        """The pinned log."""
        return self.config.get("ledger", LedgerConfig)

    @property
    def policy(self) -> Policy:
        """What a gate asks for."""
        return self.config.get("policy", Policy)

    @property
    def assess(self) -> AssessConfig:
        """Defaults of an assessment."""
        return self.config.get("assess", AssessConfig)

    @property
    def threat(self) -> ThreatModel:
        """Who attacks, with what goal and knowledge."""
        return self.config.get("threat", ThreatModel)


def find_home(start: Path) -> Home | None:
    """The home at or above ``start``; None where ``ancile init`` was never run."""
    folder, config_file = find_upwards(HOME, start), find_upwards(FILE, start)
    if folder is None:
        return None
    if config_file is None or config_file.parent != folder.parent:
        interrupted = (folder / FILE).is_file()
        raise AncileError(
            f"{FILE} is missing beside {HOME}",
            value=str(folder.parent),
            remedy="`ancile init` was interrupted: run it again there"
            if interrupted
            else f"restore {FILE} from version control; it pins the ledger's public keys",
        )
    return Home(folder, config_file, sections(read_config(config_file), TABLES, path=config_file))


def find_config(start: Path) -> Sections:
    """The configuration at or above ``start``; the defaults where there is none."""
    path = find_upwards(FILE, start)
    return sections(read_config(path) if path else {}, TABLES, path=path or start / FILE)


def need_home(start: Path) -> Home:
    """The home at or above ``start``, or the error that says how to make one."""
    home = find_home(start)
    if home is None:
        raise AncileError(f"no {HOME} here or above", value=str(start), remedy="run `ancile init` first")
    return home
