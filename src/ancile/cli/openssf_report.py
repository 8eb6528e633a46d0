"""The verification of an OpenSSF bundle as a report, by whichever key or identity it has to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from ancile.cli.reading import no_waiting
from ancile.core.errors import AncileError
from ancile.core.report import Parameters, Report
from ancile.core.text import plain
from ancile.release.checks import verification_report
from ancile.release.openssf import Trusted
from ancile.release.openssf_verify import verify_openssf
from ancile.release.verification import Verification
from ancile.work.clock import system_clock
from ancile.work.progress import progress_line


class Terms(NamedTuple):
    """What is asked of a bundle, whoever has to have signed it.

    revoked  SHA-256 of keys and subjects to the reason
    """

    model: Path
    signature: Path
    allow_classical: bool
    ignored: tuple[str, ...]
    revoked: Mapping[str, str]


def judged(
    data: bytes,
    terms: Terms,
    whose: Trusted,
    *,
    told: Callable[[Verification], Parameters],
    quiet: bool,
) -> Report:
    """The report; ``told`` gives the parameters that say whose signature was asked for."""
    clock = system_clock()
    started = clock.now()
    with progress_line("hash", quiet=quiet) as line:
        facts = verify_openssf(
            data,
            terms.model,
            whose,
            clock=clock.now,
            allow_classical=terms.allow_classical,
            ignored=terms.ignored,
            revoked=terms.revoked,
            progress=line.say,
        )
    parameters = told(facts)
    if terms.ignored:
        parameters["ignore_unsigned"] = [*terms.ignored]
    return verification_report(facts, parameters=parameters, started=started, finished=clock.now())


def bytes_at(path: Path, *, limit: int, what: str, remedy: str) -> bytes:
    """A file, one byte beyond the limit at most; the error in these words where it cannot be read."""
    try:
        with open(path, "rb", opener=no_waiting) as file:
            return file.read(limit + 1)
    except OSError as reason:
        raise AncileError(what, value=f"{plain(str(path))}: {reason.strerror}", remedy=remedy) from reason
