"""Layers that differentiate in a metric: each derivative with respect to the data is multiplied by a covariance.

The data are ``y = Sigma z``. A layer here is applied to the *value* ``y``, but its rules are those of the map from
``z``. So no inverse of ``Sigma`` is needed: ``dE/dz = Sigma dE/dy``. :func:`scorematching.energies.with_metric` puts
these layers into an energy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from scorematching.layers.base import (
    AffineLocal,
    Coefficients,
    Gradients,
    Sides,
    channel_sum,
    channel_view,
    maybe,
    total,
)
from scorematching.layers.conv import Conv2d
from scorematching.layers.structural import Crop
from scorematching.layers.sums import SumPool2d
from scorematching.runtime.kinds import check_arguments


class Metric(Conv2d):
    """The map ``z -> Sigma z`` of images, applied to the known value ``y = Sigma z``.

    The value of the layer is its input. Its derivative is ``Sigma``, the covariance of stationary noise on the image.

    Args:
        covariance: Autocovariance of the noise: entry ``(c, d, r + i, r + j)`` is the covariance of channel ``c`` at a
            pixel and channel ``d`` at the pixel ``i`` rows below and ``j`` columns to the right. Shape (C, C, k, k), or
            (k, k) for one channel, with odd ``k = 2 r + 1``. Beyond ``r`` pixels the covariance is 0.

    Raises:
        ValueError: The shape does not fit, a value is not finite, or the entry for ``(c, d)`` differs from the entry
            for ``(d, c)`` in the opposite direction.

    Example:
        >>> y = torch.ones(1, 1, 4, 4, requires_grad=True)
        >>> value = Metric(torch.tensor([[0.0, 0.2, 0.0], [0.2, 1.0, 0.2], [0.0, 0.2, 0.0]]))(y)
        >>> torch.equal(value, y), torch.autograd.grad(value[0, 0, 2, 2], y)[0][0, 0, 2]
        (True, tensor([0.0000, 0.2000, 1.0000, 0.2000]))
    """

    def __init__(self, covariance: Tensor) -> None:
        check_arguments(Metric.__init__, locals())
        kernel = checked_autocovariance(covariance)
        super().__init__(len(kernel), len(kernel), kernel.shape[-1], padding=kernel.shape[-1] // 2, bias=False)
        self.weight = nn.Parameter(kernel.clone(), requires_grad=False)

    @property
    def reach(self) -> int:
        """Distance in pixels beyond which the covariance is 0."""
        return self.padding[0]

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``x``, differentiated as ``Sigma z``."""
        if not torch.is_grad_enabled():
            return x
        y = self.linear(x, self.weight)
        return x.detach() + (y - y.detach())


