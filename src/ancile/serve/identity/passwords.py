"""Passwords of people: Argon2id (RFC 9106), and no password that is guessed first.

The length is above that of NIST SP 800-63B-4, section 3.1.1, for a password that is one of two factors (8).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ancile.core.errors import AncileError
from ancile.core.extras import needs

if TYPE_CHECKING:
    import argon2
else:
    argon2 = needs("argon2", "admin")

SHORTEST, LONGEST = 12, 256  # characters
LEAST_DISTINCT = 6
LEAST_LEFT = 4  # letters of a password beside what many have in theirs
COMMON = re.compile(  # the stems of the passwords that are tried first, after what is in every published list
    "password|passwort|passphrase|admin(istrator)?|change.?me|letmein|welcome|secret|default|qwerty|qwertz|asdf|"
    "iloveyou|monkey|dragon|football|superman|master|login|test|user|root|guest|ancile|abc|hunter|trustno|"
    r"(?:0?1234?5?6?7?8?9?0?)|\d+"
)
HASHER = argon2.PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1)  # RFC 9106, section 4, one lane


def weakness(password: str, *, name: str) -> str:
    """Why a password is too weak, in words; empty where it is not."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"{SHORTEST} to {LONGEST} characters are asked for"
    if len(set(password)) < LEAST_DISTINCT:
        return "it repeats the same few characters"
    left = COMMON.sub("", re.sub(r"[\s\W_]", "", password).lower().replace(name.lower(), ""))
    if len(left) < LEAST_LEFT:
        return "it is made of the name, of digits, or of words that are tried first"
    return ""


def hashed(password: str, *, name: str) -> str:
    """What is kept of a password; AncileError for a weak one. Cost: 64 MiB and about 0.2 s."""
    if why := weakness(password, name=name):
        raise AncileError(
            "the password is too weak", value=why, remedy="take a sentence, or what a password manager makes"
        )
    return HASHER.hash(password)


def holds(password: str, kept: str) -> bool:
    """Whether it is the password; as long for none as for a wrong one."""
    try:
        return HASHER.verify(kept or _DECOY, password)
    except argon2.exceptions.VerificationError:
        return False
    except argon2.exceptions.InvalidHashError as reason:
        raise AncileError(
            "a password that is kept is damaged", value="", remedy="set it anew: ancile user add NAME --admin"
        ) from reason


def is_strong(kept: str) -> bool:
    """Whether a hash is Argon2id of at least our cost."""
    try:
        found = argon2.extract_parameters(kept)
    except argon2.exceptions.InvalidHashError:
        return False
    return (
        found.type is argon2.Type.ID
        and found.time_cost >= HASHER.time_cost
        and found.memory_cost >= HASHER.memory_cost
    )


_DECOY = HASHER.hash("nobody has this password")
