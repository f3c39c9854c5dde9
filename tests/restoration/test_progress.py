"""Progress of denoising and restoration: one protocol, monotone, from the first step to the last."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from simulated import many_levels

import scorematching as sm
from scorematching.restoration import Blur, Mask, gaussian_kernel
from scorematching.runtime import Progress, ProgressCallback

RANDOM = np.random.default_rng(0)
GRAY = RANDOM.integers(1, 255, (40, 72), dtype=np.uint8)
COLOR = RANDOM.integers(1, 255, (40, 72, 3), dtype=np.uint8)
#: Enough blacks that the range counts as clipping the noise.
CLIPPED = np.where(RANDOM.random(GRAY.shape) < 0.1, 0, GRAY).astype(np.uint8)
CLIPPED_COLOR = np.where(RANDOM.random(COLOR.shape) < 0.1, 0, COLOR).astype(np.uint8)

Work = Callable[[sm.Prior, ProgressCallback], np.ndarray]


def denoising(image: np.ndarray, **options: object) -> Work:
    return lambda prior, progress: sm.denoise(image, 25, prior, progress=progress, **options)


WORK: dict[str, Work] = {
    "gray": denoising(GRAY),
    "color": denoising(COLOR),
    "clipped": denoising(CLIPPED),
    "clipped color": denoising(CLIPPED_COLOR),
    "self-ensemble": denoising(GRAY, self_ensemble=True),
    "self-ensemble, clipped color": denoising(CLIPPED_COLOR, self_ensemble=True),
    "low light": lambda prior, progress: sm.denoise(GRAY, sm.PoissonGaussianNoise(2), prior, progress=progress),
    "map": denoising(GRAY, method="map"),
    "map, self-ensemble": denoising(GRAY, method="map", self_ensemble=True),
    "restore, map": lambda prior, progress: sm.restore(
        GRAY, Mask(torch.rand(GRAY.shape) > 0.3), prior, steps=4, progress=progress
    ),
    "restore, annealed": lambda prior, progress: sm.restore(
        COLOR, Mask(torch.rand(GRAY.shape) > 0.3), many_levels(prior), method="annealed", steps=4, progress=progress
    ),
    "upscale": lambda prior, progress: sm.upscale(GRAY, 2, prior, steps=4, progress=progress),
}


@pytest.mark.filterwarnings("ignore:(the result does not explain|what was removed)")  # images of noise, few steps
@pytest.mark.parametrize("name", WORK)
def test_progress_is_monotone_and_ends_with_the_last_step(name: str, prior: sm.Prior) -> None:
    prior.tile = 32
    states: list[Progress] = []
    WORK[name](prior, states.append)
    assert len({state.steps for state in states}) == 1
    steps = [state.step for state in states]
    assert len(steps) >= 4
    assert 0 < steps[0] < steps[-1] == states[-1].steps
    assert steps == sorted(steps)
    iterative = any(word in name for word in ("map", "restore", "upscale"))
    assert all(state.figures.keys() == ({"misfit", "change"} if iterative else set()) for state in states)
    assert all(np.isfinite(value) for state in states for value in state.figures.values())


@pytest.mark.filterwarnings("ignore:(the result does not explain|what was removed)")
@pytest.mark.parametrize("name", ["clipped color", "map", "restore, annealed"])
def test_progress_changes_no_bits(name: str, prior: sm.Prior) -> None:
    prior.tile = 32
    results = []
    for progress in (None, lambda _: None):
        torch.manual_seed(0)
        results.append(WORK[name](prior, progress))
    np.testing.assert_array_equal(*results)


@pytest.mark.filterwarnings("ignore:what was removed")
def test_tiles_are_counted(prior: sm.Prior) -> None:
    """Luminance is a third of the work on colors; clipped images are denoised twice."""
    counted: list[tuple[float, int]] = []
    count: ProgressCallback = lambda state: counted.append((state.step, state.steps))  # noqa: E731
    image = RANDOM.integers(1, 255, (130, 300), dtype=np.uint8)
    whole = sm.denoise(image, 25, prior, progress=count)
    assert counted == [(n, 6) for n in range(1, 7)]
    prior.tile = 64
    counted.clear()
    sm.denoise(np.where(RANDOM.random((70, 70, 3)) < 0.1, 0, 99).astype(np.uint8), 25, prior, progress=count)
    assert counted == [(n, 24) for n in (1, 2, 3, 4, 6, 8, 10, 12, 13, 14, 15, 16, 18, 20, 22, 24)]
    prior.tile = 1024
    np.testing.assert_allclose(sm.denoise(image, 25, prior).astype(int), whole, atol=1)


def test_the_misfit_of_map_falls(photograph: np.ndarray, prior: sm.Prior) -> None:
    blur, states = Blur(gaussian_kernel(1.0)), list[Progress]()
    soft = blur(torch.from_numpy(photograph[None, None] / np.float32(255)))[0, 0].numpy()
    sm.restore(soft, blur, prior, data_range=1.0, noise=5 / 255, steps=8, progress=states.append)
    assert states[-1].steps == 8
    assert states[-1].figures["misfit"] < states[0].figures["misfit"]
    assert states[0].figures["change"] > 0
