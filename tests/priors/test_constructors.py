"""Priors from their public constructors: noise, scale, sizes, seeds."""

from __future__ import annotations

import pytest
import torch
from small_models import DEEP, FIELD

import scorematching as sm
from scorematching.priors import DeepPrior, FieldPrior, Prior, Provenance, TrainedNoise
from scorematching.priors.architecture import ModelConfig
from scorematching.priors.kinds import build_prior

NOISE = TrainedNoise(0.05, 0.02, 0.2, blind=True)


@pytest.mark.parametrize(("prior", "config"), [(FieldPrior, FIELD), (DeepPrior, DEEP)])
def test_noise_is_a_level_a_model_or_none(
    prior: type[FieldPrior] | type[DeepPrior], config: sm.FieldConfig | sm.DeepConfig
) -> None:
    by_level, by_model, clean = (prior(config, noise) for noise in (0.1, sm.GaussianNoise(0.1), None))  # type: ignore[arg-type]
    assert by_level.noise == by_model.noise == TrainedNoise(0.1)
    assert clean.noise is None
    assert prior(config, NOISE).noise is NOISE  # type: ignore[arg-type]
    assert clean.provenance == Provenance()
    with pytest.raises(ValueError, match="noise must be a number above 0"):
        prior(config, noise=0.0)  # type: ignore[arg-type]


def test_the_scale_is_the_noise_level_or_a_fixed_one() -> None:
    trained, clean = FieldPrior(FIELD, NOISE), FieldPrior(FIELD)
    assert (trained.unit, trained.level) == (0.05, 0.02)
    assert clean.unit == clean.level == 10 / 255


def test_a_builder_takes_any_configuration(config: ModelConfig) -> None:
    prior = build_prior(config, NOISE)
    assert isinstance(prior, DeepPrior if isinstance(config, sm.DeepConfig) else FieldPrior)
    assert {p.dtype for p in prior.parameters()} == {torch.float32}
    with pytest.raises(TypeError, match="model must be a FieldConfig or a DeepConfig, got dict"):
        build_prior({"kind": "field"}, None)  # type: ignore[arg-type]


def test_images_of_the_smallest_size_are_taken_and_smaller_ones_refused(double: Prior) -> None:
    least = double.min_size
    planes = torch.rand(1, double.config.colors, least, least, dtype=torch.float64)
    assert double.score(planes).shape == planes.shape
    double.check_size(least, least + 5)
    with pytest.raises(ValueError, match=f"{least + 5} x {least - 1} pixels is too small: this prior takes {least}"):
        double.check_size(least - 1, least + 5)
    assert double.min_crop >= least


def test_planes_are_arranged_as_the_prior_sees_them_and_back(double: Prior) -> None:
    planes = torch.rand(3, 1, 9, 8)
    seen = double.arrange(planes)
    assert seen.shape[1] == double.config.colors
    assert torch.equal(double.arrange(seen), planes)
    if double.config.colors == 3:
        with pytest.raises(ValueError, match="in red, green and blue, and the image is grayscale"):
            double.arrange(planes[:1])


def test_planes_of_another_number_of_channels_are_refused(double: Prior) -> None:
    for shape in ((2, 2, 12, 12), (1, 12, 12)):
        with pytest.raises(ValueError, match=f"expected planes of shape .N, (C|{double.config.colors}), H, W."):
            double.score(torch.zeros(shape))


def test_the_seed_of_the_provenance_is_that_of_the_first_weights() -> None:
    one, two, other = (DeepPrior(DEEP, 0.1, Provenance(seed=seed)) for seed in (1, 1, 2))
    first, second, third = (next(p.parameters()) for p in (one, two, other))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_filters_are_shown_as_they_meet_the_image(double: Prior) -> None:
    filters = double.filters
    assert filters.shape[-1] == filters.shape[-2]
    assert filters.ndim == (4 if double.config.colors == 3 else 3)
