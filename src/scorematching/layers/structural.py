"""Affine layers that move entries: reshape, gather, scatter, crop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.layers.base import HERE, Coefficients, Span
from scorematching.layers.families import Affine
from scorematching.runtime.arguments import shown
from scorematching.runtime.kinds import check_arguments


class Identity(Affine):
    """Identity ``y = x``, for skip connections.

    Example:
        >>> Identity()(torch.ones(1, 2))
        tensor([[1., 1.]])
    """

    def footprint(self) -> tuple[Span, Span]:
        """Return the same position: an output sees the input at its own position only."""
        return HERE, HERE

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return ``x``."""
        return x

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``y``."""
        return y


class Flatten(Affine):
    """Flatten all dimensions but the first: shape (N, ...) to (N, D).

    Example:
        >>> Flatten()(torch.zeros(5, 2, 3)).shape
        torch.Size([5, 6])
    """

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, ...)."""
        if x.ndim < 2:
            raise ValueError(f"expected shape (N, ...), got {tuple(x.shape)}")

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return ``x`` with one row per sample."""
        return x.flatten(1)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``y`` in the shape of the input."""
        return y.reshape(shape)


class Reshape(Flatten):
    """Reshape each sample: shape (N, ...) to (N, *shape).

    Args:
        shape: New shape of one sample, or ``()`` for one number per sample.

    Example:
        >>> Reshape((2, 3))(torch.zeros(5, 6)).shape
        torch.Size([5, 2, 3])
    """

    def __init__(self, shape: Sequence[int]) -> None:
        check_arguments(Reshape.__init__, locals())
        super().__init__()
        self.shape = tuple(shape)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless a sample has as many entries as the new shape."""
        if x[0].numel() != math.prod(self.shape):
            raise ValueError(f"expected samples of {math.prod(self.shape)} entries, got shape {tuple(x.shape)}")

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return ``x`` in the new shape."""
        return x.reshape(len(x), *self.shape)

    def extra_repr(self) -> str:
        """Return the shape, for ``print``."""
        return str(self.shape)


class Gather(Affine):
    """Select entries along dimension 1: shape (N, C, ...) to (N, len(indices), ...).

    Args:
        indices: Indices of the selected entries, 0 or more, in the order of the result. Repeated indices are allowed.

    Raises:
        ValueError: There is no index, or an index is negative.

    Example:
        >>> Gather([2, 0])(torch.tensor([[10.0, 11.0, 12.0]]))
        tensor([[12., 10.]])
    """

    indices: Tensor

    def __init__(self, indices: Sequence[int]) -> None:
        check_arguments(Gather.__init__, locals())
        super().__init__()
        places = [int(i) for i in indices]
        if not places or min(places) < 0 or max(places) >= 2**31:
            raise ValueError(f"indices must be one or more integers of 0 or more, got {shown(list(indices))}")
        self.register_buffer("indices", torch.as_tensor(places), persistent=False)
        self.least = max(places) + 1

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless dimension 1 of ``x`` has an entry for every index."""
        if x.ndim < 2 or x.shape[1] < self.least:
            raise ValueError(f"expected shape (N, {self.least} or more, ...), got {tuple(x.shape)}")

    def footprint(self) -> tuple[Span, Span]:
        """Return the same position: an output sees the input at its own position only."""
        return HERE, HERE

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return the selected entries."""
        return x.index_select(1, self.indices)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return the entries of ``y`` at their original positions, added up where an index repeats, zero elsewhere."""
        return y.new_zeros(shape).index_add(1, self.indices, y)


class Scatter(Affine):
    """Place entries at ``indices`` of a larger dimension 1: (N, len(indices), ...) to (N, size, ...).

    All other entries of the result are zero. This is the adjoint of :class:`Gather`. To concatenate tensors, add up
    their scattered copies.

    Args:
        indices: Position of each entry in the result, from 0 to ``size`` - 1.
        size: Size of dimension 1 of the result.

    Raises:
        ValueError: There is no index, or an index is out of range.

    Example:
        >>> Scatter([2, 0], size=4)(torch.tensor([[1.0, 2.0]]))
        tensor([[2., 0., 1., 0.]])
    """

    indices: Tensor

    def __init__(self, indices: Sequence[int], size: int) -> None:
        check_arguments(Scatter.__init__, locals())
        super().__init__()
        if not indices or min(indices) < 0 or max(indices) >= size or any(i != int(i) for i in indices):
            raise ValueError(f"indices must be one or more integers from 0 to {size - 1}, got {list(indices)}")
        self.size = size
        self.register_buffer("indices", torch.as_tensor(list(indices)), persistent=False)

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless dimension 1 of ``x`` has one entry per index."""
        if x.ndim < 2 or x.shape[1] != len(self.indices):
            raise ValueError(f"expected shape (N, {len(self.indices)}, ...), got {tuple(x.shape)}")

    def footprint(self) -> tuple[Span, Span]:
        """Return the same position: an output sees the input at its own position only."""
        return HERE, HERE

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return the entries of ``x`` at their positions, zero elsewhere."""
        return x.new_zeros(x.shape[0], self.size, *x.shape[2:]).index_add(1, self.indices, x)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return the entries of ``y`` at the positions."""
        return y.index_select(1, self.indices)


