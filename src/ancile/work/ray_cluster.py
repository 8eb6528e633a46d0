"""Models' processes on a Ray cluster: each worker there holds one ``Child``, and passes on questions.

Code that is not ours runs where it runs without Ray, in a confined child; the worker is ancile's own. Unless
``RAY_ADDRESS`` names a cluster, one is started for the run: on the loopback device, behind a token that is
drawn for it, without dashboard and usage statistics. Its processes get the environment that a child gets, so
that no passphrase is in it, and end with this one, even where it is killed. A cluster that is named is
trusted as this machine is: what its workers answer counts.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.private_memory import close_memory
from ancile.core.text import plain
from ancile.work.child import START_SECONDS, Question, child_environment
from ancile.work.confine import Confined
from ancile.work.frames import Block, Frame, decoded
from ancile.work.relay import ChildOrder, Parcel, Relay, Reply, broken, frame_of, parcel_of

ADDRESS = "RAY_ADDRESS"  # Ray's own variable for a cluster that runs
STORE_BYTES = 100 << 20  # of shared memory; a message holds 32 MiB of samples at most
WAY_SECONDS = 30.0  # to a worker and back, beyond what the model itself may take
PLACE_SECONDS = 120.0  # until a cluster has found room for a worker
ATTEMPTS = 2  # to start Ray
REACH_SECONDS = 5.0  # for a named cluster to take a connection
END_SECONDS = 5.0  # for a worker to end its child
PLACE_BYTES = (
    24  # of a folder's path: 107 without /ancile-xxxxxxxx and what Ray appends, 66 with its process number
)
LOOK_SECONDS = 0.05  # between two looks at what has not ended yet
QUIET = {"log_to_driver": False, "configure_logging": False}
# Ray prints on stdout what became of a worker; what matters of it is in the error that the asking ends with
SILENT = {"RAY_DEDUP_LOGS": "1", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}
THREADS = 4  # of a worker: that it can be told to end while the model keeps it waiting


class RayChild:
    """A child on the cluster; as ``Child`` for whoever asks it."""

    def __init__(self, ray: ModuleType, worker: Any, order: ChildOrder) -> None:
        self._ray, self._worker = ray, worker
        self._fault: AncileError | None = None
        self._last = Reply()
        opened = self._told(
            worker.open.remote(msgspec.msgpack.encode(order)), seconds=PLACE_SECONDS + START_SECONDS
        )
        self.confined = decoded(opened.body, Confined)

    def ask(
        self,
        word: str,
        body: bytes = b"\xc0",
        blocks: Sequence[Block] = (),
        *,
        seconds: float,
        limit_bytes: int,
        then: Callable[[Frame], Question] | None = None,
    ) -> Frame:
        """As ``Child.ask``; a worker that is lost is a fault that each further request repeats."""
        answer = self._exchange(Question(word, body, blocks, limit_bytes), seconds)
        return answer if then is None else self._exchange(then(answer), seconds)

    def has_died(self) -> bool:
        """Whether the model's process ended by itself."""
        return self._last.died

    def cpu_seconds(self) -> float:
        """User and system time of worker and child, as of the last answer."""
        return self._last.cpu_seconds

    def peak_bytes(self) -> int:
        """Peak resident memory of the child, as of the last answer."""
        return self._last.peak_bytes

    def close(self) -> None:
        """End the child with all that it started, then the worker."""
        with suppress(Exception):  # whatever Ray raises: a worker that is gone has nothing to end
            self._ray.get(self._worker.close.remote(), timeout=END_SECONDS)
        with suppress(Exception):
            self._ray.kill(self._worker, no_restart=True)
        self._fault = AncileError(
            "the model is closed", value="its process has ended", remedy="open it once more"
        )

    def _exchange(self, question: Question, seconds: float) -> Frame:
        asked = msgspec.msgpack.encode(
            parcel_of(Frame(0, question.word, question.body, tuple(question.blocks)))
        )
        return self._told(
            self._worker.ask.remote(asked, seconds, question.limit_bytes),
            seconds=seconds + WAY_SECONDS,
            limit_bytes=question.limit_bytes,
        )

    def _told(self, reference: Any, *, seconds: float, limit_bytes: int = 0) -> Frame:
        if self._fault:
            raise self._fault
        errors = needs("ray.exceptions", "ray")
        try:
            told: bytes = self._ray.get(reference, timeout=seconds)
        except errors.GetTimeoutError:
            self._fault = AncileError(
                "a worker on the Ray cluster does not answer",
                value=f"{seconds:g} seconds",
                remedy="look with `ray status` whether the cluster has room; --engine local needs none",
            )
            raise self._fault from None
        except errors.RayError as reason:
            self._fault = _lost(reason)
            raise self._fault from None
        self._last = decoded(told, Reply)
        if self._last.fault:
            what, value, remedy = (plain(word, 600) for word in self._last.fault)
            raise AncileError(what, value=value, remedy=remedy)
        answer = frame_of(self._last.parcel or Parcel("", b"\xc0", (), ()))
        if sum(len(block.data) for block in answer.blocks) > limit_bytes:
            raise broken("more than was asked for")
        return answer


@contextmanager
def ray_children(orders: Sequence[ChildOrder]) -> Iterator[tuple[RayChild, ...]]:
    """Each child on a worker of its own, until the context ends; then no process and no file is left.

    Raises AncileError where Ray is not installed, does not start or has no room for so many workers.
    """
    with ExitStack() as stack:
        cluster = _named_cluster() if os.environ.get(ADDRESS) else _own_cluster(len(orders))
        ray = stack.enter_context(cluster)
        made = ray.remote(num_cpus=1, max_restarts=0, max_concurrency=THREADS)(Relay)
        workers = [made.remote() for _ in orders]
        children = []
        for worker, order in zip(workers, orders, strict=True):
            children.append(child := RayChild(ray, worker, order))
            stack.callback(child.close)
        yield tuple(children)


