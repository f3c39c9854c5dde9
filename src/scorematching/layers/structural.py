"""Affine layers that move entries: reshapes, selections, embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.layers.base import HERE, Coefficients, Span
from scorematching.layers.families import Affine


class Identity(Affine):
    """``y = x``: what a skip connection is made of."""

    def footprint(self) -> tuple[Span, Span]:
        """The same position."""
        return HERE, HERE

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """``x``."""
        return x

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """``y``."""
        return y


class Flatten(Affine):
    """All dimensions but the first in one: shape (N, ...) to (N, D)."""

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, ...)."""
        if x.ndim < 2:
            raise ValueError(f"expected shape (N, ...), got {tuple(x.shape)}")

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """``x`` in one row a sample."""
        return x.flatten(1)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """``y`` in the shape of the input."""
        return y.reshape(shape)


class Reshape(Flatten):
    """The entries of a sample in another shape: shape (N, ...) to (N, *shape).

    Args:
        shape: That of one sample afterwards, ``()`` for one number a sample.

    Example:
        >>> Reshape((2, 3))(torch.zeros(5, 6)).shape
        torch.Size([5, 2, 3])
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless a sample has as many entries as the new shape."""
        if x[0].numel() != math.prod(self.shape):
            raise ValueError(f"expected samples of {math.prod(self.shape)} entries, got shape {tuple(x.shape)}")

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """``x`` in the new shape."""
        return x.reshape(len(x), *self.shape)

    def extra_repr(self) -> str:
        """The shape, for ``print``."""
        return str(self.shape)


class Gather(Affine):
    """The entries ``indices`` of dimension 1: shape (N, C, ...) to (N, len(indices), ...). A slice, as a linear map.

    Args:
        indices: Which entries, in the order wanted; one may come twice.

    Raises:
        ValueError: There is no index, or one is negative.
    """

    indices: Tensor

    def __init__(self, indices: Sequence[int]) -> None:
        super().__init__()
        if not indices or min(indices) < 0 or any(i != int(i) for i in indices):
            raise ValueError(f"indices must be whole numbers of 0 or more, at least one, got {list(indices)}")
        self.register_buffer("indices", torch.as_tensor(list(indices)), persistent=False)
        self.least = int(max(indices)) + 1

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless dimension 1 holds every index."""
        if x.ndim < 2 or x.shape[1] < self.least:
            raise ValueError(f"expected shape (N, {self.least} or more, ...), got {tuple(x.shape)}")

    def footprint(self) -> tuple[Span, Span]:
        """The same position."""
        return HERE, HERE

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """The selected entries."""
        return x.index_select(1, self.indices)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """The entries back at their places, the others zero."""
        return y.new_zeros(shape).index_add(1, self.indices, y)


class Scatter(Affine):
    """Entries of dimension 1 put at places ``indices`` of a larger one: (N, len(indices), ...) to (N, size, ...).

    The adjoint of :class:`Gather`. A concatenation is a sum of embeddings.

    Args:
        indices: Place of each entry.
        size: Entries of dimension 1 of the result.

    Raises:
        ValueError: There is no index, or one is not in 0 ... ``size`` - 1.
    """

    indices: Tensor

    def __init__(self, indices: Sequence[int], size: int) -> None:
        super().__init__()
        if not indices or min(indices) < 0 or max(indices) >= size or any(i != int(i) for i in indices):
            raise ValueError(f"indices must be in 0 ... {size - 1}, at least one, got {list(indices)}")
        self.size = size
        self.register_buffer("indices", torch.as_tensor(list(indices)), persistent=False)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless dimension 1 has one entry an index."""
        if x.ndim < 2 or x.shape[1] != len(self.indices):
            raise ValueError(f"expected shape (N, {len(self.indices)}, ...), got {tuple(x.shape)}")

    def footprint(self) -> tuple[Span, Span]:
        """The same position."""
        return HERE, HERE

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """The entries at their places, the others zero."""
        return x.new_zeros(x.shape[0], self.size, *x.shape[2:]).index_add(1, self.indices, x)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """The entries taken back."""
        return y.index_select(1, self.indices)


class Crop(Affine):
    """The inside of images, without ``border`` rows and columns at each side: (N, C, H, W) to (N, C, H', W').

    Beside convolutions without borders it makes the skip connection.

    Args:
        border: Rows and columns left out at each side, 0 or more.

    Raises:
        ValueError: The border is no whole number of 0 or more.

    Example:
        >>> Crop(2)(torch.zeros(3, 1, 8, 6)).shape
        torch.Size([3, 1, 4, 2])
    """

    def __init__(self, border: int) -> None:
        super().__init__()
        if not isinstance(border, int) or border < 0:
            raise ValueError(f"border must be a whole number of 0 or more, got {border}")
        self.border = border

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, C, H, W) and something is left."""
        if x.ndim != 4 or min(x.shape[2:]) <= 2 * self.border:
            raise ValueError(f"expected shape (N, C, H, W), H and W above {2 * self.border}, got {tuple(x.shape)}")

    def footprint(self) -> tuple[Span, Span]:
        """One position, shifted by the border."""
        span = Span(Fraction(1), Fraction(self.border), Fraction(self.border))
        return span, span

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """The inside."""
        b = self.border
        return x[:, :, b : x.shape[2] - b, b : x.shape[3] - b]

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Zeros around it."""
        return F.pad(y, [self.border] * 4)

    def extra_repr(self) -> str:
        """The border, for ``print``."""
        return str(self.border)


class PixelUnshuffle(Affine):
    """Blocks of ``side`` x ``side`` pixels as channels: (N, C, H, W) to (N, C side^2, H / side, W / side).

    Nothing is lost; convolutions behind it see further and take fewer positions. The adjoint is the inverse.

    Args:
        side: Of a block, 1 or more.

    Raises:
        ValueError: The side is no whole number of 1 or more.

    Example:
        >>> PixelUnshuffle(2)(torch.zeros(3, 1, 8, 6)).shape
        torch.Size([3, 4, 4, 3])
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        if not isinstance(side, int) or side < 1:
            raise ValueError(f"side must be a whole number of 1 or more, got {side}")
        self.side = side

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, C, H, W) and made of whole blocks."""
        if x.ndim != 4 or x.shape[2] % self.side or x.shape[3] % self.side:
            raise ValueError(f"expected shape (N, C, H, W), H and W multiples of {self.side}, got {tuple(x.shape)}")

    def footprint(self) -> tuple[Span, Span]:
        """The block."""
        span = Span(Fraction(self.side), Fraction(0), Fraction(self.side - 1))
        return span, span

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """The blocks as channels, which come last in memory: the convolutions behind are faster so."""
        blocks = x.unflatten(2, (-1, self.side)).unflatten(4, (-1, self.side))  # (N, C, H', side, W', side)
        return blocks.permute(0, 2, 4, 1, 3, 5).flatten(3).movedim(3, 1)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """The channels as blocks."""
        return F.pixel_shuffle(y, self.side)

    def extra_repr(self) -> str:
        """The side, for ``print``."""
        return str(self.side)
