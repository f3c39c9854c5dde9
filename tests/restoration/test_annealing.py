"""Restoration by annealing with priors of many noise levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.restoration import BicubicDownsampling, Blur, LinearOperator, Mask, gaussian_kernel
from scorematching.restoration.annealing import _compromise
from scorematching.restoration.map_estimate import posterior_energy
from scorematching.runtime import Progress


@pytest.mark.parametrize(("task", "least"), [("holes", 2.5), ("blur", 3.0), ("enlarge", 1.5)])
def test_annealing_improves_the_first_guess_and_settles(task: str, least: float, natural: sm.Prior) -> None:
    clean = torch.from_numpy(held_out_photograph("camera")[80:176, 180:276])[None, None]
    generator = torch.Generator().manual_seed(0)
    operator: LinearOperator = {
        "holes": Mask(torch.rand(96, 96, generator=generator) > 0.4),
        "blur": Blur(gaussian_kernel(1.0)),
        "enlarge": BicubicDownsampling(2, (96, 96)),
    }[task]
    y = operator(clean)
    y = y + torch.randn(y.shape, generator=generator) / 255
    states: list[Progress] = []
    found = sm.restore(y[0, 0].numpy(), operator, natural, data_range=1.0, progress=states.append)
    before, after = (sm.psnr(clean[0, 0].numpy(), x) for x in (operator.start(y)[0, 0].numpy(), found))
    assert after > before + least
    assert [(state.step, state.steps) for state in states] == [(step, 20) for step in range(1, 21)]
    assert states[-1].figures["misfit"] < 1.2
    assert states[-1].figures["change"] < states[0].figures["change"] / 3


def test_the_compromise_of_annealing_is_the_minimum() -> None:
    """Against the normal equations, solved densely."""
    operator = Blur(torch.tensor([[1.0, 2, 1], [2, 6, 2], [1, 2, 1]]) / 18)
    matrix = torch.stack([operator(e.view(1, 1, 6, 7)).flatten() for e in torch.eye(42, dtype=torch.float64)], 1)
    y, z = torch.randn(2, 1, 1, 6, 7, dtype=torch.float64)
    exact = torch.linalg.solve(matrix.T @ matrix + 0.5 * torch.eye(42), matrix.T @ y.flatten() + 0.5 * z.flatten())
    torch.testing.assert_close(_compromise(operator, y, z, 0.5).flatten(), exact, rtol=1e-4, atol=1e-5)


def test_a_result_less_probable_than_the_first_guess_is_discarded(photograph: np.ndarray) -> None:
    """A wild prior spoils the image: the first guess is kept."""
    noise = sm.priors.TrainedNoise(0.1, lowest=0.02, highest=0.2)
    prior = sm.priors.DeepPrior(sm.DeepConfig(channels=8, depth=4), noise)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.mul_(3)
    image = photograph[:40, :40].astype(np.float32) / 255
    operator = Blur(gaussian_kernel(0.6))
    found = sm.restore(image, operator, prior, data_range=1.0, noise=0.2)
    start, result = (
        posterior_energy(torch.from_numpy(x)[None, None], torch.from_numpy(image)[None, None], operator, 0.2, prior)[0]
        for x in (image, found)
    )
    assert result <= start


def test_the_seed_decides_the_result(photograph: np.ndarray, natural: sm.Prior) -> None:
    image, known = photograph[:48, :48], torch.ones(48, 48)
    known[20:30, 20:30] = 0
    first, again, other = (sm.restore(image, Mask(known), natural, steps=3, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
