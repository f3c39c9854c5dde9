"""Training on images whose noise grows with brightness."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import scorematching as sm
from scorematching.plotting.html_report import write_page
from scorematching.restoration.certificate import certify
from scorematching.training.data import open_images
from scorematching.training.noise import with_noise

MODEL = sm.FieldConfig(filters=8, size=3)


def test_a_prior_is_fitted_to_the_stabilized_image(photograph: np.ndarray, tmp_path: Path) -> None:
    noise, training = sm.PoissonGaussianNoise(gain=8.0), sm.TrainingConfig(steps=80, crop=32)
    clean = np.tile(photograph, (2, 2)).astype(np.float64)
    noisy = noise.simulate(clean)
    result = sm.fit([noisy], noise=noise, clean=[clean], model=MODEL, training=training, data_range=255.0)
    assert result.prior.noise is not None
    assert result.prior.noise.sigma == pytest.approx(noise.stabilizer(255.0).level)
    assert result.prior.provenance.data == "1 noisy, stabilized (gain 8, read noise 0) images: array 0"
    assert result.expected_psnr == pytest.approx(result.psnr, abs=0.5)
    restored = sm.denoise(noisy, noise, result.prior, data_range=255)
    assert sm.psnr(clean, restored, 255) > sm.psnr(clean, noisy, 255) + 6
    certificate = certify(noisy, restored, noise, lambda image: image, 255)
    write_page(tmp_path / "it.html", noisy, restored, certificate, title="it", data_range=255)
    assert "gain 8, read noise 0, white is 255, as given" in (tmp_path / "it.html").read_text()


def test_clean_planes_are_compared_with_the_mean_of_stabilized_ones() -> None:
    noise = sm.PoissonGaussianNoise(gain=4.0)
    (noisy,), level, _ = with_noise(open_images(np.full((16, 16), 4.0), data_range=100), noise)
    mean = noise.stabilizer(100.0).mean(torch.full((16, 16), 0.04))
    assert (noisy[0].sigma, noisy[0].contrast) == (level, 1)
    torch.testing.assert_close(replace(noisy[0], sigma=0.0).pixels()[0], mean)


def test_each_image_may_have_its_own_read_noise(photograph: np.ndarray) -> None:
    noise = [sm.PoissonGaussianNoise(gain=5.0, sigma=sigma) for sigma in (2.0, 9.0)]
    training = sm.TrainingConfig(steps=2, crop=16)
    prior = sm.fit([photograph, photograph], noise=noise, model=MODEL, training=training).prior
    assert prior.noise is not None
    assert prior.noise.range == pytest.approx(sorted(one.stabilizer(255.0).level for one in noise))


def test_low_light_is_not_added_to_clean_images(photograph: np.ndarray) -> None:
    noise = sm.PoissonGaussianNoise(gain=2.0, sigma=3.0)
    with pytest.raises(ValueError, match="only white noise is added to clean images, got gain 2, read noise 3"):
        sm.fit([photograph], noise=noise, noisy=False, training=sm.TrainingConfig(steps=2))
