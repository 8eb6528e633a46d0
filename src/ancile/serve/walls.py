"""What a worker gives up before it reads a model or a byte of a caller's: Landlock and seccomp.

Of the files it keeps Python's and the machine's, what it serves from, and its own folder to write in; keys
and ledger lie outside. Once it listens it makes no socket any more, unless something that it has to do needs
one. Walls are those of ``work.confine``, put up in two steps.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ancile.inputs.catalogue import catalogue, data_folders
from ancile.trust.private_file import make_private_folder
from ancile.work import landlock, seccomp
from ancile.work.confine import drop_privileges, gain_no_privileges
from ancile.work.reach import interpreter_reach

if TYPE_CHECKING:
    from ancile.serve.worker import Order

SCRATCH = "scratch"  # of the worker's folder, for libraries that want one
# Names of hosts, and the authorities that issuers and collectors are known by
OF_NETWORK = (
    *("/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/hosts", "/etc/resolv.conf", "/etc/host.conf"),
    *("/etc/gai.conf", "/etc/services", "/run/systemd/resolve"),
)


def shut_in(order: Order) -> tuple[str, ...]:
    """Keep from all other files, for good; what could not be had, in words."""
    folder = Path(order.folder)
    scratch = folder / SCRATCH
    make_private_folder(scratch)
    os.environ["TMPDIR"] = os.environ["SQLITE_TMPDIR"] = str(scratch)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not sys.platform.startswith("linux"):
        return (f"{sys.platform} has no Landlock",)
    if (
        os.geteuid() == 0 and folder.stat().st_uid != 0
    ):  # what lets root read the folder of another user is kept
        gain_no_privileges()
    else:
        drop_privileges()
    if not landlock.landlock_abi():
        return ("the kernel has no Landlock: the worker can read what this user can read",)
    home, read = folder.resolve().parent, [*_readable(order)]
    beside = [one for one in _certificates(order) if home.is_relative_to(one)]
    try:
        landlock.restrict(
            readable=[*interpreter_reach(sys.path), *read],
            denied=[] if beside else [home],
            writable=[folder.resolve(), *_logs(order)],
            network=True,
        )
    except OSError as reason:
        return (f"Landlock was refused by the kernel: {reason.strerror}",)
    if beside:
        return (
            f"the certificate lies above {home.name}: give it a folder of its own, else both are readable",
        )
    return ()


def close_network(order: Order) -> tuple[str, ...]:
    """Make no socket any more, for good, where none is needed; what could not be had, in words."""
    if _asks_others(order):
        return ()
    if not seccomp.available():
        return ("no seccomp filter is known for this machine: the worker can connect",)
    try:
        seccomp.refuse_sockets()
    except OSError as reason:
        return (f"seccomp was refused by the kernel: {reason.strerror}",)
    return ()


def _asks_others(order: Order) -> bool:
    """Whether it connects to an upstream, an issuer or a collector."""
    oidc, traces = order.config.oidc, order.config.telemetry.traces
    fetched = oidc is not None and (not oidc.jwks or "://" in oidc.jwks)
    return order.upstream is not None or fetched or bool(traces)


def _readable(order: Order) -> Iterator[Path]:
    """What it serves from."""
    for name in (order.model, *(name for name, _ in order.ensemble), order.config.upstream_key or None):
        if name is not None:
            yield Path(name).resolve()
    if order.reference is not None:
        if order.reference in catalogue():
            yield from data_folders(base=Path.cwd(), environ=os.environ)
        else:
            yield Path(order.reference).resolve()
    oidc = order.config.oidc
    if oidc is not None and oidc.jwks and "://" not in oidc.jwks:
        yield Path(oidc.jwks).resolve().parent
    yield from _certificates(order)
    if _asks_others(order):
        yield from (Path(os.path.realpath(one)) for one in OF_NETWORK)


def _certificates(order: Order) -> list[Path]:
    """Folders of them, as a new one takes the place of the file."""
    tls = order.config.tls
    return [] if tls is None else [Path(name).parent.resolve() for name in tls.files]


def _logs(order: Order) -> list[Path]:
    """The folder of the access log, which is begun anew there when it is moved away."""
    log = order.config.telemetry.access_log
    return [(Path(order.folder) / log).resolve().parent] if log else []
