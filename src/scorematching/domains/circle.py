"""Angles."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scorematching.domains.base import Domain
from scorematching.runtime.validation import energies

#: Largest change of the energy that counts as rounding, relative to its spread; and the number of samples to look at.
_ROUNDING, _FEW = 1e-2, 32


@dataclass(frozen=True)
class Circle(Domain):
    """Each input is an angle in radians. There is no boundary, but the energy must have the period 2 pi.

    Example:
        >>> Circle().weights(torch.zeros(2, 1)) is None
        True
    """

    def check(self, energy: nn.Module, x: Tensor) -> None:
        """Raise ``ValueError`` unless the energy has the period 2 pi in each input, up to rounding."""
        few = x.detach()[:_FEW]
        with torch.no_grad():
            here = energies(energy, few)
            size = (here - here.mean()).abs().max() + 1e3 * torch.finfo(here.dtype).eps * here.abs().max()
            for number in range(few[0].numel()):
                turned = few.clone()
                turned.flatten(1)[:, number] += 2 * math.pi
                change = (energies(energy, turned) - here).abs().max()
                if not bool(change <= _ROUNDING * size):
                    raise ValueError(
                        f"the energy changes by {float(change):.3g} when input {number} is turned by 2 pi: on a circle "
                        "it must be made of sines and cosines of the angles"
                    )

    def weights(self, x: Tensor) -> None:
        """Return no weights: a circle has no boundary."""
        return

    def outside(self, x: Tensor) -> Tensor:
        """Return False for each sample: every number is an angle."""
        return torch.zeros(len(x), dtype=torch.bool, device=x.device)
