"""What the ledger says of a version of data: evidence that travels with proofs, and that verify rests on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from ancile.cli.home import Home
from ancile.cli.ledger import reading
from ancile.core.errors import AncileError
from ancile.core.report import Report
from ancile.core.text import plain
from ancile.data.store import Kept
from ancile.trust.bundle import Bundle, parse_bundle
from ancile.trust.evidence import VerifiedEvidence, verify_entries
from ancile.trust.keys import list_keys
from ancile.trust.notary import export_evidence

ROOTS = {"chunks": "root", "rows": "rows_root"}  # tree to the parameter of the report that names its root


def evidence_of(home: Home, entry: int) -> Bundle:
    """An entry of the ledger with all that is needed to verify it elsewhere."""
    signers = [key.public for key in list_keys(home.keys) if key.public.purpose == "author"]
    with reading(home) as ledger:
        data = export_evidence(ledger, [entry], logs=[*home.log.keys, *home.log.before], signers=signers)
    return parse_bundle(data)


def verified(
    bundle: Bundle, home: Home | None, *, keys: Sequence[str] = (), signers: Sequence[str] = ()
) -> VerifiedEvidence:
    """The one entry of a bundle; its doubts say whether log and signer are relied on, here or by who asks."""
    pinned, authors = list(keys), list(signers)
    if home is not None:
        pinned += [*home.log.keys, *home.log.before, *(key for log in home.policy.logs for key in log.keys)]
        authors += home.policy.authors
    found = verify_entries(bundle, logs=pinned, authors=authors)
    if len(found) != 1:
        raise AncileError(
            "a proof carries one entry", value=str(len(found)), remedy="make it with `ancile data prove`"
        )
    return found[0]


def root_in(evidence: VerifiedEvidence, version: str, *, tree: Literal["chunks", "rows"]) -> bytes:
    """The root that the evidence names for a version; AncileError where it speaks of something else."""
    report = evidence.statement.predicate
    if isinstance(report, Report) and report.parameters.get("version") == version:
        said = str(report.parameters.get(ROOTS[tree], "")).removeprefix("sha256:")
        if re.fullmatch("[0-9a-f]{64}", said):
            return bytes.fromhex(said)
    raise AncileError(
        "the evidence is not about this version",
        value=plain(version, 80),
        remedy="make the proof once more with `ancile data prove`",
    )


def unproven(home: Home, kept: Kept) -> str:
    """Why the ledger does not bear out what the store says a version is; empty where it does."""
    version = kept.version
    if kept.entry is None:
        return "it is not in the ledger: its adding was interrupted, or that was removed; add it again"
    try:
        own = [key.public.id for key in list_keys(home.keys) if key.public.purpose == "author"]
        evidence = verified(evidence_of(home, kept.entry), home, signers=own)
        root = root_in(evidence, version.spelled, tree="chunks")
    except AncileError as reason:
        return f"entry {kept.entry}: {reason.what}: {reason.value}"
    if f"sha256:{root.hex()}" != version.root():
        return f"entry {kept.entry} of the ledger is about other bytes than the store has"
    return f"entry {kept.entry}: {evidence.doubts[0]}" if evidence.doubts else ""
