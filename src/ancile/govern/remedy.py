"""What to do about an answer: the command that would make the evidence that is asked for."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from ancile.core.decision import Answer
from ancile.govern.parameters import shown
from ancile.govern.policy import Require

PLACE = {"norm", "eps", "units", "seed", "where", "label"}  # whose option has their name, and one value
LISTS = {"mean", "std"}  # whose option takes them with commas


class Naming(NamedTuple):
    """What the user calls the subject and the data, as words of a command line."""

    model: tuple[str, ...] = ("MODEL",)
    data: str | None = None


def assess_command(one: Require, naming: Naming) -> str:
    """The command line whose report would answer the requirement, ready for a shell."""
    words = ["ancile", *one.stage.split(), *naming.model]
    if one.stage == "assess":
        words += ["--data", naming.data or "DATA", *_options(one)]
    return shlex.join(words)


def _options(one: Require) -> Iterator[str]:
    for name, wanted in one.parameters.items():
        if name == "units" and wanted == "8-bit":
            yield from ("--bounds", "0,255")
        elif name in PLACE and not isinstance(wanted, list):
            yield from (f"--{name}", shown(wanted).strip('"'))
        elif name in LISTS and isinstance(wanted, list):
            yield from (f"--{name}", ",".join(map(shown, wanted)))
        elif name == "drop" and isinstance(wanted, list):
            for column in wanted:
                yield from ("--drop", str(column))
    if one.minimum_n:
        yield from ("--samples", str(one.minimum_n))
    if one.effort:
        yield from ("--effort", one.effort)


def how_to_get(one: Require, naming: Naming) -> str:
    """What to do where no evidence counts."""
    more = [f"on the data of digest {one.data}"] if one.data else []
    if one.access and one.access != "scores":
        more.append(f"with {one.access} access to the model")
    said = f" {', '.join(more)}" if more else ""
    brought = "bring its evidence: `ancile evidence import`, `ancile keys trust`"
    return f"run `{assess_command(one, naming)}`{said}; or {brought}"


def remedy(one: Require, answer: Answer) -> str:
    """What to do about an answer that rests on evidence."""
    if answer == "met":
        return "nothing to do"
    if answer == "no_conclusion":
        return f"mend what kept `ancile {one.stage}` from a conclusion and run it again"
    return "improve the model and run the stage again; a wide interval also narrows with more samples"
