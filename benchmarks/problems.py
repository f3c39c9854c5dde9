"""Densities with known parameters, to test that score matching recovers the parameters from samples.

In all of them, the sources ``u = W x`` are independent with a known density, for a known square matrix ``W``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import cast

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

import scorematching as sm
from scorematching.layers import Layer, LogCosh, Square


class Problem(ABC):
    """Known density: it draws samples, builds an energy to fit, and measures the error of the fitted parameters.

    Args:
        name: Name in tables.
        dim: Number of entries of ``x``.
        repeats: Number of data sets to average errors over. Problems with more variable errors need more.

    Attributes:
        unmixing: True ``W``. It is random, the same each time, with singular values from 0.7 to 1.4.
    """

    def __init__(self, name: str, dim: int, repeats: int) -> None:
        self.name, self.dim, self.repeats = name, dim, repeats
        random = torch.randn(dim, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        left, _, right = torch.linalg.svd(random)
        self.unmixing = left * torch.linspace(0.7, 1.4, dim, dtype=torch.float64) @ right

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw independent samples ``x``, shape (n, dim), float64."""
        return torch.linalg.solve(self.unmixing, self.sources(n, generator).T).T

    @abstractmethod
    def sources(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw independent sources ``u = W x``, shape (n, dim), float64."""

    @abstractmethod
    def energy(self) -> sm.Sequential:
        """Return the model with its initial parameters, where ``W`` is the identity."""

    @abstractmethod
    def error(self, energy: sm.Sequential) -> float:
        """Return the relative error of the parameters in the Frobenius norm."""


class Gaussian(Problem):
    """Gaussian ``E = |W x|^2 / 2``. The samples determine its precision ``W^T W``."""

    def __init__(self, dim: int, repeats: int) -> None:
        super().__init__(f"Gaussian, D = {dim}", dim, repeats)

    def sources(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw standard normal sources."""
        return torch.randn(n, self.dim, dtype=torch.float64, generator=generator)

    def energy(self) -> sm.Sequential:
        """Return a Gaussian whose precision is the identity."""
        return from_identity(self.dim, Square(), sm.Sum(0.5))

    def error(self, energy: sm.Sequential) -> float:
        """Return the relative error of the precision."""
        truth = self.unmixing.T @ self.unmixing
        return float((precision(energy) - truth).norm() / truth.norm())


class ICA(Problem):
    """Independent component analysis ``E = sum_k log cosh (W x)_k``, with sources of density ``1 / (pi cosh u)``."""

    def __init__(self, dim: int, repeats: int) -> None:
        super().__init__(f"ICA, D = {dim}", dim, repeats)

    def sources(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw sources by the quantile function of the hyperbolic secant distribution."""
        uniform = torch.rand(n, self.dim, dtype=torch.float64, generator=generator)
        return torch.log(torch.tan(math.pi / 2 * uniform))

    def energy(self) -> sm.Sequential:
        """Return a model whose ``W`` is the identity."""
        return from_identity(self.dim, LogCosh(), sm.Sum())

    def error(self, energy: sm.Sequential) -> float:
        """Return the relative error of ``W``, with the best order and signs of its rows."""
        squares = squared_distances(filters(energy), self.unmixing)
        return math.sqrt(least_matching(squares)) / float(self.unmixing.norm())


class ProductOfStudentT(Problem):
    """Product of Student-t ``E = sum_k w_k log(1 + (W x)_k^2 / 2)`` with unknown filters and weights.

    With as many experts as entries, the density is a product of ``(1 + u_k^2 / 2)^(-w_k)``. Each factor is the density
    of a Student-t variable with ``2 w_k - 1`` degrees of freedom, times ``sqrt(2 / (2 w_k - 1))``.

    Args:
        freedom: Degrees of freedom of each expert, above 2, so that the samples have a finite variance.
        repeats: As in :class:`Problem`.
    """

    def __init__(self, freedom: tuple[int, ...], repeats: int) -> None:
        super().__init__(f"product of Student-t, D = {len(freedom)}", len(freedom), repeats)
        self.freedom = freedom
        self.weights = (torch.tensor(freedom, dtype=torch.float64) + 1) / 2

    def sources(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw ``z sqrt(2 / chi2)`` with normal ``z`` and chi-squared ``chi2``; the degrees of freedom cancel."""
        normal = torch.randn(n, self.dim, dtype=torch.float64, generator=generator)
        parts = [torch.randn(n, degrees, dtype=torch.float64, generator=generator) for degrees in self.freedom]
        return normal * torch.stack([2 / part.square().sum(1) for part in parts], dim=1).sqrt()

    def energy(self) -> sm.Sequential:
        """Return a model with filters that are the identity, and weights of 1."""
        return from_identity(self.dim, sm.StudentT(), sm.WeightedSum(self.dim))

    def error(self, energy: sm.Sequential) -> float:
        """Return the relative error of ``W`` and ``w`` together, with the best order and signs of the experts."""
        weights = cast(sm.WeightedSum, energy.layers[2]).weight.detach()
        squares = squared_distances(filters(energy), self.unmixing) + (weights[:, None] - self.weights).square()
        return math.sqrt(least_matching(squares)) / float(torch.hypot(self.unmixing.norm(), self.weights.norm()))


PROBLEMS: tuple[Problem, ...] = (
    Gaussian(2, repeats=60),
    Gaussian(10, repeats=15),
    Gaussian(100, repeats=3),
    ICA(4, repeats=20),
    ProductOfStudentT((3, 4, 5), repeats=30),
)


def recovery_errors(problem: Problem, n: int) -> list[float]:
    """Fit a problem's energy to ``n`` samples and return the errors, one per repeat, each with its own seed."""
    errors = []
    for repeat in range(problem.repeats):
        energy = problem.energy()
        fit_fully(energy, problem.sample(n, torch.Generator().manual_seed(1000 * n + repeat)))
        errors.append(problem.error(energy))
    return errors


def fit_fully(energy: sm.Graph, x: Tensor, lam: float = 0.0) -> None:
    """Minimize the score matching loss of the data ``x`` by L-BFGS."""
    optimizer = torch.optim.LBFGS(
        energy.parameters(), max_iter=500, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = sm.score_matching_loss(energy, x, lam=lam)
        loss.backward()
        return loss

    optimizer.step(closure)


def from_identity(dim: int, expert: Layer, head: Layer) -> sm.Sequential:
    """Return a network of filters that are the identity, an expert and a sum, in float64."""
    linear = sm.Linear(dim, dim, bias=False)
    torch.nn.init.eye_(linear.weight)
    return sm.Sequential(linear, expert, head).double()


def filters(energy: sm.Sequential) -> Tensor:
    """Return ``W``, the weight of the first layer."""
    return cast(sm.Linear, energy.layers[0]).weight.detach()


def precision(energy: sm.Sequential) -> Tensor:
    """Return ``W^T W``, the precision of a Gaussian energy."""
    return filters(energy).T @ filters(energy)


def squared_distances(rows: Tensor, truth: Tensor) -> Tensor:
    """Return the squared distance of each row, with the better sign, to each true row."""
    return torch.minimum(torch.cdist(rows, truth), torch.cdist(-rows, truth)).square()


def least_matching(costs: Tensor) -> float:
    """Return the smallest total cost of a one-to-one matching of rows and columns."""
    return float(costs[linear_sum_assignment(costs)].sum())
