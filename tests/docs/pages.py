"""The pages of the documentation taken apart: fenced blocks, hidden directives, commands, links.

A directive is an HTML comment on a line of its own, which no reader sees:

``<!-- setup: digits home -->``  what lies in the project's folder before the page's blocks run (``worlds``)
``<!-- file: net.py -->``        the next block is written to that file instead of being run
``<!-- slow -->``                the page's blocks take more than about a third of a second of CPU
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "docs" / "checks"  # made from docstrings, compared as a whole with what makes them
DIRECTIVE = re.compile(r"<!--\s*(setup|file|slow)(?::\s*(.*?))?\s*-->")
COMMAND = re.compile(r"\$ (.*)")
EXIT = re.compile(r"\[exit (\d+)\]")


class Block(NamedTuple):
    """One fenced block: its language, its text, the line it starts on, and the file it is to become."""

    language: str
    text: str
    line: int
    file: str | None


class Page(NamedTuple):
    """One Markdown file with its blocks."""

    path: Path
    text: str
    blocks: tuple[Block, ...]
    setup: tuple[str, ...]
    slow: bool

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def runs(self) -> bool:
        return any(b.language in ("python", "console") and b.file is None for b in self.blocks)


class Step(NamedTuple):
    """One command of a console block with the output and the exit code that the page shows."""

    command: str
    shown: tuple[str, ...]
    code: int


def pages() -> list[Page]:
    """The pages at the root, of the examples, and everything written by hand under docs/."""
    files = [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
    return [read(path) for path in files if path.is_file() and GENERATED not in path.parents]


def read(path: Path) -> Page:
    """The page in a file."""
    text = path.read_text("utf-8")
    setup: list[str] = []
    blocks: list[Block] = []
    slow, file = False, None
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "html_block":
            for kind, value in DIRECTIVE.findall(token.content):
                slow |= kind == "slow"
                setup += value.split() if kind == "setup" else []
                file = value if kind == "file" else file
        elif token.type == "fence":
            line = token.map[0] + 1 if token.map else 0
            blocks.append(Block(token.info.strip(), token.content, line, file))
            file = None
    return Page(path, text, tuple(blocks), tuple(setup), slow)


def steps(block: Block) -> list[Step]:
    """The commands of a console block; a line that ends in a backslash goes on in the next one."""
    found: list[Step] = []
    shown: list[str] = []
    command, going = "", False
    for line in block.text.splitlines():
        start = COMMAND.fullmatch(line)
        if going:
            command += "\n" + line.removeprefix("> ")
        elif start:
            found += [finished(command, shown)] if command else []
            command, shown = start[1], []
        elif not command:
            raise ValueError(f"a console block begins with a command: {line!r}")
        else:
            shown.append(line)
        going = (going or bool(start)) and line.endswith("\\")
    return [*found, finished(command, shown)]


def finished(command: str, shown: list[str]) -> Step:
    """A command with what follows it; a last line ``[exit N]`` is its exit code."""
    code = EXIT.fullmatch(shown[-1]) if shown else None
    return Step(command, tuple(shown[:-1] if code else shown), int(code[1]) if code else 0)


def matches(shown: tuple[str, ...], printed: list[str]) -> bool:
    """Whether the printed lines are the shown ones; ``...`` stands for anything, alone for any lines."""
    parts = []
    for line in shown:
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[^\n]*".join(re.escape(piece) for piece in line.rstrip().split("...")) + r"[ ]*\n")
    return re.fullmatch("".join(parts), "".join(line + "\n" for line in printed)) is not None
