"""The bootstrap: an estimator, applied to data drawn from the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from scorematching.runtime.arguments import check_count
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.progress import Progress, ProgressCallback
from scorematching.statistics.estimate import check_level


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Result of :func:`bootstrap`.

    Attributes:
        estimate: Estimate from the data, shape (K,).
        replicas: Estimates from data sets drawn with replacement, shape (replicas, K).
    """

    estimate: Tensor
    replicas: Tensor

    @property
    def standard_errors(self) -> Tensor:
        """Standard deviation of the replicas, shape (K,)."""
        return self.replicas.std(0)

    def interval(self, level: float = 0.95) -> Tensor:
        """Return percentile intervals, shape (K, 2).

        Args:
            level: Probability that an interval contains the truth, between 0 and 1.
        """
        check_arguments(Bootstrap.interval, locals())
        check_level(level)
        tails = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=self.replicas.dtype)
        return self.replicas.quantile(tails, 0).T


def bootstrap(
    estimate: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    replicas: int = 200,
    generator: torch.Generator | None = None,
    progress: ProgressCallback | None = None,
) -> Bootstrap:
    """Fit data sets that are drawn from the data with replacement (Efron 1979).

    The bootstrap needs no theory of the estimator, so it also covers a choice of λ, early stopping, or a transform of
    parameters. Its cost is one fit per replica.

    Args:
        estimate: Function that fits a model to data, shape (N, ...), and returns the numbers of interest, shape (K,).
        x: Data.
        replicas: Number of data sets.
        generator: Random number generator. By default that of PyTorch.
        progress: Called after each replica.

    Raises:
        TypeError: ``x`` is not a tensor.
        ValueError: There are fewer than two replicas, or an estimate has another shape, or is not finite.

    Example:
        >>> x = torch.randn(400, 1, generator=torch.Generator().manual_seed(0))
        >>> seed = torch.Generator().manual_seed(1)
        >>> found = bootstrap(lambda x: x.mean(0), x, replicas=300, generator=seed)
        >>> print(f"{float(found.standard_errors):.3f} near {float(x.std()) / 20:.3f}")
        0.051 near 0.049
    """
    check_count("replicas", replicas, least=2)
    check_arguments(bootstrap, locals())
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch tensor, got {type(x).__name__}: pass torch.as_tensor(x)")
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"x must have one sample or more, shape (N, ...), got {tuple(x.shape)}")
    first, found = estimate(x).detach().clone(), []
    for number in range(replicas):
        rows = torch.randint(len(x), (len(x),), generator=generator).to(x.device)
        value = estimate(x[rows]).detach().clone()  # it may be a parameter that the next fit changes
        if value.ndim != 1 or value.shape != first.shape or not bool(torch.isfinite(value).all()):
            raise ValueError(
                f"estimate must return finite numbers of shape (K,), got {tuple(value.shape)}: {value.flatten()[:5]}"
            )
        found.append(value)
        if progress is not None:
            progress(Progress(number + 1, replicas))
    return Bootstrap(first, torch.stack(found))
