"""The process that talks to the network: without keys of the home and without its ledger.

Its order comes on stdin, its word that it serves (or why not) goes to stdout, one line of JSON each.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol

import msgspec

from ancile.core.errors import AncileError
from ancile.serve.answers import with_answers
from ancile.serve.backend import Backend
from ancile.serve.budgets import Budgets, Rates
from ancile.serve.call import Settings
from ancile.serve.child import Failed, leave_signals
from ancile.serve.config import ServeConfig, policy_of
from ancile.serve.door import Door
from ancile.serve.ensemble import Ensemble
from ancile.serve.gateway import Gateway
from ancile.serve.handover import Siblings
from ancile.serve.history import History
from ancile.serve.identity.config import Identities
from ancile.serve.journal import Journal
from ancile.serve.kept_inputs import KeptInputs
from ancile.serve.keys import Users
from ancile.serve.limits import Limits, within_descriptors
from ancile.serve.reference import Reference, references
from ancile.serve.review.holding import Holding
from ancile.serve.review.store import KEY_OF, Reviews
from ancile.serve.service import Service
from ancile.serve.signature import Signature
from ancile.serve.state import StateFile
from ancile.serve.telemetry.watch import Watch
from ancile.serve.tls import Tls
from ancile.serve.walls import close_network, shut_in

JOURNAL = "journal"
COLLECTED_AFTER = 20_000  # objects, not 700: a request makes about a hundred and leaves none in a circle
SELF_TEST_SECONDS = 5.0


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is to serve.

    folder     of users and journal
    socket     number of the listening socket's descriptor
    model      file of the model, or None for an upstream
    upstream   URL of it
    models     that the upstream is asked for
    chat       whether the upstream speaks the chat protocol
    reference  data set that shows benign inputs
    policies   in Cedar, as they were read; None for those that come with ancile
    digest     of the model's file that may be loaded
    ensemble   further models that answer with it, each with the digest of its file
    index      of the worker among its siblings
    inboxes    numbers of the descriptors that hand a connection to each of them; none for a single worker
    own        number of the one that it reads from
    leases     number of the descriptor that budgets of several hosts are asked at; -1 for those of this host
    rates      whether requests a second are counted there as well
    """

    folder: str
    socket: int
    config: ServeConfig
    profile: str
    model: str | None = None
    upstream: str | None = None
    models: tuple[str, ...] = ()
    chat: bool = False
    reference: str | None = None
    policies: str | None = None
    digest: str | None = None
    ensemble: tuple[tuple[str, str | None], ...] = ()
    index: int = 0
    inboxes: tuple[int, ...] = ()
    own: int = -1
    leases: int = -1
    rates: bool = False


