"""Tiny good arguments."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

import scorematching as sm


def image() -> np.ndarray:
    """A noisy grayscale image of 24 x 20 pixels, uint8."""
    ramp = np.add.outer(np.linspace(40, 200, 24), np.linspace(0, 30, 20))
    return sm.GaussianNoise(12).simulate(ramp).clip(0, 255).astype(np.uint8)


def floats() -> np.ndarray:
    """The image, float64, with white at 1."""
    return image() / 255


def planes() -> Tensor:
    """The planes of the image."""
    return torch.from_numpy(floats()).float()[None, None]


@cache
def prior() -> sm.Prior:
    """An untrained field of experts for images with noise."""
    return sm.priors.FieldPrior(sm.FieldConfig(filters=4, size=3), noise=0.05)


@cache
def energy() -> sm.Sequential:
    """A small energy of three inputs."""
    torch.manual_seed(1)
    return sm.Sequential(sm.Linear(3, 4), sm.StudentT(), sm.WeightedSum(4))


@cache
def gaussian() -> sm.energies.Gaussian:
    """A Gaussian energy of three inputs."""
    return sm.energies.Gaussian(3)


@cache
def module() -> nn.Module:
    """A module that is not a graph."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def x() -> Tensor:
    """Data of three inputs, eight samples."""
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(2))
