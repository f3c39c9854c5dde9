"""Linear operators ``A`` of observations ``y = A x + noise``, each with its exact adjoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from scorematching.layers.correlation import correlate
from scorematching.priors.tiles import mirrored
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.kinds import check_arguments


class LinearOperator(Protocol):
    """Linear map of planes, from (N, 1, H, W) to (N, 1, H', W')."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``A x``."""

    def adjoint(self, y: Tensor) -> Tensor:
        """Return ``A^T y``."""

    def start(self, y: Tensor) -> Tensor:
        """Return a first guess of ``x`` from an observation ``y``."""


class Identity:
    """Identity ``A x = x``: the image itself is observed."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x``."""
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """Return ``y``."""
        return y

    def start(self, y: Tensor) -> Tensor:
        """Return ``y``."""
        return y


class Mask:
    """Image with holes: ``A x`` is ``x`` at known pixels, and 0 at unknown pixels.

    Args:
        known: Mask of shape (H, W), True or nonzero at known pixels.

    Raises:
        ValueError: ``known`` does not have two dimensions, or has NaN, or no pixel is known.

    Example:
        >>> mask = Mask(torch.tensor([[True, False, True]]))
        >>> mask.start(torch.tensor([[[[1.0, 9.0, 1.0]]]])).tolist()
        [[[[1.0, 1.0, 1.0]]]]
    """

    def __init__(self, known: Tensor) -> None:
        check_arguments(Mask.__init__, locals())
        if known.ndim != 2:
            raise ValueError(f"known must have shape (H, W), got {tuple(known.shape)}")
        if bool(known.isnan().any()):
            raise ValueError("known has entries that are NaN: the mask must be True or nonzero where a pixel is known")
        if not bool((known != 0).any()):
            raise ValueError("no pixel is known: the mask must be True where a pixel is known")
        self.known = known != 0

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``x`` with unknown pixels set to 0."""
        if x.shape[2:] != self.known.shape:
            raise ValueError(f"the mask has shape {tuple(self.known.shape)}, the image has {tuple(x.shape[2:])}")
        return x * self.known.to(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return ``A y``: the operator is its own adjoint."""
        return self(y)

    def start(self, y: Tensor) -> Tensor:
        """Fill each unknown pixel with the mean of the known pixels in the smallest square that has any."""
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
    """Return the mean over the square around each pixel, with zeros beyond the border."""
    half = side // 2
    columns = F.avg_pool2d(planes, (side, 1), 1, (half, 0))
    return F.avg_pool2d(columns, (1, side), 1, (0, half))


