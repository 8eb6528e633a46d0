"""Where a project keeps keys, ledger and policy: the named folder, else found upwards as git does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ancile.core.config import FILE, HOME, Sections, find_upwards, read_config, sections
from ancile.core.errors import AncileError

if TYPE_CHECKING:
    from ancile.assess.config import AssessConfig, ThreatModel
    from ancile.govern.policy import Policy
    from ancile.trust.config import LedgerConfig


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
        from ancile.trust.config import LedgerConfig  # noqa: PLC0415 - only where it is asked for

        return self.config.get("ledger", LedgerConfig)

    @property
    def policy(self) -> Policy:
        """What a gate asks for."""
        from ancile.govern.policy import Policy  # noqa: PLC0415 - only where it is asked for

        return self.config.get("policy", Policy)

    @property
    def assess(self) -> AssessConfig:
        """Defaults of an assessment."""
        from ancile.assess.config import AssessConfig  # noqa: PLC0415 - only where it is asked for

        return self.config.get("assess", AssessConfig)

    @property
    def threat(self) -> ThreatModel:
        """Who attacks, with what goal and knowledge."""
        from ancile.assess.config import ThreatModel  # noqa: PLC0415 - only where it is asked for

        return self.config.get("threat", ThreatModel)


def named_home() -> Path | None:
    """The folder that ``--home`` names, or ``ANCILE_HOME`` without that option; None where neither does."""
    context = click.get_current_context(silent=True)
    named = context.find_root().params.get("home") if context else None
    return named.absolute() if isinstance(named, Path) else None


def find_home(start: Path) -> Home | None:
    """The named home, else that at or above ``start``; None where ``ancile init`` was never run.

    AncileError when a folder is named that is no home: nothing above it takes its place.
    """
    named = named_home()
    folder, config_file = _inside_or_above(HOME, named, start), _inside_or_above(FILE, named, start)
    if folder is None and named is not None:
        raise AncileError(
            f"the named home has no {HOME}",
            value=str(named),
            remedy=f"name the folder that holds {HOME}, or make a home there: `ancile --home FOLDER init`",
        )
    if folder is None:
        return None
    if config_file is not None and config_file.parent != folder.parent and (folder.parent / FILE).is_file():
        raise AncileError(
            f"another {FILE} lies nearer than the one of the home",
            value=f"{config_file}, and the home is {folder}",
            remedy=f"say which counts: `ancile --home FOLDER COMMAND` with the folder that holds {HOME}",
        )
    if config_file is None or config_file.parent != folder.parent:
        interrupted = (folder / FILE).is_file()
        raise AncileError(
            f"{FILE} is missing beside {HOME}",
            value=str(folder.parent),
            remedy="`ancile init` was interrupted: run it again there"
            if interrupted
            else f"restore {FILE} from version control; it pins the ledger's public keys",
        )
    return Home(folder, config_file, _sections(config_file, start))


def _inside_or_above(name: str, named: Path | None, start: Path) -> Path | None:
    if named is None:
        return find_upwards(name, start)
    return named / name if (named / name).exists() else None


def find_config(start: Path) -> Sections:
    """The configuration of the named home, else at or above ``start``; the defaults where there is none."""
    path = _inside_or_above(FILE, named_home(), start)
    return _sections(path, start)


def _sections(path: Path | None, start: Path) -> Sections:
    from ancile.cli.tables import TABLES  # noqa: PLC0415 - many rooms, for nothing where no home is found

    return sections(read_config(path) if path else {}, TABLES, path=path or start / FILE)


def need_home(start: Path) -> Home:
    """The home at or above ``start``, or the error that says how to make one."""
    home = find_home(start)
    if home is None:
        raise AncileError(f"no {HOME} here or above", value=str(start), remedy="run `ancile init` first")
    return home
