"""A recorded report or decision, to be printed again once its signatures and its place in the log hold."""

from __future__ import annotations

from ancile.cli.home import Home
from ancile.core.decision import Decision
from ancile.core.errors import AncileError
from ancile.core.report import Record, Report
from ancile.govern.checks import decision_report
from ancile.trust.evidence import verify_bundle
from ancile.trust.keys import list_keys
from ancile.trust.ledger import Ledger
from ancile.trust.notary import export_evidence


def recorded(home: Home, ledger: Ledger, index: int) -> Record:
    """Entry ``index`` as the record that was printed when it was made.

    Its checkpoint is the latest of the log. AncileError where the entry is neither report nor decision, was
    erased, is under no checkpoint yet, or does not hold.
    """
    signers = [key.public for key in list_keys(home.keys) if key.public.purpose == "author"]
    logs = [*home.log.keys, *home.log.before]
    data = export_evidence(ledger, [index], logs=logs, signers=signers)
    (found,) = verify_bundle(data, logs=logs, authors=[key.id for key in signers])
    said = found.statement.predicate
    if not isinstance(said, Report | Decision):
        raise AncileError(
            "this entry is no report",
            value=f"entry {index}",
            remedy=f"`ancile ledger show {index}` prints what it says, as JSON",
        )
    report = said if isinstance(said, Report) else decision_report(said)
    return Record(report=report, evidence=found.evidence)
