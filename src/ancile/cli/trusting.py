"""Public keys on their way to another machine: written, shown with one fingerprint, added to ancile.toml.

The file holds one line a key, as ``PublicKey.text`` writes it; lines that begin with # are for people.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array, Table

from ancile.cli.home import Home
from ancile.cli.output import write_whole
from ancile.cli.reading import no_waiting
from ancile.cli.tables import TABLES
from ancile.core.config import sections
from ancile.core.errors import AncileError
from ancile.core.subject import digest_of
from ancile.core.text import plain
from ancile.govern.policy import Log, Policy
from ancile.trust.key import PublicKey, parse_public_key
from ancile.trust.keys import StoredKey

LARGEST = 1 << 20  # bytes of a file of public keys; a key takes below 3 KB


class Addition(NamedTuple):
    """What trusting some keys adds to a policy: ids of authors, and verifier keys by the log's origin."""

    authors: tuple[str, ...]
    logs: dict[str, tuple[str, ...]]


def public_lines(stored: Sequence[StoredKey], *, now: datetime) -> str:
    """The file of public keys: authors and logs, the rotated ones too, whose evidence still counts."""
    keys = [k.public for k in stored if k.public.purpose != "witness" and k.state != "revoked"]
    if not keys:
        raise AncileError("there is no key to export", value="0 keys", remedy="run `ancile init` first")
    head = (
        f"# public keys of an ancile home, {now:%Y-%m-%d}",
        f"# fingerprint {fingerprint(keys)}",
        "# to believe their evidence: ancile keys trust THIS-FILE --name WHO",
    )
    return "".join(f"{line}\n" for line in (*head, *(key.text for key in keys)))


def fingerprint(keys: Sequence[PublicKey]) -> str:
    """One digest for all the keys, in whatever order: what two people compare."""
    return digest_of("\n".join(sorted({key.id for key in keys})).encode("ascii"))


def read_public(path: Path) -> tuple[PublicKey, ...]:
    """The keys of a file, each derived from its line; a fingerprint in a comment is not believed."""
    try:
        with open(path, "rb", opener=no_waiting) as file:
            data = file.read(LARGEST + 1)
        lines = data.decode("ascii").splitlines() if len(data) <= LARGEST else []
    except (OSError, UnicodeDecodeError) as reason:
        told = reason.strerror if isinstance(reason, OSError) else "not ASCII text"
        raise AncileError(
            "public keys cannot be read",
            value=f"{path}: {told}",
            remedy="name a file that `ancile keys export` wrote",
        ) from reason
    keys = tuple(parse_public_key(line) for line in lines if line and not line.startswith("#"))
    if not keys or any(key.purpose == "witness" for key in keys):
        raise AncileError(
            "this is no file of public keys of authors and logs",
            value=str(path),
            remedy="name a file that `ancile keys export` wrote; a witness's keys stand in a quorum file",
        )
    return keys


def addition(home: Home, keys: Sequence[PublicKey]) -> Addition:
    """What the policy lacks of the keys; refused where they are other keys than those it pins for a log."""
    logs: dict[str, list[str]] = {}
    for key in keys:
        if key.purpose == "log":
            logs.setdefault(key.name, []).extend(key.vkeys)
    pinned = {log.origin: list(log.keys) for log in home.policy.logs}
    own = [*home.log.keys, *home.log.before]
    if home.log.origin in logs:
        pinned[home.log.origin] = own
    for origin, known in pinned.items():
        missing = set(known) - set(logs.get(origin, known))
        if missing or (origin == home.log.origin and set(logs[origin]) - set(own)):
            raise AncileError(
                "this log is pinned with other keys",
                value=plain(origin, 100),
                remedy="ask its owner over a channel that you trust; if that is right, take the log out of "
                f"{home.config_file.name} first",
            )
    lacking = {
        origin: tuple(v for v in dict.fromkeys(vkeys) if v not in pinned.get(origin, []))
        for origin, vkeys in logs.items()
    }
    authors = dict.fromkeys(key.id for key in keys if key.purpose == "author")
    return Addition(
        tuple(id_ for id_ in authors if id_ not in home.policy.authors),
        {origin: vkeys for origin, vkeys in lacking.items() if vkeys},
    )


def trust(home: Home, added: Addition, *, name: str, now: datetime) -> None:
    """Write the addition into ancile.toml, comments kept; AncileError, and nothing written, if that fails."""
    text = home.config_file.read_text("utf-8")
    try:
        document = tomlkit.parse(text)
        policy = document.setdefault("policy", tomlkit.table())
        authors = policy.setdefault("authors", tomlkit.array())
        if not isinstance(authors, Array):
            raise by_hand(home)
        for id_ in added.authors:
            authors.add_line(id_, comment=f"{name}, trusted {now:%Y-%m-%d}")
        if added.authors:
            authors.add_line(indent="")
        _add_logs(policy, added, comment=f"{name}, trusted {now:%Y-%m-%d}")
        changed = tomlkit.dumps(document)
        read = sections(tomllib.loads(changed), TABLES, path=home.config_file).get("policy", Policy)
    except (TOMLKitError, ValueError, TypeError, AttributeError) as reason:
        raise by_hand(home) from reason
    if read != _wanted(home.policy, added):
        raise by_hand(home)
    write_whole(home.config_file, changed.encode("utf-8"), own=True)


def _add_logs(policy: Table, added: Addition, *, comment: str) -> None:
    logs = policy.get("logs")
    known = {str(log["origin"]): log for log in logs or ()}
    for origin, vkeys in added.logs.items():
        if origin in known:
            for vkey in vkeys:
                known[origin]["keys"].append(vkey)
            continue
        table = tomlkit.table()
        table.add("origin", tomlkit.string(origin))
        table["origin"].comment(comment)
        table.add("keys", tomlkit.array())
        for vkey in vkeys:
            table["keys"].append(vkey)
        table["keys"].multiline(multiline=True)
        if not isinstance(logs, AoT):
            logs = tomlkit.aot()
            policy.append("logs", logs)
            logs = policy["logs"]
        logs.append(table)


def _wanted(policy: Policy, added: Addition) -> Policy:
    """The policy that the changed file must say: nothing else of it may have moved."""
    grown = [
        msgspec.structs.replace(log, keys=[*log.keys, *added.logs.get(log.origin, ())]) for log in policy.logs
    ]
    known = {log.origin for log in policy.logs}
    new = [Log(origin=o, keys=list(vkeys)) for o, vkeys in added.logs.items() if o not in known]
    return msgspec.structs.replace(policy, authors=[*policy.authors, *added.authors], logs=[*grown, *new])


def by_hand(home: Home) -> AncileError:
    """The refusal to edit a file whose form is not understood."""
    return AncileError(
        "the configuration is written in a way that is not edited here",
        value=str(home.config_file),
        remedy="add the lines by hand: `ancile keys list --public`, on the other machine, prints them",
    )
