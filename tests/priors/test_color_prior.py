"""Priors that see red, green and blue together."""

from __future__ import annotations

from pathlib import Path

import torch
from simulated import small_color_prior

import scorematching as sm
from scorematching.priors import Crops


def test_the_loss_is_an_unbiased_estimate_of_the_exact_one() -> None:
    prior = small_color_prior()
    x = torch.randn(1, 3, 8, 8) * prior.unit
    truth = sm.score_matching_loss(prior._bordered[0], x / prior.unit, curvature="full") / 3 / 64
    generator = torch.Generator().manual_seed(0)
    crops = Crops(x.expand(100, -1, -1, -1), torch.ones(100), torch.zeros(0))
    draws = torch.stack([prior.loss(crops, 0.0, generator).detach() for _ in range(20)])
    assert abs(draws.mean() - truth) < 4 * draws.std() / 20**0.5


def test_a_change_of_red_changes_the_score_of_blue() -> None:
    prior = small_color_prior().double()
    planes = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    other = planes.clone()
    other[:, 0] += 0.1 * torch.rand(16, 16, dtype=torch.float64)
    assert not torch.allclose(prior.score(planes)[:, 2], prior.score(other)[:, 2])


def test_planes_are_arranged_as_one_color_image_and_back() -> None:
    prior, planes = small_color_prior(), torch.rand(3, 1, 20, 24)
    assert prior.arrange(planes).shape == (1, 3, 20, 24)
    assert torch.equal(prior.arrange(prior.arrange(planes)), planes)


def test_a_file_keeps_colors(tmp_path: Path) -> None:
    prior = small_color_prior()
    sm.save_prior(prior, tmp_path / "c.safetensors")
    back = sm.load_prior(tmp_path / "c.safetensors")
    assert (back.config, back.noise, back.provenance) == (prior.config, prior.noise, prior.provenance)
    planes = torch.rand(1, 3, 13, 12)
    assert torch.equal(back.score(planes), prior.score(planes))
