"""Test cases: one line per layer and one line per network. Every check runs on all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

import scorematching as sm
from scorematching.checks.graphs import Wave, halves, parallel, residual, shared, skip
from scorematching.energies import NICE
from scorematching.layers import (
    GELU,
    Add,
    AvgPool2d,
    Charbonnier,
    Conv1d,
    ConvTranspose2d,
    Crop,
    Exp,
    Expand,
    Flatten,
    Gather,
    Identity,
    Layer,
    LogCosh,
    Metric,
    MetricConv2d,
    Multiply,
    PixelUnshuffle,
    PointwiseFunction,
    Power,
    Reshape,
    Scale,
    Scatter,
    Sigmoid,
    SiLU,
    Sin,
    Softplus,
    Spline,
    Square,
    StudentTMixture,
    SumOver,
    SumPool2d,
    Tanh,
)

Shape = tuple[int, ...]
Module = TypeVar("Module", bound=torch.nn.Module)

#: Autocovariance of noise in two channels that share it.
AUTOCOVARIANCE = torch.tensor(
    [
        [[[0.1, 0.2, 0.0], [0.4, 1.0, 0.4], [0.0, 0.2, 0.1]], [[0.1, 0.0, 0.0], [0.2, 0.3, 0.1], [0.0, 0.0, 0.0]]],
        [[[0.0, 0.0, 0.0], [0.1, 0.3, 0.2], [0.0, 0.0, 0.1]], [[0.0, 0.3, 0.0], [0.3, 2.0, 0.3], [0.0, 0.3, 0.0]]],
    ]
)

#: Name -> (function that builds the layer, shape of one sample).
LAYERS: dict[str, tuple[Callable[[], Layer], Shape]] = {
    "Linear": (lambda: sm.Linear(4, 6), (4,)),
    "Linear without bias": (lambda: sm.Linear(4, 6, bias=False), (4,)),
    "Scale": (lambda: Scale(3), (3, 2)),
    "Multiply": (lambda: Multiply(-0.5), (3, 2)),
    "Multiply, tensor": (lambda: Multiply(torch.randn(3, 1)), (3, 2)),
    "Multiply, learned": (lambda: Multiply(torch.nn.Parameter(torch.randn(3)), shape=(3, 1)), (3, 2)),
    "Add": (lambda: Add(1.5), (3, 2)),
    "Add, learned": (lambda: Add(torch.nn.Parameter(torch.randn(1, 2))), (3, 2)),
    "Conv2d": (lambda: sm.Conv2d(2, 3, 3), (2, 5, 6)),
    "Conv2d strided, padded": (lambda: sm.Conv2d(2, 4, (3, 2), stride=2, padding=1), (2, 6, 5)),
    "Conv2d grouped, no bias": (lambda: sm.Conv2d(4, 6, 3, groups=2, bias=False), (4, 4, 5)),
    "Conv2d dilated": (lambda: sm.Conv2d(3, 4, 2, stride=2, padding=1, dilation=2), (3, 5, 6)),
    "Conv1d": (lambda: Conv1d(2, 3, 3), (2, 6)),
    "Conv1d strided, grouped, dilated": (lambda: Conv1d(4, 6, 3, 2, 2, groups=2, bias=False, dilation=2), (4, 6)),
    "ConvTranspose2d": (lambda: ConvTranspose2d(3, 2, 3), (3, 3, 4)),
    "ConvTranspose2d strided": (
        lambda: ConvTranspose2d(2, 2, 3, stride=2, padding=1, output_padding=1),
        (2, 3, 3),
    ),
    "ConvTranspose2d grouped": (lambda: ConvTranspose2d(4, 6, 2, groups=2, bias=False), (4, 3, 3)),
    "ConvTranspose2d dilated": (lambda: ConvTranspose2d(2, 2, 3, stride=2, dilation=2), (2, 3, 3)),
    "WeightedSum": (lambda: sm.WeightedSum(5), (5,)),
    "WeightedSum of maps": (lambda: sm.WeightedSum(3), (3, 2, 4)),
    "Sum": (lambda: sm.Sum(factor=0.3), (3, 2)),
    "SumOver": (lambda: SumOver([1, 3]), (3, 2, 4)),
    "SumOver, mean": (lambda: SumOver([2], mean=True), (3, 2, 4)),
    "Expand": (lambda: Expand((3, 2, 4)), (3, 1, 4)),
    "AvgPool2d": (lambda: AvgPool2d(2), (2, 5, 4)),
    "AvgPool2d overlapping": (lambda: AvgPool2d(3, stride=2), (2, 6, 7)),
    "SumPool2d": (lambda: SumPool2d(2), (2, 4, 4)),
    "Flatten": (Flatten, (2, 3)),
    "Reshape": (lambda: Reshape((3, 4)), (2, 6)),
    "Identity": (Identity, (4,)),
    "Crop": (lambda: Crop(1), (2, 4, 5)),
    "PixelUnshuffle": (lambda: PixelUnshuffle(2), (2, 4, 6)),
    "Metric": (lambda: Metric(AUTOCOVARIANCE), (2, 4, 5)),
    "MetricConv2d": (lambda: MetricConv2d(Metric(AUTOCOVARIANCE), sm.Conv2d(2, 3, 3)), (2, 5, 6)),
    "MetricConv2d strided, no bias": (
        lambda: MetricConv2d(Metric(AUTOCOVARIANCE), sm.Conv2d(2, 3, (2, 3), 2, bias=False)),
        (2, 5, 6),
    ),
    "MetricConv2d of means": (
        lambda: MetricConv2d(Metric(AUTOCOVARIANCE), sm.Conv2d(2, 3, 2), [Crop(2), AvgPool2d(2)]),
        (2, 9, 8),
    ),
    "Gather": (lambda: Gather([3, 0, 3]), (4, 2)),
    "Scatter": (lambda: Scatter([2, 0], 4), (2, 3)),
    "Tanh": (Tanh, (5,)),
    "Sigmoid": (Sigmoid, (5,)),
    "Softplus": (lambda: Softplus(beta=2.0), (5,)),
    "SiLU": (SiLU, (5,)),
    "GELU": (GELU, (5,)),
    "LogCosh": (LogCosh, (5,)),
    "LogCosh learned": (lambda: LogCosh(2.0, channels=3, learn_scale=True), (3, 4)),
    "StudentT": (sm.StudentT, (5,)),
    "StudentT one learned": (lambda: sm.StudentT(0.7, learn_scale=True), (5,)),
    "StudentT learned": (lambda: sm.StudentT(0.7, channels=5, learn_scale=True), (5,)),
    "Charbonnier": (lambda: Charbonnier(0.5), (5,)),
    "Charbonnier learned": (lambda: Charbonnier(0.5, channels=2, learn_scale=True), (2, 3, 3)),
    "StudentTMixture": (lambda: StudentTMixture(4), (4,)),
    "StudentTMixture of maps": (lambda: StudentTMixture(2, scales=(0.5, 2.0)), (2, 3, 3)),
    "Spline": (lambda: Spline(4), (4,)),
    "Spline of maps, with tails": (lambda: Spline(2, reach=0.5, knots=4), (2, 3, 3)),
    "Square": (Square, (5,)),
    "Exp": (Exp, (5,)),
    "Sin": (Sin, (5,)),
    "Power, cube": (lambda: Power(3), (5,)),
    "Power, square": (lambda: Power(2), (5,)),
    "Power, reciprocal": (lambda: Power(-1), (5,)),
    "PointwiseFunction": (lambda: PointwiseFunction(torch.atan), (5,)),
    "PointwiseFunction, two given": (
        lambda: PointwiseFunction(torch.sin, torch.cos, lambda x: -torch.sin(x)),
        (5,),
    ),
    "PointwiseFunction, module": (lambda: PointwiseFunction(Wave()), (5,)),
}


#: Name -> (function that builds the network, shape of one sample, whether the recursion computes the true diagonal).
NETWORKS: dict[str, tuple[Callable[[], sm.Graph], Shape, bool]] = {
    "PoE, Student-t": (lambda: sm.Sequential(sm.Linear(4, 7), sm.StudentT(), sm.WeightedSum(7)), (4,), True),
    "PoE, mixtures": (lambda: sm.Sequential(sm.Linear(4, 7), StudentTMixture(7), sm.Sum()), (4,), True),
    "PoE, splines": (
        lambda: sm.Sequential(sm.Linear(4, 7), Spline(7, reach=2.0, knots=9), sm.Sum()),
        (4,),
        True,
    ),
    "PoE, learned scales": (
        lambda: sm.Sequential(sm.Linear(4, 7), sm.StudentT(1.0, 7, True), sm.WeightedSum(7)),
        (4,),
        True,
    ),
    "ICA": (lambda: sm.Sequential(sm.Linear(4, 4, bias=False), LogCosh(), sm.Sum()), (4,), True),
    "FoE": (lambda: sm.Sequential(sm.Conv2d(1, 3, 3), StudentTMixture(3), sm.Sum()), (1, 6, 5), True),
    "FoE, padded, strided": (
        lambda: sm.Sequential(sm.Conv2d(2, 3, 3, 2, 1), Charbonnier(), sm.WeightedSum(3)),
        (2, 5, 6),
        True,
    ),
    "disjoint pooling": (
        lambda: sm.Sequential(Square(), SumPool2d(2), Softplus(), sm.Sum()),
        (1, 4, 4),
        True,
    ),
    "one hidden layer": (
        lambda: sm.Sequential(sm.Linear(4, 6), Tanh(), sm.Linear(6, 1), sm.Sum()),
        (4,),
        True,
    ),
    "two hidden layers": (
        lambda: sm.Sequential(sm.Linear(4, 6), Tanh(), sm.Linear(6, 5), Softplus(), sm.WeightedSum(5)),
        (4,),
        False,
    ),
    "three hidden layers": (
        lambda: sm.Sequential(
            sm.Linear(4, 6),
            SiLU(),
            sm.Linear(6, 5),
            GELU(),
            sm.Linear(5, 4),
            Sin(),
            sm.WeightedSum(4),
        ),
        (4,),
        False,
    ),
    "two convolutions": (
        lambda: sm.Sequential(
            sm.Conv2d(1, 3, 3, padding=1),
            SiLU(),
            AvgPool2d(2),
            sm.Conv2d(3, 2, 2),
            Square(),
            Flatten(),
            sm.WeightedSum(8),
        ),
        (1, 6, 6),
        False,
    ),
    "convolution and transpose": (
        lambda: sm.Sequential(
            sm.Conv2d(1, 2, 3, stride=2),
            Tanh(),
            ConvTranspose2d(2, 1, 3, stride=2),
            sm.StudentT(),
            sm.Sum(),
        ),
        (1, 7, 7),
        False,
    ),
    "convolution of blocks": (
        lambda: sm.Sequential(
            PixelUnshuffle(2),
            sm.Conv2d(4, 2, 2),
            SiLU(),
            sm.Conv2d(2, 3, 1),
            Square(),
            sm.Sum(),
        ),
        (1, 6, 4),
        False,
    ),
    "skip connection": (skip, (4,), False),
    "residual": (residual, (4,), False),
    "shared layer": (shared, (4,), False),
    "parallel edges": (parallel, (4,), False),
    "disjoint halves": (halves, (4,), True),
    "NICE": (lambda: NICE(4, 5, couplings=3), (4,), False),
    "NICE, one coupling": (lambda: NICE(5, 4, couplings=1), (5,), False),
}


def make_layer(name: str, seed: int = 0) -> tuple[Layer, torch.Tensor]:
    """Return a layer of :data:`LAYERS` in float64 with random weights, and a random input of three samples.

    Example:
        >>> layer, x = make_layer("Tanh")
        >>> x.shape, x.dtype
        (torch.Size([3, 5]), torch.float64)
    """
    torch.manual_seed(seed + sum(map(ord, name)))
    build, shape = LAYERS[name]
    return _randomized(build()), torch.randn(3, *shape, dtype=torch.float64)


def make_network(name: str, seed: int = 0) -> tuple[sm.Graph, torch.Tensor, bool]:
    """Return a network of :data:`NETWORKS` in float64 with random weights, three random samples, and its exactness.

    The last value is True if the diagonal recursion computes the true diagonal.

    Example:
        >>> energy, x, exact = make_network("FoE")
        >>> x.shape, exact
        (torch.Size([3, 1, 6, 5]), True)
    """
    torch.manual_seed(seed + sum(map(ord, name)))
    build, shape, exact = NETWORKS[name]
    return _randomized(build()), torch.randn(3, *shape, dtype=torch.float64), exact


def _randomized(module: Module) -> Module:
    """Perturb all parameters of a module, in place."""
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1 + 0.3 * torch.randn_like(parameter)).add_(0.1 * torch.randn_like(parameter))
    return module
