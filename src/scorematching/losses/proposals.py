"""Proposals for missing entries: densities to draw them from, given the observed entries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from scorematching.curvature.probes import draw
from scorematching.runtime.arguments import check_count, shown
from scorematching.runtime.kinds import check_arguments

#: Smallest eigenvalue of a matrix of correlations.
_LEAST = 1e-3


class Proposal(Protocol):
    """Density to draw missing entries from. Its tails must not be lighter than those of the model."""

    def draw(
        self, x: Tensor, observed: Tensor, samples: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Return draws, shape (N, samples, D), and their log densities up to a constant per row, shape (N, samples).

        Args:
            x: Data, shape (N, D), with any values in missing entries.
            observed: True for the observed entries, shape (N, D). The draws may have any values there.
            samples: Number of draws per row.
            generator: Random number generator. ``None`` is that of PyTorch.
        """


@dataclass(frozen=True, eq=False)
class StudentTProposal:
    """Student-t around the conditional mean of a Gaussian, with its conditional covariance as the scale.

    Its heavy tails bound the weights for most models. It is wide: with 5 degrees of freedom its variance is 5/3 of that
    of the Gaussian.

    Args:
        mean: Mean of the Gaussian, shape (D,).
        covariance: Its covariance, shape (D, D).
        degrees: Degrees of freedom, 1 or more.

    Raises:
        ValueError: ``degrees`` is not an integer of 1 or more.

    Example:
        >>> x = torch.randn(100, 3)
        >>> x[:50, 0] = torch.nan
        >>> proposal = StudentTProposal.fitted(x)
        >>> draws, log_density = proposal.draw(x, ~x.isnan(), 10, None)
        >>> draws.shape, log_density.shape
        (torch.Size([100, 10, 3]), torch.Size([100, 10]))
    """

    mean: Tensor
    covariance: Tensor
    degrees: int = 5

    def __post_init__(self) -> None:
        check_arguments(StudentTProposal, vars(self))
        check_count("degrees", self.degrees)
        size = self.mean.numel()
        if self.mean.ndim != 1 or self.covariance.shape != (size, size):
            shapes = f"{tuple(self.mean.shape)} and {tuple(self.covariance.shape)}"
            raise ValueError(f"mean and covariance must have shapes (D,) and (D, D), got {shapes}")
        if not bool(torch.isfinite(self.mean).all() & torch.isfinite(self.covariance).all()):
            raise ValueError("mean or covariance has entries that are NaN or infinite")

    @classmethod
    @torch.no_grad()
    def fitted(cls, x: Tensor, degrees: int = 5) -> StudentTProposal:
        """Return a proposal with the moments of data with missing values.

        The covariance of two entries is that of the rows where both are observed. With few such rows it is shrunk
        towards 0, as by D rows without a correlation.

        Args:
            x: Data, shape (N, ...), NaN where missing.
            degrees: Degrees of freedom.

        Raises:
            ValueError: An entry is constant, or observed in fewer than two rows.
        """
        check_arguments(StudentTProposal.fitted, locals())
        if x.ndim < 2 or len(x) == 0 or x.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"x must be a batch of float32 or float64, shape (N, ...) with N above 0, got {shown(x)}")
        rows = x.flatten(1)
        if bool((rows.abs() > math.sqrt(torch.finfo(x.dtype).max) / len(rows)).any()):
            raise ValueError("x has entries that are infinite, or whose squares overflow: scale x")
        observed = ~rows.isnan()
        seen = observed.to(x)
        counts = seen.sum(0)
        mean = rows.nan_to_num(nan=0.0).sum(0) / counts.clamp_min(1)
        deviations = torch.where(observed, rows - mean, 0.0)
        scale = (deviations.square().sum(0) / counts.clamp_min(1)).sqrt()
        if bool((bad := (counts < 2) | (scale == 0)).any()):
            raise ValueError(
                f"input {int(bad.nonzero()[0])} has no two different values in the {len(x)} rows, so it tells nothing "
                "of missing ones: fit a StudentTProposal to all of the data and pass it as proposal, or leave it out"
            )
        standard, pairs = deviations / scale, seen.T @ seen
        correlation = standard.T @ standard / (pairs + len(mean))
        correlation.fill_diagonal_(1)
        values, vectors = torch.linalg.eigh(correlation)
        vectors = scale[:, None] * vectors
        return cls(mean, vectors * values.clamp_min(_LEAST) @ vectors.T, degrees)

    @torch.no_grad()
    def draw(
        self, x: Tensor, observed: Tensor, samples: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Implement :meth:`Proposal.draw`."""
        patterns, which = observed.unique(dim=0, return_inverse=True)
        hidden = (~patterns).to(x)
        mean, precision = self.mean.to(x), torch.linalg.inv(self.covariance).to(x)
        inner = hidden[:, :, None] * precision * hidden[:, None] + torch.diag_embed(1 - hidden)
        factor, hidden = torch.linalg.cholesky(inner)[which], hidden[which]
        pulls = hidden * (torch.where(observed, x - mean, 0.0) @ precision)
        center = mean - torch.cholesky_solve(pulls[:, :, None], factor)[:, :, 0]
        z = hidden[:, None] * draw(x.new_empty(len(x), samples, x.shape[1]), "gaussian", generator)
        spread = draw(x.new_empty(len(x), samples, self.degrees), "gaussian", generator).square().mean(2)
        z = z / spread.sqrt()[:, :, None]
        steps = torch.linalg.solve_triangular(factor.mT, z.mT, upper=True).mT
        powers = 0.5 * (self.degrees + hidden.sum(1, keepdim=True))
        return center[:, None] + steps, -powers * (z.square().sum(2) / self.degrees).log1p()
