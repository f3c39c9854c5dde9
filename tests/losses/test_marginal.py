"""The loss of data with missing values: its formula, its estimate, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from missing_values import Grid, Opaque, at_random, gaussian, gaussian_samples, integrated, loss_by_autograd
from torch import Tensor, nn

import scorematching as sm
from scorematching.losses import ImportanceWarning, StudentTProposal, importance

NAN = float("nan")


def gradients(value: Tensor, energy: nn.Module) -> list[Tensor]:
    learned = [parameter for parameter in energy.parameters() if parameter.requires_grad]
    return [g for g in torch.autograd.grad(value, learned, allow_unused=True) if g is not None]


def assert_same(found: Tensor, expected: Tensor, energy: nn.Module) -> None:
    """The losses and their gradients agree."""
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    up = torch.linspace(0.5, 1.5, len(found), dtype=found.dtype)
    torch.testing.assert_close(gradients(up @ found, energy), gradients(up @ expected, energy), rtol=1e-10, atol=1e-10)


def test_the_marginals_of_a_gaussian_are_exact() -> None:
    """Against the density of the observed entries, from blocks of the covariance."""
    energy = gaussian()
    x = torch.tensor([[0.5, 2.0, -1.0], [NAN, 1.0, 0.3], [0.2, NAN, NAN], [NAN, NAN, -2.0]], dtype=torch.float64)
    expected = []
    for row in x:
        o = (~row.isnan()).nonzero()[:, 0]
        normal = torch.distributions.MultivariateNormal(energy.mean[o], energy.covariance[o][:, o])
        expected.append(loss_by_autograd(lambda y, p=normal: -p.log_prob(y), row[o][None], 0.1))
    found = sm.marginal_score_matching_loss(energy, x, lam=0.1, reduction="none")
    assert_same(found, torch.cat(expected), energy)
    torch.testing.assert_close(sm.marginal_score_matching_loss(energy, x, lam=0.1), found.mean())


@pytest.mark.parametrize("size", [2**20, 1000])
def test_the_formula_with_weights_is_the_loss_of_the_integral(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a grid in place of draws, also if blocks of samples are computed again by ``backward()``."""
    monkeypatch.setattr(importance, "_ENTRIES", size)
    energy = sm.energies.ProductOfStudentT(3, 4).double()
    x, grid = torch.randn(6, 3, dtype=torch.float64), Grid(12, 241)
    expected = []
    for number, row in enumerate(x):
        missing = number % 3
        others = torch.cat([row[:missing], row[missing + 1 :]])[None]
        expected.append(loss_by_autograd(lambda y, m=missing: integrated(energy, y, m, grid.places), others, 0.1))
        row[missing] = NAN
    found = sm.marginal_score_matching_loss(energy, x, lam=0.1, samples=241, proposal=grid, reduction="none")
    assert_same(found, torch.cat(expected), energy)


def test_draws_agree_with_the_integral() -> None:
    """The loss and its gradient over many copies of a sample, within Monte Carlo error."""
    energy = sm.energies.ProductOfStudentT(2, 3).double()
    energy.weights.data.fill_(2.0)
    x, places = torch.tensor([[0.7]], dtype=torch.float64), torch.linspace(-40, 40, 4001, dtype=torch.float64)
    truth = loss_by_autograd(lambda y: integrated(energy, y, 1, places), x, 0.0).sum()
    many = torch.tensor([[0.7, NAN]], dtype=torch.float64).expand(400, 2)
    proposal = StudentTProposal(torch.zeros(2), torch.eye(2))
    losses = sm.marginal_score_matching_loss(energy, many, samples=1000, proposal=proposal, reduction="none")
    groups = losses.view(40, 10).mean(1)
    by_filters = torch.stack([torch.autograd.grad(one, energy.filters, retain_graph=True)[0] for one in groups])
    for draws, exact in ((groups.detach(), truth.detach()), (by_filters, gradients(truth, energy)[0])):
        error = draws.std(0) / len(draws) ** 0.5
        assert bool(((draws.mean(0) - exact).abs() < 4 * error + 1e-3).all())
        assert float(error.max()) < 0.02


