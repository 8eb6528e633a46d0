"""Sessions at a terminal, kept as Markdown: run, compared word for word, and written anew.

``python -m tests.cli.transcripts`` runs every session and writes what came out into its page; look at the
difference before you commit it. A page holds prose and ``console`` blocks; a line ``$ …`` is a command, what
follows is all that it printed, stdout and stderr together, and ``[exit N]`` where it did not end with 0. A
block after ``<!-- file: NAME -->`` is written to that file. Each page begins in a fresh folder with the model
``net.py:predict`` and ``data.npz`` of ``terminal.py``.

What differs from run to run is masked, by these rules and no others:

- a digest becomes ``sha256:<a>``, the next other one ``sha256:<b>``: equal ones stay equal;
- a moment becomes ``<time>``, a day ``<date>``, an id of a run ``<id>``, the folder of the session ``~``;
- what is base64 becomes ``<base64>``; versions become ``<version>``, the platform ``<platform>``;
- the section "Run" is left out, and of the table of attacks the column of CPU seconds and the blanks between columns.
"""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from string import ascii_lowercase

from ancile.cli.main import run
from tests.cli.terminal import Place, surrounded
from tests.docs.pages import Block, Page, read, steps

PAGES = Path(__file__).parent
DIGEST = re.compile(r"sha256:([0-9a-f]{12})[0-9a-f]*")
MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?: UTC|\+00:00|Z)?"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<date>"),
    (re.compile(r"(?<=\")[0-9a-f]{32}(?=\")"), "<id>"),
    (re.compile(r"\+[0-9a-f]{8}\+[A-Za-z0-9+/]{40,}={0,2}"), "+<base64>"),
    (re.compile(r"(?<![\w/])[A-Za-z0-9+/]{43,}={0,2}(?![\w/])"), "<base64>"),
    (re.compile(r"(?<=Python )[\d.]+, \S+(?:\n(?!SQLite)\S+)?"), "<version>, <platform>"),
    (re.compile(r"(?<![\w.])\d+\.\d+\.\d+[\w.+-]*(?![\w.)])"), "<version>"),
    (re.compile(r"(?<=ABI )\d+"), "<version>"),
)
RUN = re.compile(r"^Run\n(?:  .*\n)+", re.MULTILINE)
ATTACKS = re.compile(r"^What each attack added\n(?:  .*\n)+", re.MULTILINE)


class Masks:
    """The rules of one session; letters stand for the digests in the order in which they came."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._letters: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        """The text without what differs from run to run."""
        for place in (str(self._folder.resolve()), str(self._folder)):
            text = text.replace(place, "~")
        text = RUN.sub("Run\n  ...\n", text)
        text = ATTACKS.sub(lambda found: _without_seconds(found[0]), text)
        text = DIGEST.sub(self._letter, text)
        for pattern, masked in MASKS:
            text = pattern.sub(masked, text)
        return text

    def _letter(self, found: re.Match[str]) -> str:
        known = self._letters.setdefault(found[1], ascii_lowercase[len(self._letters)])
        return f"sha256:<{known}>"


def _without_seconds(table: str) -> str:
    """The table of attacks without its last column, whose width also decides how many lines its header has."""
    narrow = re.sub(r"(?<=\S) +", " ", table)
    return re.sub(r"(?m)(?<=\S) (?:CPU s|CPU|s|[\d.]+)$", "", narrow)


class Terminal:
    """One session: commands in a folder, as somebody types them one after another."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._here = place.folder
        self._environment: dict[str, str] = {}
        self._mask = Masks(place.folder)

    def type(self, command: str) -> str:
        """What the command prints, masked, with its exit code where that is not 0."""
        words = shlex.split(command.replace("\\\n", " "))
        if words[0] in ("cd", "export"):
            if words[0] == "cd":
                self._here = (self._here / words[1]).resolve()
            else:
                self._environment |= dict(word.split("=", 1) for word in words[1:])
            return ""
        printed, code = self._ancile(words[1:]) if words[0] == "ancile" else self._shell(command)
        shown = "".join(f"{line.rstrip()}\n" for line in self._mask(printed).splitlines())
        return shown + (f"[exit {code}]\n" if code else "")

    def _ancile(self, words: list[str]) -> tuple[str, int]:
        """In this process; a result that goes to a file (``> FILE``) is not printed."""
        into = self._here / words[-1] if ">" in words else None
        both = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        result = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) if into else both
        with (
            chdir(self._here),
            surrounded(self._place.environment(self._environment)),
            redirect_stdout(result),
            redirect_stderr(both),
        ):
            code = run(words[: words.index(">")] if into else words)
        if into:
            into.write_bytes(_bytes(result))
        return _bytes(both).decode("utf-8"), code

    def _shell(self, command: str) -> tuple[str, int]:
        ended = subprocess.run(
            ["/bin/sh", "-c", re.sub(r"^python ", f"{shlex.quote(sys.executable)} ", command)],
            cwd=self._here,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return ended.stdout, ended.returncode


def _bytes(stream: io.TextIOWrapper) -> bytes:
    stream.seek(0)
    return bytes(stream.buffer.read())


def pages() -> list[Page]:
    """The sessions that are kept."""
    return [read(path) for path in sorted(PAGES.glob("*.md"))]


def played(page: Page, folder: Path) -> Iterator[tuple[Block, str]]:
    """Each console block with what it says when its commands are typed now."""
    place = Place(folder)
    place.data()
    for name in ("slow.py", "pace"):  # of other tests
        (folder / name).unlink()
    terminal = Terminal(place)
    for block in page.blocks:
        if block.file is not None:
            (folder / block.file).write_text(block.text, "utf-8")
        elif block.language == "console":
            lines = [
                "$ " + step.command.replace("\n", "\n> ") + "\n" + terminal.type(step.command)
                for step in steps(block)
            ]
            yield block, "".join(lines)


def main() -> None:
    """Write every session anew."""
    for page in pages():
        text = page.text
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "project"
            place.mkdir()
            for block, said in played(page, place):
                text = text.replace(f"```console\n{block.text}```", f"```console\n{said}```", 1)
        page.path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
