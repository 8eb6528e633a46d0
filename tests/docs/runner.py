"""Runs the blocks of a page, in their order, in one project's folder, as a reader would type them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.docs.pages import Block, Page, matches, steps
from tests.loopback import free_port

BIN = Path(sys.executable).parent
SECONDS = 240  # for one block; the slowest take about 20 on two busy cores
LATE = 124  # what timeout(1) exits with
MARK = "\x1e"  # record separator: between the output of a command and its exit code
PORT = re.compile(r"port[ =]+(\d{4,5})\b")
STATE = ".state"  # variables and folder, carried from one console block of a page to the next


def environment(home: Path) -> dict[str, str]:
    """What a block sees: this environment's programs, an 80-column terminal without colour, no secrets."""
    return {
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": "",
    }


def run_page(page: Page, folder: Path, home: Path) -> list[str]:
    """Every difference between what the page shows and what happened."""
    waiting: list[Block] = []
    faults: list[str] = []
    for block in on_free_ports(page):
        if block.file is not None:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text, "utf-8")
        elif block.language == "python":
            waiting.append(block)
        elif block.language == "console":
            faults += run_python(waiting, folder, home, page.name)
            waiting = []
            faults += run_console(block, folder, home, page.name)
        if faults:
            return faults
    return faults + run_python(waiting, folder, home, page.name)


def on_free_ports(page: Page) -> list[Block]:
    """The page's blocks with other ports: those that it names may be taken, by another run of the tests too."""
    others = {port: str(free_port()) for port in PORT.findall(page.text)}
    if not others:
        return list(page.blocks)
    named = re.compile(r"\b(" + "|".join(others) + r")\b")
    return [one._replace(text=named.sub(lambda found: others[found[1]], one.text)) for one in page.blocks]


def run_python(blocks: list[Block], folder: Path, home: Path, name: str) -> list[str]:
    """Consecutive blocks in one process; warnings are errors there too."""
    if not blocks:
        return []
    lines: list[str] = []
    for block in blocks:  # each at its own line, so that a traceback names the line of the page
        lines += [""] * (block.line - len(lines)) + block.text.splitlines()
    script = home / "block.py"
    script.write_text("\n".join(lines) + "\n", "utf-8")
    environ = environment(home) | {"PYTHONPATH": str(folder)}
    code, printed = wait([sys.executable, "-W", "error", str(script)], folder, environ, home)
    return [f"{name}:{blocks[0].line}: exit {code}\n{printed}"] if code else []


def run_console(block: Block, folder: Path, home: Path, name: str) -> list[str]:
    """The commands of one block in one shell."""
    wanted = [step for step in steps(block) if not step.command.endswith(" --help")]
    if not wanted:
        return []  # compared as text, for every command at once, in test_commands
    state = home / STATE
    script = [f'[ -e "{state}" ] && . "{state}"']
    script += [f"{{ {step.command}\n}} </dev/null\nprintf '{MARK}%s{MARK}' $?" for step in wanted]
    script += [f'{{ export -p; printf "cd %q\\n" "$PWD"; }} > "{state}"']
    _, printed = wait(["bash", "-c", "\n".join(script)], folder, environment(home), home)
    parts = printed.split(MARK)
    faults = []
    for step, output, code in zip(wanted, parts[::2], parts[1::2], strict=False):
        lines = output.rstrip("\n").split("\n") if output.strip("\n") else []
        if int(code) != step.code or not matches(step.shown, lines):
            faults.append(f"{name}:{block.line}: $ {step.command}\nexit {code}, printed:\n{output}")
    if len(parts) // 2 < len(wanted):
        faults.append(f"{name}:{block.line}: the block did not come to its end:\n{printed[-2000:]}")
    return faults


def wait(arguments: list[str], folder: Path, environ: dict[str, str], home: Path) -> tuple[int, str]:
    """Exit code and output of a program; what it left running ends with it."""
    log = home / "output"
    with log.open("wb") as file:
        started = subprocess.Popen(
            arguments,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = started.wait(SECONDS)
        except subprocess.TimeoutExpired:
            code = LATE
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()
    return code, log.read_text("utf-8", "replace")
