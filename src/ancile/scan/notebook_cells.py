"""Cells of a notebook, sorted by who runs them: Python, a shell, a browser; and what a cell sets off.

Magics as IPython has them: IPython/core/magics, IPython/core/inputtransformer2.py.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SHELLS = r"bash|sh|script|system|sx|!|cmd|ruby|perl"
SHELL_CELL = re.compile(rf"%%({SHELLS})\b[^\n]*\n?|%%!\n?")
WRITTEN = re.compile(r"%%(?:writefile|file)\b(?:[ \t]+-a)?[ \t]+[\"']?([^\s\"']+)[^\n]*\n?")
OTHER_CELL = re.compile(r"%%(?:html|javascript|js|svg|latex|markdown|writefile|file|cython|R)\b")
SHELL_LINE = re.compile(r"^\s*(?:[\w.,\s]+=\s*)?(?:!!?|%(?:sx|system|sc)\s)\s*(.*)$")
TIMED = re.compile(r"^\s*%%?(?:time|timeit|prun|memit|mprun)\b(?:\s+-\S+)*[ \t]*")  # magics that run the rest
MAGIC_LINE = re.compile(r"^\s*(?:[\w.]+\s*=\s*)?%\w|^\s*\??\??[\w.]+\?{1,2}\s*$")
# A magic by its function, as a notebook that was exported has it
CALLED = re.compile(
    r"^(\s*(?:[\w.]+\s*=\s*)?)get_ipython\(\)\.(?:run_line_)?magic\(\s*[\"']([\w.]+)[ \t]*"
    r"(?:[\"']\s*,\s*[\"'])?([^\n]*?)[\"']\s*\)\s*;?\s*$"
)
INSTALLS = re.compile(r"^\s*%((?:pip|conda|mamba|micromamba|uv)\s.*)$")
ALIAS = re.compile(r"^\s*%alias\s+\w+\s+(.+)$")
SETS_OFF = re.compile(r"^\s*%(run|load|loadpy|alias_magic)\s+([^\n]+)$")
SOURCES = (".py", ".pyw", ".pth")
SCRIPTS = (".sh", ".bash", ".zsh", ".bat", ".cmd", ".ps1")


class Cell(NamedTuple):
    """A cell's Python, its shell commands, its page, and what it sets off that is not written in it."""

    python: str = ""
    commands: str = ""
    page: str = ""
    sets_off: tuple[str, ...] = ()


def sort_cell(text: str) -> Cell:
    """What runs each line of a cell."""
    begun = text.lstrip()
    if shell := SHELL_CELL.match(begun):
        return Cell(commands=begun[shell.end() :], sets_off=(f"a cell for {shell[1] or 'a shell'}",))
    if written := WRITTEN.match(begun):
        return _written(written[1].lower(), begun[written.end() :])
    if OTHER_CELL.match(begun):
        return Cell(page=f"<script>{begun}" if begun.startswith(("%%javascript", "%%js")) else begun)
    return _lines(text, is_magic=begun.startswith("%%"))


def _written(name: str, body: str) -> Cell:
    """A cell that is written to a file, which another may run."""
    if name.endswith(SOURCES):
        return Cell(python=body)
    return Cell(commands=body) if name.endswith(SCRIPTS) else Cell(page=body)


def _lines(text: str, *, is_magic: bool) -> Cell:
    code, commands, sets_off = [], [], []
    for whole in text.splitlines():
        line = TIMED.sub("", CALLED.sub(r"\1%\2 \3", whole))
        shell = SHELL_LINE.match(line) or INSTALLS.match(line) or ALIAS.match(line)
        if shell:
            commands.append(shell[1])
            code.append(f"{line[: len(line) - len(line.lstrip())]}pass")
        elif is_magic and line.startswith("%%"):
            continue
        elif MAGIC_LINE.match(line):
            code.append("")
            if found := SETS_OFF.match(line):
                sets_off.append(f"%{found[1]} {found[2].strip()}")
        else:
            code.append(line)
    return Cell("\n".join(code), "\n".join(commands), sets_off=tuple(sets_off))
