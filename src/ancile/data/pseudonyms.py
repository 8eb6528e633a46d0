"""Pseudonyms: another value of the same form in place of each, the same one wherever it stands, under a key.

Numbers and letters go through FF1 where there are a million strings of their length and more, so that two
people never become one and the key's holder gets them back; what is shorter, and names of hosts and people,
goes through HMAC-SHA-256, which nobody turns round. Cards keep their issuer and fulfil Luhn's formula
(ISO/IEC 7812-1), accounts fulfil ISO 7064, addresses stay addresses, of hosts that cannot be (RFC 2606).
Secrets get none: nobody needs them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import os
import stat
import string
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ancile.core.errors import AncileError
from ancile.core.text import plain
from ancile.data.ff1 import LEAST_STRINGS, encrypt

KEY_BYTES = 32
ISSUER = 6  # digits of a card that name who issued it: ISO/IEC 7812-1
COUNTRY = 3  # digits of a telephone number that stay: its country, about
LONG_PHONE = 10
TOKEN = 10  # letters of base 32: fifty bits
CLASSES = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
KEPT = 1 << 16  # pseudonyms that are not made twice

Pseudonym = Callable[[str, str], str]


def _alone(path: str, flags: int) -> int:
    """Open the file itself: no link leads elsewhere, and nobody is waited for at a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def read_key(path: Path) -> bytes:
    """The 32 bytes of a key file, raw or as 64 hexadecimal digits.

    AncileError where it is none, a link or no plain file, or others may read it.
    """
    try:
        with open(path, "rb", opener=_alone) as file:
            mode, data = os.fstat(file.fileno()).st_mode, b""
            if stat.S_ISREG(mode):
                data = file.read(4 * KEY_BYTES)
    except OSError as reason:
        raise AncileError(
            "the key of the pseudonyms cannot be read",
            value=f"{plain(str(path))}: {reason.strerror}",
            remedy=f"name a plain file, or make one: (umask 077; openssl rand -hex {KEY_BYTES} > FILE)",
        ) from reason
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise AncileError(
            "others may read the key of the pseudonyms",
            value=plain(str(path)),
            remedy="chmod 600 it; where others had it, make a new one",
        )
    try:
        key = data if len(data) == KEY_BYTES else bytes.fromhex(data.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise AncileError(
            "not a key of pseudonyms",
            value=plain(str(path)),
            remedy=f"give {KEY_BYTES} bytes, raw or in hexadecimal: openssl rand -hex {KEY_BYTES}",
        )
    return key


def pseudonyms(key: bytes) -> Pseudonym:
    """What gives a value of a kind its pseudonym; of the same kind and value always the same."""
    subkeys = {
        use: HKDF(SHA256(), KEY_BYTES, salt=None, info=b"ancile/pseudonyms/v1/" + use).derive(key)
        for use in (b"ff1", b"hmac")
    }

    @lru_cache(KEPT)
    def of(kind: str, value: str) -> str:
        maker = Maker(subkeys[b"ff1"], subkeys[b"hmac"], kind)
        made = FORMS.get(kind)
        if made is not None:
            return made(maker, value)
        return maker.same_form(value) if any(map(str.isdigit, value)) else maker.name(value)

    return of


class Maker:
    """Pseudonyms of one kind; each method is given a value of that form."""

    def __init__(self, permuting: bytes, hashing: bytes, kind: str) -> None:
        self._permuting, self._hashing, self._kind = permuting, hashing, kind.encode()

    def card(self, value: str) -> str:
        """With the same issuer; the last digit is Luhn's."""
        digits = _digits(value)
        body = digits[:ISSUER] + self._permuted(digits[ISSUER:-1], string.digits)
        return _written(value, body + luhn(body), string.digits)

    def account(self, value: str) -> str:
        """Of the same country, with the check digits of ISO 7064, MOD 97-10."""
        packed = "".join(filter(str.isalnum, value)).upper()
        country, body = packed[:2], self.same_form(packed[4:])
        check = 98 - int("".join(str(int(one, 36)) for one in f"{body}{country}00")) % 97
        return _written(value, f"{country}{check:02d}{body}", string.digits + string.ascii_letters)

    def mail(self, value: str) -> str:
        """An address at a host of ``.example``; those of one host stay at one."""
        local, _, host = value.lower().rpartition("@")
        return f"{self._token(local + '@' + host)}@{self._token(host)}.example"

    def link(self, value: str) -> str:
        """A link to a host of ``.example``."""
        try:
            host = urlsplit(value).hostname or ""
        except ValueError:
            host = ""
        return f"https://{self._token(host)}.example/{self._token(value)}"

    def address(self, value: str) -> str:
        """Any address of the same version."""
        known = ipaddress.ip_address(value)
        width = 8 if known.version == 4 else 32
        drawn = int(self._permuted(f"{int(known):0{width}x}", string.hexdigits[:16]), 16)
        return str(ipaddress.IPv4Address(drawn) if width == 8 else ipaddress.IPv6Address(drawn))

    def phone(self, value: str) -> str:
        """With the digits of the country, about, where it is long enough."""
        digits = _digits(value)
        kept = COUNTRY if len(digits) >= LONG_PHONE else 0
        return _written(value, digits[:kept] + self._permuted(digits[kept:], string.digits), string.digits)

    def same_form(self, value: str) -> str:
        """Digits for digits, letters for letters of the same case; what is neither stays."""
        for letters in CLASSES:
            some = "".join(one for one in value if one in letters)
            value = _written(value, self._permuted(some, letters), letters) if some else value
        return value

    def name(self, value: str) -> str:
        """A word that is nobody's name."""
        return f"Name-{self._token(' '.join(value.casefold().split()))}"

    def _permuted(self, value: str, letters: str) -> str:
        radix = len(letters)
        numerals = [letters.index(one) for one in value]
        if radix ** len(numerals) >= LEAST_STRINGS:
            return "".join(letters[one] for one in encrypt(self._permuting, self._kind, numerals, radix))
        stream = self._hash(value) * (len(value) // 32 + 1)
        return "".join(letters[one % radix] for one in stream[: len(value)])

    def _token(self, value: str) -> str:
        return base64.b32encode(self._hash(value)).decode("ascii")[:TOKEN].lower()

    def _hash(self, value: str) -> bytes:
        said = self._kind + b"\0" + value.encode("utf-8", "surrogateescape")
        return hmac.new(self._hashing, said, hashlib.sha256).digest()


FORMS: Mapping[str, Callable[[Maker, str], str]] = {
    "credit card": Maker.card,
    "IBAN": Maker.account,
    "e-mail address": Maker.mail,
    "IP address": Maker.address,
    "link": Maker.link,
    "telephone number": Maker.phone,
}


def luhn(digits: str) -> str:
    """The digit that makes them fulfil Luhn's formula: ISO/IEC 7812-1, annex B."""
    total = 0
    for place, one in enumerate(reversed(digits)):
        number = int(one) * (2 - place % 2)
        total += number - 9 * (number > 9)
    return str(-total % 10)


def _digits(value: str) -> str:
    return "".join(one for one in value if one in string.digits)


def _written(form: str, drawn: str, letters: str) -> str:
    """``drawn`` in the places that ``letters`` have in ``form``."""
    left = iter(drawn)
    return "".join(next(left) if one in letters else one for one in form)
