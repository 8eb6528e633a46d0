"""Names of secrets, as code, configuration and people write them; and names of what is only about one."""

from __future__ import annotations

import re
from typing import NamedTuple

from ancile.patterns.personal import Sure

# Names that say it themselves; in lower case
STRONG = (
    r"(?:passw(?:or)?[dt]|passwd|passphrase|passcode|pwd|secrete?s?|apikey|basic_?auth|credentials?"
    r"|(?:api|private|access|secret|account|auth|encryption|signing|master|service|shared|shared_?access"
    r"|subscription|license|app|application|consumer|client|storage|deploy|admin|server|session|hmac|aes|iam"
    r"|jwt)[_. -]?key"
    r"|(?:auth|access|refresh|bearer|bot|oauth2?|session|api|deploy|personal|user|app|webhook|service|admin|csrf"
    r"|github|gitlab|slack|npm|hf|vault|jwt|sas|push|gh|pat)[_. -]?token"
    r"|(?:db|sql|root|user|admin|my|ftp|mail|smtp|ssh|redis|pg|login)_?pass(?![a-z])"
    r"|(?<![a-z])(?:pass|pw)(?![a-z])|kennwort|de passe|contrase[nñ]a|senha|wachtwoord|пароль)"
)
WEAK = r"(?:keys?(?![a-z])|tokens?(?![a-z])|auth(?![a-z])|authorization|cred(?![a-z]))"
# What is said about a secret, and is none: its place, its kind, its length
ABOUT = re.compile(
    r"age|alg|algorithm|arn|class|column|confirm|confirmation|count|description|digest|dir|disabled|"
    r"enabled|endpoint|error|errors|expiration|expired|expires|expiry|field|fields|file|filename|"
    r"files|format|hash|hint|host|id|ids|idx|index|input|label|len|length|limit|location|manager|max|"
    r"message|min|mode|name|names|order|path|pattern|placeholder|policy|prefix|prompt|prop|provider|"
    r"public|ref|regex|required|reset|rule|rules|selector|size|store|strength|suffix|text|timeout|"
    r"title|ttl|type|types|uri|url|usage|validator|version"
)
NAME_END = re.compile(r"[_.\- ]|(?<=[a-z0-9])(?=[A-Z])")
ALSO_NONE = re.compile(r"(?i)public|tokeniz|keyword|keyboard|(?:pad|eos|bos|unk|sep|cls|mask)_token")


class Named(NamedTuple):
    """A secret and where it stands: ``start`` to ``end``; how sure: high, medium, low."""

    kind: str
    start: int
    end: int
    sure: Sure


def is_about(name: str) -> bool:
    """Whether a name is of what is said about a secret: ``token_url``, ``passwordField``."""
    last = NAME_END.split(name.strip("_.- "))[-1].lower()
    return ABOUT.fullmatch(last) is not None or ALSO_NONE.search(name) is not None


def kind_of(name: str) -> str:
    """What the secret is called in a report: of three kinds, as names tell them apart."""
    low = name.lower()
    if re.search(r"pass|pwd|pw\b", low):
        return "password"
    return "key by name" if "key" in low else "secret by name"
