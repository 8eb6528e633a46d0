"""What is fuzzed: each parser of foreign bytes as a function that returns, whatever it is given.

``python tools/fuzz/run.py`` drives them by coverage, ``test_seeds.py`` replays the seeds through them.
"""

from __future__ import annotations

from collections.abc import Callable

from ancile.formats import json_text
from ancile.scan.code import examine_python, examine_script
from ancile.scan.configs import examine_json, examine_lines
from ancile.scan.examine import examine_part, verdict_of
from ancile.scan.notebooks import examine_notebook, is_notebook
from ancile.scan.part import Allowance, Formatted, Part, Spent
from ancile.scan.secret_checks import examine_secrets
from ancile.scan.table import FORMATS, UNKNOWN, Row
from ancile.scan.templates import examine_template
from tests.fuzz import gateway

Target = Callable[[bytes], None]
UNPACKED_BYTES = 16 << 20  # a fuzzer finds bombs at once; what it is after is what a limit does not catch
PARTS = 2000
UNFUZZED = ("storage", "word", "empty", "marker")  # known by a member's name, and by their length
NAMES = {"bundle": "variables/variables.index"}  # of what is known by its name


def part_of(data: bytes, name: str = "model") -> Part:
    """A part with limits small enough that an input takes a fraction of a second."""
    return Part(name, data, allowance=Allowance(unpacked_bytes=UNPACKED_BYTES, parts=PARTS))


def _name(row: Row) -> str:
    """What looks at it, as several may give one name."""
    return row.examine.__name__.removeprefix("examine_").replace("_", "-")


def _format(row: Row) -> Target:
    """The format itself where the bytes are taken for it, and then everything within."""

    def run(data: bytes) -> None:
        part = part_of(data, NAMES.get(_name(row), "model.bin"))
        if row.is_it(part):
            try:
                inner = [one for one in row.examine(part) if isinstance(one, Part)]
            except Spent:
                return
            for one in inner[:8]:
                examine_part(one)

    return run


def _text(examine: Callable[[Part, str], Formatted | None]) -> Target:
    def run(data: bytes) -> None:
        found = examine(part_of(data, "model.py"), data.decode("utf-8", "replace"))
        if found is not None:
            verdict_of(found.examined.findings, packages=bool(found.packages))

    return run


def documents(data: bytes) -> None:
    """JSON, as a configuration and as a notebook."""
    document = json_text.parse(data.decode("utf-8", "replace"))
    if document is not None:
        examine_json(part_of(data), document)
        if is_notebook(document):
            list(examine_notebook(part_of(data), document))


def whole(data: bytes) -> None:
    """A file as a scan takes it."""
    examine_part(part_of(data))


TARGETS: dict[str, Target] = {
    **{_name(row): _format(row) for row in (*FORMATS, UNKNOWN) if _name(row) not in UNFUZZED},
    "templates": _text(examine_template),
    "sources": _text(examine_python),
    "script": _text(examine_script),
    "lines": _text(examine_lines),
    "secrets": _text(examine_secrets),
    "documents": documents,
    "whole": whole,
    "connection": gateway.connection,
    "body": gateway.body,
}
