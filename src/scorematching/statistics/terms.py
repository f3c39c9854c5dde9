"""Derivatives of the terms of an energy that is linear in its parameters."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from scorematching.curvature import Choice, CurvaturePropagation, Hutchinson, method_named
from scorematching.domains import Domain
from scorematching.graph import Graph

#: Memory for the derivatives of one batch of samples, in bytes.
BYTES = 2**27
#: Largest relative deviation from linearity that is accepted, in float64.
LINEAR = 1e-8


class Terms:
    """Derivatives of the terms ``E_0`` and ``phi_k`` of an energy, in float64.

    They are computed from a copy of the energy, with ``theta`` set to zero and to the unit vectors.
    """

    def __init__(self, energy: Graph, names: list[str], curvature: Choice, x: Tensor, domain: Domain | None) -> None:
        self.energy, self.names, self.domain = copy.deepcopy(energy).double(), names, domain
        named = dict(self.energy.named_parameters())
        self.parameters = [named[name] for name in names]
        self.units = torch.eye(sum(p.numel() for p in self.parameters), dtype=torch.float64, device=x.device)
        self.size = max(1, BYTES // (48 * (1 + len(self.units)) * x[0].numel()))
        self.method = method_named(curvature, self.energy, x[: self.size].double())
        if isinstance(self.method, Hutchinson | CurvaturePropagation):
            raise ValueError(
                f"curvature must not be random, got {type(self.method).__name__}: use 'auto' or another exact method"
            )
        if domain is not None:
            self.method = domain.along(self.method)

    def batches(self, x: Tensor, weight: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield batches of samples, and the weights of their inputs and their slopes, shape (n, inputs)."""
        given = weight.expand_as(x).double()
        for part, w in zip(x.double().split(self.size), given.split(self.size), strict=True):
            h, slope = (None if self.domain is None else self.domain.weights(part)) or (torch.ones_like(w), 0 * w)
            yield part, (w * h).flatten(1), (w * slope).flatten(1)

    def at(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return ``d`` and ``d2`` of the energy with the parameters ``theta``, shape (2, n, inputs)."""
        write_parameters(self.parameters, theta)
        d, d2, _ = self.method.derivatives(self.energy, x)
        return torch.stack([d.flatten(1), d2.flatten(1)])

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``d`` and ``d2`` of each term, shape (1 + K, 2, n, inputs)."""
        zero = self.at(torch.zeros_like(self.units[0]), x)
        found = torch.stack([zero, *(self.at(unit, x) - zero for unit in self.units)])
        if not bool(torch.isfinite(found).all()):
            raise ValueError(
                f"the energy has derivatives at x that are NaN or infinite, with {', '.join(self.names)} at 0 or 1: "
                "use an energy that is linear in these parameters and smooth at every sample"
            )
        return found

    def check_linear(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless the derivatives at a random ``theta`` are linear in ``theta``."""
        generator = torch.Generator().manual_seed(0)
        theta = torch.randn(len(self.units), generator=generator, dtype=torch.float64).to(x.device)
        terms, point = self(x), torch.cat([torch.ones_like(theta[:1]), theta])
        errors = (self.at(theta, x) - torch.tensordot(point, terms, 1)).abs().amax((1, 2))
        sizes = torch.tensordot(point.abs(), terms.abs(), 1).amax((1, 2))
        if not bool((errors <= LINEAR * sizes).all()):
            raise ValueError(
                f"the energy is not linear in {', '.join(self.names)}: choose parameters that it is linear in, such as "
                "the weights of the last layer, or minimize score_matching_loss with an optimizer"
            )


def write_parameters(parameters: Sequence[Tensor], theta: Tensor) -> None:
    """Set parameters in place from a flat vector of their entries."""
    for parameter, part in zip(parameters, theta.split([p.numel() for p in parameters]), strict=True):
        parameter.copy_(part.view_as(parameter))
