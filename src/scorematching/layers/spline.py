"""Experts of any shape: one learned cubic spline per channel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from scorematching.layers.base import Gradients, channel_view
from scorematching.layers.families import Pointwise
from scorematching.layers.shapes import check_channels
from scorematching.runtime.kinds import check_arguments

#: Coefficients of 1, t, t^2, t^3 in one piece of a cubic B-spline (rows), as multiples of the four weights around the
#: piece (columns), times six.
_PIECE = ((1, 4, 1, 0), (-3, 0, 3, 0), (3, -6, 3, 0), (-1, 3, -3, 1))


#: Most knots of a spline; the matrix of the pieces is square.
_MOST_KNOTS = 4096


class Spline(Pointwise):
    """One learned cubic spline per channel: ``f_k(x) = sum_j w_kj B(x / h - j)``.

    The knots are equally spaced, at distance ``h``. Each spline is twice continuously differentiable, and linear beyond
    the first and the last knot. The cost per entry does not depend on the number of knots. Each weight starts at the
    value of ``log(1 + x^2 / 2)``, the Student-t expert, at its knot.

    Args:
        channels: Number of experts, the size of dimension 1 of ``x``.
        reach: Position of the outermost knots, which are at ``-reach`` and ``reach``, in the units of ``x``.
        knots: Number of knots, three or more.

    Raises:
        ValueError: A size is out of its range.

    Example:
        >>> Spline(8, reach=6.0, knots=13)(torch.zeros(1, 8)).shape
        torch.Size([1, 8])
    """

    basis: Tensor

    def __init__(self, channels: int, reach: float = 16.0, knots: int = 33) -> None:
        check_arguments(Spline.__init__, locals())
        super().__init__()
        reach = float(reach)
        if channels < 1 or not 0 < reach < math.inf or knots != int(knots) or knots < 3:
            raise ValueError(
                f"expected 1 or more channels, a positive finite reach and 3 or more knots, got channels={channels}, "
                f"reach={reach}, knots={knots}"
            )
        if not 1e-9 <= reach <= 1e9 or knots > _MOST_KNOTS:
            raise ValueError(
                f"expected a reach from 1e-9 to 1e9 and at most {_MOST_KNOTS} knots, got {reach:g}, {knots}"
            )
        self.reach, self.knots = reach, knots
        places = torch.linspace(-self.reach, self.reach, knots)
        self.weight = nn.Parameter(torch.log1p(0.5 * places * places).repeat(channels, 1))
        self.register_buffer("basis", _pieces(knots), persistent=False)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, channels, ...)."""
        check_channels(x, len(self.weight))

    def forward(self, x: Tensor) -> Tensor:
        """Sweep 1: return ``f_k(x)`` for each channel k."""
        t, (c0, c1, c2, c3) = self._cubic(x)
        return c0 + t * (c1 + t * (c2 + t * c3))

    def slope(self, x: Tensor) -> Tensor:
        """Return ``f'(x)``, as in :meth:`derivatives`."""
        t, (_, c1, c2, c3) = self._cubic(x)
        return self.rate * (c1 + t * (2 * c2 + t * 3 * c3))

    def derivatives(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the derivatives of ``c0 + c1 t + c2 t^2 + c3 t^3``; ``t`` runs from 0 to 1 between two knots."""
        (t, (_, c1, c2, c3)), rate = self._cubic(x), self.rate
        return rate * (c1 + t * (2 * c2 + t * 3 * c3)), rate**2 * (2 * c2 + 6 * c3 * t), 6 * rate**3 * c3

    def parameter_gradients(self, x: Tensor, p0: Tensor | None, p1: Tensor | None, p2: Tensor | None) -> Gradients:
        """Return the gradient with respect to the weights.

        It sums the powers of ``t`` and their derivatives over the entries in each piece.
        """
        index, t = self._piece(x)
        zero, rate = torch.zeros_like(x), self.rate
        q0, q1, q2 = (zero if p is None else p * rate**n for n, p in enumerate((p0, p1, p2)))
        powers = (q0, q0 * t + q1, t * (q0 * t + 2 * q1) + 2 * q2, t * (t * (q0 * t + 3 * q1) + 6 * q2))
        pieces = self.basis.shape[1]
        empty = zero.new_zeros(len(self.weight) * pieces, dtype=torch.float64)  # sums of millions of entries
        sums = torch.stack([empty.index_add(0, index.flatten(), power.flatten().double()) for power in powers]).to(x)
        return {"weight": torch.einsum("ckp,jpc->kj", sums.unflatten(1, (-1, pieces)), self.basis) / 6}

    @property
    def rate(self) -> float:
        """Number of knots per unit of ``x``, ``1 / h``."""
        return (self.knots - 1) / (2 * self.reach)

    def _piece(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the table row of each entry's piece, and the distance ``t`` from the knot where the piece begins."""
        place, last = (x + self.reach) * self.rate + 1, self.basis.shape[1] - 1
        begin = place.detach().nan_to_num().floor().clamp(0, last)
        first = channel_view(torch.arange(len(self.weight), device=x.device) * (last + 1), x.ndim)
        return begin.long() + first, place - begin

    def _cubic(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return, for each entry, ``t`` and the coefficients ``c0, c1, c2, c3`` of its piece."""
        index, t = self._piece(x)
        table = torch.einsum("kj,jpc->kpc", self.weight, self.basis).flatten(0, 1) / 6
        return t, table[index].unbind(-1)

    def extra_repr(self) -> str:
        """Return the sizes, for ``print``."""
        return f"{len(self.weight)}, reach={self.reach:g}, knots={self.knots}"


def _pieces(knots: int) -> Tensor:
    """Return the share of each weight in each coefficient of each piece, times six: shape (knots, knots + 1, 4).

    The entries are integers. The weights are extrapolated linearly beyond the ends, so that the first and the last
    piece are exactly linear.
    """
    places = torch.arange(-2, knots + 2)
    rows, ends = torch.arange(len(places)), places.clamp(0, knots - 1)
    line = torch.zeros(len(places), knots, dtype=torch.int64)
    line[rows, ends] = 1 + (places - ends).abs()
    line[rows, (ends + (ends - places).sign()).clamp(0, knots - 1)] -= (places - ends).abs()
    windows = torch.stack([line[n : n + knots + 1] for n in range(4)])
    return torch.einsum("cn,npj->jpc", torch.tensor(_PIECE), windows).to(torch.get_default_dtype())
