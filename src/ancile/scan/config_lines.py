"""What stands in lines of YAML, TOML, requirements and build files: tags, names, packages, commands."""

# ruff: noqa: E501 - sets of names in rows, patterns in one piece

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from ancile.formats import shell_source

# YAML 1.1 and 1.2: what `!!` may stand before
YAML_TAGS = frozenset(
    {"binary", "bool", "float", "int", "map", "merge", "null", "omap", "pairs", "seq", "set", "str", "timestamp",
     "value", "yaml"}
)  # fmt: skip
# Every run is bounded: a line without end must not take time without end
TAG = re.compile(
    r"(?m)(?:^|[:\-\[{,?&][ \t]{0,40}|&\w{1,80}[ \t]{1,40})[\"']?[ \t]{0,40}"
    r"(?:!!([\w.-]{0,400}[/%][\w./:%-]{0,400}|(?:javax?|com|org|sun|net|ch|io)\.[\w.$-]{1,400}(?=[ \t]|$))"
    r"|!<tag:yaml\.org,2002:([^\s>]{1,400})>)"
)
LOCAL_TAG = re.compile(
    r"(?m)(?:^|[:\-][ \t]{1,40})!((?:python|ruby|javax?|php|perl|include|eval|exec|env)\b[^\s]{0,400})"
)
TAG_HANDLE = re.compile(r"(?m)^%TAG[ \t]+(\S{1,80})[ \t]+(\S{1,400})")
NAMED = re.compile(
    r"\b(_target_|loader_module|_component_|class_path)[\"']?[ \t]{0,40}[:=]\s{0,40}"
    r"(?:&\w{1,80}\s{1,40})?(?:[>|][+-]?[ \t]{0,40}\n\s{1,40})?[\"']?([A-Za-z_][\w.]{0,400})"
)
ANCHOR = re.compile(r"&([\w-]{1,80})\s{0,40}(\[[^\n]{0,4000}\]|\{[^\n]{0,4000}\})")
ALIAS = re.compile(r"\*([\w-]{1,80})")
ALIASES = 1_000_000  # values that anchors may unfold to
INDEX = re.compile(
    r"(?m)^[ \t]{0,40}(?:-[ \t]{1,40})?[\"']?"
    r"(?:(?:--(?:index-url|extra-index-url|find-links|trusted-host)[ =]{1,40}([^\s\"']{1,400})"
    r"|(?:-[ifrc]|--(?:requirement|constraint))[ =]{1,40}((?:https?|ftp|file)://[^\s\"']{1,400})"
    r"|(?:-e[ \t]{1,40})?(?:[A-Za-z][\w.\-\[\],]{0,200}[ \t]{0,40}@[ \t]{0,40})?((?:git|hg|svn|bzr)\+\S{1,400})"
    r"|[A-Za-z][\w.\-\[\],]{0,200}[ \t]{0,40}@[ \t]{0,40}((?:https?|ftp|file)://\S{1,400})))"
)
# The same as a setting of pip or uv, and a repository in a table of TOML
SETTING = re.compile(
    r"(?m)^[ \t]{0,40}(?:(?:extra-)?index-url|find-links|trusted-host)[ \t]{0,40}=[ \t]{0,40}[\"']?"
    r"([^\s\"'=]{1,400})|\{[^{}\n]{0,400}\bgit[ \t]{0,40}=[ \t]{0,40}[\"']([^\"'\n]{1,400})[\"']"
)
RUN_STEP = re.compile(r"(?m)^RUN[ \t](?:[^\n\\]|\\\n?){0,4000}")
# An archive by its address alone is a package in a list of packages, and a link anywhere else
ARCHIVE = re.compile(
    r"(?m)^[ \t]{0,40}(?:-e[ \t]{1,40})?((?:https?|ftp|file)://\S{1,400}?\.(?:tar\.gz|zip|whl|tgz)\b)"
)
REQUIREMENT = re.compile(
    r"\s*(?:#.*|-{1,2}[a-z].*|[\w.\-]{1,200}(?:\[[^\]]{0,400}\])?\s*(?:[=<>~!;@#].*)?|(?:git|hg|svn|bzr)\+.*|\w+://.*|\.{0,2}/.*)?"
)
# Requirements within a text of TOML or Python
QUOTED = re.compile(
    r"[\"'][A-Za-z][\w.\-\[\],]{0,200}[ \t]{0,40}@[ \t]{0,40}((?:git|hg|svn|bzr)\+[^\s\"']{1,400}|https?://[^\s\"']{1,400})[\"']"
)
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))")
# Keys whose text something runs: pipelines, editors, packages, hooks, desktop and service files, git
RUN_KEYS = (
    "after_script|args|before_script|cmd|command|commands|entry|entrypoint|exec|execstart|fsmonitor|install|post_install"
    "|postinstall|pre_install|preinstall|prepare|run|script|scripts|setup_script|sshcommand|start"
)
RUN_KEY = re.compile(RUN_KEYS, re.IGNORECASE)
# Such a key with its text, which may go on in lines that stand further in; or a line of a Dockerfile or Makefile
RUN_LINE = re.compile(
    rf"(?im)^(?:[ \t]{{0,40}}(?:-[ \t]{{1,40}})?[\"']?(?:{RUN_KEYS})[\"']?[ \t]{{0,40}}[:=][^\n]{{0,4000}}"
    r"(?:\n[ \t]{1,80}[^\n]{0,4000}){0,40}|(?:RUN|CMD|ENTRYPOINT)[ \t](?:[^\n\\]|\\\n?){0,4000}|\t@?[^\n]{1,4000})"
)
SUBMODULE = re.compile(r"(?m)^\s{0,40}url\s{0,40}=\s{0,40}(-\S{1,200})")


