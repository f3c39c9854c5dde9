"""Energies of bounded data that are linear in their parameters, and such data."""

from __future__ import annotations

import numpy as np
import torch

import scorematching as sm
from scorematching.layers import PointwiseFunction, Scale, Square

F64 = torch.float64


BOTH = ["layers.0.weight", "layers.3.weight"]


def logarithm() -> PointwiseFunction:
    return PointwiseFunction(torch.log, lambda x: 1 / x, lambda x: -(x**-2), lambda x: 2 * x**-3)


def gamma_energy() -> sm.Graph:
    """``theta_0 x + theta_1 log x``: the rate, and 1 minus the shape."""
    edges = [("x", Scale(1), "a"), ("a", sm.Sum(), "energy"), ("x", logarithm(), "b"), ("b", Scale(1), "c")]
    return sm.Graph([*edges, ("c", sm.Sum(), "energy")]).double()


def normal_energy(inputs: int) -> sm.Graph:
    """``theta_i x_i + 1/2 theta'_i x_i^2``."""
    edges = [("x", Scale(inputs), "a"), ("a", sm.Sum(), "energy"), ("x", Square(), "b"), ("b", Scale(inputs), "c")]
    return sm.Graph([*edges, ("c", sm.Sum(0.5), "energy")]).double()


def dirichlet_energy() -> sm.Graph:
    return sm.Sequential(logarithm(), Scale(3), sm.Sum()).double()


def exponential(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.exponential(1 / 3, (n, 1))


def gamma(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.gamma(0.7, 1 / 2, (n, 1))
