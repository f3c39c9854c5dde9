"""Experts: even, heavy-tailed point-wise energies for the responses of filters.

An expert ``rho`` turns the response ``u`` of a linear filter into energy; ``exp(-rho)`` is the density that it
stands for. ``StudentT`` is the expert of Welling, Hinton & Osindero's products of Student-t (2002) and of Roth &
Black's fields of experts (2005).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scorematching.layers.base import Gradients, channel_sum, channel_view, times, total
from scorematching.layers.families import Pointwise


class ScaledExpert(Pointwise):
    """``f(x) = rho(x / s)`` for a profile ``rho`` and a scale ``s``, fixed or learned.

    All three derivatives, and those by ``s``, follow from the profile's; here is the one place of that rule.

    Args:
        scale: The starting value of ``s``, in the units of ``x``.
        channels: Give one scale a channel (dimension 1 of ``x``); one scale for all if not given.
        learn_scale: Whether ``s`` is a parameter.

    Raises:
        ValueError: The scale, or the number of channels, is not positive.
    """

    scale: Tensor

    def __init__(self, scale: float = 1.0, channels: int | None = None, learn_scale: bool = False) -> None:
        super().__init__()
        if not scale > 0 or (channels is not None and channels < 1):
            raise ValueError(f"scale and channels must be positive, got {scale} and {channels}")
        start = torch.full((channels or 1,), float(scale))
        if learn_scale:
            self.scale = nn.Parameter(start)
        else:
            self.register_buffer("scale", start)

    @abstractmethod
    def profile(self, v: Tensor) -> Tensor:
        """``rho(v)``."""

    @abstractmethod
    def profile_derivatives(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``rho'(v), rho''(v), rho'''(v)``."""

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless dimension 1 of ``x`` has a scale for each channel."""
        if len(self.scale) > 1 and (x.ndim < 2 or x.shape[1] != len(self.scale)):
            raise ValueError(f"expected shape (N, {len(self.scale)}, ...), got {tuple(x.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: ``rho(x / s)``."""
        return self.profile(x / channel_view(self.scale, x.ndim))

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``rho^(n)(x / s) / s^n``."""
        s = channel_view(self.scale, x.ndim)
        r1, r2, r3 = self.profile_derivatives(x / s)
        return r1 / s, r2 / s**2, r3 / s**3

    def parameter_gradients(self, x: Tensor, p0: Tensor | None, p1: Tensor | None, p2: Tensor | None) -> Gradients:
        """``d f^(n) / ds = -(n f^(n) + x f^(n+1)) / s``."""
        f1, f2, f3 = self.derivatives(x)
        change = total(times(p0, x * f1), times(p1, f1 + x * f2), times(p2, 2 * f2 + x * f3))
        if change is None:
            return {}
        by_channel = channel_sum(change)
        return {"scale": -(by_channel if len(self.scale) > 1 else by_channel.sum(0, keepdim=True)) / self.scale}

    def extra_repr(self) -> str:
        """Scale, for ``print``."""
        learned = ", learned" if isinstance(self.scale, nn.Parameter) else ""
        return f"scale={[round(s, 4) for s in self.scale.tolist()[:4]]}{learned}"


class StudentT(ScaledExpert):
    """``log(1 + (x / s)^2 / 2)``: minus the log density of a Student-t, up to a weight and a constant.

    Example:
        >>> StudentT()(torch.tensor([[0.0, 2.0]])).exp().tolist()
        [[1.0, 3.0]]
    """

    def profile(self, v: Tensor) -> Tensor:
        """``log(1 + v^2 / 2)``."""
        return torch.log1p(0.5 * v * v)

    def profile_derivatives(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With ``q = 1 / (1 + v^2 / 2)``: ``v q``, ``q (1 - v^2 q)``, ``v q^2 (2 v^2 q - 3)``."""
        q = 1 / (1 + 0.5 * v * v)
        vvq = v * v * q
        return v * q, q * (1 - vvq), v * q * q * (2 * vvq - 3)


