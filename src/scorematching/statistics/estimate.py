"""Fitted parameters with their covariance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from scorematching.runtime.kinds import check_arguments

#: Smallest eigenvalue of the Hessian of the loss, with its diagonal scaled to 1, in a direction that data determine.
SINGULAR = 1e-12
#: Maximum number of rows that ``print`` shows.
ROWS = 20


@dataclass(frozen=True, eq=False)
class Estimate:
    """Fitted parameters, with standard errors. ``print`` shows a table.

    Attributes:
        shapes: Shape of each parameter, by its name in the energy, in the order of ``estimate``.
        estimate: The parameters, flattened and concatenated, shape (K,), float64.
        covariance: Covariance of the estimate (Godambe's sandwich), shape (K, K), in squared units of the parameters.
            It is valid asymptotically: the samples must be independent, and many more than K.
        loss: Loss at the estimate.
        samples: Number of samples N.

    Example:
        >>> import scorematching as sm
        >>> energy = sm.Sequential(sm.layers.Square(), sm.layers.Scale(1), sm.Sum(0.5))
        >>> found = sm.fit_closed_form(energy, torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]))
        >>> found.estimate, found.samples
        (tensor([0.4000], dtype=torch.float64), 4)
    """

    shapes: Mapping[str, torch.Size]
    estimate: Tensor
    covariance: Tensor
    loss: float
    samples: int

    @property
    def standard_errors(self) -> Tensor:
        """Standard error of each entry of the estimate, shape (K,)."""
        return self.covariance.diagonal().clamp_min(0).sqrt()

    def interval(self, level: float = 0.95) -> Tensor:
        """Return confidence intervals of the entries of the estimate, shape (K, 2).

        Args:
            level: Probability that an interval contains the truth, between 0 and 1.

        Raises:
            ValueError: ``level`` is not between 0 and 1.
        """
        check_arguments(Estimate.interval, locals())
        check_level(level)
        half = math.sqrt(2) * float(torch.erfinv(torch.tensor(level, dtype=torch.float64))) * self.standard_errors
        return torch.stack([self.estimate - half, self.estimate + half], 1)

    def by_name(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the estimate and the standard errors of each parameter, by its name and in its shape."""
        sizes = [shape.numel() for shape in self.shapes.values()]
        parts = zip(self.shapes.items(), self.estimate.split(sizes), self.standard_errors.split(sizes), strict=True)
        return {name: (found.view(shape), error.view(shape)) for (name, shape), found, error in parts}

    def __str__(self) -> str:
        labels = labels_of(self.shapes)[:ROWS]
        wide = max(len("parameter"), *map(len, labels))
        lines = [f"loss {self.loss:.6g} on {self.samples} samples", f"{'parameter':{wide}}    estimate  standard error"]
        rows = zip(labels, self.estimate.tolist(), self.standard_errors.tolist(), strict=False)
        lines += [f"{label:{wide}}  {found:10.4g}  {error:14.2g}" for label, found, error in rows]
        if (hidden := len(self.estimate) - len(labels)) > 0:
            lines.append(f"... and {hidden} more")
        return "\n".join(lines)


def check_level(level: float) -> None:
    """Raise ``ValueError`` unless a confidence level is between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")


def labels_of(shapes: Mapping[str, torch.Size]) -> list[str]:
    """Return a name for each entry, such as ``layers.2.weight[0, 1]``."""
    return [
        f"{name}{list(index) if index else ''}"
        for name, shape in shapes.items()
        for index in itertools.product(*map(range, shape))
    ]


def factored(hessian: Tensor, labels: list[str]) -> Tensor:
    """Return the Cholesky factor of the Hessian of the loss, shape (K, K).

    Raises:
        ValueError: The loss does not determine every parameter, or is not at a minimum.
    """
    sizes = hessian.diagonal()
    if unseen := [label for label, size in zip(labels, sizes.tolist(), strict=True) if size == 0]:
        raise ValueError(
            f"the loss does not depend on {len(unseen)} of the {len(hessian)} parameters, {', '.join(unseen[:5])}: do "
            "not fit parameters that only add a constant to the energy, such as the bias of the last layer"
        )
    scale = sizes.abs().rsqrt()
    values = torch.linalg.eigvalsh(hessian * scale * scale[:, None])
    if flat := int((values < SINGULAR).sum()):
        raise ValueError(
            f"the loss has no unique minimum: {flat} of the {len(hessian)} directions of the parameters are not "
            "determined, because of redundant parameters, too few data, a fit that is not at a minimum, or data far "
            "from 0: use more data, lam > 0, or fewer parameters, fit longer, or center and scale the data"
        )
    return torch.linalg.cholesky(hessian)


def sandwich(factor: Tensor, spread: Tensor, samples: int) -> Tensor:
    """Return Godambe's covariance ``A^-1 V A^-1 / N`` (Godambe 1960).

    Args:
        factor: Cholesky factor of ``A``, the Hessian of the mean loss, shape (K, K).
        spread: ``V``, the covariance of the gradients of the losses of the samples, shape (K, K).
        samples: Number of samples N.
    """
    half = torch.cholesky_solve(spread, factor)
    return torch.cholesky_solve(half.T, factor) / samples