@contextmanager
def _named_cluster() -> Iterator[ModuleType]:
    """The cluster that ``RAY_ADDRESS`` names."""
    _require_answer(os.environ[ADDRESS])
    with _environment(dict(os.environ) | SILENT):
        ray = needs("ray", "ray")
    with _handlers():
        _start(ray, "start the cluster with `ray start --head`, or unset RAY_ADDRESS", namespace="ancile")
        try:
            yield ray
        finally:
            ray.shutdown()


@contextmanager
def _own_cluster(workers: int) -> Iterator[ModuleType]:
    """A cluster of this machine and this run."""
    ray = _ray_with_token()
    close_memory()
    folder = _short_folder()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(_sweep, folder)
        stack.enter_context(_near())
        with _handlers():
            with _environment(child_environment(os.environ, folder) | _ray_settings()):
                _start(
                    ray,
                    "try again on a less busy machine; --engine local needs no cluster",
                    address="local",
                    num_cpus=workers,
                    num_gpus=0,
                    include_dashboard=False,
                    object_store_memory=STORE_BYTES,
                    _temp_dir=str(folder),
                )
            try:
                _require_loopback(ray)
                yield ray
            finally:
                ray.shutdown()


def _short_folder() -> Path:
    """A new folder for the cluster's files, where the system has such or, if that is too deep, in /tmp.

    Sockets lie in it, and the kernel takes 107 bytes of a socket's path.
    """
    shared = "/tmp"  # noqa: S108 - mkdtemp draws the name and closes the folder to others
    for place in map(os.path.realpath, (tempfile.gettempdir(), shared)):
        if len(os.fsencode(place)) <= PLACE_BYTES and os.access(place, os.W_OK | os.X_OK):
            return Path(tempfile.mkdtemp(prefix="ancile-", dir=place))
    raise AncileError(
        "Ray's sockets have no folder with a path that is short enough",
        value=tempfile.gettempdir(),
        remedy=f"set TMPDIR to a folder of {PLACE_BYTES} bytes at most",
    )


def _sweep(folder: Path) -> None:
    """End what Ray's own ending left: where a start fails, it forgets what it had started until then."""
    deadline = time.monotonic() + END_SECONDS
    while (left := _of_cluster(folder)) and time.monotonic() < deadline:
        for one in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)


def _of_cluster(folder: Path) -> list[int]:
    """The processes of Ray that were told to keep their files there; none where there is no /proc."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (place / "cmdline").read_bytes()  # empty where the process has ended
            if os.fsencode(folder) in command and b"ray" in command:
                found.append(int(place.name))
    return found


def _start(ray: ModuleType, remedy: str, **settings: object) -> None:
    """Ray started or joined; on a busy machine it gives up after half a minute, hence the attempts."""
    for left in reversed(range(ATTEMPTS)):
        try:
            ray.init(**QUIET, **settings)
        except Exception as reason:
            ray.shutdown()  # what it started until then
            if left:
                continue
            first = next((line.strip() for line in str(reason).splitlines() if line.strip()), "")
            raise AncileError(
                "Ray does not start", value=plain(f"{type(reason).__name__}: {first}", 300), remedy=remedy
            ) from reason
        else:
            return


@cache
def _ray_with_token() -> ModuleType:
    """Ray, which reads whether it asks for a token, and which, once: when it is imported."""
    if "ray" in sys.modules:
        raise AncileError(
            "Ray was loaded before, without a token",
            value=f"ray in this process, no {ADDRESS}",
            remedy="name your cluster in RAY_ADDRESS, or use a process that has not imported ray",
        )
    with _environment(dict(os.environ) | _ray_settings()):
        return needs("ray", "ray")


@contextmanager
def _near() -> Iterator[None]:
    """Ray bound to the loopback device: on Linux it binds to all, and this constant alone says otherwise."""
    constants: Any = needs("ray._private.ray_constants", "ray")
    before = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


def _require_answer(address: str) -> None:
    """That somebody listens there: Ray itself tries for a quarter of an hour."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=REACH_SECONDS):
            return
    except (OSError, ValueError, OverflowError) as reason:
        raise AncileError(
            "no Ray cluster answers",
            value=plain(f"{ADDRESS}={address}"),
            remedy="give HOST:PORT of its head, as `ray start --head` prints it, or unset the variable",
        ) from reason


def _require_loopback(ray: ModuleType) -> None:
    address = str(ray.util.get_node_ip_address())
    if address not in ("127.0.0.1", "::1"):
        raise AncileError(
            "this version of Ray listens beyond this machine",
            value=plain(f"Ray {ray.__version__} on {address}"),
            remedy="start a cluster yourself and name it in RAY_ADDRESS, or use --engine local",
        )


def _ray_settings() -> dict[str, str]:
    """What keeps Ray to itself."""
    return SILENT | {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": _token(),
    }


@cache
def _token() -> str:
    """Of every cluster of this process."""
    return secrets.token_hex(32)


@contextmanager
def _environment(wanted: dict[str, str]) -> Iterator[None]:
    """The environment of this process while Ray starts its own, which inherit it and nothing else."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(wanted)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _handlers() -> Iterator[None]:
    """What SIGTERM did before; until then Ray's handler unwinds, so that what was started is ended."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _lost(reason: Exception) -> AncileError:
    first = next((line.strip() for line in str(reason).splitlines() if line.strip()), "")
    return AncileError(
        "a worker on the Ray cluster is lost",
        value=plain(f"{type(reason).__name__}: {first}", 300),
        remedy="the same command goes on where the run was saved; ancile has to be installed on each machine",
    )
