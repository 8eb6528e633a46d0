"""What a user says of a model that is to be opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ancile.models.order import Scalar, Wanted

Engine = Literal["local", "ray"]
TOKEN_VARIABLE = "ANCILE_ENDPOINT_TOKEN"  # noqa: S105 - the name of a variable, not its value
ANSWER_SECONDS = 600.0  # for one batch


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """A model and how it is to be opened.

    reference     a model's file, ``FILE.py:name``, ``package.module:name``, or an http(s) URL
    base          folder that relative paths start from
    weights       safetensors or a state dict, for a factory
    factory_args  keyword arguments of the factory
    trust_…       open a format that can run any code when it is opened, in a process of its own
    output        what the scores are; ``auto`` to see it from samples
    mean, std     the model gets (x - mean) / std
    allow_read    files and folders that the model's process may read, besides the folder of its code
    deny          folders that it shall not read, besides each ``.ancile`` upwards
    seconds       for one batch
    budget_seconds  of the whole run, from its first batch: a batch that goes on long after is given up
    token_env     environment variable that holds an endpoint's token
    query_cap     most samples sent to an endpoint
    workers       processes that the model is opened in, each call spread over them
    engine        where they run: on this machine, or on a Ray cluster
    """

    reference: str
    base: Path = field(default_factory=Path.cwd)
    weights: str | Path | None = None
    factory_args: Mapping[str, Scalar] = field(default_factory=dict)
    trust_pickle: bool = False
    trust_torchscript: bool = False
    output: Wanted = "auto"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    allow_read: tuple[Path, ...] = ()
    deny: tuple[Path, ...] = ()
    seconds: float = ANSWER_SECONDS
    budget_seconds: float | None = None
    token_env: str = TOKEN_VARIABLE
    query_cap: int | None = None
    workers: int = 1
    engine: Engine = "local"

    def is_endpoint(self) -> bool:
        """Whether it is asked over the network."""
        return self.reference.startswith(("http://", "https://"))