def test_the_bias_falls_as_one_over_the_number_of_draws() -> None:
    """Against the exact loss of a Gaussian; the docstring quotes the figure."""
    energy, generator = gaussian(), torch.Generator().manual_seed(0)
    x = at_random(gaussian_samples(30_000))
    with torch.no_grad():
        exact = sm.marginal_score_matching_loss(energy, x, reduction="none")
        for samples in (12, 24):
            options = {"samples": samples, "generator": generator, "reduction": "none"}
            found = sm.marginal_score_matching_loss(Opaque(energy), x, curvature=Formula(), **options)
            error = samples * float((found - exact).std()) / len(x) ** 0.5
            scaled = samples * float((found - exact).mean())
            assert scaled == pytest.approx(-0.083, abs=3 * error)


class Formula(sm.curvature.Curvature):
    """The formula of an energy that is hidden, which is faster than automatic differentiation."""

    def derivatives(self, energy: nn.Module, x: Tensor, squared: bool = False) -> sm.curvature.Derivatives:
        """Return them by the formula."""
        return energy.energy.derivatives(x)


@pytest.mark.parametrize("causes", [(), (0,), (0, 2)])
def test_draws_agree_with_the_exact_loss_of_a_gaussian(causes: tuple[int, ...]) -> None:
    energy = gaussian()
    x = gaussian_samples(400)
    x[:200, 1] = NAN
    if not causes:
        x[100:300, 2] = NAN
    exact = sm.marginal_score_matching_loss(energy, x, lam=0.1, causes=causes)
    options = {"samples": 1000, "generator": torch.Generator().manual_seed(0), "curvature": Formula()}
    found = sm.marginal_score_matching_loss(Opaque(energy), x, lam=0.1, causes=causes, **options)
    torch.testing.assert_close(found, exact, rtol=0, atol=0.01)
    torch.testing.assert_close(gradients(found, energy), gradients(exact, energy), rtol=0, atol=0.02)


def test_without_missing_values_it_is_the_plain_loss() -> None:
    energy, x = sm.energies.ProductOfStudentT(3, 4), torch.randn(9, 3)
    for reduction in ("mean", "sum", "none"):
        plain = sm.score_matching_loss(energy, x, lam=0.1, reduction=reduction)
        assert torch.equal(sm.marginal_score_matching_loss(energy, x, lam=0.1, reduction=reduction), plain)
    y = x.clone()
    y[4:, 1] = NAN
    found = sm.marginal_score_matching_loss(energy, y, lam=0.1, reduction="none")
    assert torch.equal(found[:4], sm.score_matching_loss(energy, x[:4], lam=0.1, reduction="none"))


def test_causes_of_as_many_complete_samples_as_inputs() -> None:
    """The terms of causes are those of their marginal, in complete samples too."""
    energy, x = gaussian(), gaussian_samples(5)
    x[3:, 1] = NAN
    found = sm.marginal_score_matching_loss(energy, x, causes=[0], reduction="none")
    alone, others = x.clone(), torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64)
    alone[:, 1:] = NAN
    expected = sm.marginal_score_matching_loss(energy, alone, reduction="none")[:3]
    expected = expected + sm.score_matching_loss(energy, x[:3], weight=others.expand(3, 3), reduction="none")
    torch.testing.assert_close(found[:3], expected)


def test_images_in_single_precision() -> None:
    energy = sm.Sequential(sm.Conv2d(1, 2, 3, padding=1), sm.StudentT(), sm.Sum(2.0))
    x = torch.randn(20, 1, 4, 4)
    x[3:, 0, 1, 2] = NAN
    x[8:, 0, 3, 3] = NAN
    options = {"proposal": StudentTProposal(torch.zeros(16), torch.eye(16)), "samples": 300}
    found = sm.marginal_score_matching_loss(energy, x, generator=torch.Generator().manual_seed(0), **options)
    again = sm.marginal_score_matching_loss(
        Flat(energy), x.flatten(1), generator=torch.Generator().manual_seed(0), **options
    )
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, again)


