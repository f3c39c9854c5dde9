"""The estimator: conventions of scikit-learn, the choice of λ, conditional models, and data that are refused."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch.utils.data import DataLoader, TensorDataset

import scorematching as sm
from scorematching import EnergyModel
from scorematching.estimators import SeparatedModesWarning


@parametrize_with_checks([EnergyModel("gaussian", lam=0.1), EnergyModel("student-t", lam=0.1, max_iter=2)])
@pytest.mark.filterwarnings("ignore")
def test_the_conventions_of_scikit_learn(estimator: EnergyModel, check: Any) -> None:
    check(estimator)


def normal(samples: int = 400, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.multivariate_normal([3, -1], [[4, 1.5], [1.5, 1]], samples)


def test_a_gaussian_in_the_units_of_the_data() -> None:
    x = normal(2000)
    model = EnergyModel("gaussian").fit(x)
    precision = np.linalg.inv(np.cov(x.T))
    points = np.array([[3.0, -1], [5, -1], [3, 0], [5, 0]])
    expected = -0.5 * np.einsum("ni,ij,nj->n", points - x.mean(0), precision, points - x.mean(0))
    found = model.score_samples(points)
    np.testing.assert_allclose(found - found[0], expected - expected[0], atol=0.06)
    best = 0.5 * np.trace(np.linalg.inv(np.corrcoef(x.T)))  # minus J of the truth, in standard deviations
    assert model.score(x) == pytest.approx(best, rel=0.02)
    drawn = model.sample(1500, random_state=0)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(x.T), rtol=0.15, atol=0.1)
    assert [point.lam for point in model.path_] == [3, 1, 0.3, 0.1, 0.03, 0.01, 0.001, 0]
    assert model.lam_ <= 0.01


def test_lambda_is_chosen_where_samples_are_few() -> None:
    rng = np.random.default_rng(0)
    few, others = rng.normal(size=(25, 10)), rng.normal(size=(5000, 10))
    model, plain = EnergyModel("gaussian").fit(few), EnergyModel("gaussian", lam=0.0).fit(few)
    assert model.lam_ > 0
    assert model.score(others) > 2 > plain.score(others)  # 5 is the best possible
    assert model.plot_path().get_ylabel() == "held-out loss J"


def test_pipelines_searches_and_clones() -> None:
    x = normal()
    model = EnergyModel(sm.energies.MLP(2, (8,)), lam=0.01, max_iter=5)
    other = clone(model)
    assert other.get_params()["max_iter"] == 5
    assert other.energy is not model.energy
    pipeline = make_pipeline(StandardScaler(), model).fit(x)
    assert pipeline.score_samples(x).shape == (400,)
    before = copy.deepcopy(model.energy.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in model.energy.state_dict().items())
    search = GridSearchCV(EnergyModel("gaussian"), {"lam": [0.0, 3.0]}, cv=3).fit(x)
    assert search.best_params_ == {"lam": 0.0}


def test_a_conditional_model_forgets_the_distribution_of_what_is_given() -> None:
    """The given column is bimodal; the other is linear in it with noise of deviation 0.5."""
    rng = np.random.default_rng(0)
    cause = rng.choice([-2.0, 2.0], 1000) + rng.uniform(-0.3, 0.3, 1000)
    x = np.stack([cause, 1.5 * cause + 0.5 * rng.normal(size=1000)], 1)
    model = EnergyModel("gaussian", given=[0]).fit(x)
    drawn = model.sample(2000, given=np.full((2000, 1), 1.0), random_state=0)
    np.testing.assert_allclose(drawn[:, 0], 1.0, atol=1e-12)
    assert drawn[:, 1].mean() == pytest.approx(1.5, abs=0.05)
    assert drawn[:, 1].std() == pytest.approx(0.5, rel=0.08)
    with pytest.raises(ValueError, match=r"given must be the values of columns \[0\], shape \(5, 1\)"):
        model.sample(5)


def test_positive_data_and_noise() -> None:
    rng = np.random.default_rng(0)
    x = rng.exponential(2.0, (1500, 1)) * np.ones((1, 1))
    model = EnergyModel("square-root", domain="positive").fit(x)
    found = model.score_samples([[1.0], [4.0]])
    assert found[1] - found[0] == pytest.approx(-1.5, abs=0.25)
    rounded = EnergyModel("square-root", domain="positive").fit(x.round(2))  # zeros move inside
    assert rounded.score(x) == pytest.approx(model.score(x), rel=0.05)
    blurred = EnergyModel("gaussian", noise=3.0, lam=0.0).fit(normal(3000))
    covariance = np.cov(normal(3000).T)
    best = 0.5 * (np.linalg.inv(covariance + 9 * np.eye(2)).diagonal() * covariance.diagonal()).sum()
    assert blurred.score(normal(3000, seed=1)) == pytest.approx(best, rel=0.1)


def test_gray_levels_are_blurred() -> None:
    """A flexible model of whole numbers: without the blur it would have spikes on them."""
    x = np.rint(2 * np.random.default_rng(0).normal(size=(2000, 1)))
    bumps = [lambda x, c=c: torch.exp(-20 * (x[:, 0] - c / 2) ** 2) for c in (-2, 0, 2)]
    family = sm.energies.ExponentialFamily([lambda x: -0.5 * x.square().sum(1), *bumps])
    model = EnergyModel(family).fit(x)
    found = model.score_samples([[0.0], [0.5], [2.0]])
    assert found[2] - found[0] == pytest.approx(-0.5, abs=0.12)
    assert abs(found[1] - found[0]) < 0.3


def test_loaders_tensors_and_progress() -> None:
    x, seen = torch.from_numpy(normal(300)).float(), []
    loader = DataLoader(TensorDataset(x), batch_size=64)
    options: dict[str, Any] = {"lam": 0.01, "max_iter": 3}
    by_loader = EnergyModel("ica", progress=seen.append, **options).fit(loader)
    by_tensor = EnergyModel("ica", **options).fit(x)  # the same seed, the same bits
    np.testing.assert_array_equal(by_loader.score_samples(x), by_tensor.score_samples(x))
    assert seen[-1].step == seen[-1].steps == 100
    assert by_tensor.n_iter_ == len(by_tensor.curve_) == 3


def test_separated_groups_are_named_unless_noise_joins_them() -> None:
    """Held-out J of the mixture is perfect, whatever its weights."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 3)) + np.where(rng.random((1000, 1)) < 0.2, -5, 5) * np.eye(3)[1]
    with pytest.warns(SeparatedModesWarning, match=r"^column 1 falls into groups: (19|2.)% of"):
        EnergyModel("gaussian", lam=0.0).fit(x)
    turned = x @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    with pytest.warns(SeparatedModesWarning, match=r"falls into groups"):
        EnergyModel("gaussian", lam=0.0).fit(turned)
    EnergyModel("gaussian", lam=0.0, noise=6.0).fit(x)
    with pytest.warns(SeparatedModesWarning, match=r"^column 0 falls into groups"):
        EnergyModel("gaussian", lam=0.0).fit(rng.normal(size=(1000, 1)) + 20 * rng.integers(0, 5, (1000, 1)))
    for draw in (rng.normal, rng.laplace, lambda size: rng.standard_t(2, size), rng.standard_cauchy):
        EnergyModel("gaussian", lam=0.0).fit(draw(size=(300, 2)))
    EnergyModel("gaussian", lam=0.0).fit(np.r_[rng.normal(size=(500, 2)), [[1000.0, 0]]])  # an outlier


