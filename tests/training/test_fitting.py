"""Fitting: what it learns, from which images, and that it repeats itself bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_models import FIELD, short, with_noise

import scorematching as sm

pytestmark = pytest.mark.recorded

SPLINES = sm.FieldConfig(filters=8, size=3, octaves=2, expert="spline")


def test_the_loss_falls_and_the_best_state_is_kept(noisy: np.ndarray) -> None:
    result = sm.fit([noisy], noise=25, model=FIELD, training=short(120))
    held_out = [row[2] for row in result.history]
    assert result.best == min(held_out) < held_out[0] - 0.002
    assert [row[0] for row in result.history] == [*range(0, 121, 12)]
    assert result.best_step == result.history[held_out.index(result.best)][0]


def test_the_loss_predicts_the_error_of_the_denoiser(photograph: np.ndarray) -> None:
    """SURE = sigma^4 2J + D sigma^2: known from noisy images alone, within 0.3 dB of the truth."""
    clean = np.tile(photograph, (3, 3)) / np.float32(255)
    training = short(150, batch=8, crop=32)
    result = sm.fit([with_noise(clean, 0.1, seed=1)], noise=0.1, model=FIELD, training=training)
    held_out = clean[-clean.shape[0] // 10 :]
    fresh = with_noise(held_out, 0.1, seed=2)
    restored = sm.denoise(fresh, 0.1, result.prior, data_range=1.0)
    assert result.expected_psnr == pytest.approx(sm.psnr(held_out, restored), abs=0.3)
    assert sm.psnr(held_out, restored) > sm.psnr(held_out, fresh) + 4


@pytest.mark.parametrize("model", [FIELD, SPLINES], ids=["field", "splines"])
def test_the_same_seed_gives_the_same_file(noisy: np.ndarray, model: sm.FieldConfig, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        result = sm.fit([noisy], noise=25, model=model, training=short(12, seed=seed))
        sm.save_prior(result.prior, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


def test_clean_images_with_lam_and_with_fresh_noise(photograph: np.ndarray) -> None:
    clean = sm.fit([photograph], noisy=False, model=FIELD, training=short(20)).prior
    assert (clean.noise, clean.provenance.lam) == (None, 0.2)
    fresh = sm.fit([photograph], noise=10, noisy=False, model=FIELD, training=short(20)).prior
    assert (fresh.noise, fresh.provenance.lam) == (sm.priors.TrainedNoise(10 / 255), 0)
    assert fresh.unit == 10 / 255


def test_folders_colors_and_sixteen_bits(photograph: np.ndarray, tmp_path: Path) -> None:
    wide = photograph.astype(np.uint16) * 257
    for i in range(3):
        sm.write_image(tmp_path / f"{i}.tif", np.stack([wide] * 3, 2))
    prior = sm.fit(tmp_path, noise=25 * 257, model=FIELD, training=short(3)).prior
    assert prior.unit == pytest.approx(25 / 255)
    assert prior.provenance.data == "3 noisy images: 0.tif, 1.tif, 2.tif"


def test_small_images_are_left_out_and_named(photograph: np.ndarray) -> None:
    with pytest.warns(UserWarning, match="smaller than a crop of 16 pixels: array 2"):
        sm.fit([photograph, photograph, photograph[:9, :9]], noise=25, model=FIELD, training=short(2))


def test_white_may_be_said(photograph: np.ndarray) -> None:
    twelve = photograph.astype(np.uint16) * 16
    prior = sm.fit([twelve, twelve], noise=400, data_range=4080, model=FIELD, training=short(2)).prior
    assert prior.unit == pytest.approx(25 / 255)


def test_progress_has_the_losses_and_the_speed(noisy: np.ndarray) -> None:
    states: list[sm.runtime.Progress] = []
    result = sm.fit([noisy], noise=25, model=FIELD, training=short(12), progress=states.append)
    assert [state.step for state in states] == [5, 10, 12]
    assert {state.steps for state in states} == {12}
    assert states[-1].figures.keys() == {"loss", "held out", "steps/s"}
    assert states[-1].figures["held out"] == result.history[-1][2]


@pytest.mark.usefixtures("_save_often")
@pytest.mark.parametrize("noisy", [True, False])
def test_numbers_of_numpy_are_numbers(noisy: bool, photograph: np.ndarray, tmp_path: Path) -> None:
    model = sm.FieldConfig(filters=np.int64(8), size=np.int64(3))
    counts = {name: np.int64(n) for name, n in {"steps": 2, "batch": 4, "crop": 16}.items()}
    prior = sm.fit(
        [photograph],
        noise=np.float32(25),
        noisy=noisy,
        model=model,
        training=sm.TrainingConfig(**counts, lam=np.float32(0), rate=np.float32(0.01)),
        data_range=np.float32(255),
        checkpoint=tmp_path / "training",
    ).prior
    assert (tmp_path / "training").exists()
    assert prior.unit == 25 / 255
    sm.save_prior(prior, tmp_path / "p.safetensors")
    back = sm.load_prior(tmp_path / "p.safetensors")
    assert (back.config, back.noise, back.provenance) == (prior.config, prior.noise, prior.provenance)
