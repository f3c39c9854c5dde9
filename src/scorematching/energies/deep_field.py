"""Deep convolutional energies of images."""

from __future__ import annotations

import copy
import math
from typing import cast

import torch
from torch import Tensor

from scorematching.energies.sizes import check_deep_sizes
from scorematching.graph import Graph
from scorematching.layers import Conv2d, Crop, Layer, PixelUnshuffle, SiLU, Square, Sum
from scorematching.runtime.arguments import check_count
from scorematching.runtime.kinds import check_arguments

#: Initial weights relative to He initialization. The first convolution has smaller weights because the data are large;
#: the second convolution of each block, so that the block starts near the identity; the last convolution, so that the
#: initial energy is small.
_FIRST, _SECOND, _LAST = 0.3, 0.3, 0.1


class DeepField(Graph):
    """Deep convolutional energy ``E(x) = 1/2 |N(x)|^2`` of grayscale or color images of any size.

    The network ``N`` turns blocks of 2 x 2 pixels into channels. A first convolution is followed by residual blocks of
    two convolutions, with a SiLU before each convolution. The last convolution has as many channels as a block of
    pixels has values. The convolutions have no padding, so that the energies of tiles add up to the energy of the
    image.

    Args:
        channels: Number of channels of the hidden layers.
        depth: Number of convolutions on the longest path, an even number of 2 or more.
        size: Side of a filter in blocks, an odd number of 3 or more.
        seed: Seed of the random initial weights.
        colors: Number of color channels: 1 for grayscale images, 3 for red, green and blue.

    Raises:
        ValueError: A size is out of its range.

    Example:
        >>> DeepField(channels=8, depth=4)(torch.zeros(2, 1, 24, 20)).shape
        torch.Size([2])
    """

    #: Side of a block in pixels.
    BLOCK = 2

    def __init__(self, channels: int = 64, depth: int = 6, size: int = 3, seed: int = 0, colors: int = 1) -> None:
        check_deep_sizes(channels, size, depth)
        check_count("colors", colors)
        check_arguments(DeepField.__init__, locals())
        inside, count = colors * self.BLOCK**2, depth // 2 - 1
        edges: list[tuple[str, Layer, str]] = [
            ("x", PixelUnshuffle(self.BLOCK), "pixels"),
            ("pixels", Conv2d(inside, channels, size), "h0"),
        ]
        for i in range(count):
            edges += [
                (f"h{i}", SiLU(), f"u{i}"),
                (f"u{i}", Conv2d(channels, channels, size), f"v{i}"),
                (f"v{i}", SiLU(), f"w{i}"),
                (f"w{i}", Conv2d(channels, channels, size), f"h{i + 1}"),
                (f"h{i}", Crop(size - 1), f"h{i + 1}"),
            ]
        edges += [
            (f"h{count}", SiLU(), "u"),
            ("u", Conv2d(channels, inside, size), "n"),
            ("n", Square(), "squares"),
            ("squares", Sum(0.5), "energy"),
        ]
        super().__init__(edges)
        self.margin = self.BLOCK * (size - 1) * depth
        self._start(seed)

    @torch.no_grad()
    def _start(self, seed: int) -> None:
        """Set random initial weights and zero biases."""
        generator = torch.Generator().manual_seed(seed)
        for convolution in self.convolutions:
            spread = math.sqrt(2 / convolution.weight[0].numel())
            convolution.weight.copy_(spread * torch.randn(convolution.weight.shape, generator=generator))
            cast(Tensor, convolution.bias).zero_()
        first, *blocks, last = self.convolutions
        for convolution, factor in [(first, _FIRST), *((second, _SECOND) for second in blocks[1::2]), (last, _LAST)]:
            convolution.weight.mul_(factor)

    @property
    def convolutions(self) -> list[Conv2d]:
        """Convolutions of ``N``, in order."""
        return [layer for layer in self.layers if isinstance(layer, Conv2d)]

    def with_border(self) -> Graph:
        """Return the same energy with zero padding in each convolution. It shares its parameters with this one."""
        layers = [copy.copy(cast(Layer, layer)) for layer in self.layers]  # shallow: parameters are shared
        for layer in layers:
            if isinstance(layer, Conv2d):
                layer.padding = (layer.kernel[0] // 2, layer.kernel[1] // 2)
            elif isinstance(layer, Crop):
                layer.border = 0
        edges = sorted(self.edges)
        return Graph([(edge.source, layers[edge.number], edge.target) for edge in edges])
