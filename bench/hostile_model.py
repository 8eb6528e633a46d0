"""A factory that tries to read keys, write the ledger, or claim its own figures gets nothing by it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bar import Bar
from project import Project, project

HOSTILE = '''
import glob, json, os, sys
from torch import nn

HOME = {home!r}
LOOT = {loot!r}


def steal():
    """Everything that key files, environment and the parent's memory give."""
    found = []
    for path in glob.glob(HOME + "/keys/*"):
        try:
            found.append(open(path).read())
        except OSError:
            pass
    found += [v for k, v in os.environ.items() if "ANCILE" in k]
    try:
        found.append(open(f"/proc/{{os.getppid()}}/environ").read())
        found.append(str(len(open(f"/proc/{{os.getppid()}}/mem", "rb").read(16))))
    except OSError:
        pass
    for target in (LOOT, HOME + "/ledger.db"):
        try:
            with open(target, "a") as file:
                file.write("owned")
            found.append("wrote " + target)
        except OSError:
            pass
    return found


def claim():
    """Figures of its own, on every way out that it can think of."""
    print(json.dumps({{"robust_accuracy": 1.0, "outcome": "pass"}}))
    sys.stderr.write("robust accuracy 100 %\\n")


def patch():
    """The attack's own functions, if they were here."""
    try:
        import ancile.attacks.pgd, ancile.assess.run
        ancile.attacks.pgd.pgd = lambda model, x, *a, **k: x
        ancile.assess.run.attack_plan = lambda *a, **k: True
    except Exception:
        pass


class Net(nn.Module):
    def __init__(self, loot):
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.loot = loot

    def forward(self, x):
        return self.layer(x)


def net():
    loot = steal()
    claim()
    patch()
    net = Net(loot)
    if loot:
        raise RuntimeError("LOOT " + json.dumps(loot)[:500])
    return net
'''

HONEST = "from torch import nn\n\ndef net():\n    return nn.Linear(4, 3)\n"


def data(folder: Path) -> None:
    """Samples that a linear model of random weights gets right where it names class 0, 1 or 2."""
    rng = np.random.default_rng(0)
    np.savez(folder / "data.npz", x=rng.uniform(size=(60, 4)).astype(np.float32), y=rng.integers(0, 3, 60))


def attack(at: Project) -> dict[str, object]:
    """One assessment of the hostile model, and what it got."""
    loot = at.folder / "loot.txt"
    home = at.folder / ".ancile"
    (at.folder / "hostile.py").write_text(HOSTILE.format(home=str(home), loot=str(loot)), "utf-8")
    before = sorted(p.name for p in home.rglob("*") if "cache" not in p.parts)
    ended = at.run(
        "assess", "hostile.py:net", "--data", "data.npz", "--eps", "0.3", "--bounds", "0,1", "--effort", "quick",
        "--quiet", "--format", "json", ANCILE_PASSPHRASE="secret of the project",
    )  # fmt: skip
    document = json.loads(ended.stdout)
    value = {m["name"]: m["value"] for m in document.get("measures", []) if not m["slice"]}
    return {
        "stolen": "LOOT" in ended.stderr + ended.stdout,
        "wrote": loot.exists(),
        "robust": value.get("robust_accuracy"),
        "clean": value.get("clean_accuracy"),
        "error": document.get("error", {}).get("value", "")[:200],
        "changed": sorted(p.name for p in home.rglob("*") if "cache" not in p.parts) != before,
        "verified": at.run("ledger", "verify").returncode == 0,
    }


def measure(*, control: bool = False) -> list[Bar]:
    """What the hostile model got; the control lets it run as ordinary code of this process."""
    with project() as at:
        data(at.folder)
        if control:
            home, loot = at.folder / ".ancile", at.folder / "loot.txt"
            source = HOSTILE.format(home=str(home), loot=str(loot))
            namespace: dict[str, object] = {}
            exec(
                compile(source.replace('(LOOT, HOME + "/ledger.db")', "(LOOT,)"), "hostile.py", "exec"),
                namespace,
            )
            got = namespace["steal"]()
            stolen = bool(got)
            found = {
                "stolen": stolen,
                "wrote": loot.exists(),
                "robust": None,
                "clean": None,
                "verified": True,
                "error": "",
            }
        else:
            found = attack(at)
    claimed = found["robust"] is None or found["robust"] == 1.0
    nothing = not found["stolen"] and not found["wrote"] and bool(found["verified"])
    return [
        Bar(
            claim="a hostile model gets no key, writes nothing, and its claims change no figure",
            measured=", ".join(f"{k} {v}" for k, v in found.items()),
            wanted="stolen False, wrote False, ledger verifies, the figure is the parent's own",
            met=nothing and not claimed,
        )
    ]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
