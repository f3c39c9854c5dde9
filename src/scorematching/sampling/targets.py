"""Targets of sampling: energies, and scores alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from scorematching.curvature.derivatives import score
from scorematching.runtime.validation import check_data, energies


@runtime_checkable
class EnergyWithGradient(Protocol):
    """Target that computes its energy and its gradient together."""

    def energy_and_gradient(self, x: Tensor, /) -> tuple[Tensor, Tensor]:
        """Return the energies, shape (N,), and their gradient with respect to ``x``, with the shape of ``x``."""


#: An energy, or a function that maps data to their score.
Target = nn.Module | EnergyWithGradient | Callable[[Tensor], Tensor]
#: Function of data, shape (N, ...), and of whether energies are needed. It returns the energies, shape (N,), float64,
#: and the scores. Energies that are not needed may be 0.
Evaluator = Callable[[Tensor, bool], tuple[Tensor, Tensor]]


def evaluator(target: Target, x: Tensor, score_allowed: bool) -> Evaluator:
    """Return the function that evaluates a target.

    Args:
        target: The energy, or a score.
        x: Data like those that will be evaluated, shape (N, ...).
        score_allowed: Whether a score is enough.

    Raises:
        TypeError: ``target`` is no energy and no score, it is a score and an energy is needed, or ``x`` is not floating
            point.
        ValueError: ``x`` is not a batch of finite numbers.
    """
    with_gradient = isinstance(target, EnergyWithGradient)
    if not callable(target) and not with_gradient:
        raise TypeError(f"target must be an energy or a score, got {type(target).__name__}")
    check_data(target if isinstance(target, nn.Module) else nn.Module(), x, finite=True)
    if not score_allowed and not isinstance(target, nn.Module) and not with_gradient:
        raise TypeError(
            "to accept or reject moves needs an energy, which a score does not provide: pass the energy itself"
        )

    def evaluate(x: Tensor, need_energy: bool) -> tuple[Tensor, Tensor]:
        if isinstance(target, EnergyWithGradient):
            energy, gradient = target.energy_and_gradient(x)
            return energy.double(), -gradient
        none = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        if isinstance(target, nn.Module):
            with torch.no_grad():
                energy = energies(target, x).double() if need_energy else none
                return energy, score(target, x, check_finite=False)
        found = target(x).detach()
        if found.shape != x.shape:
            raise ValueError(f"a score must have the shape of its data, {tuple(x.shape)}, got {tuple(found.shape)}")
        return none, found

    return evaluate


class Energies(nn.Module):
    """Energies of a target as a module, for the checks of a domain."""

    def __init__(self, evaluate: Evaluator) -> None:
        super().__init__()
        self.evaluate = evaluate

    def forward(self, x: Tensor) -> Tensor:
        """Return the energies, shape (N,)."""
        return self.evaluate(x, True)[0]
