"""``ancile demo``: the whole story on bundled data; each command is printed before it runs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import click

from ancile.core.errors import AncileError

MARK = ".ancile-demo"  # a folder without it is somebody's, and is left alone
EPS = "0.15"

POLICY = """
[[policy.require]]
name = "digits hold at eps 0.15"
stage = "assess"
measure = "robust_accuracy"
at_least = 0.4
parameters = { norm = "linf", eps = 0.15 }
minimum_n = 200
effort = "quick"
access = "white-box"
"""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="demo")
def demo(folder: Path) -> None:
    """Train a small model, assess it, harden it, assess again, gate both, serve one, tamper, verify.

    Works in FOLDER on data that comes with scikit-learn; needs the extras torch, sklearn and serve.
    """
    from ancile.cli.demo_models import make_models  # noqa: PLC0415 - torch stays out of --help

    _fresh(folder)
    say("Training three small models on the digits and breast-cancer sets of scikit-learn (a few seconds).")
    make_models(folder)
    say("A home with keys and ledger. The key is not encrypted: this folder is for throwing away.")
    run(folder, "init", "--unencrypted-key", "--origin", "demo.local/digits")
    _policy(folder / "ancile.toml")
    say("How robust is the plainly trained network?")
    digits = ("--data", "digits.npz", "--norm", "linf", "--eps", EPS, "--effort", "quick", "--quiet")
    run(folder, "assess", "net.py:net", "--weights", "plain.safetensors", *digits, "-o", "plain.html")
    say("The gate holds that evidence against the policy in ancile.toml, and refuses.")
    run(folder, "gate", "net.py:net", "--weights", "plain.safetensors", expected=1)
    say("The same network after PGD adversarial training.")
    run(folder, "assess", "net.py:net", "--weights", "hardened.safetensors", *digits, "-o", "hardened.html")
    run(folder, "gate", "net.py:net", "--weights", "hardened.safetensors")
    say("A random forest on a table has no gradients: a black-box figure, and the report says so.")
    table = ("--data", "tumours.npz", "--units", "range", "--eps", "0.1", "--effort", "quick", "--quiet")
    run(folder, "assess", "forest.skops", *table, "-o", "forest.html")
    _answers(folder)
    say("Everything above is signed and in the ledger.")
    run(folder, "ledger", "log")
    run(folder, "ledger", "verify", "-o", "verified.html")
    say("Now somebody who can write files rewrites an entry, in a copy.")
    index = _tampered(folder)
    run(folder / "tampered", "ledger", "verify", expected=1)
    say(f"Verification named entry {index}. The reports, to be opened in a browser:")
    for name in ("plain", "hardened", "forest", "verified"):
        click.echo(f"  {(folder / name).absolute()}.html")


def _answers(folder: Path) -> None:
    """The forest behind the gateway: somebody with a key, and somebody without one."""
    from ancile.cli.demo_serve import ask, make_key, served, write_row  # noqa: PLC0415 - http.client stays out of --help
    from ancile.numeric import np  # noqa: PLC0415 - likewise numpy

    say("The forest answers behind the gateway: every request has a key, a limit, a record.")
    asked = folder / "row.json"
    write_row(asked, np.load(folder / "tumours.npz")["x"][0].tolist())
    key = make_key(folder)
    with served(folder, "forest.skops") as port:
        answers = ask(port, "forest", asked, key=key), ask(port, "forest", asked, key="")
    if answers != (200, 401):
        raise AncileError(
            "the gateway did not answer as it should",
            value=f"{answers[0]} with a key, {answers[1]} without",
            remedy="see what it says above; `ancile doctor` shows what is installed",
        )
    run(folder, "ledger", "log", "--kind", "verdict")


def say(words: str) -> None:
    """One line of the story."""
    click.echo(click.style(f"\n# {words}", bold=True), color=_colour())


def _colour() -> bool | None:
    """No colour where NO_COLOR asks for none; else as click sees the terminal."""
    return False if os.environ.get("NO_COLOR") else None


def show(command: str) -> None:
    """One command of the story."""
    click.echo(click.style(f"$ {command}", fg="cyan"), color=_colour())
    sys.stdout.flush()


def run(folder: Path, *arguments: str, expected: int = 0) -> None:
    """Print and run one command; any other exit code than the story's is an error."""
    show(f"ancile {' '.join(arguments)}")
    ended = subprocess.run([sys.executable, "-P", "-m", "ancile", *arguments], cwd=folder, check=False)
    click.echo(f"(exit code {ended.returncode})")
    if ended.returncode != expected:
        raise AncileError(
            "the demo did not go as it should",
            value=f"exit code {ended.returncode}, {expected} expected, of: ancile {' '.join(arguments)}",
            remedy="see what the command says above; `ancile doctor` shows what is installed",
        )


def _fresh(folder: Path) -> None:
    if folder.exists() and not (folder / MARK).exists():
        raise AncileError(
            "this folder is not the demo's", value=str(folder), remedy="name another: `ancile demo FOLDER`"
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("made by `ancile demo`, which may delete this folder\n", "utf-8")


def _policy(path: Path) -> None:
    """Put the demo's own requirement in the place of the example in ancile.toml."""
    text = path.read_text("utf-8")
    start, stop = text.index("[[policy.require]]"), text.index("# Evidence from another machine")
    path.write_text(text[:start] + POLICY.lstrip() + "\n" + text[stop:], "utf-8")


def _tampered(folder: Path) -> int:
    """A copy of the home in which the first report's leaf has another time; the index of that entry."""
    copy = folder / "tampered"
    shutil.copytree(folder / ".ancile", copy / ".ancile")
    shutil.copy(folder / "ancile.toml", copy)
    with sqlite3.connect(copy / ".ancile" / "ledger.db") as database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            database.execute(f'DROP TRIGGER "{name}"')
        rows = database.execute("SELECT idx, leaf FROM entries ORDER BY idx").fetchall()
        index, leaf = next((i, bytes(leaf)) for i, leaf in rows if b"\nreport\n" in bytes(leaf))
        lines = leaf.split(b"\n")
        lines[2] = str(int(lines[2]) + 1).encode()
        database.execute("UPDATE entries SET leaf = ? WHERE idx = ?", (b"\n".join(lines), index))
    database.close()
    return int(index)