def unescaped(text: str) -> str:
    """The text with the escapes of double-quoted scalars undone, where it has any."""
    if ESCAPE.search(text) is None:
        return text
    return ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), text)


def named_in(text: str) -> Iterator[tuple[str, str]]:
    """Keys whose value a loader imports, with that value."""
    return ((one[1], one[2]) for one in NAMED.finditer(text))


def tags_in(text: str) -> list[str]:
    """Tags that ask a loader of YAML for objects."""
    return [*_handled(text), *(one[1] for one in LOCAL_TAG.finditer(text))]


def places_of_packages(text: str) -> list[str]:
    """Where packages are taken from that is not the usual index."""
    found = (*INDEX.finditer(text), *SETTING.finditer(text))
    named = [next(filter(None, one.groups())) for one in found] + QUOTED.findall(text)
    named += (one for step in RUN_STEP.findall(text) for one in shell_source.packages_from(step))
    alone = ARCHIVE.findall(text)
    is_list = alone and all(REQUIREMENT.fullmatch(line) for line in text.splitlines())
    return named + alone if is_list else named


def commands(text: str) -> Iterator[str]:
    """What hostile commands do that something runs which reads these lines."""
    for one in RUN_LINE.finditer(text):
        yield from (what for _, what in shell_source.hostile(one.group()))
    yield from (f"a submodule from {one}" for one in SUBMODULE.findall(text))


def commands_of(key: str, value: str) -> str:
    """What a command under such a key does; empty where it is ordinary, or no command."""
    if not RUN_KEY.fullmatch(key):
        return ""
    return next((f"{key}: {what}" for _, what in shell_source.hostile(value)), "")


def _handled(text: str) -> Iterator[str]:
    for one in TAG.finditer(text):
        name = unquote(one[1] or one[2])
        if name not in YAML_TAGS:
            yield name
    for one in TAG_HANDLE.finditer(text):
        prefix = unquote(one[2])
        if prefix != "tag:yaml.org,2002:":
            yield f"%TAG {prefix}"
            continue
        for used in re.findall(rf"{re.escape(one[1])}([^\s,\[\]{{}}>]{{1,400}})", text[one.end() :]):
            if unquote(used) not in YAML_TAGS and one[1] != "!!":
                yield unquote(used)


def unfolds(text: str) -> str:
    """Whether anchors within anchors make more values than one would write."""
    sizes: dict[str, int] = {}
    for name, body in ANCHOR.findall(text):
        sizes[name] = 1 + sum(sizes.get(one, 1) for one in ALIAS.findall(body))
        if sizes[name] > ALIASES:
            return f"anchors unfold to more than {ALIASES} values"
    return ""
