"""Whether a value that stands beside the name of a secret is one, or only stands for one.

What documentation, templates and code write there: placeholders, references to variables, calls, types, names
of fields, sentences of an interface. What is left is a secret; how sure, says its look.
"""

from __future__ import annotations

import re
import string

from ancile.patterns.personal import Sure
from ancile.patterns.secrets import entropy

STEM = re.compile(r"pass|pwd|secret|token|key|auth|cred|login", re.IGNORECASE)
PLACEHOLDER = re.compile(
    r"(?i:example|placeholder|change[_-]?(?:me|it|this)|redacted|\byour|your[_-]|<|dummy|fake|insert|x{4}|sample|todo"
    r"|\btest(?:ing)?\b|replace|enter|set[_-]me|fill|removed|masked|hidden|\bfoo\b|\bbar\b|lorem|undefined"
    r"|\bn/?a\b|null|none|nil\b|not[_-]?(?:set|real|a)\b|\.{3}|\*{3}|_{4}|-{4}|\u2022{3}|\u2026)"
    r"|(.)\1{5}"
)
REFERENCE = re.compile(
    r"\$\{[^}]*\}?|\$\([^)]*\)?|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%|%(?:\(\w*\))?[sdr]|\{\{.*\}\}|\{[A-Za-z_]?[\w.:!]*\}"
    r"|<[^>]*>|\[[^\]]*\]|&\w+|#\{[^}]*\}|@\w+@|![A-Za-z]+|%r|\?"
)
# Code: a call, an index, an attribute, a type, a keyword
CODE = re.compile(
    r"(?:new |await |not |lambda\b.*|return )?[A-Za-z_$][\w$]*(?:(?:\.|::|->|\?\.)[A-Za-z_$][\w$]*)*"
    r"(?:\(.*|\[.*|<[\w<>, ]*>)|\(.*"
    r"|[A-Za-z_$][A-Za-z_$]*(?:(?:\.|::|->|\?\.)[A-Za-z_$][\w$]*)+"
    r"|(?i:true|false|yes|no|on|off|null|none|nil|undefined|str|string|text|varchar|bytes?|int|integer|bool|boolean|any"
    r"|char|float|number|object|required|optional|default|self|this|hidden|secretstr|unicode|password|unknown|empty"
    r"|disabled|enabled|never|always|auto|file|env|vault|readonly|basic|bearer|digest|plain|md5|sha\d+|bcrypt)"
    r"|\W+"
)
IDENTIFIER = re.compile(r"[A-Za-z]+(?:[_-][A-Za-z]+)*|[a-z]+(?:[A-Z][a-z]+)+|[A-Z]+(?:_[A-Z0-9]+)+")
DIGEST = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
HEX = frozenset(string.hexdigits)
WORDS = re.compile(r"[A-Za-z]{2,}")
ODD = re.compile(r"[^\w\s.\-/:,]")
DRAWN = re.compile(r"[A-Za-z0-9+/=_.~-]{16,512}")
DRAWN_BITS = 3.5  # of sixteen letters and more; words and paths have less
HEX_BITS = 3.0  # the most is 4: detect-secrets' default limit
SENTENCE_WORDS = 3  # with a capital in front: what an interface says


def stands_for(value: str, name: str) -> bool:
    """Whether a value is none itself: empty, a placeholder, a reference, the name once more."""
    if len(value) < 4 or len(set(value)) < 3 or not any(map(str.isalnum, value)):
        return True
    if REFERENCE.fullmatch(value) or PLACEHOLDER.search(value):
        return True
    bare, called = (re.sub(r"[\W_]", "", one).lower() for one in (value, name))
    return bare in called or (called in bare and not any(map(str.isdigit, bare)))


def quoted(value: str, name: str) -> Sure | None:
    """How sure a text in quotes beside the name of a secret is one; None where it is none."""
    if stands_for(value, name):
        return None
    if re.fullmatch(r"[A-Za-z_\s:.,!?'-]*", value) and STEM.search(value):
        return None  # "some_secret_key", "wrong password"
    if " " in value.strip():
        words = WORDS.findall(value)
        if value[:1].isupper() and len(words) >= SENTENCE_WORDS:
            return None
        return "low"
    if CODE.fullmatch(value) or re.match(r"(?:https?|ftp|file)://|[./~]+/|/\w+/", value):
        return None
    return "low" if IDENTIFIER.fullmatch(value) else "medium"


def bare(value: str, name: str, *, alone: bool) -> Sure | None:
    """The same of a value without quotes; ``alone`` where the line holds nothing else."""
    if (
        stands_for(value, name)
        or CODE.fullmatch(value)
        or re.match(r"(?:\w:)?(?:[.~]*/[\w. -]*)+$|\w+://", value)
    ):
        return None
    letters, digits = any(map(str.isalpha, value)), any(map(str.isdigit, value))
    if letters and digits and len(value) >= 6:
        return "low" if re.fullmatch(r"[A-Za-z_]+\d{1,2}", value) and not alone else "medium"
    if letters and len(value) >= 8 and ODD.search(value):
        return "medium"
    if digits and not letters and len(value) >= 6 and STEM.match(name.rsplit("_", maxsplit=1)[-1]):
        return "low" if alone else None
    plain = letters and len(value) >= 8 and value.isascii() and not STEM.search(value)
    return "low" if plain and alone and not re.search(r"[a-z][A-Z]|^[A-Z][a-z]+$", value) else None


def is_drawn(value: str) -> bool:
    """Whether a text is as mixed as one that was drawn: letters and digits, few of them again and again."""
    if not DRAWN.fullmatch(value) or PLACEHOLDER.search(value) or DIGEST.fullmatch(value):
        return False
    if not (any(map(str.isdigit, value)) and any(map(str.isalpha, value))):
        return False
    if HEX.issuperset(value):
        return len(value) >= 32 and entropy(value) >= HEX_BITS
    return entropy(value) > DRAWN_BITS and not re.fullmatch(r"[a-z0-9]+(?:[-._/][a-z0-9]*)+|[/.].*", value)
