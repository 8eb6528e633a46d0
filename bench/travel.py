"""Evidence made in one folder passes the gate in another, and does not once its signer is struck off."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bar import Bar
from project import Project, project

NET = "from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3))\n"
RULE = """
[[policy.require]]
name = "assessed"
stage = "assess"
measure = "clean_accuracy"
at_least = 0.0
"""


def make_model(folder: Path) -> None:
    """A model and data that take no time."""
    rng = np.random.default_rng(0)
    (folder / "net.py").write_text(NET, "utf-8")
    np.savez(folder / "data.npz", x=rng.uniform(size=(50, 4)).astype(np.float32), y=rng.integers(0, 3, 50))


def policy(at: Project, *, authors: list[str], logs: str) -> None:
    """Replace the policy of a project, its own [ledger] kept."""
    path = at.folder / "ancile.toml"
    text = path.read_text("utf-8")
    quoted = ", ".join(f'"{a}"' for a in authors)
    ledger = text[text.index("[ledger]") :]
    path.write_text(f"[policy]\nauthors = [{quoted}]\n{RULE}\n{logs}\n{ledger}", "utf-8")


def public_lines(at: Project) -> tuple[str, str]:
    """The author id, and the [[policy.logs]] table, that another project needs."""
    text = at.run("keys", "list", "--public").stdout
    author = text.split('authors = ["', 1)[1].split('"', 1)[0]
    return author, text[text.index("[[policy.logs]]") :]


def measure(*, control: bool = False) -> list[Bar]:
    """Exit codes at the other folder: accepted, signer struck off, log struck off, model changed."""
    with project() as maker, project() as gate:
        for at in (maker, gate):
            make_model(at.folder)
        done = maker.run(
            "assess", "net.py:net", "--data", "data.npz", "--eps", "0.01", "--effort", "quick", "-q"
        )
        maker.run("evidence", "export", str(gate.folder / "evidence.json"))
        author, logs = public_lines(maker)
        own, _ = public_lines(gate)
        if control:  # nothing was exported
            (gate.folder / "evidence.json").unlink()
        codes = {}
        policy(gate, authors=[author], logs=logs)
        codes["carried"] = gate.run("gate", "net.py:net", "--evidence", "evidence.json").returncode
        gate.run("evidence", "import", "evidence.json")
        codes["imported"] = gate.run("gate", "net.py:net").returncode
        policy(gate, authors=[own], logs=logs)
        codes["signer struck off"] = gate.run("gate", "net.py:net").returncode
        policy(gate, authors=[author], logs="")
        codes["log struck off"] = gate.run("gate", "net.py:net").returncode
        policy(gate, authors=[author], logs=logs)
        with (gate.folder / "net.py").open("a") as file:
            file.write("# changed\n")
        codes["model changed"] = gate.run("gate", "net.py:net").returncode
    wanted = {"carried": 0, "imported": 0, "signer struck off": 2, "log struck off": 2, "model changed": 2}
    return [
        Bar(
            claim="evidence travels: it passes the gate in another folder with another key, and only as the policy says",
            measured=f"assess exit {done.returncode}; gate exits {codes}",
            wanted=f"gate exits {wanted}",
            met=codes == wanted,
        )
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