class Flat(nn.Module):
    """Energy of flattened images."""

    def __init__(self, energy: nn.Module) -> None:
        super().__init__()
        self.energy = energy

    def forward(self, x: Tensor) -> Tensor:
        """Return the energies."""
        return self.energy(x.view(-1, 1, 4, 4))


def test_a_bad_proposal_is_named() -> None:
    """Draws far from the data: few of them have nearly all of the weight."""
    x = at_random(gaussian_samples(100))
    far = StudentTProposal(torch.full((3,), 20.0), torch.eye(3))
    with pytest.warns(
        ImportanceWarning, match=r"100% of the samples .* size below 10, of 50 draws.* a proposal closer"
    ):
        sm.marginal_score_matching_loss(Opaque(gaussian()), x, samples=50, proposal=far)


def test_a_proposal_fitted_to_correlated_data_is_nearly_the_conditional() -> None:
    """Its effective sample size is large, where independent entries would have a small one."""
    x = torch.randn(500, 6) @ torch.randn(6, 6)
    x[:, 0][torch.rand(500) < 0.5] = NAN
    proposal = StudentTProposal.fitted(x)
    rows = x[x[:, 0].isnan()]
    draws, log_density = proposal.draw(rows, ~rows.isnan(), 100, None)
    target = torch.distributions.MultivariateNormal(proposal.mean, proposal.covariance)
    points = torch.where(rows.isnan()[:, None], draws, rows[:, None])
    weights = (target.log_prob(points) - log_density).softmax(1)
    assert float((1 / weights.square().sum(1)).min()) > 70


BAD = {
    "no entry": (lambda x: {"x": torch.cat([x, x * NAN])}, "2 samples have no observed entry, the first is number 2"),
    "infinite": (lambda x: {"x": x / 0}, r"x has 5 infinite entries, of 6; NaN stands for missing ones"),
    "samples": (lambda x: {"samples": 1}, "samples must be an integer of 2 or more, got 1"),
    "cause missing": (lambda x: {"causes": [0]}, "input 0 is missing in sample 1: weight the losses"),
    "no such cause": (lambda x: {"causes": [3]}, "each of causes must be an integer from 0 to 2, got 3"),
    "random": (lambda x: {"curvature": "hutchinson"}, "curvature must not be random, got Hutchinson"),
    "constant": (lambda x: {}, "input 0 has no two different values in the 2 rows.*pass it as proposal"),
    "proposal": (lambda x: {"proposal": Short()}, r"draws of shape \(1, 100, 3\) .* \(1, 100\), got \(1, 99, 3\)"),
    "degrees": (lambda x: {"proposal": StudentTProposal(x[0], x, 0)}, "degrees must be an integer of 1 or more, got 0"),
}


class Short:
    """Proposal that returns too little."""

    def draw(
        self, x: Tensor, observed: Tensor, samples: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Return 99 draws, whatever is asked for."""
        return x.new_zeros(1, 99, 3), x.new_zeros(1, 99)


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name: str) -> None:
    call, message = BAD[name]
    x = torch.tensor([[1.0, 2.0, 3.0], [NAN, 1.0, 2.0]])
    with pytest.raises(ValueError, match=message):
        sm.marginal_score_matching_loss(**{"energy": sm.energies.ProductOfStudentT(3, 4), "x": x, **call(x)})


def test_a_gaussian_without_a_marginal_is_refused() -> None:
    energy = sm.energies.Gaussian(2)
    energy.interaction.data[0] = -1.0
    with pytest.raises(ValueError, match="precision of unobserved variables is not positive definite"):
        sm.marginal_score_matching_loss(energy, torch.tensor([[NAN, 1.0]]))


@pytest.mark.parametrize("call", [sm.score_matching_loss, sm.fit_closed_form])
def test_other_losses_name_this_one(call: object) -> None:
    with pytest.raises(
        ValueError, match=r"x has 1 entries that are NaN .* missing values .*marginal_score_matching_loss"
    ):
        call(sm.energies.Gaussian(2), torch.tensor([[NAN, 1.0], [0.0, 1.0]]))
