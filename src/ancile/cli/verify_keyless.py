"""``ancile verify --identity NAME --issuer URL``: an OpenSSF bundle signed keyless, judged offline."""

from __future__ import annotations

from pathlib import Path

from ancile.cli.openssf_report import Terms, bytes_at, judged
from ancile.core.report import Parameters, Report
from ancile.release.keyless import expected
from ancile.release.openssf_form import LARGEST


def keyless_report(
    terms: Terms, *, identity: str, issuer: str, trust_config: Path | None, quiet: bool
) -> Report:
    """The verification as a report; whose signature was asked for stands in its parameters.

    trust_config  file that names another instance of Sigstore than the public one
    """
    data = bytes_at(
        terms.signature,
        limit=LARGEST,
        what="there is no bundle to verify it with",
        remedy="name the bundle with --signature",
    )
    whose = expected(identity, issuer, trust_config)
    parameters: Parameters = {"signers": [identity], "issuer": issuer}
    if whose.config:
        parameters["trust_config"] = whose.config
    return judged(data, terms, whose, told=lambda _: parameters, quiet=quiet)
