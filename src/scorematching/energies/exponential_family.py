"""Exponential families, from a list of their statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from scorematching.runtime.arguments import shown


class ExponentialFamily(nn.Module):
    """Exponential family ``p(x) ∝ exp(sum_k theta_k T_k(x))``, so ``E(x) = -sum_k theta_k T_k(x)``.

    :func:`scorematching.fit_closed_form` fits it. The parameters start at 0.

    Args:
        statistics: Functions ``T_k`` of data, shape (N, ...), that return one number per sample, shape (N,). They must
            be differentiable twice by autograd.

    Attributes:
        theta: Natural parameters, shape (K,).

    Raises:
        ValueError: There is no statistic, or, when it is applied, one does not return one number per sample.

    Example:
        The Gamma distribution has the statistics ``log x`` and ``x``:

        >>> import scorematching as sm
        >>> x = torch.distributions.Gamma(3.0, 2.0).sample((20_000, 1))
        >>> gamma = ExponentialFamily([lambda x: x.log().sum(1), lambda x: x.sum(1)])
        >>> fit = sm.fit_closed_form(gamma, x, domain="positive")  # shape - 1 and -rate
        >>> bool(((fit.estimate - torch.tensor([2.0, -2.0])).abs() < 5 * fit.standard_errors).all())
        True
    """

    def __init__(self, statistics: Sequence[Callable[[Tensor], Tensor]]) -> None:
        super().__init__()
        if not isinstance(statistics, Sequence) or not all(map(callable, statistics)):
            raise TypeError(f"statistics must be a sequence of functions, got {shown(statistics)}")
        if not statistics:
            raise ValueError("statistics is empty: pass one function or more")
        self.statistics = tuple(statistics)
        self.theta = nn.Parameter(torch.zeros(len(self.statistics)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the energies, shape (N,), of data, shape (N, ...)."""
        values = [statistic(x) for statistic in self.statistics]
        for number, value in enumerate(values):
            if value.shape != x.shape[:1]:
                raise ValueError(
                    f"statistic {number} must return one number per sample, ({len(x)},), got {tuple(value.shape)}"
                )
        return -torch.stack(values, 1) @ self.theta