BAD: dict[str, tuple[dict[str, Any], np.ndarray, str]] = {
    "constant": ({}, np.ones((50, 1)), "column 0 is constant, 1, so it has no density: leave it out, or pass noise"),
    "atom": (
        {},
        np.maximum(np.random.default_rng(0).normal(size=(200, 1)), 0),
        r"column 0 has \d+% of its values equal to 0, and an atom has no density",
    ),
    "name": ({"energy": "normal"}, normal(), "energy must be 'gaussian', .*, got 'normal'"),
    "fraction": ({"validation_fraction": 1}, normal(), "validation_fraction must be between 0 and 1, got 1"),
    "given": ({"given": [0, -1]}, normal(), "given names all columns"),
    "unknown column": ({"given": [2]}, normal(), "given must be an integer from -2 to 1, got 2"),
    "outside": ({"domain": "positive"}, normal(), "samples are outside of the domain"),
    "rate": ({"energy": "mlp", "learning_rate": 1e300}, normal(), "not finite after 1 passes: take a learning_rate"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name: str) -> None:
    options, x, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        EnergyModel(**({"energy": "gaussian", "lam": 0.0} | options)).fit(x)


def test_a_fit_that_diverges_keeps_its_start_and_says_so() -> None:
    model = EnergyModel("mlp", lam=0.0, learning_rate=1e6, max_iter=3)
    with pytest.warns(UserWarning, match=r"so the start is kept: take a learning_rate below 1e\+06"):
        model.fit(normal())
    found = model.score_samples([[3.0, -1.0], [5.0, -1.0]])
    assert found[1] - found[0] == pytest.approx(-0.5, abs=0.1)


def test_a_model_that_is_not_fitted_and_negative_seeds_are_refused() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3))
    with pytest.raises(NotFittedError):
        EnergyModel().score(x)
    with pytest.raises(ValueError, match=r"random_state must be from 0 to 2\*\*32 - 1, got -3"):
        EnergyModel(random_state=np.int8(-3)).fit(x)