class LogCosh(ScaledExpert):
    """``log cosh(x / s)``: minus the log density of a hyperbolic secant, the usual expert of ICA."""

    def profile(self, v: Tensor) -> Tensor:
        """``log cosh(v)``, for arguments of any size."""
        return torch.logaddexp(v, -v) - math.log(2)

    def profile_derivatives(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With ``t = tanh(v)``: ``t``, ``1 - t^2``, ``-2 t (1 - t^2)``."""
        t = torch.tanh(v)
        return t, 1 - t * t, -2 * t * (1 - t * t)


class Charbonnier(ScaledExpert):
    """``sqrt(1 + (x / s)^2)``: a smooth absolute value, also known as pseudo-Huber, up to a factor and a constant."""

    def profile(self, v: Tensor) -> Tensor:
        """``sqrt(1 + v^2)``."""
        return torch.sqrt(1 + v * v)

    def profile_derivatives(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With ``r = 1 / f``: ``v r``, ``r^3``, ``-3 v r^5``."""
        r = torch.rsqrt(1 + v * v)
        return v * r, r**3, -3 * v * r**5


class StudentTMixture(Pointwise):
    """A learned expert a channel: ``f_k(x) = sum_j w_kj s_j^2 log(1 + x^2 / (2 s_j^2))``, with fixed scales ``s_j``.

    Between them the scales cover what a response can be, so that the free weights can shape an expert: peaked,
    heavy-tailed, or with a dip at zero. Each term has curvature ``w_kj`` at zero, whatever its scale.

    Args:
        channels: Number of experts, the size of dimension 1 of ``x``.
        scales: The ``s_j``, in the units of ``x``.

    Raises:
        ValueError: No scale, or one that is not positive.

    Example:
        >>> StudentTMixture(8, scales=(0.5, 1.0, 2.0))(torch.zeros(1, 8)).shape
        torch.Size([1, 8])
    """

    def __init__(self, channels: int, scales: Sequence[float] = (0.8, 1.6, 3.2, 6.4, 16.0)) -> None:
        super().__init__()
        if not scales or not min(scales) > 0:
            raise ValueError(f"scales must be positive, at least one, got {tuple(scales)}")
        self.scales = tuple(float(s) for s in scales)
        self.weight = nn.Parameter(torch.full((channels, len(scales)), 1 / len(scales)))

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, channels, ...)."""
        if x.ndim < 2 or x.shape[1] != len(self.weight):
            raise ValueError(f"expected shape (N, {len(self.weight)}, ...), got {tuple(x.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1."""
        y = torch.zeros_like(x)
        for w, s in zip(self.weight.T, self.scales, strict=True):
            y = torch.addcmul(y, channel_view(w * s * s, x.ndim), torch.log1p(x * x / (2 * s * s)))
        return y

    def slope(self, x: Tensor) -> Tensor:
        """``x A``, as in :meth:`derivatives`."""
        xx, a = x * x, torch.zeros_like(x)
        for w, s in zip(self.weight.T, self.scales, strict=True):
            a = torch.addcmul(a, channel_view(2 * w * s * s, x.ndim), torch.reciprocal(xx + 2 * s * s))
        return x * a

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """With ``q_j = 1 / (2 s_j^2 + x^2)``: ``x A``, ``A - x^2 B``, ``x (x^2 C - 3 B)``.

        Here ``A = sum_j 2 w_j s_j^2 q_j``, ``B = sum_j 4 w_j s_j^2 q_j^2`` and ``C = sum_j 16 w_j s_j^2 q_j^3``.
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
        """The terms of ``f``, ``f'`` and ``f''``, paired with ``p0``, ``p1`` and ``p2``."""
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
        """Sizes, for ``print``."""
        return f"{len(self.weight)}, scales={self.scales}"
