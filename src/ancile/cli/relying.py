"""On whom a verification relies: what flags name, else what ancile.toml pins; and what was revoked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ancile.cli.bundle_file import read_bundle
from ancile.cli.home import Home, find_config
from ancile.cli.ledger import read_text, reading
from ancile.cli.own_home import not_relied_on
from ancile.core.config import FILE, find_upwards
from ancile.core.errors import AncileError
from ancile.core.subject import DIGEST
from ancile.core.text import plain
from ancile.govern.policy import Policy as GatePolicy
from ancile.release.pins import Pins, Said, key_entries, pins_of, revocation_list, said_by
from ancile.trust.config import LedgerConfig
from ancile.trust.events import KeyEvent
from ancile.trust.imports import imported
from ancile.trust.keys import list_keys
from ancile.trust.quorum import Policy, parse_policy


def relied_on(
    home: Home | None,
    signers: Iterable[str],
    logs: Iterable[str],
    *,
    threshold: int,
    lists: Iterable[Path],
    quorum: Path | None,
) -> Pins:
    """Signers and logs of the flags; without any signer there, authors and logs of ancile.toml.

    home    None where there is no ledger: a checkout with ancile.toml alone pins signers all the same
    lists   files of what was revoked, beside what the home knows
    quorum  file with logs and witnesses, C2SP tlog-policy
    """
    given = list(signers)
    authors, vkeys = _named(given)
    if given and not authors:
        raise AncileError(
            "no author is among the keys",
            value=plain(", ".join(given), 100),
            remedy="name a file of `ancile keys export` with the signer's own key; --log pins a log alone",
        )
    vkeys += logs
    config = home.config if home else find_config(Path.cwd())
    policy, log = config.get("policy", GatePolicy), config.get("ledger", LedgerConfig)
    if not authors:
        authors = list(policy.authors)
        vkeys = vkeys or [*log.keys, *log.before, *(key for log in policy.logs for key in log.keys)]
    if not authors:
        raise AncileError(
            "nobody is named whose signature counts",
            value="no --signer, and no author in ancile.toml",
            remedy="give --signer: an id, a line, or a file that `ancile keys export` wrote",
        )
    said = known_keys(home)
    revoked = taken_back(said.revoked, lists)
    return pins_of(
        authors,
        logs=vkeys,
        threshold=threshold,
        revoked=revoked,
        rotated=said.rotated,
        quorum=quorum_in(quorum),
    )


def as_told(pins: Pins, home: Home | None, model: Path) -> Pins:
    """Pins of an ancile.toml, which say so where that file may have come with what is to be verified."""
    if home is None:
        return pins._replace(told_by=_beside(model))
    why = not_relied_on(home)
    return pins._replace(told_by=str(home.config_file) if why else "", told_why=why)


def _beside(model: Path) -> str:
    """The ancile.toml that counts, where whoever made the model may have written it; else nothing."""
    config, real = find_upwards(FILE, Path.cwd()), Path(os.path.realpath(model))
    if config is None:
        return ""
    folder = Path(os.path.realpath(config)).parent
    return str(config) if folder in (real, *real.parents) else ""


def quorum_in(file: Path | None) -> Policy | None:
    """Logs and witnesses of a quorum file; None where none is asked for."""
    return None if file is None else parse_policy(read_text(file, "quorum file").encode())


def taken_back(known: Mapping[str, str], lists: Iterable[Path]) -> dict[str, str]:
    """What is known to be revoked, and what the files say."""
    found = dict(known)
    for path in lists:
        found |= revocation_list(read_bundle(path), name=str(path))
    return found


def _named(signers: Iterable[str]) -> tuple[list[str], list[str]]:
    """Ids and lines of signers, and verifier keys of the logs that stand in their files."""
    authors: list[str] = []
    vkeys: list[str] = []
    for one in signers:
        if DIGEST.fullmatch(one) or one.startswith("author:v1:"):
            authors.append(one)
            continue
        _require_no_id(one)
        from ancile.cli.trusting import read_public  # noqa: PLC0415 - where a signer is named by a file

        for key in read_public(Path(one)):
            authors += [key.text] if key.purpose == "author" else []
            vkeys += key.vkeys
    return authors, vkeys


def _require_no_id(signer: str) -> None:
    """What begins as an id or a line of a key is no file's name."""
    if signer.startswith(("sha256:", "log:v1:", "witness:v1:")):
        raise AncileError(
            "no author's id, and no author's line",
            value=plain(signer, 60),
            remedy="an id is sha256: and 64 hexadecimal digits; a log is pinned with --log",
        )


def known_keys(home: Home | None) -> Said:
    """What a home knows of keys: its ledger, the keys' own files, and evidence from elsewhere."""
    if home is None:
        return Said({}, frozenset())
    with reading(home) as ledger:
        events = [said for _, said in key_entries(ledger)]
    pinned = [*home.log.keys, *home.log.before, *(key for log in home.policy.logs for key in log.keys)]
    elsewhere = imported(home.imports, logs=pinned, authors=home.policy.authors)
    told = (one.statement.predicate for one in elsewhere if one.accepted)
    said = said_by([*events, *(said for said in told if isinstance(said, KeyEvent))])
    own = {key.public.id: key.file.revoked.reason for key in list_keys(home.keys) if key.file.revoked}
    return Said(said.revoked | own, said.rotated)
