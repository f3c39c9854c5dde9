"""Stein kernel of a model: the inverse multiquadric kernel, after Stein's operator of the model on both sides.

Let ``s`` be the score of the model, and let ``h_i`` be weights that vanish on the boundary of the domain, and are 1
without one. Stein's operator of a function ``g`` with D components is ::

    T g = sum_i  t_i g_i + h_i dg_i/dx_i        t_i = h_i s_i + dh_i/dx_i

Its mean over samples of the model is 0. With the kernel ``k = u^(-1/2)``, ``u = 1 + |x - y|^2 / c^2``, for each
component, the operator on both sides gives the Stein kernel ::

    sum_i  t_i(x) t_i(y) k + t_i(x) h_i(y) dk/dy_i + h_i(x) t_i(y) dk/dx_i + h_i(x) h_i(y) d2k/dx_i dy_i
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

#: Number of samples whose distances give the bandwidth.
_FEW = 1000


class Points(NamedTuple):
    """Samples, and what Stein's operator needs there, all of shape (N, D), float64.

    Attributes:
        x: The samples.
        t: ``h_i s_i + dh_i/dx_i``: the scores, if there is no boundary.
        h: Weights of the domain: 1, if there is no boundary.
    """

    x: Tensor
    t: Tensor
    h: Tensor

    def rows(self, start: int, stop: int) -> Points:
        """Return some of the samples."""
        return Points(*(tensor[start:stop] for tensor in self))


def stein_kernel(first: Points, second: Points, bandwidth: float) -> Tensor:
    """Return the Stein kernel of each pair of samples, shape (N, M).

    Args:
        first: N samples.
        second: M samples.
        bandwidth: ``c``, in the unit of the samples.

    Example:
        >>> one = Points(torch.zeros(1, 2), torch.ones(1, 2), torch.ones(1, 2))
        >>> stein_kernel(one, one, 1.0)
        tensor([[4.]])
    """
    center = second.x.mean(0)  # distances as differences of squares are then accurate
    (x, t, h), (y, r, g) = first._replace(x=first.x - center), second._replace(x=second.x - center)

    def summed(*pairs: tuple[Tensor, Tensor]) -> Tensor:
        left, right = zip(*pairs, strict=True)
        return torch.cat(left, 1) @ torch.cat(right, 1).T

    apart = (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T).clamp_min(0)
    weighted = summed((h * x * x, g), (-2 * h * x, g * y), (h, g * y * y))
    slopes = summed((t * x, g), (-t, g * y), (-h * x, r), (h, r * y))
    inverse = 1 / (1 + apart / bandwidth**2)
    value, narrow = inverse.sqrt(), inverse / bandwidth**2
    return value * (t @ r.T + narrow * (slopes + h @ g.T - 3 * narrow * weighted))


def median_distance(x: Tensor) -> float:
    """Return the median distance between samples, shape (N, D), of which at most 1,000 are looked at.

    Raises:
        ValueError: It is 0.

    Example:
        >>> median_distance(torch.tensor([[0.0], [1.0], [3.0]]))
        2.0
    """
    median = float(torch.pdist(x[:: -(-len(x) // _FEW)]).median())
    if median == 0:
        raise ValueError("the median distance between samples is 0: remove repeated samples, or pass bandwidth")
    return median
