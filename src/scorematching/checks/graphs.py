"""Networks of the checks that are not chains of layers, and a module with parameters."""

from __future__ import annotations

import torch

import scorematching as sm
from scorematching.layers import Gather, Identity, LogCosh, Scatter, SiLU, Sin, Softplus, Square, Tanh


class Wave(torch.nn.Module):
    """Pointwise module with parameters, for ``PointwiseFunction``."""

    def __init__(self) -> None:
        super().__init__()
        self.height = torch.nn.Parameter(torch.tensor(1.5))
        self.rate = torch.nn.Parameter(torch.tensor(0.8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a sine wave of ``x``."""
        return self.height * torch.sin(self.rate * x)


def skip() -> sm.Graph:
    """Return two hidden layers; the data enter the second one too."""
    return sm.Graph(
        [
            ("x", sm.Linear(4, 6), "h"),
            ("h", Tanh(), "u"),
            ("u", sm.Linear(6, 5), "v"),
            ("x", sm.Linear(4, 5), "v"),
            ("v", sm.StudentT(), "w"),
            ("w", sm.WeightedSum(5), "energy"),
        ]
    )


def residual() -> sm.Graph:
    """Return a residual block, plus a second energy."""
    return sm.Graph(
        [
            ("x", sm.Linear(4, 4), "h"),
            ("h", SiLU(), "u"),
            ("u", sm.Linear(4, 4), "r"),
            ("x", Identity(), "r"),
            ("r", Softplus(), "s"),
            ("s", sm.Linear(4, 3), "t"),
            ("t", Square(), "q"),
            ("q", sm.WeightedSum(3), "energy"),
            ("x", LogCosh(), "l"),
            ("l", sm.Sum(), "energy"),
        ]
    )


def shared() -> sm.Graph:
    """Return a network with one layer on two edges."""
    layer = sm.Linear(4, 4)
    return sm.Graph(
        [
            ("x", layer, "h"),
            ("h", Tanh(), "u"),
            ("u", layer, "v"),
            ("v", sm.StudentT(), "w"),
            ("w", sm.Sum(), "energy"),
        ]
    )


def parallel() -> sm.Graph:
    """Return a network with two edges between the same nodes and a pointwise last layer."""
    return sm.Graph(
        [
            ("x", sm.Linear(4, 3), "h"),
            ("h", Tanh(), "u"),
            ("h", Sin(), "u"),
            ("u", Square(), "v"),
            ("v", sm.Sum(0.5), "s"),
            ("s", Softplus(), "energy"),
        ]
    )


def halves() -> sm.Graph:
    """Return two hidden layers of different halves of the data, side by side."""
    return sm.Graph(
        [
            ("x", Gather([0, 2]), "a"),
            ("x", Gather([3, 1]), "b"),
            ("a", sm.Linear(2, 3), "h"),
            ("b", sm.Linear(2, 3), "h"),
            ("h", Tanh(), "u"),
            ("u", sm.WeightedSum(3), "energy"),
            ("b", Scatter([0, 1], 3), "c"),
            ("c", sm.StudentT(), "q"),
            ("q", sm.Sum(), "energy"),
        ]
    )
