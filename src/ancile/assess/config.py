"""The table ``[assess]`` of ancile.toml: defaults that a flag may change for one run."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

LARGEST = 2**53 - 1  # whole numbers that every reader of JSON gives back exactly: RFC 7493, section 2.2

Amount = Annotated[float, msgspec.Meta(ge=0)]
Whole = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]


class AssessConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Defaults of ``ancile assess``.

    data, label  the held-out set, and the column of labels where it is a table
    norm, eps    the perturbation that the threat model allows, in the data's own units
    samples      how many are drawn; 0 for all
    mean, std    normalisation that the network wants, per channel or feature, asked for once
    bounds       low and high of every input value
    """

    data: str | None = None
    label: str | None = None
    norm: Literal["linf", "l2", "l1", "l0"] = "linf"
    eps: Amount | None = None
    samples: Whole = 1000
    seed: Whole = 0
    effort: Literal["quick", "standard", "thorough"] = "standard"
    mean: list[float] = []
    std: list[float] = []
    bounds: Annotated[list[float], msgspec.Meta(max_length=2)] = []
    budget: str | None = None


class ThreatModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[threat]``: who attacks, with what goal and knowledge (NIST AI 100-2e2025, section 2.1).

    It stands in every report: without it a robustness figure means nothing.
    """

    goal: Literal["integrity", "availability", "privacy"] = "integrity"
    knowledge: Literal["white-box", "grey-box", "black-box"] = "white-box"
    access: str = ""
    queries: Whole | None = None
    note: str = ""