class Crop(Affine):
    """Remove ``border`` rows and columns at each side of the images: (N, C, H, W) to (N, C, H', W').

    It is the skip connection beside convolutions without padding.

    Args:
        border: Rows and columns removed at each side, 0 or more.

    Raises:
        ValueError: The border is not an integer of 0 or more.

    Example:
        >>> Crop(2)(torch.zeros(3, 1, 8, 6)).shape
        torch.Size([3, 1, 4, 2])
    """

    def __init__(self, border: int) -> None:
        check_arguments(Crop.__init__, locals())
        super().__init__()
        if not isinstance(border, int) or border < 0:
            raise ValueError(f"border must be an integer of 0 or more, got {border}")
        self.border = border

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, C, H, W), with H and W larger than both borders together."""
        if x.ndim != 4 or min(x.shape[2:]) <= 2 * self.border:
            raise ValueError(f"expected shape (N, C, H, W), H and W above {2 * self.border}, got {tuple(x.shape)}")

    def footprint(self) -> tuple[Span, Span]:
        """Return one position, shifted by the border."""
        span = Span(Fraction(1), Fraction(self.border), Fraction(self.border))
        return span, span

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return ``x`` without its border."""
        b = self.border
        return x[:, :, b : x.shape[2] - b, b : x.shape[3] - b]

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return ``y`` surrounded by zeros."""
        return F.pad(y, [self.border] * 4)

    def extra_repr(self) -> str:
        """Return the border, for ``print``."""
        return str(self.border)


class PixelUnshuffle(Affine):
    """Turn blocks of ``side`` x ``side`` pixels into channels: (N, C, H, W) to (N, C side^2, H / side, W / side).

    The map keeps all entries, and its adjoint is its inverse. The convolutions that follow have a larger receptive
    field, and fewer positions to compute.

    Args:
        side: Side of a block in pixels, 1 or more.

    Raises:
        ValueError: The side is not an integer of 1 or more.

    Example:
        >>> PixelUnshuffle(2)(torch.zeros(3, 1, 8, 6)).shape
        torch.Size([3, 4, 4, 3])
    """

    def __init__(self, side: int) -> None:
        check_arguments(PixelUnshuffle.__init__, locals())
        super().__init__()
        if not isinstance(side, int) or side < 1:
            raise ValueError(f"side must be an integer of 1 or more, got {side}")
        self.side = side

    def check_input(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless ``x`` is (N, C, H, W), with H and W multiples of the side."""
        if x.ndim != 4 or x.shape[2] % self.side or x.shape[3] % self.side:
            raise ValueError(f"expected shape (N, C, H, W), H and W multiples of {self.side}, got {tuple(x.shape)}")

    def footprint(self) -> tuple[Span, Span]:
        """Return the block."""
        span = Span(Fraction(self.side), Fraction(0), Fraction(self.side - 1))
        return span, span

    def linear(self, x: Tensor, w: Coefficients) -> Tensor:
        """Return the blocks as channels, in channels-last memory format, which makes the next convolution faster."""
        blocks = x.unflatten(2, (-1, self.side)).unflatten(4, (-1, self.side))  # (N, C, H', side, W', side)
        return blocks.permute(0, 2, 4, 1, 3, 5).flatten(3).movedim(3, 1)

    def adjoint(self, y: Tensor, w: Coefficients, shape: torch.Size) -> Tensor:
        """Return the channels as blocks."""
        return F.pixel_shuffle(y, self.side)

    def extra_repr(self) -> str:
        """Return the side, for ``print``."""
        return str(self.side)
