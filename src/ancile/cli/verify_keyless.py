"""``ancile verify --identity NAME --issuer URL``: an OpenSSF bundle signed keyless, judged offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ancile.cli.reading import no_waiting
from ancile.core.errors import AncileError
from ancile.core.report import Parameters, Report
from ancile.core.text import plain
from ancile.release.checks import verification_report
from ancile.release.keyless import expected
from ancile.release.openssf_form import LARGEST
from ancile.release.openssf_verify import verify_openssf
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line


class Asked(NamedTuple):
    """A verification that was asked for.

    trust_config  file that names another instance of Sigstore than the public one
    revoked       SHA-256 of keys and subjects to the reason
    """

    model: Path
    signature: Path
    identity: str
    issuer: str
    trust_config: Path | None
    allow_classical: bool
    ignored: tuple[str, ...]
    revoked: Mapping[str, str]


def keyless_report(asked: Asked, *, quiet: bool) -> Report:
    """The verification as a report; whose signature was asked for stands in its parameters."""
    clock = system_clock()
    started = clock.now()
    data = _bytes(asked.signature)
    whose = expected(asked.identity, asked.issuer, asked.trust_config)
    with progress_line("hash", quiet=quiet) as line:
        facts = verify_openssf(
            data,
            asked.model,
            whose,
            clock=clock.now,
            allow_classical=asked.allow_classical,
            ignored=asked.ignored,
            revoked=asked.revoked,
            progress=line.say,
        )
    parameters: Parameters = {"signers": [asked.identity], "issuer": asked.issuer}
    if whose.config:
        parameters["trust_config"] = whose.config
    if asked.ignored:
        parameters["ignore_unsigned"] = [*asked.ignored]
    return verification_report(facts, parameters=parameters, started=started, finished=clock.now())


def _bytes(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=no_waiting) as file:
            return file.read(LARGEST + 1)
    except OSError as reason:
        raise AncileError(
            "there is no bundle to verify it with",
            value=f"{plain(str(path))}: {reason.strerror}",
            remedy="name the bundle with --signature",
        ) from reason
