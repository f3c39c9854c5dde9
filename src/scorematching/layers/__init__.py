"""Layers: functions on the edges of a graph, each with hand-written derivatives.

Linear layers: :class:`Linear`, :class:`Conv2d`, :class:`Conv1d`, :class:`ConvTranspose2d`, :class:`Scale`,
:class:`Multiply`, :class:`Add`. Layers that move or copy entries: :class:`Reshape`, :class:`Gather`, :class:`Scatter`,
:class:`Crop`, :class:`Expand`. Layers that sum entries: :class:`Sum`, :class:`WeightedSum`, :class:`AvgPool2d`. Layers
of correlated noise: :class:`Metric`, :class:`MetricConv2d`. Activations: :class:`Softplus`, :class:`SiLU` and others,
or :class:`PointwiseFunction` for any function. Experts, the energies of filter responses: :class:`StudentT`,
:class:`StudentTMixture`, :class:`Spline`.

To write a layer of your own, begin with its base class, :class:`Affine` or :class:`Pointwise`, and check it with
:func:`scorematching.checks.check_layer`.
"""

from scorematching.layers.base import Layer
from scorematching.layers.conv import Conv1d, Conv2d, ConvTranspose2d
from scorematching.layers.experts import Charbonnier, LogCosh, ScaledExpert, StudentT, StudentTMixture
from scorematching.layers.families import Affine, Pointwise
from scorematching.layers.linear import Add, Linear, Multiply, Scale
from scorematching.layers.metric import Metric, MetricConv2d
from scorematching.layers.pointwise import (
    GELU,
    Exp,
    PointwiseFunction,
    Power,
    Sigmoid,
    SiLU,
    Sin,
    Softplus,
    Square,
    Tanh,
)
from scorematching.layers.spline import Spline
from scorematching.layers.structural import Crop, Flatten, Gather, Identity, PixelUnshuffle, Reshape, Scatter
from scorematching.layers.sums import AvgPool2d, Expand, Sum, SumOver, SumPool2d, WeightedSum

__all__ = [
    "GELU",
    "Add",
    "Affine",
    "AvgPool2d",
    "Charbonnier",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Crop",
    "Exp",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Layer",
    "Linear",
    "LogCosh",
    "Metric",
    "MetricConv2d",
    "Multiply",
    "PixelUnshuffle",
    "Pointwise",
    "PointwiseFunction",
    "Power",
    "Reshape",
    "Scale",
    "ScaledExpert",
    "Scatter",
    "SiLU",
    "Sigmoid",
    "Sin",
    "Softplus",
    "Spline",
    "Square",
    "StudentT",
    "StudentTMixture",
    "Sum",
    "SumOver",
    "SumPool2d",
    "Tanh",
    "WeightedSum",
]
