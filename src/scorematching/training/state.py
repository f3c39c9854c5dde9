"""State of a training: all that its steps change."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from scorematching.priors.base import Prior
from scorematching.training.descent import Descent


class Snapshot(NamedTuple):
    """Copy of the state of a training: tensors by name, and entries for JSON."""

    tensors: dict[str, Tensor]
    entries: dict[str, Any]


class TrainingState:
    """State of a training, between two steps.

    Args:
        prior: Prior, which is trained in place.
        descents: Optimizers of the parts of the prior.
        decay: Decay per step of an exponential moving average of the weights; ``None`` for no average.

    Attributes:
        step: Number of steps that were taken.
        running: Running mean of the training loss.
        average: Averaged weights, if any.
    """

    def __init__(self, prior: Prior, descents: list[Descent], decay: float | None) -> None:
        self.prior, self.descents, self.decay = prior, descents, decay
        self.step, self.running = 0, 0.0
        self.average = None if decay is None else self.weights()

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the weights of the prior."""
        return _copies(self.prior.state_dict())

    def take_step(self, loss: float) -> bool:
        """Take one step down the gradients of the prior.

        Args:
            loss: Training loss before the step.

        Returns:
            Whether the gradients were finite. If not, the state must be restored.
        """
        are_finite = [descent.step() for descent in self.descents]
        if not all(are_finite):
            return False
        self.prior.constrain()
        self.running = loss if self.step == 0 else 0.98 * self.running + 0.02 * loss
        self.step += 1
        if self.average is not None and self.decay is not None:
            decay = min(self.decay, (1 + self.step) / (10 + self.step))  # so that the start is soon forgotten
            for name, tensor in self.prior.state_dict().items():
                self.average[name].lerp_(tensor, 1 - decay)
        return True

    def halve_rate(self) -> None:
        """Halve the learning rates of all steps that follow."""
        for descent in self.descents:
            descent.scale(0.5)

    def snapshot(self) -> Snapshot:
        """Return a copy of the state."""
        tensors = prefixed("prior", self.prior.state_dict()) | prefixed("average", self.average or {})
        descents = []
        for number, descent in enumerate(self.descents):
            moments, entries = descent.state()
            tensors |= prefixed(f"descent{number}", moments)
            descents.append(copy.deepcopy(entries))
        return Snapshot(_copies(tensors), {"step": self.step, "running": self.running, "descents": descents})

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a state, or go on from it."""
        tensors, entries = snapshot
        self.prior.load_state_dict(unprefixed("prior", tensors))
        if self.average is not None:
            self.average = _copies(unprefixed("average", tensors))
        self.step, self.running = entries["step"], entries["running"]
        for number, descent in enumerate(self.descents):
            descent.load_state(unprefixed(f"descent{number}", tensors), copy.deepcopy(entries["descents"][number]))


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors under names with a prefix.

    Example:
        >>> prefixed("best", {"w": None})
        {'best.w': None}
    """
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def unprefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names have a prefix, without it.

    Example:
        >>> unprefixed("best", {"best.w": None, "now.w": None})
        {'w': None}
    """
    return {n.removeprefix(f"{prefix}."): tensor for n, tensor in tensors.items() if n.startswith(f"{prefix}.")}
