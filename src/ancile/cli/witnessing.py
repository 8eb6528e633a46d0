"""Witnesses: being one for the logs that ancile.toml names, and asking those of a quorum file."""

from __future__ import annotations

import functools
import os
from contextlib import suppress
from datetime import UTC, datetime

import click

from ancile.cli.home import Home
from ancile.cli.output import talk
from ancile.core.errors import AncileError
from ancile.trust.checkpoint import parse_head
from ancile.trust.keys import create_key, list_keys, unlock_key
from ancile.trust.ledger import Ledger
from ancile.trust.lockbox import Protection
from ancile.trust.note import parse_note
from ancile.trust.passphrase import passphrase
from ancile.trust.private_file import make_private_folder
from ancile.trust.quorum import Policy, open_witnessed


def witnessed(ledger: Ledger, note: str, policy: Policy) -> str:
    """The checkpoint with the cosignatures of every witness of the policy that has an address.

    AncileError when what was reached does not make the quorum; each that failed is said on stderr.
    """
    from ancile.trust.ask_witness import cosigned  # noqa: PLC0415 - nothing else of a signature needs HTTP

    size = parse_head(parse_note(note).text).size
    vkeys: dict[str, list[str]] = {}
    for one in policy.witnesses:
        if one.url:
            vkeys.setdefault(one.url, []).append(one.vkey.text)
    for url, keys in vkeys.items():
        try:
            note = cosigned(note, url, prove=lambda old: ledger.consistency_proof(old, size), vkeys=keys)
        except AncileError as reason:
            talk(f"witness {url}: {reason}")
    open_witnessed(note, policy)
    return note


def serve_witness(home: Home, *, name: str | None, host: str, port: int) -> None:
    """Cosign until Ctrl-C; the witness key is made under ``name`` the first time."""
    from ancile.trust.witness import Witness, witness_server  # noqa: PLC0415 - as above

    logs = {home.log.origin: [*home.log.keys, *home.log.before]} if home.log.keys else {}
    logs |= {log.origin: list(log.keys) for log in home.policy.logs}
    secret = functools.cache(lambda: passphrase(os.environ, prompt="passphrase of the keys"))
    stored = list_keys(home.keys)
    if not any(key.public.purpose == "witness" and key.state == "active" for key in stored):
        if name is None:
            raise AncileError(
                "there is no witness key yet",
                value=str(home.keys),
                remedy="name the witness: --name example.org/w",
            )
        is_open = any(key.is_open for key in stored)
        protection = Protection(None if is_open else secret())
        create_key(home.keys, "witness", name, protection=protection, now=datetime.now(UTC))
    key = unlock_key(home.keys, "witness", secret)
    folder = home.folder / "witness"
    make_private_folder(folder)
    state = Witness(
        folder,
        name=key.public.name,
        ed25519=key.ed25519,
        mldsa44=key.mldsa,
        logs=logs,
        clock=lambda: datetime.now(UTC),
    )
    with witness_server(state, host=host, port=port) as server, suppress(KeyboardInterrupt):
        url = f"http://{host}:{server.server_port}"
        talk(f"witness {key.public.name} for {len(logs)} logs at {url}; lines for a quorum file:")
        for kind, line in zip(("classical", "quantum"), key.public.vkeys, strict=True):
            click.echo(f"witness {kind} {line} {url}", err=True)
        server.serve_forever()
