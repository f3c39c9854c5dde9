"""Adaptation of the step size."""

from __future__ import annotations

import math

import torch
from torch import Tensor

#: Constants of Hoffman & Gelman (2014): shrinkage, stability of the first steps, and rate of forgetting.
_GAMMA, _EARLY, _KAPPA = 0.05, 10, 0.75


class DualAveraging:
    """Step sizes at which the mean acceptance is a target value (Hoffman & Gelman 2014).

    Args:
        step_size: First step sizes, one for each group of chains, shape (K,), float64.
        target: Acceptance to reach.

    Attributes:
        current: Step sizes to try next.
        averaged: Step sizes averaged over the steps, to be used when the adaptation ends.

    Example:
        >>> adaptation = DualAveraging(torch.tensor([1.0], dtype=torch.float64), target=0.8)
        >>> for _ in range(500):
        ...     adaptation.update(torch.exp(-adaptation.current))
        >>> round(float(torch.exp(-adaptation.averaged)), 2)
        0.8
    """

    def __init__(self, step_size: Tensor, target: float) -> None:
        self.current = self.averaged = step_size
        self._target, self._center = target, (10 * step_size).log()
        self._error, self._steps = torch.zeros_like(step_size), 0

    def update(self, acceptance: Tensor) -> None:
        """Take note of the mean acceptance of the last step, shape (K,)."""
        self._steps += 1
        self._error = self._error + (self._target - acceptance - self._error) / (self._steps + _EARLY)
        current = self._center - math.sqrt(self._steps) / _GAMMA * self._error
        averaged = self.averaged.log().lerp(current, self._steps**-_KAPPA)
        self.current, self.averaged = current.exp(), averaged.exp()
