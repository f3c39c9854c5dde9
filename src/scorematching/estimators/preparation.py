"""Preparation of data for a fit: standardized, checked for atoms, and split."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scorematching.domains import Domain, Interval

#: Largest part of the samples that may share a value, and of the distinct values for data on a grid.
ATOM, DISTINCT = 0.05, 0.5
#: Number of samples that tell atoms.
LEAST = 40
#: Singular value of standardized columns, relative to the largest, below which it is a rounding error.
DEPENDENT = 1e-10
#: Number of samples that tell groups, and the part of them next to a gap.
GROUPS, NEAR = 200, 0.05


@dataclass(frozen=True, eq=False)
class Standardization:
    """Affine change of units, ``z = (x - shift) / scale``, column by column.

    Attributes:
        shift: Shape (D,).
        scale: Shape (D,).
    """

    shift: Tensor
    scale: Tensor

    @classmethod
    def of(cls, x: Tensor, domain: Domain | None, wanted: bool) -> Standardization:
        """Return the standardization of data, shape (N, D).

        Without a domain, the columns get mean 0 and standard deviation 1. Positive columns are divided by their
        standard deviation. In other domains the units stay, because they are those of the domain.
        """
        shift, scale = torch.zeros_like(x[0]), torch.ones_like(x[0])
        if wanted and domain is None:
            shift, scale = x.mean(0), x.std(0)
        elif wanted and isinstance(domain, Interval) and domain.scale_free:
            scale = x.std(0)
        return cls(shift, torch.where(scale > 0, scale, 1.0))

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``z`` for ``x``, shape (N, D)."""
        return (x - self.shift) / self.scale

    def back(self, z: Tensor) -> Tensor:
        """Return ``x`` for ``z``, shape (N, D)."""
        return z * self.scale + self.shift


class InUnits(nn.Module):
    """Energy of data in their own units, from an energy of standardized data.

    Args:
        energy: Energy of standardized data.
        standardization: Change of units.

    Example:
        >>> import scorematching as sm
        >>> units = Standardization(torch.tensor([1.0]), torch.tensor([2.0]))
        >>> InUnits(sm.energies.Gaussian(1), units)(torch.tensor([[5.0]]))  # z = 2
        tensor([2.], grad_fn=<ViewBackward0>)
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, energy: nn.Module, standardization: Standardization) -> None:
        super().__init__()
        self.energy = energy
        self.register_buffer("shift", standardization.shift)
        self.register_buffer("scale", standardization.scale)

    def forward(self, x: Tensor) -> Tensor:
        """Return the energies of data, shape (N, D)."""
        found: Tensor = self.energy((x - self.shift) / self.scale)
        return found.view(len(x))


def check_columns(x: Tensor, free: Sequence[int]) -> Tensor:
    """Return the quantization step of each column, shape (D,), 0 for continuous ones.

    Args:
        x: Data, shape (N, D).
        free: Columns to check; those that are given to the model may have any values.

    Raises:
        ValueError: A column is constant, or one value of it has a probability of its own.
    """
    steps = torch.zeros(x.shape[1], dtype=x.dtype)
    for column in free:
        values, counts = x[:, column].unique(return_counts=True)
        if len(values) == 1:
            raise ValueError(
                f"column {column} is constant, {float(values[0]):g}, so it has no density: leave it out, or pass noise"
            )
        share = float(counts.max()) / len(x)
        gaps = values.diff()
        step = gaps.min()
        on_grid = bool(((gaps / step - (gaps / step).round()).abs() < 1e-3).all()) and gaps.max() / step < 1e6
        if len(x) >= LEAST and len(values) <= DISTINCT * len(x) and on_grid:
            steps[column] = step
        elif len(x) >= LEAST and share > ATOM:
            raise ValueError(
                f"column {column} has {share:.0%} of its values equal to {float(values[counts.argmax()]):g}, and an "
                "atom has no density: leave these samples out and model their probability apart, or pass noise"
            )
    return steps


def warn_of_dependence(z: Tensor, free: Sequence[int]) -> None:
    """Warn if columns depend linearly on one another: the data then have no density.

    Args:
        z: Data, shape (N, D). With N of D or less, it is not told.
        free: Columns to check.

    Example:
        >>> warn_of_dependence(torch.randn(50, 3), [0, 1, 2])
    """
    columns = z[:, list(free)] - z[:, list(free)].mean(0)
    if len(columns) <= len(free):
        return
    columns = columns / columns.std(0).clamp_min(torch.finfo(z.dtype).tiny)
    _, sizes, directions = torch.linalg.svd(columns, full_matrices=False)
    if sizes[-1] > DEPENDENT * sizes[0]:
        return
    names = [str(free[k]) for k in (directions[-1].abs() > 0.01).nonzero().flatten().tolist()]
    warnings.warn(
        f"columns {', '.join(names)} depend linearly on one another, so the data have no density, and the score of the "
        "model is arbitrary: leave one out, or pass noise",
        UserWarning,
        stacklevel=3,
    )


class SeparatedModesWarning(UserWarning):
    """Data fall into groups, whose weights score matching does not see."""


def warn_of_groups(z: Tensor) -> None:
    """Warn if a column, or one of the three principal components, has a gap between two groups.

    A gap is compared with the width of the nearest 5 % of the samples on each side, so tails and outliers are none.
    Without groups, the largest quotient hardly depends on the distribution: it is below ``0.25 + 20 / k``, for ``k``
    samples in 5 %.

    Args:
        z: Standardized data, shape (N, D).

    Warns:
        SeparatedModesWarning: There is one.
    """
    k = int(NEAR * len(z))
    if len(z) < GROUPS:
        return
    columns = z - z.mean(0)
    components = columns @ torch.linalg.svd(columns, full_matrices=False).Vh[:3].T
    ordered = torch.cat([columns, components], 1).sort(0).values
    ends, starts = ordered[k - 1 : -k], ordered[k : len(z) - k + 1]
    width = torch.maximum(ends - ordered[: -2 * k + 1], ordered[2 * k - 1 :] - starts)
    apart = ((starts - ends) / width.clamp_min(torch.finfo(z.dtype).tiny)).max(0)
    if not bool((apart.values > 0.25 + 20 / k).any()):
        return
    place = int(apart.values.argmax())
    name = f"column {place}" if place < z.shape[1] else f"principal component {place - z.shape[1]}"
    share = (int(apart.indices[place]) + k) / len(z)
    warnings.warn(
        f"{name} falls into groups: {share:.0%} of the samples are below a gap, and {1 - share:.0%} above it. Score "
        "matching does not see these weights, so those of the model are arbitrary: pass noise as wide as the gap, use "
        "denoising_score_matching_loss at several levels, or fit the groups apart",
        SeparatedModesWarning,
        stacklevel=3,
    )


def folds(z: Tensor, blurred: Tensor, fraction: float, generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """Return pairs of samples to fit and samples held out, drawn at random. Each sample is held out once.

    Args:
        z: Data to fit, shape (N, D).
        blurred: The same data as they are held out.
        fraction: Part to hold out in each pair, between 0 and 1.
        generator: Random number generator.
    """
    order = torch.randperm(len(z), generator=generator).to(z.device)
    parts = order.tensor_split(min(max(2, round(1 / fraction)), len(z)))
    return [(z[torch.cat([*parts[:i], *parts[i + 1 :]])], blurred[part]) for i, part in enumerate(parts)]
