"""What of a run's parameters a policy must name, and what a difference in one of them means.

Evidence from rows that were picked, or with other units, answers another question than the policy's. So a
parameter that can flatter counts only with its usual value, unless the requirement names it; one that nobody
has classed here, from a later version or another stage, counts only when it is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ancile.core.measure import Scalar
from ancile.core.report import Parameters

Wanted = Scalar | Sequence[Scalar]

# Parameters of an assessment that can flatter, and the values which every policy takes for granted.
USUAL: Mapping[str, Wanted] = {
    "goal": "evasion, untargeted",  # a targeted attack breaks less
    "units": "data",  # eps means another thing otherwise
    "label": None,  # another column may be one that the model always gets right
    "where": None,  # rows picked by hand
    "drop": None,
    "mean": None,  # a wrong scale makes the ball that the network sees smaller
    "std": None,
    "allow_read": None,  # what the model's code reads there is not in its digest
}

# Those that cannot, or that requirements speak of by keys of their own; ``factory_args`` is in the digest.
FREE = frozenset(
    {
        *("norm", "eps", "effort", "access", "seed", "samples", "samples_available", "attacks"),
        *(
            "data",
            "data_digest",
            "drawn_digest",
            "data_notes",
            "classes",
            "input_low",
            "input_high",
            "feature_scale",
        ),
        *("model_kind", "model_output", "model_notes", "factory_args"),
        *(
            "budget_seconds",
            "budget_queries",
            "budget_memory_bytes",
            "samples_at_once",
            "workers",
            "engine",
            "resumed",
            "search_form",
        ),
    }
)
THREAT = "threat_"  # who attacks, in words: it changes no figure

# How hard and on which draw: evidence that differs here is weaker or other luck, and what it broke is broken.
STRENGTH = frozenset(
    {"seed", "samples", "drawn_digest", "attacks", "budget_seconds", "budget_queries", "resumed"}
)


def same(given: Wanted, wanted: Wanted) -> bool:
    """Whether a parameter has the wanted value; an empty list is the same as none, true is not 1."""
    if is_absent(given) or is_absent(wanted):
        return is_absent(given) and is_absent(wanted)
    if isinstance(given, list | tuple) and isinstance(wanted, list | tuple):
        return len(given) == len(wanted) and all(map(same, given, wanted))
    return isinstance(given, bool) == isinstance(wanted, bool) and given == wanted


def is_absent(value: Wanted) -> bool:
    """Whether a report would leave this out."""
    return value is None or (isinstance(value, list | tuple) and not value)


def unnamed(parameters: Parameters, *, stage: str, named: frozenset[str]) -> list[str]:
    """Parameters of a report that could flatter, that the requirement does not name, in order."""
    return [
        name
        for name, given in sorted(parameters.items())
        if name not in named and not (stage == "assess" and _is_usual(name, given))
    ]


def _is_usual(name: str, given: Wanted) -> bool:
    if name in USUAL:
        return same(given, USUAL[name]) or is_absent(given)
    return name in FREE or name.startswith(THREAT)


def shown(value: Wanted) -> str:
    """A value as TOML would write it, for a message."""
    if value is None or is_absent(value):
        return "absent"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)  # exact: 8/255 must stay what it is
