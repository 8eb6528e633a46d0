"""The work of ``ancile data erase``: a subject's key is deleted, and what it does not reach is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ancile.cli.home import need_home
from ancile.cli.output import Output, deliver, talk
from ancile.cli.recorder import open_recorder
from ancile.cli.subjects import column_of, keys_of
from ancile.cli.versioning import store_of
from ancile.core.errors import AncileError
from ancile.core.report import Parameters
from ancile.core.subject import Subject
from ancile.core.text import plain
from ancile.data.erasing import Erased, Trained, erased_report
from ancile.data.kept import opened_kept
from ancile.data.lineage import ancestors
from ancile.data.shredding import count_of
from ancile.data.store import DataStore
from ancile.data.subject_keys import SubjectKeys
from ancile.data.version import Version, parse_spelled
from ancile.render.phrases import counted
from ancile.trust.dsse import unverified
from ancile.trust.ledger import Ledger
from ancile.trust.statement import parse_statement
from ancile.work.clock import system_clock

BLOCK = 4 << 20  # bytes searched at once
UNREAD = (".parquet", ".arrow", ".feather", ".npz", ".gz", ".zip")  # in which no text stands as it is


def erasing(subject: str, reason: str, way: Output, *, yes: bool) -> int:
    """Delete a subject's key, say where its rows were and what else may hold them, record, deliver."""
    home, clock = need_home(Path.cwd()), system_clock()
    subject = subject.strip()
    with keys_of(home) as keys, store_of(home) as store:
        token = keys.token(subject)
        if keys.cipher(token) is None and (keys.entry(token) is not None or not keys.is_erased(token)):
            raise _unknown(keys.entry(token))
        started = clock.now()
        rows, open_ones = _found(store, token, subject)
        what = ", ".join(f"{count} in {name}" for name, count in rows.items()) or "none"
        if not yes:
            talk(f"rows that nobody could read any more: {what}; --yes does it, for good")
            return 0
        with open_recorder(home) as recorder:
            models = list(_models(recorder.ledger, _digests(store, keys, [*rows, *open_ones])))
            keys.erase(token)
            facts = Erased(token, rows, open_ones, models, keys.cipher(token) is not None)
            said: Parameters = {"reason": reason} if reason else {}
            record = recorder.report(erased_report(facts, said, started=started, finished=clock.now()))
            if record.evidence is not None:
                keys.entered(token, record.evidence.index)
    code = deliver(record, way)
    talk(f"key of the subject erased; rows: {what}")
    return code


def _unknown(entry: int | None) -> AncileError:
    if entry is not None:
        return AncileError(
            "the subject was erased before", value=f"entry {entry}", remedy="nothing is left to do"
        )
    return AncileError(
        "no rows of this subject are sealed here",
        value="",
        remedy="give the identifier as the column has it; sets are sealed by `data add --subject COLUMN`",
    )


def _found(store: DataStore, token: bytes, subject: str) -> tuple[dict[str, int], dict[str, str]]:
    """Sealed versions with their rows of a subject; versions in the open that may hold some, with why."""
    rows: dict[str, int] = {}
    open_ones: dict[str, str] = {}
    known = [kept.version for name in store.names() for kept in store.versions(name)]
    for version in known:
        if store.dropped(version) is not None:
            continue
        if column_of(store, version) is None:
            why = _may_hold(store, version, subject)
            if why:
                open_ones[version.spelled] = why
            continue
        count = 0
        for one in version.files:
            with opened_kept(store, one) as file:
                count += count_of(file, token)
        if count:
            rows[version.spelled] = count
    for version in known:
        if version.spelled not in rows and _descends(store, version, set(rows)):
            open_ones.setdefault(version.spelled, "made from a version that held rows of the subject")
    return rows, open_ones


def _descends(store: DataStore, version: Version, held: set[str]) -> bool:
    if store.dropped(version) is not None or column_of(store, version) is not None:
        return False
    return any(one.spelled in held for one in ancestors(store, version))


def _may_hold(store: DataStore, version: Version, subject: str) -> str:
    """Why a version in the open may hold rows of a subject; empty where nothing says so."""
    form = re.compile(rb"(?<!\w)" + re.escape(subject.encode("utf-8", "surrogateescape")) + rb"(?!\w)")
    unread = 0
    for one in version.files:
        unread += one.path.lower().endswith(UNREAD)
        with opened_kept(store, one) as file:
            rest = b""
            while data := file.read(BLOCK):
                if form.search(rest + data):
                    return "the identifier stands in it"
                rest = data[-len(subject) * 4 - 8 :]
    return f"{counted(unread, 'file')} in it cannot be searched as text" if unread else ""


def _digests(store: DataStore, keys: SubjectKeys, names: list[str]) -> dict[str, str]:
    """Digest to version: of the version, its files, and the files that became sealed tables."""
    found = {}
    for name in names:
        version = store.find(parse_spelled(name)).version
        for digest in [version.subject().digest, *(one.digest for one in version.files)]:
            found[digest] = name
            plain_one = keys.plain_of(digest)
            if plain_one is not None:
                found[plain_one] = name
    return found


def _models(ledger: Ledger, digests: dict[str, str]) -> Iterator[Trained]:
    """Entries that speak of a model, and name data of these digests."""
    wanted = {digest.encode("ascii"): name for digest, name in digests.items()}
    for entry in ledger.entries(0, ledger.size()):
        try:
            payload = unverified(entry.body or b"").payload
            subject = getattr(parse_statement(payload).predicate, "subject", None)
        except AncileError:
            continue  # erased or damaged: the audit says which
        if isinstance(subject, Subject) and subject.kind in ("model", "release"):
            for digest in sorted(wanted):
                if digest in payload:
                    yield Trained(entry.index, plain(subject.name, 80), wanted[digest])
                    break