class MetricConv2d(Conv2d):
    """A metric, and a convolution of the image or of its block means, as one layer ``y -> w * y``.

    Two affine layers in a row make the recursion of the paper an approximation. As one layer they keep it exact. The
    responses are those of the filters ``w`` to the value ``y``. The derivatives are those of the fused filters
    ``v = Sigma w`` at ``z``. Products with ``v`` are computed as products with ``Sigma`` and ``w``, which are smaller;
    only ``v∘v`` is applied as it is. The parameters are shared with the given convolution.

    Args:
        metric: The metric.
        convolution: A convolution without padding, groups and dilation.
        before: Layers between the two: at most one :class:`Crop`, then at most one pooling of disjoint blocks.

    Example:
        >>> layer = MetricConv2d(Metric(torch.ones(1, 1)), Conv2d(1, 8, 5))
        >>> layer(torch.zeros(2, 1, 12, 12)).shape
        torch.Size([2, 8, 8, 8])
    """

    def __init__(self, metric: Metric, convolution: Conv2d, before: Sequence[Crop | SumPool2d] = ()) -> None:
        check_arguments(MetricConv2d.__init__, locals())
        channels = convolution.inputs, len(convolution.weight)
        super().__init__(*channels, convolution.kernel, convolution.stride, bias=convolution.bias is not None)
        self.weight, self.bias, self.metric = convolution.weight, convolution.bias, metric
        self.before = nn.ModuleList(before)
        #: Rows and columns of zeros around ``z`` at which the fused filters start; fewer than 0 remove rows.
        self.around = metric.reach - sum(layer.border for layer in before if isinstance(layer, Crop))
        self.pools = [layer for layer in before if isinstance(layer, SumPool2d)]
        block = self.pools[0].size if self.pools else 1
        self.fused_stride = (self.stride[0] * block, self.stride[1] * block)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` has the channels of the metric, and is at least as large as a filter."""
        self.metric.check_input(x)
        for layer in self._crops_and_pools():
            layer.check_input(x)
            x = layer.linear(x, layer.weight)
        super().check_input(x)

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return the responses of the filters to the value ``x``."""
        y = super().linear(self._seen(self.metric(x)), self.weight)
        return y if self.bias is None else y + channel_view(self.bias, y.ndim)

    def local(self, x: Tensor, curvature: bool = True) -> AffineLocal:
        """Return the input, ``w``, and ``v∘v`` of the fused filters."""
        return AffineLocal(x, self.weight, self.fused(self.weight).square() if curvature else None)

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return the responses of the fused filters to ``x``: ``w`` applied to ``Sigma x``."""
        return super().linear(self._seen(self.metric.linear(x, self.metric.weight)), w)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return the sum of the fused filters at all positions, weighted by ``y``: ``Sigma`` applied to that of ``w``.

        This is also the gradient that sweep 4 needs, with respect to ``z``.
        """
        shapes, stand_in = [shape], torch.empty(shape, device="meta")
        for layer in self._crops_and_pools():
            shapes.append((stand_in := layer.linear(stand_in, layer.weight)).shape)
        y = super().adjoint(y, w, shapes.pop())
        for layer in reversed(self._crops_and_pools()):
            y = layer.adjoint(y, layer.weight, shapes.pop())
        return self.metric.adjoint(y, self.metric.weight, y.shape)

    def outer(self, y: Tensor, x: Tensor) -> Tensor:
        """Correlate ``y`` with ``Sigma x``; the result has the shape of the filters."""
        return self._outer_of_value(y, self.metric.linear(x, self.metric.weight))

    def pull_d2(self, local: AffineLocal, d: Tensor, d2: Tensor | None) -> Tensor | None:
        """Sweep 2: ``(V∘V)^T d2``, section 3.1."""
        return maybe(lambda d2: self._spread_squares(d2, local.ww, local.x.shape[2:]), d2)

    def push_a2(self, local: AffineLocal, a2: Tensor | None) -> Tensor | None:
        """Sweep 3: ``(V∘V) a2``, (13)."""
        return maybe(lambda a2: F.conv2d(self._framed(a2), local.ww, stride=self.fused_stride), a2)

    def gradients(self, local: AffineLocal, sides: Sides) -> Gradients:
        """Sweep 4: ``c y^T + d (Sigma a)^T + (2 V∘(d2 a2^T)) Sigma`` for the filters, and ``c`` for the bias.

        These are (16) and (17) with ``V = W Sigma``.
        """
        (x, w, _), (d, d2, a, a2, c) = local, sides
        found: Gradients = {}
        if w.requires_grad:
            n, v = len(x), self.fused(w)
            pairs = self._paired(d2, a2, n, lambda d2, a2: self._outer_of_fused(d2, a2, v.shape))
            gradient = total(
                self._paired(c, x, n, self._outer_of_value),
                self._paired(d, a, n),
                maybe(lambda pairs: self._unfused(2 * v * pairs), pairs),
            )
            if gradient is not None:
                found["weight"] = gradient
        if self.bias is not None and self.bias.requires_grad and c is not None:
            found["bias"] = channel_sum(c)
        return found

    def paths(self, counts: Tensor) -> Tensor:
        """Return the numbers of paths. Each coefficient of a fused filter is one path."""
        return F.conv2d(self._framed(counts), torch.ones_like(self.fused(self.weight)), stride=self.fused_stride)

    def fused(self, w: Tensor) -> Tensor:
        """Return the filters ``v = Sigma w`` at the resolution of the image, for filters ``w``, (K, C, n, n)."""
        for pool in self.pools:
            side = [n * pool.size for n in w.shape[2:]]
            w = pool.adjoint(w, pool.weight, torch.Size((*w.shape[:2], *side)))
        return F.conv_transpose2d(w, self.metric.weight)

    def _unfused(self, v: Tensor) -> Tensor:
        """Return the adjoint of :meth:`fused`: the gradient with respect to ``w``, from that with respect to ``v``."""
        w = F.conv2d(v, self.metric.weight)
        for pool in self.pools:
            w = pool.linear(w, pool.weight)
        return w

    def _crops_and_pools(self) -> list[Crop | SumPool2d]:
        return [layer for layer in self.before if isinstance(layer, Crop | SumPool2d)]

    def _seen(self, x: Tensor) -> Tensor:
        """Return the image, or the block means, that the filters are applied to."""
        for layer in self._crops_and_pools():
            x = layer.linear(x, layer.weight)
        return x

    def _framed(self, x: Tensor) -> Tensor:
        """Return ``x`` with as many zeros at each side as the fused filters need."""
        return F.pad(x, [self.around] * 4)

    def _spread_squares(self, d2: Tensor, vv: Tensor, size: Sequence[int]) -> Tensor:
        """Return the adjoint of the convolution with ``v∘v``; the result has height and width ``size``."""
        y = F.conv_transpose2d(d2, vv, stride=self.fused_stride)
        rest = [n + self.around - m for n, m in zip(size, y.shape[2:], strict=True)]
        return F.pad(y, [-self.around, rest[1], -self.around, rest[0]])

    def _outer_of_value(self, y: Tensor, x: Tensor) -> Tensor:
        return super().outer(y, self._seen(x))

    def _outer_of_fused(self, y: Tensor, x: Tensor, shape: torch.Size) -> Tensor:
        return conv2d_weight(self._framed(x), shape, y, self.fused_stride)


def checked_autocovariance(covariance: Tensor) -> Tensor:
    """Return an autocovariance as (C, C, k, k), or raise ``ValueError`` if it is none; see :class:`Metric`."""
    if not covariance.is_floating_point():
        raise TypeError(f"an autocovariance must be of floating point, got {covariance.dtype}: pass covariance.float()")
    kernel = covariance[None, None] if covariance.ndim == 2 else covariance
    if kernel.ndim != 4 or kernel.shape[0] != kernel.shape[1] or kernel.shape[2] != kernel.shape[3]:
        raise ValueError(
            f"an autocovariance must be of shape (k, k) or (C, C, k, k), got {tuple(covariance.shape)}: pass a square"
        )
    if kernel.shape[-1] % 2 == 0:
        raise ValueError(f"the side of an autocovariance must be odd, got {kernel.shape[-1]}: its center is distance 0")
    if not bool(torch.isfinite(kernel).all()):
        raise ValueError("an autocovariance must be finite, got NaN or infinity")
    opposite = kernel.transpose(0, 1).flip(2, 3)
    if not torch.allclose(kernel, opposite, rtol=1e-4, atol=1e-6 * float(kernel.abs().max())):
        raise ValueError(
            "an autocovariance must have equal entries for opposite distances: (c, d, i, j) and (d, c, -i, -j); "
            "average the two"
        )
    return kernel
