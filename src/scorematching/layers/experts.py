"""Experts: even, heavy-tailed pointwise energies of filter responses.

An expert ``rho`` maps the response ``u`` of a linear filter to an energy. It stands for the unnormalized density
``exp(-rho(u))``. ``StudentT`` is the expert of the products of Student-t of Welling, Hinton & Osindero (2002) and of
the fields of experts of Roth & Black (2005).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scorematching.layers.base import Gradients, channel_sum, channel_view, times, total
from scorematching.layers.families import Pointwise
from scorematching.layers.shapes import check_channels
from scorematching.runtime.arguments import shown
from scorematching.runtime.kinds import check_arguments

#: Largest scale, and the inverse of the smallest one: their fourth powers are finite in single precision.
_MOST = 1e9


class ScaledExpert(Pointwise):
    """Base class of experts ``f(x) = rho(x / s)`` with a profile ``rho`` and a scale ``s``.

    A subclass defines the profile and its first three derivatives. This class computes the derivatives of ``f`` from
    them, with respect to ``x`` and to ``s``.

    Args:
        scale: Initial value of ``s``, in the units of ``x``.
        channels: Size of dimension 1 of ``x``, for one scale per channel. By default all channels share one scale.
        learn_scale: Whether ``s`` is a learned parameter.

    Raises:
        ValueError: The scale or the number of channels is not positive.

    Example:
        >>> expert = StudentT(scale=0.5, channels=3, learn_scale=True)
        >>> expert.scale
        Parameter containing:
        tensor([0.5000, 0.5000, 0.5000], requires_grad=True)
    """

    scale: Tensor

    def __init__(self, scale: float = 1.0, channels: int | None = None, learn_scale: bool = False) -> None:
        check_arguments(ScaledExpert.__init__, locals())
        super().__init__()
        if not 1 / _MOST < float(scale) < _MOST or (channels is not None and channels < 1):
            raise ValueError(f"scale and channels must be positive, got {scale} and {channels}")
        start = torch.full((channels or 1,), float(scale))
        if learn_scale:
            self.scale = nn.Parameter(start)
        else:
            self.register_buffer("scale", start)

    @abstractmethod
    def profile(self, v: Tensor) -> Tensor:
        """Return ``rho(v)``."""

    @abstractmethod
    def profile_derivatives(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``rho'(v), rho''(v), rho'''(v)``."""

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` has one channel per scale."""
        if len(self.scale) > 1:
            check_channels(x, len(self.scale))

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``rho(x / s)``."""
        return self.profile(x / channel_view(self.scale, x.ndim))

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``rho^(n)(x / s) / s^n`` for n = 1, 2, 3."""
        s = channel_view(self.scale, x.ndim)
        r1, r2, r3 = self.profile_derivatives(x / s)
        return r1 / s, r2 / s**2, r3 / s**3

    def parameter_gradients(self, x: Tensor, p0: Tensor | None, p1: Tensor | None, p2: Tensor | None) -> Gradients:
        """Return the gradient with respect to ``s``, from ``d f^(n) / ds = -(n f^(n) + x f^(n+1)) / s``."""
        f1, f2, f3 = self.derivatives(x)
        change = total(times(p0, x * f1), times(p1, f1 + x * f2), times(p2, 2 * f2 + x * f3))
        if change is None:
            return {}
        by_channel = channel_sum(change)
        return {"scale": -(by_channel if len(self.scale) > 1 else by_channel.sum(0, keepdim=True)) / self.scale}

    def extra_repr(self) -> str:
        """Return the scale, for ``print``."""
        learned = ", learned" if isinstance(self.scale, nn.Parameter) else ""
        return f"scale={[round(s, 4) for s in self.scale.tolist()[:4]]}{learned}"


class StudentT(ScaledExpert):
    """Student-t expert ``f(x) = log(1 + (x / s)^2 / 2)``.

    Up to a weight and a constant, this is the negative log density of a Student-t distribution. The arguments are
    those of :class:`ScaledExpert`.

    Example:
        >>> StudentT()(torch.tensor([[0.0, 2.0]])).exp().tolist()
        [[1.0, 3.0]]
    """

    def profile(self, v: Tensor) -> Tensor:
        """Return ``log(1 + v^2 / 2)``."""
        return torch.log1p(0.5 * v * v)

    def profile_derivatives(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``v q``, ``q (1 - v^2 q)``, ``v q^2 (2 v^2 q - 3)`` with ``q = 1 / (1 + v^2 / 2)``."""
        q = 1 / (1 + 0.5 * v * v)
        vvq = v * v * q
        return v * q, q * (1 - vvq), v * q * q * (2 * vvq - 3)


class LogCosh(ScaledExpert):
    """Log-cosh expert ``f(x) = log cosh(x / s)``, the usual expert of independent component analysis (ICA).

    Up to a constant, this is the negative log density of a hyperbolic secant distribution. The arguments are those of
    :class:`ScaledExpert`.

    Example:
        >>> LogCosh()(torch.tensor([[0.0, 1000.0]])).round(decimals=2)
        tensor([[  0.0000, 999.3100]])
    """

    def profile(self, v: Tensor) -> Tensor:
        """Return ``log cosh(v)``, without overflow for large arguments."""
        return torch.logaddexp(v, -v) - math.log(2)

    def profile_derivatives(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``t``, ``1 - t^2``, ``-2 t (1 - t^2)`` with ``t = tanh(v)``."""
        t = torch.tanh(v)
        return t, 1 - t * t, -2 * t * (1 - t * t)


class Charbonnier(ScaledExpert):
    """Charbonnier expert ``f(x) = sqrt(1 + (x / s)^2)``, a smooth absolute value.

    Up to a factor and a constant, this is the pseudo-Huber function. The arguments are those of :class:`ScaledExpert`.

    Example:
        >>> Charbonnier()(torch.tensor([[0.0, 0.75]]))
        tensor([[1.0000, 1.2500]])
    """

    def profile(self, v: Tensor) -> Tensor:
        """Return ``sqrt(1 + v^2)``."""
        return torch.sqrt(1 + v * v)

    def profile_derivatives(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``v r``, ``r^3``, ``-3 v r^5`` with ``r = 1 / rho(v)``."""
        r = torch.rsqrt(1 + v * v)
        return v * r, r**3, -3 * v * r**5


class StudentTMixture(Pointwise):
    """One learned expert per channel: ``f_k(x) = sum_j w_kj s_j^2 log(1 + x^2 / (2 s_j^2))``.

    The scales ``s_j`` are fixed and the weights ``w_kj`` are learned. The scales cover the range of the responses, so
    that the weights can give an expert many shapes: peaked, heavy-tailed, or with a local maximum at zero. Each term
    has curvature ``w_kj`` at zero.

    Args:
        channels: Number of experts, the size of dimension 1 of ``x``.
        scales: Scales ``s_j``, in the units of ``x``.

    Raises:
        ValueError: There is no scale, or a scale is not positive.

    Example:
        >>> StudentTMixture(8, scales=(0.5, 1.0, 2.0))(torch.zeros(1, 8)).shape
        torch.Size([1, 8])
    """

    def __init__(self, channels: int, scales: Sequence[float] = (0.8, 1.6, 3.2, 6.4, 16.0)) -> None:
        check_arguments(StudentTMixture.__init__, locals())
        super().__init__()
        self.scales = tuple(float(s) for s in scales)
        if not self.scales or not 1 / _MOST < min(self.scales) <= max(self.scales) < _MOST:
            raise ValueError(f"scales must be one or more positive numbers, got {shown(self.scales)}")
        self.weight = nn.Parameter(torch.full((channels, len(scales)), 1 / len(scales)))

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, channels, ...)."""
        check_channels(x, len(self.weight))

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``f_k(x)`` for each channel k."""
        y = torch.zeros_like(x)
        for w, s in zip(self.weight.T, self.scales, strict=True):
            y = torch.addcmul(y, channel_view(w * s * s, x.ndim), torch.log1p(x * x / (2 * s * s)))
        return y

    def slope(self, x: Tensor) -> Tensor:
        """Return ``f'(x) = x A``, as in :meth:`derivatives`."""
        xx, a = x * x, torch.zeros_like(x)
        for w, s in zip(self.weight.T, self.scales, strict=True):
            a = torch.addcmul(a, channel_view(2 * w * s * s, x.ndim), torch.reciprocal(xx + 2 * s * s))
        return x * a

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``x A``, ``A - x^2 B``, ``x (x^2 C - 3 B)``.

        Here ``A = sum_j 2 w_j s_j^2 q_j``, ``B = sum_j 4 w_j s_j^2 q_j^2`` and ``C = sum_j 16 w_j s_j^2 q_j^3``, with
        ``q_j = 1 / (2 s_j^2 + x^2)``.
        """
        xx = x * x
        a, b, c = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x)
        for w, s in zip(self.weight.T, self.scales, strict=True):
            wss = channel_view(w * s * s, x.ndim)
            q = torch.reciprocal(xx + 2 * s * s)
            qq = q * q
            a = torch.addcmul(a, 2 * wss, q)
            b = torch.addcmul(b, 4 * wss, qq)
            c = torch.addcmul(c, 16 * wss, q * qq)
        return x * a, a - xx * b, x * (xx * c - 3 * b)

    def parameter_gradients(self, x: Tensor, p0: Tensor | None, p1: Tensor | None, p2: Tensor | None) -> Gradients:
        """Return the gradient with respect to the weights: the terms of ``f``, ``f'``, ``f''`` times ``p0, p1, p2``."""
        xx = x * x
        linear, square = total(times(p1, x), p2), times(p2, -2 * xx)
        found = []
        for s in self.scales:
            pairing = times(total(linear, times(square, q := torch.reciprocal(xx + 2 * s * s))), 2 * q)
            if p0 is not None:
                pairing = total(pairing, p0 * torch.log1p(xx / (2 * s * s)))
            if pairing is None:
                return {}
            found.append(s * s * channel_sum(pairing))
        return {"weight": torch.stack(found, 1)}

    def extra_repr(self) -> str:
        """Return the sizes, for ``print``."""
        return f"{len(self.weight)}, scales={self.scales}"
