"""Priors that see neighbors: the score of the image, given the others, and the share of the neighbors."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_models import DEEP, FIELD
from torch import Tensor

import scorematching as sm
from scorematching.priors import Crops, NeighborPrior, build_prior

COLOR = sm.DeepConfig(channels=4, depth=2, color=True, neighbors=1)
MODELS = [
    sm.FieldConfig(filters=4, size=3, neighbors=1),
    sm.FieldConfig(filters=4, size=3, octaves=2, expert="spline", neighbors=2),
    sm.DeepConfig(channels=4, depth=2, neighbors=1),
    COLOR,
]


def prior_of(config: sm.FieldConfig | sm.DeepConfig) -> NeighborPrior:
    prior = build_prior(config, 0.1).double()
    assert isinstance(prior, NeighborPrior)
    generator = torch.Generator().manual_seed(0)
    for parameter in prior.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return prior


def planes_for(prior: sm.Prior, side: int = 24) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, prior.images * prior.config.colors, side, side, generator=generator, dtype=torch.float64)


def loss_by_autograd(energy: sm.Graph, x: Tensor, counted: Tensor) -> Tensor:
    """The score matching loss of the counted entries, given the others, from second derivatives of autograd."""

    def gradient(flat: Tensor) -> Tensor:
        return torch.func.grad(lambda one: energy(one.view(1, *x.shape[1:])).sum())(flat)

    total = x.new_zeros(())
    for one in x:
        d, hessian = gradient(one.flatten()), torch.func.jacrev(gradient)(one.flatten())
        total = total + (counted.flatten() * (0.5 * d.square() - hessian.diagonal())).sum()
    return (total / (len(x) * counted.sum())).detach()


@pytest.mark.parametrize("config", MODELS[:2], ids=str)
def test_the_loss_of_a_field_counts_the_image_alone(config: sm.FieldConfig) -> None:
    """The neighbors are given: it is the sum of the losses of the density with and without them."""
    prior = prior_of(config).requires_grad_(False)
    x, expected = planes_for(prior, 3 * prior.min_size) / prior.unit, 0.0
    for part, data in ((prior.alone, x[:, prior.own]), (prior.together, x)):
        counted, m = torch.zeros_like(data[0]), part._border  # type: ignore[attr-defined]
        counted[part.own, m:-m, m:-m] = 1
        expected += float(loss_by_autograd(part.energy, data.detach(), counted))
    loss = prior.loss(Crops(x * prior.unit, torch.ones(2), torch.zeros(0)), 0.0)
    assert loss.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("config", MODELS[2:], ids=str)
def test_the_loss_of_a_deep_prior_counts_the_image_alone(config: sm.DeepConfig) -> None:
    together = prior_of(config).requires_grad_(False).together
    assert isinstance(together, sm.priors.DeepPrior)
    x, counted = planes_for(together, 8), torch.zeros(3 * config.colors, 8, 8, dtype=torch.float64)
    counted[together.own] = 1
    found = together._summed(x, sm.curvature.FullHessian(), 0.0) / (2 * counted.sum())
    assert float(found) == pytest.approx(float(loss_by_autograd(together._bordered[0], x, counted)), rel=1e-10)


@pytest.mark.parametrize("config", MODELS, ids=str)
def test_the_score_is_zero_for_neighbors(config: sm.FieldConfig | sm.DeepConfig) -> None:
    prior = prior_of(config)
    score = prior.score(planes_for(prior, 40))
    others = torch.ones(score.shape[1], dtype=torch.bool)
    others[prior.own] = False
    assert not score[:, others].any()
    assert score[:, prior.own].any()


def test_the_share_of_the_neighbors_has_the_least_estimated_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one share for the whole image, no other share has a lower value of Stein's estimate."""
    monkeypatch.setattr("scorematching.priors.neighbors._IN_FAVOR", 1.0)
    monkeypatch.setattr("scorematching.priors.neighbors._around", lambda planes: planes.mean((2, 3), keepdim=True))
    prior = build_prior(MODELS[0], 0.1).double()
    assert isinstance(prior, NeighborPrior)
    generator = torch.Generator().manual_seed(0)
    y = 0.1 * torch.randn(1, 3, 24, 24, generator=generator, dtype=torch.float64)
    y[:, 0] += 0.3 * torch.rand(24, 24, generator=generator, dtype=torch.float64)  # another scene
    m, n = prior.margin, y.shape[2]
    steps, curved = [], []
    for part, seen in ((prior.alone, y[:, prior.own]), (prior.together, y)):
        padded = torch.nn.functional.pad(seen, [m] * 4, mode="reflect") / prior.unit
        inner = (slice(None), part.own, slice(m, m + n), slice(m, m + n))
        with torch.no_grad():
            steps.append(sm.score(part.energy, padded)[inner])
            curved.append(sm.hessian_diagonal(part.energy, padded)[inner])

    def risk(share: float) -> float:
        step = steps[0] + share * (steps[1] - steps[0])
        return float(step.square().mean() - 2 * (curved[0] + share * (curved[1] - curved[0])).mean())

    taken = prior.unit * prior.score(y)[:, prior.own]
    shares = ((taken - steps[0]) / (steps[1] - steps[0])).flatten()
    share = float(shares.median())
    assert torch.allclose(shares, shares.median(), atol=1e-6)
    assert 0 < share < 1
    assert risk(share) < min(risk(share - 0.01), risk(share + 0.01))


def test_the_image_is_in_the_middle_of_its_neighbors() -> None:
    gray, color = prior_of(MODELS[0]), prior_of(COLOR)
    planes = torch.arange(9.0).view(9, 1, 1, 1)  # three images in color
    assert gray.arrange(planes)[..., 0, 0].tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    assert color.arrange(planes)[..., 0, 0].tolist() == [list(range(9))]
    for prior in (gray, color):
        assert torch.equal(prior.separate(prior.arrange(planes)), planes)
    assert color.own == slice(3, 6)
    with pytest.raises(ValueError, match="this prior sees 3 images together, got 1 planes: pass neighbors"):
        gray.arrange(planes[:1])


def test_it_is_kept_in_a_file(tmp_path: Path) -> None:
    prior = build_prior(MODELS[0], 0.1)
    sm.save_prior(prior, tmp_path / "prior.safetensors")
    again = sm.load_prior(tmp_path / "prior.safetensors")
    planes = planes_for(prior).float()
    assert torch.equal(again.score(planes), prior.score(planes))
    assert again.config == prior.config


def test_refused() -> None:
    with pytest.raises(ValueError, match="for white noise, not for clean images"):
        build_prior(MODELS[0], None)
    for config in (FIELD, DEEP):
        with pytest.raises(ValueError, match="neighbors must be an integer from 0 to 8, got 9"):
            type(config)(neighbors=9)
