"""The priors that come with the library: small, described, and better than what takes no training."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.priors import SHIPPED
from scorematching.restoration.classics import non_local_means

FOLDER = files("scorematching") / "priors" / "weights"


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_small_and_described(name: str) -> None:
    assert len((FOLDER / f"{name}.safetensors").read_bytes()) < 2**21
    assert f"\n| `{name}` |" in (FOLDER / "README.md").read_text(encoding="utf-8")
    noise = sm.load_prior(name).noise
    assert noise is not None
    assert noise.blind
    assert noise.is_wide


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_ahead_of_non_local_means(name: str) -> None:
    """Of a photograph that it has not seen, at the setting of non-local means that suits the clean one best."""
    level, prior, clean = 25 / 255, sm.load_prior(name), held_out_photograph("camera")[60:188, 150:278]
    if prior.config.colors > 1:
        clean = np.dstack([clean] * 3)
    noisy = (clean + np.random.default_rng(0).normal(0, level, clean.shape)).astype(np.float32)
    ours = sm.denoise(noisy, level, prior, data_range=1.0)
    theirs = non_local_means(noisy, level, clean)
    assert sm.psnr(clean, ours) > sm.psnr(clean, theirs) + 0.3