class Blur:
    """Convolution with a kernel. The image is mirrored at its borders.

    Args:
        kernel: Kernel of shape (h, w), both odd, for example from :func:`gaussian_kernel`.

    Raises:
        ValueError: The kernel does not have two dimensions of odd size, is zero, or has an entry that is not finite.

    Example:
        >>> Blur(gaussian_kernel(1.5))(torch.ones(1, 1, 20, 20)).mean().round(decimals=3)
        tensor(1.)
    """

    def __init__(self, kernel: Tensor) -> None:
        check_arguments(Blur.__init__, locals())
        if kernel.ndim != 2 or any(n % 2 == 0 for n in kernel.shape):
            raise ValueError(f"kernel must have shape (h, w) with odd sides, got shape {tuple(kernel.shape)}")
        if not bool(torch.isfinite(kernel).all()):
            raise ValueError("kernel must be finite, got entries that are NaN or infinite")
        if not bool((kernel != 0).any()):
            raise ValueError("the kernel is zero everywhere: an image can't be restored from nothing")
        self.kernel = kernel

    def __call__(self, x: Tensor) -> Tensor:
        """Return the blurred image."""
        height, width = (n // 2 for n in self.kernel.shape)
        if x.shape[2] <= height or x.shape[3] <= width:
            raise ValueError(
                f"an image of {x.shape[3]} x {x.shape[2]} pixels is too small for a kernel of shape "
                f"{tuple(self.kernel.shape)}: each side must be more than half the kernel's"
            )
        padded = F.pad(x, [width, width, height, height], mode="reflect")
        return correlate(padded, self.kernel.flip(0, 1)[None, None].to(x), (0, 0))

    def adjoint(self, y: Tensor) -> Tensor:
        """Return ``A^T y``. The part that falls beyond a border is mirrored back."""
        spread = correlate(y, self.kernel[None, None].to(y), tuple(n - 1 for n in self.kernel.shape))
        for dim, size, reach in zip((2, 3), y.shape[2:], self.kernel.shape, strict=True):
            places = mirrored(size, reach // 2, reach // 2, y.device)
            shape = (*spread.shape[:dim], size, *spread.shape[dim + 1 :])
            spread = y.new_zeros(shape).index_add(dim, places, spread)
        return spread

    def start(self, y: Tensor) -> Tensor:
        """Return ``y``."""
        return y


def gaussian_kernel(sigma: float) -> Tensor:
    """Return a Gaussian kernel with sum 1, truncated at four standard deviations.

    Args:
        sigma: Standard deviation in pixels, above 0.

    Raises:
        ValueError: ``sigma`` is not above 0.

    Example:
        >>> gaussian_kernel(0.8).shape
        torch.Size([9, 9])
    """
    sigma = check_positive("sigma", sigma)
    check_arguments(gaussian_kernel, locals())
    if not 1e-3 <= sigma <= 1e3:
        raise ValueError(f"sigma must be from 0.001 to 1000 pixels, got {sigma:g}")
    reach = math.ceil(4 * sigma)
    profile = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = profile[:, None] * profile
    return kernel / kernel.sum()


class FunctionOperator:
    """Linear operator given by two functions. :func:`check_adjoint` checks that they are adjoint.

    Args:
        forward: Function that returns ``A x``.
        backward: Function that returns ``A^T y``.
        guess: Function that returns a first guess of ``x`` from ``y``. By default ``backward``.

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
        check_arguments(FunctionOperator.__init__, locals())
        self.forward, self.backward, self.guess = forward, backward, guess or backward

    def __call__(self, x: Tensor) -> Tensor:
        """Return ``A x``."""
        return self.forward(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return ``A^T y``."""
        return self.backward(y)

    def start(self, y: Tensor) -> Tensor:
        """Return the first guess."""
        return self.guess(y)


def check_adjoint(
    operator: LinearOperator,
    size: tuple[int, int],
    tolerance: float = 1e-4,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> None:
    """Check the adjoint of an operator with the dot-product test: ``<A x, y> = <x, A^T y>`` for random planes.

    Args:
        operator: ``A``.
        size: Height and width of ``x``.
        tolerance: Largest difference of the two products, relative to the norms of their factors.
        seed: Seed of the random planes.
        device: Device of the random planes.

    Raises:
        ValueError: The two products differ, or ``A^T y`` does not have the shape of ``x``.
    """
    check_arguments(check_adjoint, locals())
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 1, *size, generator=generator).to(device)
    image = operator(x)
    y = torch.randn(image.shape, generator=generator).to(device)
    back = operator.adjoint(y)
    if back.shape != x.shape:
        raise ValueError(f"the adjoint returns shape {tuple(back.shape)}, the operator takes {tuple(x.shape)}")
    ahead, behind = float((image * y).double().sum()), float((x * back).double().sum())
    if not abs(ahead - behind) <= tolerance * float(image.norm() * y.norm() + x.norm() * back.norm()):
        raise ValueError(f"the adjoint does not match the operator: <A x, y> is {ahead:.6g}, <x, A^T y> {behind:.6g}")


class BicubicDownsampling:
    """Bicubic downsampling (a = -1/2) with antialiasing, the standard observation of super-resolution.

    The operator is PyTorch's antialiased interpolation.

    Args:
        factor: Ratio of the sides of the large and the small image, 2 or more.
        size: Height and width of the large image, multiples of ``factor``.

    Raises:
        ValueError: The factor is below 2, or does not divide the size.

    Example:
        >>> BicubicDownsampling(2, (8, 6))(torch.ones(1, 1, 8, 6)).shape
        torch.Size([1, 1, 4, 3])
    """

    def __init__(self, factor: int, size: tuple[int, int]) -> None:
        check_arguments(BicubicDownsampling.__init__, locals())
        if factor < 2 or any(n % factor for n in size):
            raise ValueError(f"factor must be 2 or more and divide the size {size}, got {factor}")
        self.factor, self.size = factor, size

    def __call__(self, x: Tensor) -> Tensor:
        """Return the small image."""
        small = [n // self.factor for n in self.size]
        return F.interpolate(x, small, mode="bicubic", antialias=True, align_corners=False)

    def adjoint(self, y: Tensor) -> Tensor:
        """Return ``A^T y``, a large image."""
        return transposed(self, y, self.size)

    def start(self, y: Tensor) -> Tensor:
        """Return the bicubic interpolation, a large image."""
        return bicubic_upscale(y, self.factor)


def bicubic_upscale(planes: Tensor, factor: int) -> Tensor:
    """Enlarge planes by bicubic interpolation (a = -1/2), (N, 1, H, W) to (N, 1, factor H, factor W)."""
    return F.interpolate(planes, scale_factor=factor, mode="bicubic", antialias=True, align_corners=False)


def transposed(operator: LinearOperator, y: Tensor, size: tuple[int, int]) -> Tensor:
    """Return ``A^T y`` by automatic differentiation of ``A``; ``size`` is the height and width of ``x``."""
    with torch.enable_grad():
        x = y.new_zeros(*y.shape[:2], *size, requires_grad=True)
        (found,) = torch.autograd.grad(operator(x), x, y)
    return found
