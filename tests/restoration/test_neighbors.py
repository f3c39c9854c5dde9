"""Movies and volumes: what a prior gains from the images before and after an image, and what does no harm."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from small_models import with_noise

import scorematching as sm
from scorematching.images.photographs import held_out_photograph
from scorematching.restoration.plan import Options, Plan

SIGMA, FRAMES = 25.0, 9
#: Frames with neighbors of their own on both sides.
INNER = slice(1, -1)
TRAINING = sm.TrainingConfig(steps=150, batch=8, crop=24)
#: Short trainings leave noise.
pytestmark = pytest.mark.filterwarnings("ignore:what was removed")


def fitted(frames: np.ndarray, neighbors: int = 0, sigma: float = SIGMA, axes: str = "TYX") -> sm.Prior:
    model = sm.FieldConfig(filters=8, size=3, neighbors=neighbors)
    return sm.fit(frames, noise=sigma, axes=axes, data_range=255, model=model, training=TRAINING).prior


def cleaned(frames: np.ndarray, prior: sm.Prior, sigma: float = SIGMA, axes: str = "TYX") -> np.ndarray:
    return sm.denoise(frames, sigma, prior, axes=axes, data_range=255)


def decibels(clean: np.ndarray, restored: np.ndarray, where: np.ndarray | None = None) -> float:
    error = np.square(clean.astype(float) - restored)[INNER]
    return -10 * math.log10((error if where is None else error[where[INNER]]).mean() / 255**2)


@pytest.fixture(scope="module")
def static() -> np.ndarray:
    """A scene that stays the same, a 96 x 120 piece of a photograph."""
    piece = held_out_photograph("camera")[100:196, 200:320]
    return np.stack([np.rint(255 * piece).astype(np.float32)] * FRAMES)


@pytest.fixture(scope="module")
def alone(static: np.ndarray) -> sm.Prior:
    return fitted(with_noise(static, SIGMA))


@pytest.fixture(scope="module")
def together(static: np.ndarray) -> sm.Prior:
    return fitted(with_noise(static, SIGMA), neighbors=1)


def test_a_static_scene_is_averaged(static: np.ndarray, alone: sm.Prior, together: sm.Prior) -> None:
    """Within 0.3 dB of the mean of three frames, denoised at its level by the same class of model."""
    noisy = with_noise(static, SIGMA)
    means = np.stack([noisy[max(0, t - 1) : t + 2].mean(0) for t in range(FRAMES)])
    limit = cleaned(means, fitted(means, sigma=SIGMA / 3**0.5), SIGMA / 3**0.5)
    found = cleaned(noisy, together)
    assert decibels(static, found) > decibels(static, limit) - 0.3
    assert decibels(static, found) > decibels(static, cleaned(noisy, alone)) + 1.5
    assert found.dtype == noisy.dtype


def test_what_moves_leaves_no_ghost(static: np.ndarray, photograph: np.ndarray) -> None:
    """Where the scene changes, the error is that of frame by frame; elsewhere it is lower."""
    scene, moves = static.copy(), np.zeros(static.shape, dtype=bool)
    piece = 255 - photograph[30:62, 40:72].astype(np.float32)
    for t in range(FRAMES):
        place = (slice(30, 62), slice(8 + 9 * t, 40 + 9 * t))
        scene[(t, *place)] = piece
    moves[1:-1] = (np.abs(scene[1:-1] - scene[:-2]) > 2) | (np.abs(scene[1:-1] - scene[2:]) > 2)
    noisy = with_noise(scene, SIGMA)
    found, by_frame = (cleaned(noisy, fitted(noisy, neighbors)) for neighbors in (1, 0))
    assert decibels(scene, found, moves) > decibels(scene, by_frame, moves) - 0.2
    assert decibels(scene, found, ~moves) > decibels(scene, by_frame, ~moves) + 1


def test_bleaching_and_missing_frames_do_no_harm(static: np.ndarray) -> None:
    scene = static * 0.95 ** np.arange(FRAMES, dtype=np.float32)[:, None, None]
    noisy = with_noise(scene, SIGMA)
    noisy[4] = 0
    found, by_frame = (cleaned(noisy, fitted(noisy, neighbors)) for neighbors in (1, 0))
    assert not found[4].any()
    there = np.ones(scene.shape, dtype=bool)
    there[4] = False
    assert decibels(scene, found, there) > decibels(scene, by_frame, there) + 1


def test_channels_see_one_another(photograph: np.ndarray) -> None:
    """Those that share the scene gain, however dim; those that share nothing lose nothing."""
    scene = photograph.astype(np.float32)
    for others, gains in (([0.4 * scene + 90], (0.3, 2)), ([scene[::-1, ::-1]], (-0.1, -0.1))):
        clean = np.stack([scene, *others])
        noisy = with_noise(clean, SIGMA)
        found, alone = (cleaned(noisy, fitted(noisy, n, axes="CYX"), axes="CYX") for n in (1, 0))
        for truth, one, other, gain in zip(clean, found, alone, gains, strict=True):
            assert sm.psnr(truth, one, data_range=255) > sm.psnr(truth, other, data_range=255) + gain


def test_colors_and_photons(static: np.ndarray) -> None:
    """A grayscale prior sees the opponent colors of all frames; photon noise is stabilized in all of them."""
    noise = sm.PoissonGaussianNoise(gain=4.0)
    clean = np.stack([static, 0.8 * static, 0.9 * static], -1)
    noisy = noise.simulate(clean, 0).astype(np.float32)
    common = {"axes": "TYXS", "data_range": 255.0}
    model = sm.FieldConfig(filters=8, size=3, neighbors=1)
    prior = sm.fit(noisy, noise=noise, model=model, training=TRAINING, **common).prior
    plain = sm.fit(noisy, noise=noise, model=sm.FieldConfig(filters=8, size=3), training=TRAINING, **common).prior
    found, by_frame = (sm.denoise(noisy, noise, one, **common) for one in (prior, plain))
    assert decibels(clean, found) > decibels(clean, by_frame) + 1


def test_noise_that_is_missing_in_the_dark_is_drawn_for_each_image_by_itself() -> None:
    noise = sm.PoissonGaussianNoise(gain=1.0)
    frames = [noise.simulate(np.full((64, 64), 0.5), seed) for seed in range(3)]
    prior = sm.priors.build_prior(sm.FieldConfig(filters=4, size=3, neighbors=1), 0.1)
    plan = Plan.of(frames[1], noise, prior, Options(data_range=20.0))
    planes = [torch.from_numpy(frame / 20)[None, None].float() for frame in frames]
    seen = plan.observe(planes[1], neighbors=[planes[0], planes[2]]).seen
    assert np.abs(np.corrcoef(seen.flatten(1).numpy()) - np.eye(3)).max() < 0.06


def test_neighbors_of_one_image(static: np.ndarray, together: sm.Prior) -> None:
    """They give the same as the stack."""
    noisy = with_noise(static, SIGMA)
    one = sm.denoise(noisy[2], SIGMA, together, neighbors=[noisy[1], noisy[3]], data_range=255)
    assert np.array_equal(one, cleaned(noisy, together)[2])
    stacked = sm.denoise(noisy[2], SIGMA, together, neighbors=noisy[1:4:2], data_range=255)
    assert np.array_equal(one, stacked)


def test_a_frame_without_values_is_kept(static: np.ndarray, together: sm.Prior) -> None:
    noisy = with_noise(static, SIGMA)
    noisy[3] = np.nan
    found = sm.denoise(noisy, None, together, axes="TYX", data_range=255)
    assert np.isnan(found[3]).all()
    assert np.isfinite(np.delete(found, 3, 0)).all()


def test_colored_neighbors_of_a_gray_image_are_seen_as_gray(together: sm.Prior) -> None:
    image = np.random.default_rng(0).uniform(0, 1, (20, 24, 1)).repeat(3, 2)
    plan = Plan.of(image, sm.GaussianNoise(0.1), together, Options(data_range=1.0))
    own = torch.from_numpy(image).permute(2, 0, 1)[:, None].float()
    tinted = own * torch.tensor([0.5, 1.0, 1.8]).view(3, 1, 1, 1)
    seen = plan.observe(own, neighbors=[tinted, own]).seen
    torch.testing.assert_close(seen, torch.cat([1.1 * own[:1], own[:1], own[:1]]))


def test_noise_of_many_levels_is_found_by_the_part_for_one_image(static: np.ndarray) -> None:
    levels = [5.0, 10.0, 20.0, 40.0, 80.0]
    noisy = np.stack([with_noise(static[0], level, seed) for seed, level in enumerate(levels)])
    model, training = sm.FieldConfig(filters=4, size=3, neighbors=1), sm.TrainingConfig(steps=5, batch=2, crop=24)
    prior = sm.fit(noisy, noise=levels, axes="TYX", data_range=255, model=model, training=training).prior
    assert prior.noise is not None
    assert prior.noise.is_wide
    assert sm.estimate_noise(noisy[2], prior, data_range=255).stabilizer(255) is not None
    assert sm.denoise(noisy, None, prior, axes="TYX", data_range=255).shape == noisy.shape


def test_refused(static: np.ndarray, together: sm.Prior) -> None:
    noisy = with_noise(static, SIGMA)
    options = {"data_range": 255.0}
    with pytest.raises(ValueError, match="sees an image with 2 neighbors, got 0: pass neighbors, or a stack and axes"):
        sm.denoise(noisy[0], SIGMA, together, **options)
    with pytest.raises(ValueError, match=r"neighbor 2 has shape \(90, 120\), the image \(96, 120\)"):
        sm.denoise(noisy[0], SIGMA, together, neighbors=[noisy[1], noisy[2, :90]], **options)
    with pytest.raises(ValueError, match="neighbor 1 is blank"):
        sm.denoise(noisy[0], SIGMA, together, neighbors=[0 * noisy[1], noisy[2]], **options)
    with pytest.raises(ValueError, match="this prior sees one image, but neighbors were passed"):
        sm.denoise(noisy[0], SIGMA, "natural-gray", neighbors=[noisy[1]], **options)
    with pytest.raises(TypeError, match="neighbor 1 is of type float64, the image of float32: pass images of one type"):
        sm.denoise(noisy[0], SIGMA, together, neighbors=[noisy[1].astype(float), noisy[2]], **options)
    with pytest.raises(ValueError, match="those in a stack with axes are found"):
        sm.denoise(noisy, SIGMA, together, axes="TYX", neighbors=[noisy[1], noisy[2]], **options)
    with pytest.raises(ValueError, match="neighbors, which error bars don't have"):
        sm.denoise(0 * noisy, SIGMA, together, axes="TYX", return_std=True, **options)
    with pytest.raises(ValueError, match=r"array 0 has shape .* its neighbor array 1 .*: pass one shape"):
        sm.fit([noisy[0], noisy[1, :80], noisy[2]], noise=SIGMA, model=sm.FieldConfig(neighbors=1), data_range=255)
    with pytest.raises(ValueError, match="neighbors, which error bars don't have"):
        sm.denoise(noisy[0], SIGMA, together, neighbors=[noisy[1], noisy[2]], return_std=True, **options)
    with pytest.raises(ValueError, match="neighbors, which holes, blur and enlargements don't have"):
        sm.restore(noisy[0], sm.restoration.Mask(torch.ones(96, 120) > 0), together)
    kernel = sm.CorrelatedNoise(SIGMA**2 * np.array([[0, 0.2, 0], [0.2, 1, 0.2], [0, 0.2, 0]]))
    with pytest.raises(ValueError, match="which images with such noise"):
        sm.denoise(noisy[0], kernel, together, neighbors=[noisy[1], noisy[2]], **options)
    with pytest.raises(ValueError, match="neighbors are for noisy images"):
        sm.fit(noisy, noisy=False, axes="TYX", model=sm.FieldConfig(neighbors=1))
    with pytest.raises(ValueError, match="array 0: neighbors=1 needs 2 frames, slices or channels"):
        sm.fit(noisy[:1], noise=SIGMA, axes="TYX", model=sm.FieldConfig(neighbors=1), data_range=255)
