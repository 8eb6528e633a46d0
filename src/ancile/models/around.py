"""A model around another: what it does not change is that of the one inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from ancile.core.extras import needs
from ancile.models.model import Gradient, GradientModel
from ancile.numeric import np

if TYPE_CHECKING:
    import torch

    from ancile.models.model import Loss, Traits, Usage
    from ancile.numeric import NDArray

Inside = TypeVar("Inside", bound=GradientModel)


class Around(Generic[Inside]):
    """Traits, counts, device and type of the model inside; what is asked of it is for the heirs to say."""

    def __init__(self, model: Inside) -> None:
        self._model = model

    @property
    def traits(self) -> Traits:
        """What is known before the first sample."""
        return self._model.traits

    @property
    def usage(self) -> Usage:
        """Samples that went through the model inside so far."""
        return self._model.usage

    @property
    def device(self) -> torch.device:
        """Where inputs must lie."""
        return self._model.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of inputs."""
        return self._model.dtype


class Reread(Around[GradientModel], ABC):
    """A ``GradientModel`` that reads the logits of another in its own way."""

    @abstractmethod
    def read(self, logits: torch.Tensor) -> torch.Tensor:
        """Its own logits (n, classes) from those of the model inside."""

    def scores(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Logits as numpy has them."""
        torch = needs("torch", "torch")
        found = self.logits(torch.from_numpy(np.asarray(x)).to(device=self.device, dtype=self.dtype))
        return np.asarray(found.double().cpu().numpy())

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """(n, classes) as it reads them."""
        return self.read(self._model.logits(x))

    def gradient(self, x: torch.Tensor, loss: Loss) -> Gradient:
        """Through the reading and the model inside."""
        found = self._model.gradient(x, lambda logits: loss(self.read(logits)))
        return Gradient(self.read(found.logits), found.gradient)
