"""Linear operators ``A`` of the observation ``y = A x + noise``, each with its exact adjoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.layers.correlation import correlate
from scorematching.priors.base import mirrored
from scorematching.runtime.arguments import check_positive


class LinearOperator(Protocol):
    """A linear map of planes, (N, 1, H, W) to (N, 1, H', W')."""

    def __call__(self, x: Tensor) -> Tensor:
        """``A x``."""

    def adjoint(self, y: Tensor) -> Tensor:
        """``A^T y``."""

    def start(self, y: Tensor) -> Tensor:
        """A first guess of the ``x`` behind an observation."""


class Identity:
    """``A x = x``: an observation with nothing but noise."""

    def __call__(self, x: Tensor) -> Tensor:
        """``x``."""
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """``y``."""
        return y

    def start(self, y: Tensor) -> Tensor:
        """``y``."""
        return y


class Mask:
    """``A x`` is ``x`` where it is known and 0 elsewhere: an image with holes.

    Args:
        known: Shape (H, W): True, or 1, where a pixel is known.

    Raises:
        ValueError: The shape is another, or no pixel is known.

    Example:
        >>> mask = Mask(torch.tensor([[True, False, True]]))
        >>> mask.start(torch.tensor([[[[1.0, 9.0, 1.0]]]])).tolist()
        [[[[1.0, 1.0, 1.0]]]]
    """

    def __init__(self, known: Tensor) -> None:
        if known.ndim != 2 or not bool((known != 0).any()):
            raise ValueError(f"known must be (H, W) with a pixel that is known, got shape {tuple(known.shape)}")
        self.known = known != 0

    def __call__(self, x: Tensor) -> Tensor:
        """What is known of ``x``."""
        if x.shape[2:] != self.known.shape:
            raise ValueError(f"the mask is {tuple(self.known.shape)}, the image is {tuple(x.shape[2:])}")
        return x * self.known.to(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """The map is its own."""
        return self(y)

    def start(self, y: Tensor) -> Tensor:
        """Holes filled with the mean of what is known around them, at the finest scale at which something is."""
        values, weights = self(y), self.known.to(y).expand_as(y)
        filled, side = values.clone(), 3
        missing = (weights == 0).clone()
        while bool(missing.any()):
            near, mass = (_box_mean(t, side) for t in (values, weights))
            found = missing & (mass > 0)
            filled[found] = (near / mass.clamp_min(1e-12))[found]
            missing &= ~found
            side = 2 * side + 1
        return filled


def _box_mean(planes: Tensor, side: int) -> Tensor:
    """The mean over the square around each pixel, zeros beyond the border: by columns, then by rows."""
    half = side // 2
    columns = F.avg_pool2d(planes, (side, 1), 1, (half, 0))
    return F.avg_pool2d(columns, (1, side), 1, (0, half))


class Blur:
    """Convolution with a kernel, the image being mirrored at its borders.

    Args:
        kernel: Shape (h, w), both odd; such as :func:`gaussian_kernel`.

    Raises:
        ValueError: A side is even, or an entry is not finite.

    Example:
        >>> Blur(gaussian_kernel(1.5))(torch.ones(1, 1, 20, 20)).mean().round(decimals=3)
        tensor(1.)
    """

    def __init__(self, kernel: Tensor) -> None:
        if kernel.ndim != 2 or any(n % 2 == 0 for n in kernel.shape) or not bool(torch.isfinite(kernel).all()):
            raise ValueError(f"expected a finite kernel with odd sides, got shape {tuple(kernel.shape)}")
        self.kernel = kernel

    def __call__(self, x: Tensor) -> Tensor:
        """The blurred image."""
        height, width = (n // 2 for n in self.kernel.shape)
        if x.shape[2] <= height or x.shape[3] <= width:
            raise ValueError(
                f"an image of {x.shape[2]} x {x.shape[3]} is too small for a kernel {tuple(self.kernel.shape)}"
            )
        padded = F.pad(x, [width, width, height, height], mode="reflect")
        return correlate(padded, self.kernel.flip(0, 1)[None, None].to(x), (0, 0))

    def adjoint(self, y: Tensor) -> Tensor:
        """The transpose: what was spread beyond a border is mirrored back."""
        spread = correlate(y, self.kernel[None, None].to(y), tuple(n - 1 for n in self.kernel.shape))
        for dim, size, reach in zip((2, 3), y.shape[2:], self.kernel.shape, strict=True):
            places = mirrored(size, reach // 2, reach // 2, y.device)
            shape = (*spread.shape[:dim], size, *spread.shape[dim + 1 :])
            spread = y.new_zeros(shape).index_add(dim, places, spread)
        return spread

    def start(self, y: Tensor) -> Tensor:
        """``y``."""
        return y


def gaussian_kernel(sigma: float) -> Tensor:
    """A Gaussian kernel of sum 1, cut off at four standard deviations; ``sigma`` in pixels.

    Raises:
        ValueError: ``sigma`` is not positive.

    Example:
        >>> gaussian_kernel(0.8).shape
        torch.Size([9, 9])
    """
    sigma = check_positive("sigma", sigma)
    reach = math.ceil(4 * sigma)
    profile = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = profile[:, None] * profile
    return kernel / kernel.sum()


class FunctionOperator:
    """A linear map that is given as a pair of functions; :func:`check_adjoint` tells whether they are adjoint.

    Args:
        forward: ``A x``.
        backward: ``A^T y``.
        guess: A first guess of ``x`` from ``y``; by default ``A^T y``.

    Example:
        >>> flip = FunctionOperator(lambda x: x.flip(2), lambda y: y.flip(2))
        >>> check_adjoint(flip, (8, 9))
    """

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        backward: Callable[[Tensor], Tensor],
        guess: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.forward, self.backward, self.guess = forward, backward, guess or backward

    def __call__(self, x: Tensor) -> Tensor:
        """``A x``."""
        return self.forward(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """``A^T y``."""
        return self.backward(y)

    def start(self, y: Tensor) -> Tensor:
        """The guess."""
        return self.guess(y)


def check_adjoint(
    operator: LinearOperator,
    size: tuple[int, int],
    tolerance: float = 1e-4,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> None:
    """The dot-product test: ``<A x, y> = <x, A^T y>`` for random planes.

    Args:
        operator: ``A``.
        size: Height and width of ``x``.
        tolerance: Relative to the size of the vectors.
        seed: Of the random planes.
        device: Where they are.

    Raises:
        ValueError: The two differ, or a shape does not fit.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 1, *size, generator=generator).to(device)
    image = operator(x)
    y = torch.randn(image.shape, generator=generator).to(device)
    back = operator.adjoint(y)
    if back.shape != x.shape:
        raise ValueError(f"the adjoint gives {tuple(back.shape)} where the operator takes {tuple(x.shape)}")
    ahead, behind = float((image * y).double().sum()), float((x * back).double().sum())
    if not abs(ahead - behind) <= tolerance * float(image.norm() * y.norm() + x.norm() * back.norm()):
        raise ValueError(f"the adjoint is not that of the operator: <A x, y> is {ahead:.6g}, <x, A^T y> {behind:.6g}")


