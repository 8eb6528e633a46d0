"""Secrets beside their names: assignments, headers and commands, as languages and tools write them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ancile.patterns.naming import STRONG, WEAK, Named, is_about, kind_of
from ancile.patterns.personal import Sure
from ancile.patterns.values import bare, is_drawn, quoted, stands_for

STEMS = (
    *(
        "pass",
        "pwd",
        "secret",
        "token",
        "key",
        "auth",
        "credential",
        "creds",
        "_pw",
        "-pw",
        "identified by",
        "login",
    ),
    *("kennwort", "de passe", "contrase", "senha", "wachtwoord", "пароль"),
)
LONGEST_LINE = 4000  # characters that are searched at once; longer lines in such pieces
STRONG_NAME = re.compile(STRONG, re.IGNORECASE)
TAIL = r"(?P<tail>[\w.-]{0,40})"
QUOTED = r"(?P<quote>[\"'`])(?P<quoted>(?:\\.|(?!(?P=quote))[^\n\\]){1,600})(?P=quote)"
BARE = r"(?P<bare>[^\s\"'`<>][^\s<>\"]{1,600}|[^\s\"'`][^\s\"]{1,600})"
TYPED = (
    r"(?:\s{0,3}:\s{0,3}(?:&'?\w* ?)?[a-z][\w.\[\]|?& ]{0,30}(?==|\s=)|\s{1,3}(?:string|char ?\*)(?=\s?=))?"
)
OPERATOR = (
    r"(?:\s{0,20}(?::=\s|:=|=>|===?|!==?|=|:|\|\||\?\?|<-)=?"
    r"|\s{1,3}(?:is|was|est|es|changed to|set to):?\s"
    r"|(?:\.[a-z]\w{0,20})?\((?=[\"'`])|,(?=\s{0,3}[\"'`])"
    r"|\s{1,9}(?=@?[\"'`]))\s{0,40}"
)
LITERAL = r"(?:@|!!binary |\$?@|[bfrul](?=[\"'])|l(?=[\"']))?"
ASSIGNED = re.compile(
    rf"(?P<name>[\w.-]{{0,40}}?(?:{STRONG}|{WEAK}){TAIL})(?:\\?[\"'`])?(?:\[[\"']?\w{{0,40}}[\"']?\])?\]?"
    rf"(?:\\?[\"'`]\])?{TYPED}(?P<operator>{OPERATOR}){LITERAL}\\?(?:{QUOTED}|{BARE})",
    re.IGNORECASE,
)
REVERSED = re.compile(
    rf"{QUOTED}\s{{0,9}}[!=]==?\s{{0,9}}(?P<name>[\w.$>-]{{0,40}}?{STRONG}[\w.]{{0,40}})", re.IGNORECASE
)
TAGGED = re.compile(
    rf"<(?:[\w:.-]{{1,40}}\s[^<>\n]{{0,80}}[\"'])?(?P<name>[\w:.-]{{0,40}}?{STRONG}[\w.-]{{0,40}})[\"']?"
    r"(?:\s[^<>\n]{0,80})?(?:>\s{0,20}(?P<bare>[^<>\n]{1,600}?)\s{0,20}</|\svalue\s?=\s?[\"'](?P<quoted>[^\"'\n]{1,600})[\"'])",
    re.IGNORECASE,
)
PAIRED = re.compile(  # name: DB_PASSWORD, value: ...
    rf"\b(?:name|key|field|variable)[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?(?P<name>[\w.-]{{0,40}}?{STRONG}[\w.-]{{0,40}})[\"']?"
    r",?\s{1,40}[\"']?(?:value|val|content|default)[\"']?\s{0,3}[:=]\s{0,3}"
    r"(?:[\"'](?P<quoted>[^\"'\n]{1,600})[\"']|(?P<bare>[^\s\"'&*{]\S{0,600}))",
    re.IGNORECASE,
)
FLAG = re.compile(
    rf"(?:(?<=\s)|^|[\[\"',])--?(?P<name>[\w-]{{0,40}}?{STRONG}[\w-]{{0,20}})(?:[\"'],\s?[\"']?|\s{{1,3}})"
    r"(?:[\"'](?P<quoted>[^\"'\n]{1,600})[\"']|(?P<bare>[^\s\"'-][^\s\"']{2,600}))",
    re.IGNORECASE,
)
SPACED = re.compile(  # ENV, .netrc, SQL, SecureString
    rf"(?:\b(?:env|arg|set|login\s\S{{1,80}}|setx)\s{{1,4}}(?P<name>[\w.-]{{0,40}}?{STRONG}\w{{0,20}})"
    r"|(?P<by>identified\s(?:with\s\S{1,40}\s)?by(?:\spassword)?|securestring))\s{1,4}"
    r"(?:-string\s)?(?:[\"'](?P<quoted>[^\"'\n]{1,600})[\"']|(?P<bare>[^\s\"'=-][^\s\"';]{2,600}))",
    re.IGNORECASE,
)
BELOW = re.compile(  # INI and YAML: the value on the lines below its name, further in
    rf"^(?P<in>[ \t]{{0,40}})(?P<name>[\w.-]{{0,40}}?{STRONG}[\w.-]{{0,40}})\s{{0,3}}[:=]"
    r"[ \t]*(?:[|>][+-]?)?[ \t]*\n"
    r"(?P<below>(?:(?P=in)[ \t]+[^\n]*\n?){1,20})",
    re.IGNORECASE | re.MULTILINE,
)
HEADER = re.compile(
    r"\bauthorization\\?[\"']?\s{0,3}[:=,]\s{0,3}\\?[\"']?"
    r"(?P<kind>bearer|basic|token|apikey|api-key|key|digest)\s{1,3}"
    r"(?P<bare>[\w+/=.~:-]{8,2000})|\bbearer\s{1,3}(?P<other>[\w+/=.~-]{20,2000})",
    re.IGNORECASE,
)
USER = re.compile(r"\bcurl\b[^\n]{0,300}?\s(?:-u|--user)[ =]?[\"']?[\w.@+-]{1,80}:(?P<bare>[^\s\"':]{3,200})")
CLIENTS = ("sshpass", "redis-cli", "mysql", "mariadb")
CLIENT = re.compile(
    r"\b(?:sshpass\s-p\s?|redis-cli\b[^\n]{0,200}?\s(?:-a|--pass)\s|(?:mysql|mariadb)\w*\b[^\n]{0,200}?\s-p)"
    r"[\"']?(?P<bare>[^\s\"'-][^\s\"']{3,200})"
)
PAIR = re.compile(
    r"(?:auth|credentials?|login|getconnection|basicauth)\s{0,2}[=:]?\s{0,2}\((?:[^()\n\"']{0,80},)?\s{0,3}[\"'][^\"'\n]{1,80}[\"'],\s{0,3}"
    r"[\"'](?P<quoted>[^\"'\n]{3,200})[\"']\s{0,3}\)",
    re.IGNORECASE,
)
# Without a sign of each no match is possible
SIGNED = (
    (TAGGED, ("<",)),
    (PAIRED, ("val", "content", "default")),
    (FLAG, ("-",)),
    (SPACED, ("env", "arg", "set", "login", "identified", "securestring")),
    (REVERSED, ("==", "!=")),
    (PAIR, ("(",)),
)
# Something that binds a value to a name: a sign, or a word of prose or of a command
HINT = re.compile(
    r"[=:(<>\"'`|]|--| (?:is|was|est|es|to|by|password) |bearer|[a-z] -\w|\b(?:env|arg|set|setx) "
)
FIRST, REST = re.compile(r"[\s+-]*(?:export |set |local |- |# |// )?"), re.compile(r"\s*(?:#.*|//.*|;.*)?")


def find_assigned(text: str) -> Iterator[Named]:
    """Every secret that stands beside a name; some more than once. Only lines that hold a name are read."""
    low = text.lower()
    if len(low) != len(text):  # a letter that is two in lower case
        low = "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
    if "curl" in text:
        for found in USER.finditer(text):
            yield from _judged(found)
    if any(one in text for one in CLIENTS):
        for found in CLIENT.finditer(text):
            yield from _judged(found)
    for start, end in _stretches(text, low):
        for one in _in_lines(text[start:end], low[start:end]) if HINT.search(low, start, end) else ():
            yield one._replace(start=one.start + start, end=one.end + start)


def _stretches(text: str, low: str) -> Iterator[tuple[int, int]]:
    """Lines that hold a stem with the few below them, as places of the text; each once."""
    places = sorted(at for stem in STEMS for at in _all(low, stem))
    end = 0
    for at in places:
        if at < end:
            continue
        start = max(text.rfind("\n", max(0, at - LONGEST_LINE), at) + 1, at - LONGEST_LINE // 2, end)
        stop = text.find("\n", at, at + LONGEST_LINE)
        stop = min(at + LONGEST_LINE, len(text)) if stop < 0 else stop
        yield start, _below(text, start, stop)
        end = stop


def _below(text: str, start: int, stop: int) -> int:
    """Where lines end that stand below one which ends with its name, or with the name of a pair."""
    line = text[start:stop].rstrip()
    if line.endswith((":", "=", "|", ">")):
        for _ in range(6):
            after = text.find("\n", stop + 1, stop + 600)
            stop = min(len(text), stop + 600) if after < 0 else after
        return stop
    if re.search(r"(?i:name|key|field|variable)[\"']?\s{0,3}[:=]", line):
        after = text.find("\n", stop + 1, stop + 600)
        return min(len(text), stop + 600) if after < 0 else after
    return stop


def _all(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))


def _in_lines(part: str, low: str) -> Iterator[Named]:
    """What stands beside names in a few lines; ``low`` is the same in lower case."""
    if "bearer" in low or "authorization" in low:
        yield from _headers(part)
    for form, signs in SIGNED:
        if any(one in low for one in signs):
            for found in form.finditer(part):
                yield from _judged(found)
    if "\n" in part:
        for found in BELOW.finditer(part):
            yield from _lines_below(found)
    for found in ASSIGNED.finditer(part):
        yield from _assigned(part, found)


def _headers(part: str) -> Iterator[Named]:
    for found in HEADER.finditer(part):
        group = "bare" if found["bare"] else "other"
        if not stands_for(found[group], ""):
            drawn = is_drawn(found[group]) or (found["kind"] or "").lower() == "basic"
            yield Named("authorization header", *found.span(group), "medium" if drawn else "low")


def _judged(found: re.Match[str]) -> Iterator[Named]:
    """The value of a name that says what it is, in quotes or bare."""
    groups = found.groupdict()
    name = groups.get("name") or "password"
    if is_about(name):
        return
    if groups.get("quoted"):
        sure, group = quoted(found["quoted"], name), "quoted"
    else:
        sure, group = bare(found["bare"].rstrip(",;)"), name, alone=True), "bare"
    if sure is not None:
        yield Named(
            kind_of(name), found.start(group), found.start(group) + len(found[group].rstrip(",;)")), sure
        )


def _lines_below(found: re.Match[str]) -> Iterator[Named]:
    at = found.start("below")
    for line in found["below"].splitlines(keepends=True):
        value = line.strip().removeprefix("- ")
        inner = re.fullmatch(r"(?:[\w-]+\s?[:=]\s+)?[\"']?(?P<value>\S+?)[\"']?", value)
        sure = (
            bare(inner["value"], found["name"], alone=True) if inner and not is_about(found["name"]) else None
        )
        if inner is not None and sure is not None and not value.startswith(("#", ";")):
            place = at + line.index(value) + inner.start("value")
            yield Named(kind_of(found["name"]), place, place + len(inner["value"]), sure)
        at += len(line)


def _assigned(part: str, found: re.Match[str]) -> Iterator[Named]:
    name, operator = found["name"], found["operator"].strip()
    if is_about(name):
        return
    in_quotes = found["quoted"] is not None
    value = found["quoted"] if in_quotes else found["bare"]
    group = "quoted" if in_quotes else "bare"
    if not in_quotes:
        value = _trimmed(value, part, found)
    if STRONG_NAME.search(name) is None:
        sure: Sure | None = "low" if is_drawn(value) else None
    elif in_quotes:
        sure = quoted(value, name)
        if not operator or operator.startswith(",") or operator.endswith("("):
            sure = sure if is_drawn(value) or re.search(r"\d|[^\w\s.-]", value) else None
    else:
        sure = bare(value, name, alone=_is_alone(part, found, value))
    if sure is not None:
        yield Named(kind_of(name), found.start(group), found.start(group) + len(value), sure)


def _is_alone(part: str, found: re.Match[str], value: str) -> bool:
    """Whether a line holds a name and its value and nothing else, as configuration does."""
    ends = part.find("\n", found.end())
    rest = part[found.start("bare") + len(value) : len(part) if ends < 0 else ends]
    first = part[part.rfind("\n", 0, found.start()) + 1 : found.start()]
    if ";" in found["bare"] and found["bare"].count("=") and ";" in first:
        return True  # a connection string
    tight = found["operator"].strip() == ":" or found["operator"] == "=" or found["name"].isupper()
    return tight and REST.fullmatch(rest) is not None and FIRST.fullmatch(first) is not None


def _trimmed(value: str, part: str, found: re.Match[str]) -> str:
    """A bare value without what belongs to the list, the address or the connection string about it."""
    before = part[max(0, found.start() - 200) : found.start()]
    in_query = found["operator"] == "=" and "&" in value and "://" in before
    if in_query or re.search(r"[?&][\w.-]*$", before):
        value = value.split("&", maxsplit=1)[0]
    if found["operator"].strip() == "=" and ";" in value and (";" in before or re.search(r";\w+\s?=", value)):
        value = value.split(";", maxsplit=1)[0]
    return value.rstrip(",;)'\"`").removesuffix("\\n")
