"""Derivatives of the energy of a marginal density, by importance weights.

The observed entries ``x_O`` of a sample have the energy ``E_O(x_O) = -log integral exp(-E(x_O, x_M)) dx_M``. Its
derivatives are means over the conditional density of the missing entries ``x_M``, given ``x_O``::

    dE_O/dx_i   = <delta_i>
    d2E_O/dx_i2 = <delta'_i> - <(delta_i - <delta_i>)^2>

The mean ``<>`` is estimated by draws of ``x_M`` from a proposal ``q``, with weights that are proportional to
``exp(-E(x_O, x_M)) / q(x_M)`` and have the sum 1.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from scorematching.curvature import Curvature, Derivatives
from scorematching.curvature.base import recomputed
from scorematching.losses.proposals import Proposal
from scorematching.runtime.validation import energies

#: Effective sample size that is too small, and the share of such samples that is accepted.
_SMALL, _SHARE = 10.0, 0.05
#: Number of entries of draws to process at a time.
_ENTRIES = 2**20


class ImportanceWarning(UserWarning):
    """Few draws of missing entries have nearly all of the weight, so the loss is inaccurate."""


@dataclass(frozen=True, eq=False)
class ImportanceWeights:
    """Estimate of the derivatives of the marginals of an energy.

    Attributes:
        energy: The model.
        method: An exact curvature method.
        proposal: Density to draw missing entries from.
        samples: Number of draws per sample.
        generator: Random number generator. ``None`` is that of PyTorch.
    """

    energy: nn.Module
    method: Curvature
    proposal: Proposal
    samples: int
    generator: torch.Generator | None

    def marginal_derivatives(self, x: Tensor, observed: Tensor) -> Derivatives:
        """Implement :meth:`KnowsMarginals.marginal_derivatives`. Large batches are computed again by ``backward()``.

        Warns:
            ImportanceWarning: The effective sample size is below 10 for more than 5 % of the samples.
        """
        size = max(1, _ENTRIES // (self.samples * x[0].numel()))
        found, sizes = [], []
        for part, seen in zip(x.split(size), observed.split(size), strict=True):
            points, log_density = self._points(part, seen)
            with torch.no_grad():
                sizes.append(1 / _weights(self.energy, points, log_density).square().sum(1))
            weighted = partial(_weighted, method=self.method, observed=seen, log_density=log_density)
            call = weighted if len(x) <= size else partial(recomputed, weighted)
            found.append(call(self.energy, points))
        self._check(torch.cat(sizes))
        return Derivatives(torch.cat([one.d for one in found]), torch.cat([one.d2 for one in found]))

    def _points(self, x: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Return samples with draws for missing entries, shape (N * samples, ...), and the log densities of draws."""
        draws, log_density = self.proposal.draw(
            x.detach().flatten(1), observed.flatten(1), self.samples, self.generator
        )
        shape = (len(x), self.samples)
        if draws.shape != (*shape, x[0].numel()) or log_density.shape != shape:
            raise ValueError(
                f"proposal must return draws of shape {(*shape, x[0].numel())} and log densities of shape {shape}, got "
                f"{tuple(draws.shape)} and {tuple(log_density.shape)}"
            )
        draws = draws.to(x).reshape(*shape, *x.shape[1:])
        return torch.where(observed[:, None], x[:, None], draws).flatten(0, 1), log_density.to(x)

    def _check(self, sizes: Tensor) -> None:
        """Warn if the effective sample sizes are small."""
        share = float((sizes < _SMALL).double().mean())
        if share > _SHARE:
            warnings.warn(
                f"the importance weights of {share:.0%} of the samples with missing entries have an effective sample "
                f"size below {_SMALL:.0f}, of {self.samples} draws, so the loss is inaccurate: use more samples, or a "
                "proposal closer to the conditional density of the missing entries",
                ImportanceWarning,
                stacklevel=5,
            )


def _weights(energy: nn.Module, points: Tensor, log_density: Tensor) -> Tensor:
    """Return the weights of the draws, shape (N, samples)."""
    return (-energies(energy, points).view(log_density.shape) - log_density).softmax(1)


def _weighted(
    energy: nn.Module, points: Tensor, method: Curvature, observed: Tensor, log_density: Tensor
) -> Derivatives:
    """Return the estimated derivatives, with the shape of ``observed``."""
    w = _weights(energy, points, log_density)
    w = w.view(*w.shape, *(1 for _ in observed.shape[1:]))
    found = method.derivatives(energy, points)
    delta, delta2 = (one.unflatten(0, w.shape[:2]) for one in (found.d, found.d2))
    d = (w * delta).sum(1)
    d2 = (w * (delta2 - (delta - d[:, None]).square())).sum(1)
    return Derivatives(d * observed, d2 * observed)
