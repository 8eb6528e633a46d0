"""What is wrong with a release, as findings; and the report of a verification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from ancile.core.check import Check, Remark, check, examine, fail, ok, skip, warn
from ancile.core.exhibit import CELL_LENGTH, Table
from ancile.core.finding import Location
from ancile.core.measure import Count
from ancile.core.report import Parameters, Report
from ancile.core.text import plain
from ancile.release.verification import Signed, Verification
from ancile.version import __version__

MOST_NAMED = 200  # files of one fault that a report names; the rest is counted
OTHERS = 5  # signers who do not count that one finding names
CLOCK_SKEW_SECONDS = 300  # between the signer's machine and this one; Kerberos allows the same
AUTHENTIC = ("CWE-345", "AML.M0013 (ATLAS 5.6.0)")  # insufficient verification of authenticity; code signing
INTACT = ("CWE-353", "AML.M0013 (ATLAS 5.6.0)")  # missing support for integrity check


def _each(paths: Sequence[str], detail: str) -> Iterator[Remark]:
    """A failure for each path, up to a bound; a pass without any."""
    for path in paths[:MOST_NAMED]:
        yield fail(detail, where=Location(path=path))
    if len(paths) > MOST_NAMED:
        yield fail(f"and {len(paths) - MOST_NAMED} more files")
    if not paths:
        yield ok()


@check("release-signature-broken", severity="critical", refs=AUTHENTIC)
def signature_broken(facts: Verification) -> Iterator[Remark]:
    """The signed bundle does not hold.

    Why   A signature, the log's commitment to it, or the proof of its place was changed: nothing that the
          bundle says is to be believed.
    Fix   Take the bundle from the signer once more; if that one fails too, do not use the model.
    """
    yield fail(facts.broken) if facts.broken else ok()


@check("release-other-model", severity="critical", refs=INTACT)
def other_model(facts: Verification) -> Iterator[Remark]:
    """The bundle was made for another model.

    Why   Nothing of what was signed is here; the signature says nothing about these files.
    Fix   Take the bundle that belongs to this model.
    """
    if facts.differences.is_other:
        yield fail(f"it was made for {plain(facts.signed_name, 80)}; this is {plain(facts.subject.name, 80)}")
    else:
        yield ok()


@check("release-file-changed", severity="critical", refs=INTACT)
def file_changed(facts: Verification) -> Iterator[Remark]:
    """A signed file has other bytes than when it was signed.

    Why   It was changed on its way, by accident or on purpose.
    Fix   Take the file from its source once more and compare; do not use the model until it verifies.
    """
    yield from _each(facts.differences.changed, "not the bytes that were signed")


@check("release-file-missing", severity="high", refs=INTACT)
def file_missing(facts: Verification) -> Iterator[Remark]:
    """A signed file is not there.

    Why   A model without one of its files may load as another one, or fall back to something unsigned.
    Fix   Take the whole model from its source once more.
    """
    yield from _each(facts.differences.missing, "signed, and not there")


@check("release-file-unsigned", severity="high", refs=INTACT)
def file_unsigned(facts: Verification) -> Iterator[Remark]:
    """A file is there that nobody signed.

    Why   Loaders pick up what lies beside a model: a configuration, a Python file, a pickle in the place of
          safe weights.
    Fix   Remove it, or sign the model again with it; --ignore-unsigned PATTERN lets files through that no
          loader looks at.
    """
    yield from _each(facts.differences.unsigned, "there, and not signed")
    for path in facts.differences.ignored[:MOST_NAMED]:
        yield skip("not signed, and let through by --ignore-unsigned", where=Location(path=path))


@check("release-file-uncovered", severity="medium", refs=INTACT)
def file_uncovered(facts: Verification) -> Iterator[Remark]:
    """A file is there that the signer's tool left out.

    Why   `model_signing` does not look at `.git`, `.gitignore` and what its user named: whoever changes them
          keeps a good signature, and a hook or a configuration is code as well.
    Fix   Remove it before the model is used; or have the model signed with `ancile sign`, which covers every
          file.
    """
    paths = facts.differences.uncovered
    for path in paths[:MOST_NAMED]:
        yield warn("left out by who signed", where=Location(path=path))
    if len(paths) > MOST_NAMED:
        yield warn(f"and {len(paths) - MOST_NAMED} more files")
    if not paths:
        yield ok()


@check("release-expired", severity="high", refs=("CWE-298",))
def expired(facts: Verification) -> Iterator[Remark]:
    """The release is no longer to be used, or not yet.

    Why   A signature says who let something go, not that it is still the version to use: an expiry bounds for
          how long an old release can be played back. One from the future says that a clock is wrong, and with
          a clock set back nothing ever expires.
    Fix   Get a current release; where the date is in the future, mend this machine's clock.
    """
    if facts.time and (facts.time - facts.now).total_seconds() > CLOCK_SKEW_SECONDS:
        yield fail(f"signed {_day(facts.time)}, and this machine's clock says {_day(facts.now)}")
    elif facts.expires is None:
        yield skip("the signer set no expiry (`ancile sign --expires 90d`)")
    elif facts.expires <= facts.now:
        yield fail(f"it expired {_day(facts.expires)}")
    else:
        yield ok()


@check("release-revoked", severity="critical", refs=("CWE-299",))
def revoked(facts: Verification) -> Iterator[Remark]:
    """The release, or a signer of it, was revoked.

    Why   Somebody who may say so has said that this key, or this release, is not to be believed.
    Fix   Get a release by a signer who stands; ask the signer what happened.
    """
    if facts.taken_back:
        yield fail(f"the release itself: {plain(facts.taken_back)}")
    for one in facts.signatures:
        if one.standing != "revoked":
            yield ok()
        elif len(facts.counting) < facts.threshold:
            yield fail(f"signer {_named(one)}: {plain(one.why)}")
        else:
            yield warn(f"signer {_named(one)}: {plain(one.why)}; enough others have signed")


@check("release-signer-unknown", severity="high", refs=AUTHENTIC)
def signer_unknown(facts: Verification) -> Iterator[Remark]:
    """Too few signers who count have signed.

    Why   Anybody can sign anything: a signature is worth something only where it is known beforehand whose it
          has to be. Signers are counted, never keys: who signs twice, or with a rotated key, counts once.
    Fix   Pin who has to sign, over a channel that you trust: --signer, or `ancile keys trust` where there is
          a home; ask the signers who are missing: `ancile sign --cosign`.
    """
    there = len(facts.counting)
    if there < facts.threshold:
        yield fail(f"{there} of {facts.threshold} needed; {_others(facts)}")
    else:
        yield ok()


@check("release-signer-told", severity="high", refs=AUTHENTIC)
def signer_told(facts: Verification) -> Iterator[Remark]:
    """On whom to rely was read from a file that lies with the model.

    Why   Whoever made the model may have made that file too: then anybody's signature counts, and a pass says
          no more than that the files are whole. A home beside it, with keys and ledger, can be part of the
          download as well.
    Fix   Say who has to have signed: --signer; in a checkout of your own that can be a file of
          `ancile keys export` in it. Or verify from a folder of your own, with `ancile init` and
          `ancile keys trust`. A home of your own that was copied you name: `ancile --home FOLDER verify`.
    """
    if facts.told_by:
        why = f", and {facts.told_why}" if facts.told_why else ""
        where = Location(path=facts.told_by)
        yield fail(f"nothing but this file says who has to have signed{why}", where=where)
    else:
        yield ok()


@check("release-log-unknown", severity="low", refs=("CWE-345",))
def log_unknown(facts: Verification) -> Iterator[Remark]:
    """The log that holds the signature is not one of the verifier's, or its witnesses are missing.

    Why   A place in a log that somebody watches makes a signature that nobody was to see show. Who signed is
          known all the same.
    Fix   Pin the signer's log: --log, both of its keys, or a file of `ancile keys export` as --signer.
    """
    if not facts.has_logs:
        yield warn("no log is pinned: where the signature was recorded is not checked")
    for one in facts.signatures:
        if one.standing in ("unknown log", "unwitnessed"):
            yield warn(f"{_named(one)}: {one.why}")
    if facts.has_logs:
        yield ok()


@check("release-classical-only", severity="high", refs=("CWE-327",))
def classical_only(facts: Verification) -> Iterator[Remark]:
    """The signature is classical alone: no post-quantum key stands behind it.

    Why   What is signed today may have to be believed for longer than elliptic curves hold.
    Fix   Take the bundle that `ancile sign` writes, which has both; --allow-classical lets a release of
          somebody who has nothing else through, with a warning.
    """
    if facts.scheme != "classical":
        yield ok()
    elif facts.allow_classical:
        yield warn("let through by --allow-classical")
    else:
        yield fail("no ML-DSA-65 signature")


BROKEN_CHECKS: tuple[Check[Verification], ...] = (signature_broken,)
RELEASE_CHECKS: tuple[Check[Verification], ...] = (
    signature_broken,
    other_model,
    file_changed,
    file_missing,
    file_unsigned,
    file_uncovered,
    signer_unknown,
    signer_told,
    revoked,
    expired,
    log_unknown,
    classical_only,
)


def verification_report(
    facts: Verification, *, parameters: Parameters, started: datetime, finished: datetime
) -> Report:
    """The verification as a report about what is at hand; of a broken bundle nothing else is told."""
    examined = examine(BROKEN_CHECKS if facts.broken else RELEASE_CHECKS, facts)
    counts = {
        "files": (max(len(facts.subject.parts), 1), "files"),
        "counting_signers": (len(facts.counting), "signers"),
        "scans": (facts.scans, "scans"),
        "revocations": (facts.revocations, "revocations"),
    }
    return Report(
        stage="verify",
        complete=True,
        subject=facts.subject,
        parameters={"signature": facts.scheme, "threshold": facts.threshold} | parameters,
        measures=tuple(
            Count(name=name, value=value, unit=unit, method="counted")
            for name, (value, unit) in counts.items()
        ),
        findings=examined.findings,
        passed=examined.passed,
        exhibits=(_signatures(facts),) if facts.signatures else (),
        started=started,
        finished=finished,
        version=__version__,
    )


def _signatures(facts: Verification) -> Table:
    rows = tuple(
        (
            plain(_named(one), CELL_LENGTH),
            plain(f"{one.origin} entry {one.entry}" if one.origin else "none", CELL_LENGTH),
            _day(one.time) if one.time else "",
            one.standing,
        )
        for one in facts.signatures[:MOST_NAMED]
    )
    return Table(title="Signatures", columns=("signer", "log", "signed", "standing"), rows=rows)


def _others(facts: Verification) -> str:
    """Who has signed and does not count, and why."""
    others = [f"{_named(one)}: {one.why}" for one in facts.signatures if one.standing != "counts"]
    more = f"; and {len(others) - OTHERS} more" if len(others) > OTHERS else ""
    return "; ".join(others[:OTHERS]) + more or "nobody else has signed"


def _named(one: Signed) -> str:
    return f"{one.name or 'without a name'} {one.signer[:19]}…"


def _day(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
