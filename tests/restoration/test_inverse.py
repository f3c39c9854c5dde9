"""Restoration of images from linear observations, by any method."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from simulated import many_levels

import scorematching as sm
from scorematching.restoration import Blur, FunctionOperator, Mask, gaussian_kernel
from scorematching.restoration.inverse import RestorationMethod

pytestmark = pytest.mark.recorded


def test_known_pixels_stay_as_they_are(photograph: np.ndarray, prior: sm.Prior) -> None:
    """To the bit, unless noise is given; what was in the holes does not matter."""
    image = (257 * photograph[:40, :40].astype(np.uint16)) ^ 5
    known = torch.rand(40, 40) > 0.4
    found = sm.restore(image, Mask(known), prior, steps=3)
    assert (found == image)[known.numpy()].all()
    assert (found != image)[~known.numpy()].mean() > 0.9
    assert (sm.restore(image, Mask(known), prior, steps=3, noise=500) != image)[known.numpy()].any()
    other = np.where(known.numpy(), image, 0).astype(np.uint16)
    np.testing.assert_array_equal(sm.restore(other, Mask(known), prior, steps=3), found)


@pytest.mark.parametrize("task", ["holes", "blur"])
def test_an_untrained_prior_of_little_noise_improves_the_first_guess(photograph: np.ndarray, task: str) -> None:
    prior = sm.priors.FieldPrior(sm.FieldConfig(filters=8, size=3), noise=3 / 255)
    clean = torch.from_numpy(photograph[None, None].astype(np.float32) / 255)
    operator = Mask(torch.rand(photograph.shape) > 0.2) if task == "holes" else Blur(gaussian_kernel(1.0))
    y = operator(clean) + torch.randn_like(clean) / 255
    guess = operator.start(y)[0, 0].numpy()
    found = sm.restore(y[0, 0].numpy(), operator, prior, data_range=1.0)
    gain = sm.psnr(photograph / 255, found) - sm.psnr(photograph / 255, guess)
    assert gain > 1.5


@pytest.mark.filterwarnings("ignore:the result does not explain the image")  # so few steps of an untrained prior
@pytest.mark.parametrize("method", ["map", "annealed"])
def test_restoration_keeps_colors_together(
    color_prior: sm.Prior, color_photograph: np.ndarray, method: RestorationMethod
) -> None:
    mask = Mask(torch.rand(96, 120) > 0.3)
    found = sm.restore(color_photograph, mask, many_levels(color_prior), method=method, steps=3)
    assert (found.shape, found.dtype) == (color_photograph.shape, np.uint8)
    if method == "map":  # annealing with an untrained prior returns the first guess
        swapped = sm.restore(color_photograph[..., ::-1].copy(), mask, color_prior, method=method, steps=3)
        assert not np.array_equal(found, swapped[..., ::-1])


@pytest.mark.parametrize("noise", [3.0, np.float32(3), np.int16(3), sm.GaussianNoise(3)])
def test_noise_is_a_number_or_a_model(photograph: np.ndarray, prior: sm.Prior, noise: float) -> None:
    image, blur = photograph[:40, :48], Blur(gaussian_kernel(0.6))
    found = sm.restore(image, blur, prior, noise=noise, steps=2)
    np.testing.assert_array_equal(found, sm.restore(image, blur, prior, noise=3, steps=2))
    assert not np.array_equal(found, sm.restore(image, blur, prior, steps=2))


def test_a_result_that_does_not_explain_the_image_comes_with_a_warning(
    photograph: np.ndarray, natural: sm.Prior
) -> None:
    """A sharp image is said to be blurred; a blurred one is restored without a warning."""
    blur, sharp = Blur(gaussian_kernel(1.5)), photograph[:48, :48]
    soft = blur(torch.from_numpy(sharp[None, None].astype(np.float32)))[0, 0].numpy()
    sm.restore(np.rint(soft).astype(np.uint8), blur, natural)
    with pytest.warns(UserWarning, match=r"its misfit is \d+\.?\d* times that of noise of level 1\. Check"):
        sm.restore(sharp, blur, natural)


def test_an_unsuitable_method_is_refused(photograph: np.ndarray, prior: sm.Prior, clean_prior: sm.Prior) -> None:
    for narrow, levels in ((prior, "levels"), (clean_prior, "clean images")):
        message = f"annealing needs a prior of many noise levels, this one is for {levels}.*: use 'map'"
        with pytest.raises(ValueError, match=message):
            sm.restore(photograph, Mask(torch.ones(96, 120)), narrow, method="annealed")
    with pytest.raises(ValueError, match="method must be 'auto', 'map' or 'annealed', got 'magic'"):
        sm.restore(photograph, Mask(torch.ones(96, 120)), prior, method="magic")  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [0, -1, 2.5, True])
def test_steps_that_are_no_count_are_refused(photograph: np.ndarray, prior: sm.Prior, steps: int) -> None:
    with pytest.raises(ValueError, match=f"steps must be an integer of 1 or more, got {steps}"):
        sm.restore(photograph, Mask(torch.ones(96, 120)), prior, steps=steps)


def test_an_operator_of_another_size_is_refused(photograph: np.ndarray, prior: sm.Prior) -> None:
    with pytest.raises(ValueError, match=r"the mask has shape \(5, 5\), the image has \(96, 120\)"):
        sm.restore(photograph, Mask(torch.ones(5, 5)), prior)
    every_other = FunctionOperator(
        lambda x: x[:, :, ::2],
        lambda y: y.repeat_interleave(2, 2) * torch.tensor([1, 0]).repeat(len(y[0, 0]))[:, None],
        guess=lambda y: y,
    )
    with pytest.raises(ValueError, match=r"the operator gives \(48, 120\), the image is \(96, 120\)"):
        sm.restore(photograph, every_other, prior)
