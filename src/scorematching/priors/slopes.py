"""Slopes of Tweedie's formula: the derivative of each denoised pixel with respect to the same noisy pixel.

They are the diagonal of the Jacobian ``J = I - sigma^2 H``, where ``H`` is the Hessian of the energy. If the prior is
right, ``sigma^2 J`` is the covariance of the clean image given the noisy one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from scorematching.curvature.derivatives import hessian_diagonal
from scorematching.curvature.hessian_products import SweptProducts
from scorematching.priors.base import Prior
from scorematching.priors.field import FieldPrior
from scorematching.priors.tiles import Tile
from scorematching.runtime.compiling import run
from scorematching.runtime.progress import Progress, ProgressCallback

#: Distance in pixels of the entries of one probe. There is one product for each of its square of positions.
STRIDE = 5
#: Maximum side of a tile in pixels. Products of the Hessian take four times the memory of a gradient.
_TILE = 384


class Slopes(NamedTuple):
    """Derivatives of Tweedie's formula ``x(y)`` for images with noise of level 1, each of shape (N, C, H, W).

    Attributes:
        slope: ``J_ii``, the derivative of each value with respect to itself.
        passed: ``sum_j J_ij^2``, the variance of the noise that passes through to each value.
        step: ``x - y``.
    """

    slope: Tensor
    passed: Tensor
    step: Tensor


@torch.no_grad()
def exact_slope(prior: FieldPrior, y: Tensor, progress: ProgressCallback | None = None) -> Tensor:
    """Return the slopes for a field of experts, exactly.

    The recursion of the paper gives the diagonal of the Hessian for the image with its mirrored borders. Near a border,
    the mirrored pixels follow the pixel: there, products with grids so wide that no two entries are coupled add their
    influence.

    Args:
        prior: A field of experts of noisy images.
        y: Noisy planes, shape (N, 1, H, W), with noise of level 1.
        progress: Called after each tile.
    """
    grid, result, m = prior.grid(y), torch.empty_like(y), prior.margin
    tiles = [(tile, False) for tile in grid.tiles(prior.tile)]
    reach = prior.margin + prior.block  # distance at which two pixels are not coupled
    # A pixel is coupled with its mirrored self at up to half that distance from the border; in whole blocks.
    rim = -(-(reach // 2 + prior.block) // prior.block) * prior.block
    height, width = grid.size
    for part in (slice(0, min(rim, height)), slice(max(0, height - rim), height)):
        tiles += [(tile, True) for tile in grid.tiles(prior.tile, down=part)]
    for part in (slice(0, min(rim, width)), slice(max(0, width - rim), width)):
        tiles += [(tile, True) for tile in grid.tiles(prior.tile, across=part)]
    for done, (tile, at_border) in enumerate(tiles, 1):
        if at_border:
            grids = itertools.product(*((t[m:-m] % reach).unique().tolist() for t in (tile.rows, tile.columns)))
            tile.put(result, _by_grids(prior, y, tile, reach, torch.ones_like(y), grids).slope)
        else:
            tile.put(result, 1 - run(_diagonal, prior, tile.take(y)))
        if progress is not None:
            progress(Progress(done, len(tiles)))
    return result


def probed_slopes(
    prior: Prior,
    y: Tensor,
    generator: torch.Generator | None = None,
    progress: ProgressCallback | None = None,
    stride: int = STRIDE,
) -> Slopes:
    """Estimate the slopes for any prior, from products of the Hessian with grids of random signs.

    A grid has an entry at every ``stride``-th pixel in each direction. The estimate of a pixel is disturbed by the
    other pixels of its grid only, and the Jacobian decays with the distance (Tang & Saad 2012). It is unbiased over the
    signs, and exact if the stride exceeds the reach of the prior. The colors of one grid are apart from one another.

    Args:
        prior: A prior of noisy images.
        y: Noisy planes as arranged by the prior, shape (N, C, H, W), with noise of level 1.
        generator: Random number generator of the signs. By default that of PyTorch.
        progress: Called after each product.
        stride: Distance of the entries of a grid, in pixels.
    """
    signs = torch.randint(2, y.shape, generator=generator).to(y) * 2 - 1
    tiles, done = prior.grid(y).tiles(min(prior.tile, _TILE)), itertools.count(1)
    result = Slopes(torch.empty_like(y), torch.empty_like(y), torch.empty_like(y))

    def counted() -> Iterator[tuple[int, int]]:
        for down in range(stride):
            for across in range(stride):
                yield down, across
                if progress is not None:
                    progress(Progress(next(done), len(tiles) * stride**2))

    for tile in tiles:
        for whole, part in zip(result, _by_grids(prior, y, tile, stride, signs, counted()), strict=True):
            tile.put(whole, part)
    return result


@torch.no_grad()
def _by_grids(
    prior: Prior, y: Tensor, tile: Tile, stride: int, signs: Tensor, grids: Iterable[tuple[int, int]]
) -> Slopes:
    """Return the slopes of a tile with its margins, from grids with the given first rows and columns."""
    near, signed = tile.take(y), tile.take(signs)
    products = SweptProducts(prior.energy, near)
    slope, passed = torch.zeros_like(near), torch.zeros_like(near)
    shift = torch.arange(near.shape[1], device=near.device).view(-1, 1, 1) * stride
    rows = (tile.rows - shift // 3) % stride
    columns = (tile.columns - 2 * shift // 3) % stride
    for down, across in grids:
        v = signed * ((rows == down) & (columns == across))
        moved = v - products.hessian_times(v)
        slope += v * moved
        passed += moved.square_()
    return Slopes(slope, passed, -products.d)


def _diagonal(prior: Prior, near: Tensor) -> Tensor:
    return hessian_diagonal(prior.energy, near, "diagonal", check_finite=False)