class BicubicDownsampling:
    """Blur by the bicubic kernel (a = -1/2), widened by the factor, and decimation: the standard of super-resolution.

    By PyTorch's antialiased interpolation, and its transpose.

    Args:
        factor: How many times smaller, 2 or more.
        size: Height and width of the large image, multiples of the factor.

    Raises:
        ValueError: The factor is below 2, or does not divide the size.

    Example:
        >>> BicubicDownsampling(2, (8, 6))(torch.ones(1, 1, 8, 6)).shape
        torch.Size([1, 1, 4, 3])
    """

    def __init__(self, factor: int, size: tuple[int, int]) -> None:
        if factor < 2 or any(n % factor for n in size):
            raise ValueError(f"factor must be 2 or more and divide the size {size}, got {factor}")
        self.factor, self.size = factor, size

    def __call__(self, x: Tensor) -> Tensor:
        """The small image."""
        small = [n // self.factor for n in self.size]
        return F.interpolate(x, small, mode="bicubic", antialias=True, align_corners=False)

    def adjoint(self, y: Tensor) -> Tensor:
        """The transpose."""
        return transposed(self, y, self.size)

    def start(self, y: Tensor) -> Tensor:
        """Bicubic interpolation."""
        return bicubic_upscale(y, self.factor)


def bicubic_upscale(planes: Tensor, factor: int) -> Tensor:
    """Bicubic interpolation of planes (a = -1/2): (N, 1, H, W) to (N, 1, factor H, factor W)."""
    return F.interpolate(planes, scale_factor=factor, mode="bicubic", antialias=True, align_corners=False)


def transposed(operator: LinearOperator, y: Tensor, size: tuple[int, int]) -> Tensor:
    """``A^T y`` for planes ``x`` of a size, by the derivative of the map, which is linear."""
    with torch.enable_grad():
        x = y.new_zeros(*y.shape[:2], *size, requires_grad=True)
        (found,) = torch.autograd.grad(operator(x), x, y)
    return found