class Serving(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It serves.

    digest   of the model's file, empty for an upstream
    models   names with their inputs
    guarded  models whose callers' sequences are watched
    lacking  walls around the worker that could not be had, in words
    """

    digest: str
    models: dict[str, list[dict[str, object]]]
    guarded: tuple[str, ...]
    lacking: tuple[str, ...] = ()


class Running(Service, Protocol):
    """A gateway of either kind."""

    def tick(self, now: float) -> None:
        """Once a second, with the loop's time."""

    def close(self) -> None:
        """Nobody asks any more."""


def main() -> int:
    """Serve until SIGTERM, or until whoever gave the order is gone."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    leave_signals()
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)
    try:
        lacking = shut_in(order) if order.config.confine else ()
        with asyncio.Runner(loop_factory=_fast_loop()) as runner:
            runner.run(_serve_chat(order, lacking) if order.chat else _serve(order, lacking))
    except AncileError as error:
        _say(Failed(what=error.what, value=error.value, remedy=error.remedy))
        return 2
    return 0


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed: a fifth less CPU a request than the standard library's."""
    try:
        return import_module("uvloop").new_event_loop  # type: ignore[no-any-return]  # it is one
    except ImportError:
        return None


async def _serve(order: Order, lacking: tuple[str, ...]) -> None:
    loop, folder, config = asyncio.get_running_loop(), Path(order.folder), order.config
    backend, digest = await _backend(order, loop)
    policy = policy_of(config, profile=order.profile)
    reference = references(order.reference, backend.signatures)
    learned = await with_answers(backend, reference, policy, config.probing)
    backend.signatures = learned.signatures
    users, journal = Users(folder), _journal(folder, config, loop)
    known = Identities(config.oidc, config.certificates, order.policies)
    siblings = _siblings(order, loop)
    budgets, rates = _counting(order)
    settings = Settings(
        policy,
        learned.learned,
        config.rows,
        budgets,
        known=known,
        probing=config.probing,
        siblings=siblings,
        rates=rates,
        digests=config.inputs != "none",
        history=History(folder, policy.ladder),
    )
    holding = Holding(Reviews(folder, key=users.hash(KEY_OF)), config.review, time.time)
    gateway = Gateway(
        backend, users, journal, settings, Watch(config.telemetry, folder), holding, _kept(folder, config)
    )
    try:
        await _until_told(
            order,
            gateway,
            journal,
            siblings,
            serving=_serving(backend.signatures, learned, digest=digest, lacking=lacking),
        )
    finally:
        backend.close()
        users.close()


async def _serve_chat(order: Order, lacking: tuple[str, ...]) -> None:
    from ancile.serve.chat.gateway import ChatGateway  # noqa: PLC0415 - other gateways need none of it
    from ancile.serve.chat.upstream import chat_upstream_of  # noqa: PLC0415 - likewise

    loop, folder, config = asyncio.get_running_loop(), Path(order.folder), order.config
    upstream = chat_upstream_of(
        order.upstream or "",
        order.models,
        seconds=config.answer_seconds,
        loop=loop,
        key_file=config.upstream_key,
    )
    users, journal = Users(folder), _journal(folder, config, loop)
    siblings = _siblings(order, loop)
    budgets, rates = _counting(order)
    known = Identities(config.oidc, config.certificates, order.policies)
    policy = policy_of(config, profile=order.profile)
    settings = Settings(
        policy,
        {},
        config.rows,
        budgets,
        known=known,
        siblings=siblings,
        rates=rates,
        digests=config.inputs != "none",
        history=History(folder, policy.ladder),
    )
    gateway = ChatGateway(upstream, users, journal, settings, Watch(config.telemetry, folder))
    try:
        serving = Serving(digest="", models={name: [] for name in order.models}, guarded=(), lacking=lacking)
        await _until_told(order, gateway, journal, siblings, serving=serving)
    finally:
        upstream.pool.close()
        users.close()


def _journal(folder: Path, config: ServeConfig, loop: asyncio.AbstractEventLoop) -> Journal:
    return Journal(
        folder / JOURNAL,
        loop=loop,
        durable=config.durable_seconds,
        records=config.segment_records,
        seconds=config.segment_seconds,
        room=config.journal_bytes,
    )


def _kept(folder: Path, config: ServeConfig) -> KeptInputs | None:
    """Where inputs are kept, for who has the key that they are sealed to."""
    if config.inputs != "encrypted":
        return None
    return KeptInputs(folder, config.inputs_key, room=config.inputs_bytes, days=config.inputs_days)


def _counting(order: Order) -> tuple[Budgets, Rates | None]:
    """Where days are counted, and where rates are that several hosts share."""
    if order.leases < 0:
        return StateFile(Path(order.folder)), None
    from ancile.serve.shared.leases import Leases  # noqa: PLC0415 - a gateway on one host needs none of it

    leases = Leases(socket.socket(fileno=order.leases))
    return leases, leases if order.rates else None


def _siblings(order: Order, loop: asyncio.AbstractEventLoop) -> Siblings | None:
    return Siblings(order.index, order.inboxes, order.own, loop=loop) if order.inboxes else None


async def _until_told(
    order: Order, gateway: Running, journal: Journal, siblings: Siblings | None, *, serving: Serving
) -> None:
    """Let requests in until SIGTERM, and then none but those that run."""
    loop, config = asyncio.get_running_loop(), order.config
    limits = within_descriptors(Limits(body_bytes=config.body_bytes, answer_seconds=config.answer_seconds))
    tls = None if config.tls is None else Tls(config.tls)
    door = Door(gateway, limits=limits, loop=loop, tick=gateway.tick, tls=tls, siblings=siblings)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)  # nothing more comes there but its end
    listening = socket.socket(fileno=order.socket)
    await door.open(listening)
    try:
        await _refuses_strangers(listening.getsockname(), None if tls is None else tls.context)
        lacking = close_network(order) if order.config.confine else ()
        _say(msgspec.structs.replace(serving, lacking=(*serving.lacking, *lacking)))
        await stop.wait()
    finally:
        if siblings is not None:
            siblings.close()
        await door.drain()
        gateway.close()
        await journal.close()


async def _backend(order: Order, loop: asyncio.AbstractEventLoop) -> tuple[Backend, str]:
    """What answers, and the digest of its file."""
    if order.model is not None:
        from ancile.serve.embedded import Embedded  # noqa: PLC0415 - an upstream needs no onnxruntime

        embedded = Embedded(Path(order.model), loop=loop, expected=order.digest, reference=order.reference)
        if not order.ensemble:
            return embedded, embedded.digest
        others = [
            Embedded(Path(path), loop=loop, expected=digest, reference=order.reference)
            for path, digest in order.ensemble
        ]
        return Ensemble([embedded, *others]), embedded.digest
    from ancile.serve.discover import upstream_of  # noqa: PLC0415 - as a model in this process needs no HTTP

    return upstream_of(order.upstream or "", order.models, seconds=order.config.answer_seconds, loop=loop), ""


def _serving(
    signatures: Mapping[str, Signature], learned: Reference, *, digest: str, lacking: tuple[str, ...]
) -> Serving:
    models = {name: [one.document() for one in signature.inputs] for name, signature in signatures.items()}
    return Serving(digest=digest, models=models, guarded=tuple(learned.learned), lacking=lacking)


async def _refuses_strangers(address: tuple[str, int], tls: ssl.SSLContext | None) -> None:
    """A request without a key, or without a client certificate, must be refused, or nothing is served."""
    line, mutual = b"", tls is not None and tls.verify_mode == ssl.CERT_REQUIRED
    try:
        async with asyncio.timeout(SELF_TEST_SECONDS):
            context = None if tls is None else _unverified()
            reader, writer = await asyncio.open_connection(*address[:2], ssl=context)
            writer.write(b"GET /v2 HTTP/1.1\r\nHost: self\r\nConnection: close\r\n\r\n")
            line = await reader.readline()
            writer.close()
    except (ssl.SSLError, ConnectionError):  # TLS 1.3 tells a client that it wants a certificate only now
        pass
    if not line.startswith(b"HTTP/1.1 401 ") and not (mutual and line == b""):
        raise AncileError(
            "a request without a key was not refused",
            value=line[:60].decode("latin-1"),
            remedy="nothing is served; tell the authors of ancile",
        )


def _unverified() -> ssl.SSLContext:
    """For the worker's way to itself: its certificate is for the names of clients."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _say(word: Serving | Failed) -> None:
    os.write(1, msgspec.json.encode(word) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
