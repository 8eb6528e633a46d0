"""What the scans in a ledger say of files, for ``ancile scan --again``."""

from __future__ import annotations

from collections.abc import Iterator

from ancile.cli.home import Home
from ancile.cli.ledger import reading
from ancile.cli.reprint import recorded
from ancile.core.errors import AncileError
from ancile.core.report import Report
from ancile.scan.again import Before, known_files
from ancile.trust.dsse import unverified
from ancile.trust.leaf import parse_leaf
from ancile.trust.statement import parse_statement


def scanned_before(home: Home) -> dict[str, Before]:
    """Every file that the ledger's scans speak of, by its path from the home's folder."""
    known = known_files(_scans(home), root=home.folder.parent)
    if not known:
        raise AncileError(
            "no file is known that was scanned before",
            value=str(home.folder),
            remedy="run `ancile scan PATH --record` first; what was told as gone is not told again",
        )
    return known


def _scans(home: Home) -> Iterator[Report]:
    """The reports of scans, the oldest first, each once its signatures and its place in the log hold."""
    with reading(home) as opened:
        for entry in opened.entries(0, opened.size()):
            if entry.body is None or parse_leaf(entry.leaf or b"").kind != "report":
                continue
            said = parse_statement(unverified(entry.body).payload).predicate
            if isinstance(said, Report) and said.stage == "scan":
                yield recorded(home, opened, entry.index).report
