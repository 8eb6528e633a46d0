"""The development corpus by ancile and by other scanners in one run: caught, blocked, not clean, by family.

Malicious and malformed entries should be caught, benign ones called clean. SCORECARD.md holds the table,
ratchet.json the totals that may only rise: a run that is better raises them, none lowers them.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ancile.core.report import Verdict
from bar import Bar
from environments import HERE
from scan_corpus import CAUGHT, CLEAN, Entry, entries, lists, no_names, share, verdict_of
from scanners_env import QUIET, scanners_python

RATCHET = HERE / "ratchet.json"
TABLE = HERE / "SCORECARD.md"
PEERS = ("modelscan", "picklescan", "fickling", "modelaudit")
BY_NAME = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".h5", ".keras", ".npy")

Said = Mapping[str, str]  # entry to verdict


def by_extension(path: Path) -> Verdict:
    """The control: what a scanner finds that chooses by the file's name, as scanners did for long."""
    return verdict_of(path) if path.suffix in BY_NAME else "data-only"


def ours(wanted: Iterable[Entry], say: Callable[[Path], Verdict] = verdict_of) -> Said:
    """What ancile says of each entry."""
    return {one.name: say(one.path) for one in wanted}


def totals(found: Said) -> dict[str, int]:
    """How many entries ancile has right: each may only rise."""
    by_label = {label: entries(label) for label in ("malicious", "malformed", "benign")}
    return {
        "malicious caught": sum(found[one.name] in CAUGHT for one in by_label["malicious"]),
        "malicious blocked": sum(found[one.name] == "block" for one in by_label["malicious"] if one.block),
        "malformed not clean": sum(found[one.name] not in CLEAN for one in by_label["malformed"]),
        "benign not blocked": sum(found[one.name] != "block" for one in by_label["benign"]),
        "benign clean": sum(found[one.name] in CLEAN for one in by_label["benign"]),
    }


def ratchet() -> dict[str, int]:
    """The totals that were reached."""
    held: dict[str, int] = json.loads(RATCHET.read_text("utf-8")) if RATCHET.exists() else {}
    return held


def theirs(wanted: Sequence[Entry]) -> dict[str, Said]:
    """What each peer says of each entry."""
    ended = subprocess.run(
        [scanners_python(), HERE / "scan_peers_side.py", *PEERS],
        input=json.dumps([str(one.path) for one in wanted]),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | QUIET,
    )
    found = json.loads(ended.stdout)
    return {peer: {one.name: found[peer]["verdicts"][str(one.path)] for one in wanted} for peer in PEERS}


def _rate(found: Said, wanted: Sequence[Entry], right: Sequence[str], *, but: bool = False) -> str:
    k = sum((found[one.name] in right) != but for one in wanted)
    return share(k, len(wanted))


def table(all_: Mapping[str, Said]) -> str:
    """SCORECARD.md: a row a scanner, then a row a family."""
    by_label = {label: entries(label) for label in ("malicious", "malformed", "benign")}
    caught, clean = (*CAUGHT, "issue"), (*CLEAN, "clean", "skipped")
    lines = [
        "# Scorecard",
        "",
        "Rewritten by `scan_scorecard.py`, on the development corpus, in one run.",
        "",
    ]
    lines += [
        "Caught: block or review, of another scanner its own finding. Not clean: or an error, or incomplete."
    ]
    lines += ["Shares with their 95 % intervals (Clopper and Pearson).", ""]
    lines += [
        "| scanner | malicious: caught | malicious: not clean | malformed: not clean | benign: caught | benign: not clean |"
    ]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for name, found in all_.items():
        cells = [
            _rate(found, by_label["malicious"], caught),
            _rate(found, by_label["malicious"], clean, but=True),
            _rate(found, by_label["malformed"], clean, but=True),
            _rate(found, by_label["benign"], caught),
            _rate(found, by_label["benign"], clean, but=True),
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Malicious entries caught, by family",
        "",
        "| family | entries | " + " | ".join(all_) + " |",
    ]
    lines += ["| --- | --- | " + " | ".join("---" for _ in all_) + " |"]
    for family, n in sorted(Counter(one.family for one in by_label["malicious"]).items()):
        names = [one.name for one in by_label["malicious"] if one.family == family]
        cells = [str(sum(found[name] in caught for name in names)) for found in all_.values()]
        lines.append(f"| {family} | {n} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _bars(found: Said) -> list[Bar]:
    bad, broken, fine = entries("malicious"), entries("malformed"), entries("benign")
    to_block = [one for one in bad if one.block]
    rows: list[tuple[str, Sequence[Entry], Callable[[str], bool], str, Callable[[float], bool]]] = [
        ("malicious files are caught", bad, CAUGHT.__contains__, ">= 99.5 %", lambda rate: rate >= 0.995),
        ("malicious files are blocked", to_block, "block".__eq__, ">= 98 %", lambda rate: rate >= 0.98),
        (
            "malformed files are not clean",
            broken,
            lambda said: said not in CLEAN,
            ">= 98 %",
            lambda rate: rate >= 0.98,
        ),
        ("benign files are blocked", fine, "block".__eq__, "<= 1 %", lambda rate: rate <= 0.01),
        (
            "benign files are not clean",
            fine,
            lambda said: said not in CLEAN,
            "<= 5 %",
            lambda rate: rate <= 0.05,
        ),
    ]
    bars = []
    for claim, wanted, hit, said, met in rows:
        k = sum(hit(found[one.name]) for one in wanted)
        bars.append(
            Bar(
                f"corpus: {claim}",
                share(k, len(wanted)),
                said,
                met(k / len(wanted)),
                {"hits, n": (k, len(wanted))},
            )
        )
    return bars


def _ahead(found: Said, peers: Mapping[str, Said]) -> Bar:
    """More caught than every peer, and fewer benign files not clean than every one."""
    bad, fine = entries("malicious"), entries("benign")

    def caught(said: Said) -> int:
        return sum(said[one.name] in (*CAUGHT, "issue") for one in bad)

    def noisy(said: Said) -> int:
        return sum(said[one.name] not in (*CLEAN, "clean", "skipped") for one in fine)

    sides = {name: (caught(said), noisy(said)) for name, said in {"ancile": found, **peers}.items()}
    mine = sides["ancile"]
    others = [side for name, side in sides.items() if name != "ancile"]
    return Bar(
        claim="corpus: catches more than every peer, with fewer false alarms than each that catches half",
        measured=", ".join(f"{name} {a}/{len(bad)} at {b}/{len(fine)}" for name, (a, b) in sides.items()),
        wanted="most caught, fewest benign files not clean",
        met=all(mine[0] > a for a, _ in others) and all(mine[1] < b for a, b in others if 2 * a >= len(bad)),
        raw=sides,
    )


def measure(*, control: bool = False) -> list[Bar]:
    """Rates on the corpus; the control chooses by extension, and without any list of harmless names."""
    wanted = entries("malicious", "malformed", "benign")
    if control:
        with lists(no_names()):
            found = ours(entries("malicious", "malformed"), by_extension) | ours(entries("benign"))
        return [*_bars(found), _ahead(found, {"ancile with its lists": ours(wanted)})]
    found, peers = ours(wanted), theirs(wanted)
    TABLE.write_text(table({"ancile": found, **peers}), "utf-8")
    reached, held = totals(found), ratchet()
    RATCHET.write_text(
        json.dumps({k: max(n, held.get(k, 0)) for k, n in reached.items()}, indent=1) + "\n", "utf-8"
    )
    return [*_bars(found), _ahead(found, peers)]


if __name__ == "__main__":
    for bar in measure():
        print(bar)
