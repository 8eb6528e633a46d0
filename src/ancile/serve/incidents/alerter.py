"""Tells of incidents as they open: it follows the ledger, and starts the process that sends.

What was told, or given up, is kept in a file, so that a restart tells nothing twice that a day's verdicts
show.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import msgspec

from ancile.core.errors import AncileError
from ancile.serve.child import PYTHON, worker_environment
from ancile.serve.config import ServeConfig
from ancile.serve.incidents.config import Alerts
from ancile.serve.incidents.correlate import Correlator, place
from ancile.serve.incidents.evidence import verdicts
from ancile.serve.incidents.incident import Incident, document_of
from ancile.serve.incidents.rules import SEVERITIES, Rule, rules_of
from ancile.serve.incidents.sender import Order, Told
from ancile.trust.leaf import parse_leaf
from ancile.trust.ledger import Ledger
from ancile.trust.private_file import read_private, write_private

FILE = "alerted.json"
LARGEST_FILE = 1 << 20
MOST_TOLD = 2000  # ids that are remembered, the latest
MOST_WAITING = 200  # incidents that wait for a sender; beyond them the oldest is dropped, and that is said
MOST_AT_ONCE = 20  # of one sender
LOOK_BACK = timedelta(days=1)
CHUNK = 256  # entries that are looked at once on the way back
MOST_AT_A_TICK = 8  # entries that are read: a day's verdicts after a restart hold nothing else up
END_SECONDS = 5.0


class Alerter:
    """Follows one ledger; ``tick`` is called often and returns at once.

    environment  of this process; the sender gets what it needs of it
    say          hears of alerts that did not arrive
    """

    def __init__(
        self,
        ledger: Ledger,
        alerts: Alerts,
        rules: Mapping[str, Rule],
        *,
        folder: Path,
        environment: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._ledger, self._alerts, self._rules, self._say = ledger, alerts, rules, say
        self._path, self._environment = folder / FILE, environment
        self._correlator = Correlator(rules)
        self._waiting: deque[Incident] = deque()
        self._sending: tuple[subprocess.Popen[bytes], IO[bytes]] | None = None
        self._failed = ""
        self._told = self._read_told() if alerts.targets else {}
        self._size = self._start() if alerts.targets else 0

    def tick(self) -> None:
        """Read what the ledger has got, and see to the sender; a ledger that cannot be read is told once."""
        if not self._alerts.targets:
            return
        try:
            self._follow()
        except AncileError as error:
            if str(error) != self._failed:
                self._say(f"incidents are not looked for: {error}")
            self._failed = str(error)
        if self._sending is not None and self._sending[0].poll() is not None:
            self._sent()
        if self._sending is None and self._waiting:
            self._send()

    def _follow(self) -> None:
        size = min(self._ledger.size(), self._size + MOST_AT_A_TICK)
        if size > self._size:
            seen = verdicts(self._ledger.entries(self._size, size), skipped=self._skipped)
            self._size = size
            for one in sorted(seen, key=place):
                for opened in self._correlator.add(one):
                    self._open(opened)
        self._failed = ""

    def close(self) -> None:
        """Read the last of it, and give the sender some seconds."""
        end = time.monotonic() + END_SECONDS
        while self._alerts.targets and self._size < self._ledger.size() and time.monotonic() < end:
            self.tick()
        for _ in range(2):  # the one that runs, and one for what waits behind it
            self.tick()
            if self._sending is None:
                return
            with suppress(subprocess.TimeoutExpired):
                self._sending[0].wait(END_SECONDS)
        self.tick()
        if self._sending is not None:
            self._sending[0].kill()
            self._sending[0].wait()
            self._sent()

    def _open(self, incident: Incident) -> None:
        severe = SEVERITIES.index(self._rules[incident.rule].severity)
        if incident.id in self._told or severe < SEVERITIES.index(self._alerts.severity):
            return
        if len(self._waiting) >= MOST_WAITING:
            dropped = self._waiting.popleft()
            self._say(f"too many incidents wait to be told: {dropped.id} is not, see `ancile incident list`")
        self._waiting.append(incident)

    def _send(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
        documents = tuple(document_of(one, self._rules) for one in batch)
        order = msgspec.json.encode(Order(alerts=self._alerts, documents=documents)) + b"\n"
        out = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the sender; no pipe that could fill
        with tempfile.TemporaryFile() as given:
            given.write(order)
            given.seek(0)
            process = subprocess.Popen(
                [*PYTHON, "ancile.serve.incidents.sender"],
                stdin=given,
                stdout=out,
                env=dict(self._environment),
            )
        self._sending = (process, out)

    def _sent(self) -> None:
        if self._sending is None:
            return
        process, out = self._sending
        self._sending = None
        with out:
            out.seek(0)
            lines = out.read().split(b"\n")[
                :-1
            ]  # each is written at once, but a killed sender's last may be cut
        said = [msgspec.json.decode(line, type=Told) for line in lines]
        for one in said:
            if one.failed:
                self._say(f"{one.id} could not be told to {one.target}: {one.failed}")
        if process.returncode:
            self._say(f"the sender of alerts ended with {process.returncode}: see `ancile incident list`")
        self._told.update(dict.fromkeys(one.id for one in said))
        for old in list(self._told)[: max(0, len(self._told) - MOST_TOLD)]:
            del self._told[old]
        try:
            write_private(self._path, msgspec.json.encode(list(self._told)), replace=True)
        except AncileError as error:
            self._say(f"which incidents were told is not kept: {error}")

    def _read_told(self) -> dict[str, None]:
        if not self._path.exists():
            return {}
        with suppress(msgspec.MsgspecError):
            return dict.fromkeys(
                msgspec.json.decode(read_private(self._path, limit=LARGEST_FILE), type=list[str])
            )
        return {}

    def _start(self) -> int:
        """Index of the first entry of the last day: verdicts from there on are correlated."""
        since, start = datetime.now(UTC) - LOOK_BACK, self._ledger.size()
        while start:
            before = max(0, start - CHUNK)
            first = next(iter(self._ledger.entries(before, before + 1)), None)
            if first is not None and first.leaf is not None and parse_leaf(first.leaf).time < since:
                break
            start = before
        return start

    def _skipped(self, entry: int, error: AncileError) -> None:
        self._say(f"entry {entry} is left out of incidents: {error}")


@contextmanager
def alerting(
    ledger: Ledger, config: ServeConfig, *, folder: Path, say: Callable[[str], None]
) -> Iterator[Alerter]:
    """An alerter for what a gateway records; at the end the last of it is told."""
    alerts = config.alerts
    named = {name: os.environ[name] for name in alerts.variables if name in os.environ}
    alerter = Alerter(
        ledger,
        alerts,
        rules_of(config.incidents),
        folder=folder,
        environment=worker_environment(os.environ) | named,
        say=say,
    )
    try:
        yield alerter
    finally:
        alerter.close()
