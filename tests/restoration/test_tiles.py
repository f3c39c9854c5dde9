"""Progress of denoising in tiles."""

from __future__ import annotations

import numpy as np
from image_samples import RANDOM

import scorematching as sm


def test_each_tile_reports_progress(prior: sm.Prior) -> None:
    told: list[tuple[int, int]] = []

    def step(done: int, total: int) -> None:
        told.append((done, total))

    image = RANDOM.integers(1, 255, (130, 300), dtype=np.uint8)
    whole = sm.denoise(image, 25, prior, progress=step)
    assert told == [(n, 6) for n in range(1, 7)]
    prior.tile = 64
    told.clear()
    sm.denoise(np.where(RANDOM.random((70, 70, 3)) < 0.1, 0, 99).astype(np.uint8), 25, prior, progress=step)
    assert told == [(n, 24) for n in (1, 2, 3, 4, 6, 8, 10, 12, 13, 14, 15, 16, 18, 20, 22, 24)]  # colors, twice
    prior.tile = 1024
    np.testing.assert_allclose(sm.denoise(image, 25, prior).astype(int), whole, atol=1)
