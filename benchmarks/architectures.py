"""Energies of several architectures, trained on patches of photographs with the exact loss."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

import scorematching as sm
from scorematching.energies import NICE, ProductOfStudentT
from scorematching.images.photographs import training_photographs
from scorematching.layers import Identity, SiLU

#: Regularizer. It is needed because 8-bit photographs have flat regions with quantized values.
LAM = 1e-3


def residual() -> sm.Graph:
    """Return a network with a residual block before the experts."""
    return sm.Graph(
        [
            ("x", sm.Linear(64, 128), "h"),
            ("h", SiLU(), "u"),
            ("u", sm.Linear(128, 64), "r"),
            ("x", Identity(), "r"),
            ("r", sm.Linear(64, 128), "s"),
            ("s", sm.StudentT(), "t"),
            ("t", sm.WeightedSum(128), "energy"),
        ]
    )


#: Name -> (function that builds the energy, shape of one sample).
ARCHITECTURES: dict[str, tuple[Callable[[], sm.Graph], tuple[int, ...]]] = {
    "product of experts, 64-128": (lambda: ProductOfStudentT(64, 128), (64,)),
    "field of experts, 24 of 5x5": (
        lambda: sm.Sequential(sm.Conv2d(1, 24, 5), sm.StudentT(), sm.WeightedSum(24)),
        (1, 16, 16),
    ),
    "2 hidden layers, 64-128-64": (
        lambda: sm.Sequential(sm.Linear(64, 128), SiLU(), sm.Linear(128, 64), sm.StudentT(), sm.WeightedSum(64)),
        (64,),
    ),
    "3 hidden layers, 64-128-128-64": (
        lambda: sm.Sequential(
            sm.Linear(64, 128),
            SiLU(),
            sm.Linear(128, 128),
            SiLU(),
            sm.Linear(128, 64),
            sm.StudentT(),
            sm.WeightedSum(64),
        ),
        (64,),
    ),
    "2 convolutions, 16 of 3x3 each": (
        lambda: sm.Sequential(sm.Conv2d(1, 16, 3), SiLU(), sm.Conv2d(16, 16, 3), sm.StudentT(), sm.WeightedSum(16)),
        (1, 16, 16),
    ),
    "residual, 64-128-64": (residual, (64,)),
    "NICE, 64, 4 couplings of 64": (lambda: NICE(64, 64), (64,)),
}


def patches(count: int, shape: tuple[int, ...], seed: int) -> Tensor:
    """Return square patches of the training photographs, shape (count, *shape).

    Each patch has mean 0, and all patches together have variance 1.
    """
    rng = np.random.default_rng(seed)
    side = round(float(np.prod(shape)) ** 0.5)
    images = training_photographs()
    found = np.empty((count, side, side), np.float32)
    for patch in found:
        image = images[rng.integers(len(images))]
        top, left = (rng.integers(n - side + 1) for n in image.shape)
        patch[:] = image[top : top + side, left : left + side]
    found += rng.normal(0, 2 / 255, found.shape)
    found -= found.mean((1, 2), keepdims=True)
    return torch.from_numpy(found / found.std()).reshape(count, *shape)


def trained(name: str, steps: int, seed: int = 0) -> sm.Graph:
    """Return an architecture trained with Adam on the exact loss, with batches of 128 patches."""
    torch.manual_seed(seed)
    build, shape = ARCHITECTURES[name]
    energy, data = build(), patches(20_000, shape, seed)
    optimizer = torch.optim.Adam(energy.parameters(), lr=3e-3)
    for _ in range(steps):
        x = data[torch.randint(len(data), (128,))]
        optimizer.zero_grad()
        sm.score_matching_loss(energy, x, lam=LAM).backward()
        optimizer.step()
    return energy
