"""Layers: functions on the edges of a graph, each with its derivatives beside it."""

from scorematching.layers.base import Layer
from scorematching.layers.conv import Conv2d, ConvTranspose2d
from scorematching.layers.experts import Charbonnier, LogCosh, ScaledExpert, StudentT, StudentTMixture
from scorematching.layers.families import Affine, Pointwise
from scorematching.layers.linear import Linear, Scale
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
from scorematching.layers.structural import (
    AvgPool2d,
    Embed,
    Flatten,
    Identity,
    Select,
    Sum,
    SumPool2d,
    WeightedSum,
)

__all__ = [
    "GELU",
    "Affine",
    "AvgPool2d",
    "Charbonnier",
    "Conv2d",
    "ConvTranspose2d",
    "Embed",
    "Exp",
    "Flatten",
    "Identity",
    "Layer",
    "Linear",
    "LogCosh",
    "Pointwise",
    "PointwiseFunction",
    "Power",
    "Scale",
    "ScaledExpert",
    "Select",
    "SiLU",
    "Sigmoid",
    "Sin",
    "Softplus",
    "Square",
    "StudentT",
    "StudentTMixture",
    "Sum",
    "SumPool2d",
    "Tanh",
    "WeightedSum",
]
