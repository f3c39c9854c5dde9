"""Test of a model by the kernel Stein discrepancy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scorematching.curvature.probes import draw
from scorematching.domains import Circle, DomainChoice, Simplex, Sphere, domain_named
from scorematching.losses.bounds import warn_of_bounds
from scorematching.runtime.arguments import check_count, check_positive
from scorematching.runtime.kinds import check_arguments
from scorematching.statistics.scores import Model, check_samples, scores_of
from scorematching.statistics.stein_kernel import Points, median_distance, stein_kernel

#: Number of pairs of samples to process at a time.
_PAIRS = 2**21


@dataclass(frozen=True)
class SteinTest:
    """Result of :func:`stein_test`.

    Attributes:
        statistic: Unbiased estimate of the squared kernel Stein discrepancy. It may be negative.
        p_value: Probability of a statistic as large as this, if the samples are from the model.
        bandwidth: Bandwidth of the kernel, in the unit of the data.
        samples: Number of samples N.
    """

    statistic: float
    p_value: float
    bandwidth: float
    samples: int

    def __str__(self) -> str:
        return f"squared Stein discrepancy {self.statistic:.3g}, p = {self.p_value:.2g} ({self.samples:,} samples)"


@torch.no_grad()
def stein_test(
    model: Model,
    x: Tensor,
    *,
    bandwidth: float | None = None,
    replicas: int = 1000,
    domain: DomainChoice = None,
    generator: torch.Generator | None = None,
) -> SteinTest:
    """Test whether samples are from a model, by the kernel Stein discrepancy. The normalizer is not needed.

    The test is that of Liu, Lee & Jordan (2016) and Chwialkowski, Strathmann & Gretton (2016), with the kernel
    ``(1 + |x - y|^2 / c^2)^(-1/2)`` of Gorham & Mackey (2017). Random signs of the samples give the p value (wild
    bootstrap). In a bounded domain, the kernel is multiplied by weights that vanish on the boundary (Xu 2022).

    A small p value says that the model is wrong. A large one does not say that it is right:

    - The test does not see the weights of separated modes.
    - It is weak in many dimensions, and where inputs have very different units: scale them first.
    - The p value holds for independent samples that the model was **not fitted to**. The model looks too good on the
      data of its fit. Samples of a chain must be thinned until they are independent.

    The computing time is quadratic in the number of samples, and the memory is not: 10,000 samples take some seconds.

    Args:
        model: Energy, or a function that maps data to scores, such as ``network.forward`` of a score network.
        x: Independent samples, shape (N, ...), float32 or float64.
        bandwidth: ``c``. The default is the median distance between samples.
        replicas: Number of draws of the signs. The smallest p value is ``1 / (replicas + 1)``.
        domain: Set that the data lie in, as in :func:`scorematching.score_matching_loss`, but not a circle or a sphere.
            The distance at which its weights are capped is chosen by the data, if it is left open.
        generator: Random number generator of the signs. By default that of PyTorch.

    Warns:
        DomainWarning: The data look bounded, and ``domain`` is not given.

    Raises:
        TypeError: ``model`` or ``domain`` is of the wrong type, or ``x`` is not of floating point.
        ValueError: There are fewer than two samples, a shape does not fit, a number is out of its range, ``x`` is
            outside of the domain, or ``x`` or a score is not finite.

    Example:
        >>> import scorematching as sm
        >>> normal = sm.Sequential(sm.layers.Square(), sm.Sum(0.5))
        >>> seed = torch.Generator().manual_seed(0)
        >>> x = torch.randn(500, 2, generator=seed)
        >>> print(stein_test(normal, x, generator=seed))
        squared Stein discrepancy -0.00081, p = 0.52 (500 samples)
        >>> print(stein_test(normal, 1.3 * x, generator=seed))
        squared Stein discrepancy 0.04, p = 0.001 (500 samples)
    """
    count = check_count("replicas", replicas)
    check_arguments(stein_test, locals())
    points = _points(model, x, domain)
    width = median_distance(points.x) if bandwidth is None else check_positive("bandwidth", bandwidth)
    typical = float(points.x.abs().max()) or 1.0
    if not 1e-9 <= width / typical <= 1e9 and bandwidth is not None:
        raise ValueError(
            f"bandwidth must be near the distance between samples, got {width:g} for values of {typical:.3g}"
        )
    signs = draw(points.x.new_empty(count, len(x)), "rademacher", generator)
    total, signed = 0.0, points.x.new_zeros(count)
    size = max(1, _PAIRS // len(x))
    for start in range(0, len(x), size):
        block = stein_kernel(points.rows(start, start + size), points, width)
        block.diagonal(start).zero_()
        total += float(block.sum())
        signed += (signs @ block.T * signs[:, start : start + size]).sum(1)
    above = int((signed >= total).sum())
    return SteinTest(total / (len(x) * (len(x) - 1)), (1 + above) / (1 + count), width, len(x))


def _points(model: Model, x: Tensor, domain: DomainChoice) -> Points:
    """Return the samples with the scores and the weights there, flattened."""
    energy, bounded = check_samples(model, x), domain_named(domain)
    if isinstance(bounded, Circle | Sphere):
        raise ValueError(f"the Stein test has no kernel for the domain {bounded}: it is for parts of flat space")
    weights = None
    if bounded is None:
        warn_of_bounds(model, x)
    else:
        bounded.check(energy, x)
        if isinstance(model, nn.Module):
            model, x, bounded = bounded.coordinates(model, x)
        elif isinstance(bounded, Simplex):
            raise TypeError("on a simplex, the Stein test needs an energy, and not a function that returns scores")
        weights = bounded.fitted(x).weights(x)
    h, slope = weights or (torch.ones_like(x), 0)
    found = Points(x, h * scores_of(model, x) + slope, h)
    return Points(*(tensor.flatten(1).double() for tensor in found))
