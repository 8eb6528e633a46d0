"""People who administer and review: a password and a second factor, and a delay that doubles for who guesses.

A time-based code (RFC 6238) is taken once. Its secret is sealed under a key of the pepper: the file of
users alone gives nobody a second factor. A security key (WebAuthn with user verification) is both factors.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.serve.identity.passwords import hashed, holds, is_strong
from ancile.serve.keys import NAME, Users

if TYPE_CHECKING:
    import pyotp
else:
    pyotp = needs("pyotp", "admin")

ROLES = ("admin", "reviewer")
STEP_SECONDS = 30  # RFC 6238, section 5.2
FREE_FAILURES = 3  # typing errors, before a delay begins
LONGEST_DELAY = 900.0  # seconds
MOST_STRANGERS = 1000  # names that nobody has, whose delays are remembered
NONCE_BYTES = 12


class LogInRefused(Exception):  # noqa: N818 - a decision, the same words whatever was wrong
    """Nobody comes in; ``after`` is in how many seconds it may be tried again."""

    def __init__(self, after: float = 0.0) -> None:
        super().__init__("name, password or code do not hold")
        self.after = after


class Person(NamedTuple):
    """Somebody who may log in. Role: admin or reviewer."""

    name: str
    role: str


class _Kept(NamedTuple):
    role: str = ""
    password: str = ""
    totp: bytes = b""
    step: int = -1
    failures: int = 0
    locked: float = 0.0


class People:
    """Those who may log in; kept with the users."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._seal = ChaCha20Poly1305(users.hash(b"secrets of second factors"))
        self._strangers: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def add(self, name: str, *, role: str, password: str, now: datetime) -> str:
        """The otpauth URI of a new person's second factor, or of one who gets both factors anew."""
        if not NAME.fullmatch(name) or role not in ROLES:
            raise AncileError(
                "not a name for a person",
                value=plain(name),
                remedy="letters, digits and . _ @ -, at most 64, the first a letter or digit",
            )
        kept, secret = hashed(password, name=name), pyotp.random_base32()
        row = (name, role, kept, self._sealed(secret, name), -1, 0, 0.0, now.isoformat(timespec="seconds"))
        with self._users.changing() as db:
            db.execute("DELETE FROM people WHERE name = ?", (name,))  # with the sessions and security keys
            db.execute("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            self._users.note("person", name, role=role, now=now)
        return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="ancile")

    def remove(self, name: str, *, now: datetime, by: str = "") -> bool:
        """Whether there was one, who may log in no more and is logged out."""
        with self._users.changing() as db:
            done = db.execute("DELETE FROM people WHERE name = ?", (name,)).rowcount > 0
            if done:
                self._users.note("removed", name, now=now, by=by)
        return done

    def list(self) -> list[Person]:
        """All of them, by name."""
        rows = self._users.rows("SELECT name, role FROM people ORDER BY name")
        return [Person(str(name), str(role)) for name, role in rows]

    def log_in(self, name: str, password: str, code: str, *, now: float) -> Person:
        """Who it is, by both factors; LogInRefused where one does not hold. Cost: 0.2 s.

        now  Unix time
        """
        kept = self._kept(name)
        if now < kept.locked:
            raise LogInRefused(kept.locked - now)
        right = holds(password, kept.password)
        step = self._step(name, kept, code, now) if kept.password else None
        if not right or step is None:
            raise LogInRefused(self._failed(name, kept, now))
        self._came_in(name, step)
        return Person(name, kept.role)

    def refuse_weak(self) -> None:
        """AncileError where somebody could log in with less than is asked for."""
        for name, password in self._users.rows("SELECT name, password FROM people"):
            if not is_strong(str(password)):
                raise AncileError(
                    "a password is kept in a weak form",
                    value=plain(str(name)),
                    remedy=f"set it anew: ancile user add {plain(str(name))} --admin",
                )
            self._secret(str(name), self._kept(str(name)).totp)

    def _kept(self, name: str) -> _Kept:
        with self._users.changing() as db:
            row = db.execute(
                "SELECT role, password, totp, step, failures, locked FROM people WHERE name = ?", (name,)
            ).fetchone()
        if row is not None:
            return _Kept(*row)
        failures, locked = self._strangers.get(name, (0, 0.0))
        return _Kept(failures=failures, locked=locked)

    def _failed(self, name: str, kept: _Kept, now: float) -> float:
        """Seconds until the next try, doubling; a name that nobody has is put off as any other."""
        failures = kept.failures + 1
        delay = min(2.0 ** (failures - FREE_FAILURES), LONGEST_DELAY) if failures >= FREE_FAILURES else 0.0
        if kept.password:
            with self._users.changing() as db:
                values = (failures, now + delay, name)
                db.execute("UPDATE people SET failures = ?, locked = ? WHERE name = ?", values)
            return delay
        self._strangers[name] = (failures, now + delay)
        self._strangers.move_to_end(name)
        if len(self._strangers) > MOST_STRANGERS:
            self._strangers.popitem(last=False)
        return delay

    def _came_in(self, name: str, step: int) -> None:
        with self._users.changing() as db:
            taken = db.execute(
                "UPDATE people SET failures = 0, locked = 0, step = ? WHERE name = ? AND step < ?",
                (step, name, step),
            )
            if taken.rowcount != 1:  # the same code a moment ago, in another process
                raise LogInRefused

    def _step(self, name: str, kept: _Kept, code: str, now: float) -> int | None:
        """The time step whose code it is, of this, the last and the next; one that was used is used up."""
        totp = pyotp.TOTP(self._secret(name, kept.totp))
        current = int(now) // STEP_SECONDS
        for step in (current - 1, current, current + 1):
            right = secrets.compare_digest(totp.generate_otp(step).encode(), code.encode("utf-8", "replace"))
            if right and step > kept.step:
                return step
        return None

    def _sealed(self, secret: str, name: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._seal.encrypt(nonce, secret.encode("ascii"), name.encode("ascii"))

    def _secret(self, name: str, sealed: bytes) -> str:
        try:
            nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
            return self._seal.decrypt(nonce, rest, name.encode("ascii")).decode("ascii")
        except (InvalidTag, ValueError) as reason:
            raise AncileError(
                "a second factor cannot be opened",
                value=plain(name),
                remedy=f"give both anew: ancile user add {plain(name)} --admin",
            ) from reason
