"""Energies that are linear in their parameters, for the tests of the closed form."""

from __future__ import annotations

import torch

import scorematching as sm
from scorematching.layers import Scale, Square


def gaussian() -> sm.Graph:
    """E = theta |x|^2 / 2."""
    return sm.Sequential(Square(), Scale(1), sm.Sum(0.5)).double()


def quartic() -> sm.Graph:
    """E = theta_1 x^2 / 2 + theta_2 x^4 / 4."""
    edges = [("x", Square(), "s"), ("s", Scale(1), "q"), ("q", sm.Sum(0.5), "energy")]
    edges += [("s", Square(), "f"), ("f", Scale(1), "r"), ("r", sm.Sum(0.25), "energy")]
    return sm.Graph(edges).double()


QUARTIC = ["layers.1.weight", "layers.4.weight"]


def quartic_samples(theta: tuple[float, float], samples: int) -> torch.Tensor:
    """Samples of the quartic's density, shape (samples, 1), by inverting its distribution function on a grid."""
    grid = torch.linspace(-6, 6, 200_001, dtype=torch.float64)
    mass = torch.exp(-theta[0] * grid**2 / 2 - theta[1] * grid**4 / 4).cumsum(0)
    place = torch.searchsorted(mass / mass[-1], torch.rand(samples, dtype=torch.float64))
    return (grid[place] + (torch.rand(samples) - 0.5) * (grid[1] - grid[0]))[:, None]


def gradient(energy: sm.Graph, name: str, x: torch.Tensor, lam: float, weight: torch.Tensor | None) -> torch.Tensor:
    """Gradient of the loss with respect to the parameter of this name, flattened."""
    loss = sm.score_matching_loss(energy, x, lam=lam, weight=weight)
    return torch.autograd.grad(loss, dict(energy.named_parameters())[name])[0].flatten()
