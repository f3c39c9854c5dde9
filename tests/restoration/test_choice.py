"""The choice of a prior for an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import scorematching as sm
from scorematching.restoration import prior_for


def test_the_natural_prior_suits_the_colors_of_an_image(color_photograph: np.ndarray) -> None:
    """Gray that is stored as color counts as gray, whether with alpha or up to rounding."""
    assert prior_for(color_photograph, None).config.colors == 3
    assert prior_for(color_photograph, None) is prior_for(color_photograph, None)
    gray = color_photograph[..., :1]
    third = np.linspace(0, 1, 77)[None]  # red and green are the same but for rounding
    rounded = np.stack([third, 0.1 * third * 10, third], 2)
    for image in (gray[..., 0], gray, color_photograph[..., :2], np.repeat(gray, 3, axis=2), rounded):
        assert prior_for(image, None).config.colors == 1


def test_a_prior_is_an_object_a_name_or_a_file(photograph: np.ndarray, prior: sm.Prior, prior_file: Path) -> None:
    image, expected = photograph[:48, :48], sm.denoise(photograph[:48, :48], 25, prior)
    for given in (prior_file, str(prior_file)):
        np.testing.assert_array_equal(sm.denoise(image, 25, given), expected)
    natural = sm.load_prior("natural-gray")
    np.testing.assert_array_equal(sm.denoise(image, 25, "natural-gray"), sm.denoise(image, 25, natural))
    np.testing.assert_array_equal(sm.denoise(image, 25), sm.denoise(image, 25, natural))
    large = sm.upscale(image, 2, prior_file, steps=2)
    np.testing.assert_array_equal(large, sm.upscale(image, 2, prior, steps=2))


def test_other_priors_are_refused(photograph: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="prior must be a Prior, a name or a file, got FieldConfig"):
        sm.denoise(photograph, 25, sm.FieldConfig())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="prior must be a Prior, a name or a file, got int"):
        sm.upscale(photograph, 2, 25)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="no such file: natural; the priors that come with the library are"):
        sm.estimate_noise(photograph, "natural")
    (tmp_path / "text.safetensors").write_text("text")
    with pytest.raises(ValueError, match="is not a safetensors file"):
        sm.denoise(photograph, 25, tmp_path / "text.safetensors")
