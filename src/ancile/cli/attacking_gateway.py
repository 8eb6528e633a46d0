"""A campaign against a gateway: whom and with what, what its records say of it, and the report."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from math import prod
from pathlib import Path
from typing import NamedTuple

from ancile.cli.home import Home, find_home
from ancile.cli.ledger import reading
from ancile.cli.output import Output, deliver, talk
from ancile.cli.own_home import is_recorded
from ancile.cli.recorder import open_recorder
from ancile.core.errors import AncileError
from ancile.core.place import Place, place_of
from ancile.core.report import Record, Report
from ancile.core.subject import Subject, digest_of
from ancile.core.text import plain
from ancile.inputs.opener import open_data
from ancile.numeric import np
from ancile.serve.attackers.campaign import ATTACKS, STUFFING, Bait, Campaign, Result
from ancile.serve.attackers.checks import attack_report
from ancile.serve.attackers.client import Client
from ancile.serve.config import ServeConfig
from ancile.serve.keys import Users
from ancile.serve.record import VerdictRecord
from ancile.serve.segment import KIND, records_of
from ancile.trust.leaf import parse_leaf

FOLDER = "serve"  # of a home: users, journal
PATIENCE_SECONDS = 5.0  # after which a segment that has ended is in the ledger
POLL_SECONDS = 0.5


class Wanted(NamedTuple):
    """What was asked for on the command line."""

    url: str
    model: str
    variables: tuple[str, ...]
    data: str
    attacks: tuple[str, ...]
    queries: int
    seconds: float
    seed: int
    address: str | None
    quiet: bool


def attacked(wanted: Wanted) -> Report:
    """Every attack in turn, looked up in the gateway's records where they are here."""
    if unknown := set(wanted.attacks) - set(ATTACKS):
        raise AncileError(
            "no such attack", value=plain(min(unknown)), remedy=f"choose from: {', '.join(ATTACKS)}"
        )
    attacks = wanted.attacks or ATTACKS
    place, keys, home = _place(wanted.url, wanted.address), _keys(wanted.variables), find_home(Path.cwd())
    bait = _bait(wanted.data)
    started, until = datetime.now(UTC), time.monotonic() + wanted.seconds
    clients = [Client(place, wanted.model, key, until=until) for key in keys]
    shape = clients[0].input().shape
    if bait.x.shape[1] != prod(shape):
        raise AncileError(
            "the rows are not those that the model takes",
            value=f"{bait.x.shape[1]} values, the model takes {shape}",
            remedy="give --data of the model's own form",
        )
    results: list[Result] = []
    for result in Campaign(clients, bait, queries=wanted.queries, seed=wanted.seed).run(attacks):
        results.append(result)
        if not wanted.quiet:
            talk(f"{result.attack}: {len(result.asked)} queries")
        if time.monotonic() > until:
            break
    for client in clients:
        client.close()
    if home is not None:
        _look_up(home, keys, results)
    return attack_report(
        Subject(kind="deployment", name=f"{place.url()} {wanted.model}", digest=_digest(place, wanted.model)),
        results,
        {"queries": wanted.queries, "seed": wanted.seed, "identities": len(keys), "data": wanted.data},
        wanted=len(attacks),
        started=started,
    )


def delivered(report: Report, record: bool | None, way: Output) -> int:
    """The report, signed where there is a ledger; the exit code."""
    home = find_home(Path.cwd())
    if home is None or not is_recorded(home, record):
        talk("not evidence: nothing was signed")
        return deliver(Record(report=report), way)
    with open_recorder(home) as recorder:
        signed = recorder.report(report)
    return deliver(signed, way)


def _place(url: str, address: str | None) -> Place:
    place = place_of(url, form="give it like http://127.0.0.1:8080")
    if not all(one.is_loopback for one in place.addresses) and address != place.host:
        raise AncileError(
            "only this machine is attacked",
            value=plain(place.host, 100),
            remedy=f"where you may attack it: --address {plain(place.host, 100)}",
        )
    return place


def _keys(variables: tuple[str, ...]) -> list[str]:
    if missing := [one for one in variables if not os.environ.get(one)]:
        raise AncileError(
            "there is no key in the environment",
            value=plain(missing[0], 100),
            remedy="put one there: `ancile user add NAME --role analyst` prints it",
        )
    return [os.environ[one].strip() for one in variables]


def _bait(data: str) -> Bait:
    found = open_data(data)
    labels = np.asarray(found.y)
    if not np.issubdtype(labels.dtype, np.integer) or len(set(labels.tolist())) < 2:
        raise AncileError(
            "the attackers need rows of at least two classes",
            value=plain(data),
            remedy="give data with whole numbers as labels",
        )
    return Bait(np.ascontiguousarray(found.x.reshape(len(found.x), -1), np.float32), labels)


def _digest(place: Place, model: str) -> str:
    """Of where it is: what is behind cannot be seen from outside."""
    return digest_of(f"{place.url()} {model}".encode())


def _look_up(home: Home, keys: list[str], results: list[Result]) -> None:
    """When a guard first spoke in each attack; nothing where the keys are not of this home."""
    folder = home.folder / FOLDER
    if not (folder / "users.db").exists():
        return
    with Users(folder) as users:
        known = users.identities(datetime.now(UTC))
        found = [known.get(users.hash(key.encode())) for key in keys]
    names = {one.name for one in found if one is not None}
    if len(names) == 0 or None in found or not results:
        return
    records = _records(home, names, results)
    for result, following in zip(results, [*results[1:], None], strict=True):
        if result.attack == STUFFING:
            continue
        end = float("inf") if following is None else following.began
        spoke = [
            one.time / 1e6 for one in records if one.said != "allow" and result.began <= one.time / 1e6 < end
        ]
        result.seen = sum(asked <= min(spoke) for asked in result.asked) if spoke else 0


def _records(home: Home, names: set[str], results: list[Result]) -> list[VerdictRecord]:
    """Of these identities since the first attack, as soon as they are all in the ledger."""
    began, asked = results[0].began, sum(len(one.asked) for one in results if one.attack != STUFFING)
    config = home.config.get("serve", ServeConfig)
    until = time.monotonic() + config.segment_seconds + PATIENCE_SECONDS
    while True:
        found = [one for one in _sealed(home) if one.who in names and one.time / 1e6 >= began]
        if sum(one.n for one in found) >= asked or time.monotonic() > until:
            return found
        time.sleep(POLL_SECONDS)


def _sealed(home: Home) -> list[VerdictRecord]:
    with reading(home) as ledger:
        return [
            record
            for entry in ledger.entries(0, ledger.size())
            if entry.leaf is not None and entry.body is not None and parse_leaf(entry.leaf).kind == KIND
            for record in records_of(entry.body)
        ]
