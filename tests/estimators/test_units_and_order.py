"""A fit does not depend on units or on the order of the rows, and says what is outside of its domain."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import scorematching as sm
from scorematching import EnergyModel
from scorematching.estimators.preparation import warn_of_dependence
from scorematching.losses import DomainWarning


def test_the_unit_of_one_column_does_not_matter() -> None:
    """It decides neither λ nor when a fit stops."""
    found = []
    for unit in (1.0, 1e-3):
        rng = np.random.default_rng(1)
        x = np.c_[rng.normal(size=400) * unit, rng.gamma(2.0, 1.0, 400) + rng.normal(size=400)]
        model = EnergyModel("mlp", max_iter=20).fit(x)
        values = model.score_samples([[0, 0], [0, 3.0], [unit, 0]])
        found.append([model.lam_, *np.diff(values), model.score(x)])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


def test_samples_do_not_depend_on_the_order_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    x = np.r_[rng.normal(0, 1, (150, 1)), rng.normal(8, 1, (150, 1)), rng.normal(4, 2, (150, 1))]
    model = EnergyModel("gaussian", lam=0.0).fit(x)
    starts = model.sample(400, random_state=0, steps=1)
    assert 0.2 < (starts > 6).mean() < 0.5


@pytest.mark.parametrize("name", ["gaussian", "square-root"])
def test_the_density_is_zero_outside_of_the_domain(name: str) -> None:
    x = np.random.default_rng(0).gamma(3.0, 1.0, (600, 2))
    model = EnergyModel(name, domain="positive", lam=0.0).fit(x)
    found = model.score_samples([[-1.0, 1.0], [1.0, 1.0]])
    assert found[0] == -np.inf
    assert np.isfinite(found[1])


def test_bounds_and_domains_are_named() -> None:
    x = np.random.default_rng(0).exponential(1, (2000, 1))
    with pytest.warns(DomainWarning, match=r"lowest value of input 0, 0\.000"):
        EnergyModel(lam=0.1, max_iter=1).fit(x)
    with pytest.raises(ValueError, match="energy='square-root' is for positive data: pass domain='positive'"):
        EnergyModel("square-root").fit(x)


def test_columns_that_depend_on_one_another_are_named() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) * [1, 1e3, 1e-3]
    EnergyModel("gaussian", lam=0.0).fit(x)
    x[:, 2] = 5 - 2 * x[:, 0]
    with pytest.warns(UserWarning, match="columns 0, 2 depend linearly on one another, so the data have no density"):
        EnergyModel("gaussian", lam=0.1).fit(x)
    EnergyModel("gaussian", lam=0.1, noise=0.1).fit(x)
    x[:, 2] = x[:, 0] + 1e-7 * rng.normal(size=300)
    powers = np.linspace(0, 1, 300)[:, None] ** np.arange(1, 8)
    outlier = np.r_[rng.normal(size=(300, 1)) + rng.normal(size=(300, 2)), [[1e8, 1e8]]]
    for near in (x, powers, outlier):  # nearly dependent columns have a density
        warn_of_dependence(torch.tensor(near), range(near.shape[1]))


def test_given_columns_by_name() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"cause": rng.normal(size=300), "effect": rng.normal(size=300)})
    by_name, by_number = (EnergyModel("gaussian", lam=0.0, given=given).fit(table) for given in (["cause"], [0]))
    np.testing.assert_array_equal(by_name.score_samples(table), by_number.score_samples(table))
    with pytest.raises(TypeError, match=r"given must be a sequence of columns, got 'cause': pass \['cause'\]"):
        EnergyModel("gaussian", given="cause").fit(table)


def test_many_columns_take_little_time() -> None:
    """The moments are enough: 100 columns, 8 values of λ, ten parts."""
    x = np.random.default_rng(0).normal(size=(500, 100))
    model = EnergyModel("gaussian").fit(x)
    assert len(model.path_) == 8
    assert model.lam_ > 0
    few = EnergyModel("gaussian").fit(x[:40])  # fewer samples than columns: no minimum at λ = 0
    assert few.path_[-1] == (0.0, np.inf)
    assert few.score(x) > 0
    with pytest.raises(ValueError, match="the covariance of the data is singular: use more samples, lam > 0"):
        EnergyModel("gaussian", lam=0.0).fit(x[:40])


@pytest.mark.parametrize("dim", [1, 6])
def test_counts_in_a_domain_are_blurred_column_by_column(dim: int) -> None:
    """Zeros move inside, and the fit of a column does not depend on the others."""
    waits = np.random.default_rng(0).exponential(1.0, (2000, dim))
    rounded = 0.5 * np.floor(2 * waits) + 0.25
    model = EnergyModel(lambda d: sm.energies.PairwiseModel(d, 1, 1), domain="positive", lam=0.0).fit(rounded)
    points = np.ones((2, dim))
    points[1, 0] = 2.0
    assert np.diff(model.score_samples(points))[0] == pytest.approx(-1.0, abs=0.15)


def test_a_sphere_has_no_regularizer() -> None:
    angles = np.random.default_rng(0).vonmises(0, 2.0, 2000)
    x = np.c_[np.cos(angles), np.sin(angles)]
    family = sm.energies.ExponentialFamily([lambda x: x[:, 0], lambda x: x[:, 1]])
    model = EnergyModel(family, domain="sphere").fit(x)
    assert model.lam_ == 0
    assert np.diff(model.score_samples([[-1.0, 0], [1.0, 0]]))[0] == pytest.approx(4, abs=0.4)
    with pytest.raises(ValueError, match="on a sphere there is no regularizer"):
        EnergyModel(family, domain="sphere", lam=0.1).fit(x)
    with pytest.raises(ValueError, match="leave lam at 0"):
        sm.fit_closed_form(family.double(), torch.from_numpy(x), domain="sphere", lam=0.1)


def test_values_of_given_columns() -> None:
    rng = np.random.default_rng(0)
    causes = rng.normal([0, 10], 1, (600, 2))
    table = pd.DataFrame({"y": causes.sum(1) + rng.normal(size=600), "a": causes[:, 0], "b": causes[:, 1]})
    model = EnergyModel("gaussian", lam=0.0, given=["a", "b"]).fit(table)
    drawn = model.sample(200, given=pd.DataFrame({"b": [10.0] * 200, "a": [3.0] * 200}), random_state=0)
    np.testing.assert_allclose(drawn[:, 1:].mean(0), [3, 10])
    with pytest.raises(ValueError, match="given needs a conditional model"):
        EnergyModel("gaussian", lam=0.0).fit(causes).sample(2, given=[[1.0]])
    for given, message in ((["a", 1], "names a column twice"), (["c"], "no column 'c': the columns are y, a, b")):
        with pytest.raises(ValueError, match=message):
            EnergyModel("gaussian", given=given).fit(table)


def test_constant_columns_that_are_given_or_blurred() -> None:
    x = np.random.default_rng(0).normal(size=(400, 3))
    x[:, 2] = 5
    assert np.isfinite(EnergyModel("gaussian", given=[2]).fit(x).score(x))
    assert np.isfinite(EnergyModel("gaussian", noise=0.5).fit(x).score(x))
    for change in (np.sqrt, np.log):  # ticks of counts are no groups
        EnergyModel("gaussian", lam=0.1).fit(change(np.random.default_rng(0).poisson(400, (3000, 1))))
    with pytest.raises(ValueError, match=r"expected data of shape \(N, 2\), got"):
        EnergyModel(sm.energies.Gaussian(2)).fit(np.random.default_rng(1).normal(size=(400, 3)))
