"""What answers behind the gateway: a model in this process, or a server elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ancile.serve.inference import Infer
from ancile.serve.refusal import Refused
from ancile.serve.signature import Signature
from ancile.serve.tensors import Tensor

Outcome = tuple[Tensor, ...] | Refused
Done = Callable[[Outcome], None]
Cancel = Callable[[], None]


class Backend(Protocol):
    """Answers requests; ``done`` is called once, from the event loop, during ``ask`` or later."""

    signatures: Mapping[str, Signature]

    @property
    def left(self) -> int:
        """How many more requests it would take now."""

    def ask(self, infer: Infer, signature: Signature, done: Done) -> Cancel:
        """Begin; the result ends what nobody waits for any more, and then ``done`` is not called."""

    def tick(self, now: float) -> None:
        """Once a second, with the loop's time."""

    def close(self) -> None:
        """Give back what is held."""
