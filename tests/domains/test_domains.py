"""Bounded domains: the loss and its gradients by autograd, warnings, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from bounded_energies import F64
from torch import Tensor

import scorematching as sm
from scorematching.domains import Distance, Domain, Interval, Polyhedron
from scorematching.layers import Scale, Sin, Square, Tanh

TRIANGLE = Polyhedron(
    torch.tensor([[-1.0, 0, 0], [0, -1, 0], [0, 0, -1], [1, 1, 1]]), torch.tensor([0.0, 0, 0, 3]), cap=0.3
)


DOMAINS: dict[str, Domain] = {
    "positive": Interval(0.0),
    "interval": Interval(-0.2, 1.5, cap=0.4),
    "below": Interval(high=2.0, cap=3.0, power=1.5),
    "own shape": Interval(0.0, shape=lambda d: torch.log1p(d).clamp(max=0.6)),
    "triangle": TRIANGLE,
    "ball": Distance(lambda x: 2 - x.norm(dim=1), cap=0.8, power=1),
}


def inside(domain: Domain, count: int = 6) -> Tensor:
    x = torch.rand(400, 3, dtype=F64) * 1.4
    return x[~domain.outside(x)][:count]


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("curvature", ["diagonal", "jacobian", "full"])
@pytest.mark.parametrize("name", DOMAINS)
def test_the_loss_and_its_gradients_equal_autograd(name: str, curvature: str, lam: float) -> None:
    """Weights and slopes come from a domain, the oracle differentiates through them."""
    energy = sm.Sequential(sm.Linear(3, 5), Tanh(), sm.WeightedSum(5))
    weight = torch.rand(3, dtype=F64)
    sm.check_gradients(energy, inside(DOMAINS[name]), lam=lam, weight=weight, curvature=curvature, domain=DOMAINS[name])


@pytest.mark.parametrize("name", DOMAINS)
def test_weights_vanish_on_the_boundary_and_their_slopes_are_derivatives(name: str) -> None:
    domain, x = DOMAINS[name], inside(DOMAINS[name]).requires_grad_()
    h, slope = domain.weights(x)
    assert slope.shape == h.shape == x.shape
    for i in range(3):
        (derivative,) = torch.autograd.grad(h[:, i].sum(), x, retain_graph=True)
        torch.testing.assert_close(derivative[:, i], slope[:, i])
    assert ((h > 0) & (h <= 1)).all()
    edge = {"positive": 0.0, "own shape": 0.0, "interval": 1.5, "below": 2.0, "triangle": 1.0, "ball": 2 / 3**0.5}[name]
    at_edge, _ = domain.weights(torch.full((1, 3), edge, dtype=F64))
    torch.testing.assert_close(at_edge, torch.zeros_like(at_edge), atol=1e-12, rtol=0)


def test_random_probes_and_blocks_give_the_same_loss() -> None:
    energy, domain = sm.Sequential(Scale(3), sm.StudentT(), sm.WeightedSum(3)).double(), DOMAINS["interval"]
    x = inside(domain, 50)
    expected = sm.score_matching_loss(energy, x, domain=domain)
    probes = sm.curvature.Hutchinson(probes=2, generator=torch.Generator().manual_seed(0))  # exact for a sum of inputs
    torch.testing.assert_close(sm.score_matching_loss(energy, x, curvature=probes, domain=domain), expected)
    losses = [sm.score_matching_loss(energy, one[None], domain=domain) for one in x]
    torch.testing.assert_close(torch.stack(losses).mean(), expected)
    module = sm.ScoreMatchingLoss(energy, domain=domain)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize(
    ("draw", "where"),
    [
        (lambda rng: rng.uniform(2, 3, (1000, 1)), "at a bound"),
        (lambda rng: rng.gamma(0.7, 2, (1000, 3)), "at a bound"),
        (lambda rng: -rng.exponential(1, (1000, 1)), "next to the largest value"),
        (lambda rng: rng.dirichlet((2, 3, 4), 1000), "unit simplex"),
        (lambda rng: (g := rng.normal(size=(1000, 3))) / np.linalg.norm(g, axis=1, keepdims=True), "unit sphere"),
        (lambda rng: rng.normal(5, 1, (1000, 20)), ""),
        (lambda rng: rng.standard_t(3, (1000, 20)), ""),
        (lambda rng: rng.gamma(4, 1, (1000, 20)), ""),
        (lambda rng: rng.normal(rng.choice([-5, 5], (1000, 20)), 0.2), ""),
        (lambda rng: rng.exponential(1, (100, 1)), ""),
    ],
    ids=["uniform", "gamma 0.7", "negative", "simplex", "sphere", "normal", "student", "gamma 4", "modes", "few"],
)
def test_data_that_look_bounded_are_named_once(
    draw: Callable[[np.random.Generator], np.ndarray], where: str, recwarn: pytest.WarningsRecorder
) -> None:
    x = torch.from_numpy(draw(np.random.default_rng(0)))
    energy = sm.Sequential(Scale(x.shape[1]), Square(), sm.Sum()).double()
    for _ in range(2):
        sm.score_matching_loss(energy, x)
    found = [str(one.message) for one in recwarn if one.category is sm.losses.DomainWarning]
    assert len(found) == bool(where)
    assert all(where in one for one in found)


def test_a_part_of_the_sphere_by_its_formula() -> None:
    """The loss, and its gradients by parameters and data, from the formula in space and autograd."""
    energy = sm.Sequential(sm.Linear(3, 5), Tanh(), sm.WeightedSum(5)).double()
    x = torch.from_numpy(np.abs(np.random.default_rng(0).normal(size=(6, 3))))
    x = (x / x.norm(dim=1, keepdim=True)).requires_grad_()

    def one(z: Tensor) -> Tensor:
        h, slope = torch.func.grad_and_value(lambda z: (z.amin() / 0.4).clamp(max=1) ** 2)(z)[::-1]
        d, hessian = (
            torch.func.grad(lambda z: energy(z[None])[0])(z),
            torch.func.hessian(lambda z: energy(z[None])[0])(z),
        )
        along = d - (z @ d) * z
        laplacian = hessian.trace() - z @ hessian @ z - 2 * z @ d
        return h * (0.5 * along @ along - laplacian) - slope @ along

    inputs = [x, *energy.parameters()]
    expected = torch.func.vmap(one)(x).mean()
    found = sm.score_matching_loss(energy, x, domain=sm.domains.Sphere(lambda z: z.amin(1), cap=0.4))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(found, inputs), torch.autograd.grad(expected, inputs), rtol=1e-10, atol=1e-12
    )
    with pytest.raises(ValueError, match="shape must be a function that is 0 at 0, without cap and power"):
        Interval(0, cap=1.0, shape=torch.square)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_samples_on_the_boundary_are_named_if_the_energy_is_infinite_there(reduction: Any) -> None:
    root = sm.energies.PairwiseModel(2, 0.5, 0.5)
    x = torch.tensor([[0.0, 1.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match=r"1 samples are on the boundary of the domain, .* move them inside"):
        sm.score_matching_loss(root, x, domain="positive", reduction=reduction)
    assert torch.isfinite(sm.score_matching_loss(sm.energies.Gaussian(2), x, domain="positive"))


def test_the_loss_on_a_simplex_is_that_of_its_first_entries() -> None:
    """For a graph and for any module; the oracle eliminates the last entry by hand."""
    energy = sm.Sequential(sm.Linear(3, 5), Tanh(), sm.WeightedSum(5)).double()
    x = torch.from_numpy(np.random.default_rng(0).dirichlet((2, 3, 4), 20))

    class Eliminated(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.energy = energy

        def forward(self, u: Tensor) -> Tensor:
            return self.energy(torch.cat([u, 1 - u.sum(1, keepdim=True)], 1))

    smallest = Distance(lambda u: torch.minimum(u.amin(1), 1 - u.sum(1)))
    expected = sm.score_matching_loss(Eliminated(), x[:, :2], lam=0.1, domain=smallest)
    expected.backward()
    gradient = energy.layers[0].weight.grad.clone()
    for model in (energy, torch.nn.Sequential(energy)):
        energy.zero_grad()
        loss = sm.score_matching_loss(model, x, lam=0.1, domain="simplex")
        torch.testing.assert_close(loss, expected)
        loss.backward()
        torch.testing.assert_close(energy.layers[0].weight.grad, gradient)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_loss_on_a_sphere_is_that_of_its_coordinates(reduction: Any) -> None:
    """The oracle: gradient and Laplace-Beltrami operator in spherical coordinates, by autograd."""
    energy = sm.Sequential(sm.Linear(3, 5), Tanh(), sm.WeightedSum(5)).double()
    polar, azimuth = (torch.rand(7, dtype=F64).add(0.5).requires_grad_() for _ in range(2))
    x = torch.stack([polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos()], 1)
    by_polar, by_azimuth = torch.autograd.grad(energy(x).sum(), (polar, azimuth), create_graph=True)
    (first,) = torch.autograd.grad((polar.sin() * by_polar).sum(), polar, create_graph=True)
    (second,) = torch.autograd.grad(by_azimuth.sum(), azimuth, create_graph=True)
    laplacian = first / polar.sin() + second / polar.sin() ** 2
    expected = 0.5 * (by_polar**2 + (by_azimuth / polar.sin()) ** 2) - laplacian
    by_autograd = torch.autograd.grad(expected.mean(), list(energy.parameters())[:2])
    found = sm.score_matching_loss(energy, x.detach(), domain="sphere", reduction=reduction)
    torch.testing.assert_close(found, expected if reduction == "none" else expected.mean(), rtol=1e-10, atol=1e-12)
    for one, other in zip(torch.autograd.grad(found.mean(), list(energy.parameters())[:2]), by_autograd, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_refused() -> None:
    energy = sm.Sequential(Scale(1), sm.Sum()).double()
    x = torch.tensor([[1.0], [-2.0], [3.0]], dtype=F64)
    with pytest.raises(ValueError, match=r"1 of 3 samples are outside of the domain .*, the first is x\[1\]"):
        sm.score_matching_loss(energy, x, domain="positive")
    with pytest.raises(ValueError, match=r"outside of the domain"):
        sm.fit_closed_form(energy, x, domain=Interval(0, 5))
    with pytest.raises(ValueError, match=r"the energy changes by .* when input 0 is turned by 2 pi"):
        sm.score_matching_loss(energy, x, domain="circle")
    with pytest.raises(ValueError, match="domain must be 'positive', 'simplex', 'sphere' or 'circle', got 'cube'"):
        sm.score_matching_loss(energy, x, domain="cube")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"domain must be a name or an object of sm\.domains, got int"):
        sm.score_matching_loss(energy, x, domain=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="an interval needs a bound"):
        Interval()
    with pytest.raises(ValueError, match="an interval needs a bound, and low below high"):
        Interval(2, 1)
    with pytest.raises(ValueError, match="power must be 1 or more"):
        Interval(0, power=0.5)
    with pytest.raises(ValueError, match="one value per sample"):
        Distance(lambda x: x).weights(x)
    with pytest.raises(ValueError, match="a polyhedron needs A of shape"):
        Polyhedron(torch.zeros(2, 3), torch.ones(2))
    with pytest.raises(ValueError, match="Stein is for data in all of space"):
        sm.score_matching_loss(
            energy, x.abs(), curvature=sm.curvature.Stein(torch.zeros_like(x), 1.0), domain="positive"
        )


@pytest.mark.parametrize("name", ["simplex", "sphere", "circle"])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_gradient_by_the_data_is_that_of_differences(name: Any, reduction: Any) -> None:
    energy = sm.Sequential(*([Sin()] if name == "circle" else []), sm.Linear(3, 5), Tanh(), sm.WeightedSum(5)).double()
    x = torch.from_numpy(np.random.default_rng(0).dirichlet((2, 3, 4), 5))
    x = x / x.norm(dim=1, keepdim=True) if name == "sphere" else x
    x.requires_grad_()
    loss = sm.score_matching_loss(energy, x, domain=name, reduction=reduction)
    plain = sm.score_matching_loss(energy, x.detach(), domain=name, reduction=reduction)
    torch.testing.assert_close(loss, plain, rtol=1e-12, atol=1e-12)
    (found,) = torch.autograd.grad(loss.mean(), x)
    step = 1e-6 * torch.tensor([1.0, -2.0, 1.0], dtype=F64)
    for number in range(len(x)):
        moved = torch.zeros_like(x)
        moved[number] = step
        ends = [sm.score_matching_loss(energy, x.detach() + sign * moved, domain=name) for sign in (1, -1)]
        assert (found[number] @ step).item() == pytest.approx((ends[0] - ends[1]).item() / 2, rel=1e-5)


def test_rounding_at_the_bound_and_inference_do_no_harm() -> None:
    x = torch.from_numpy(np.random.default_rng(0).dirichlet((1, 1, 1, 1), 200)).float()
    x[:50, -1] = 0
    x /= x.sum(1, keepdim=True)
    energy = sm.Sequential(sm.Linear(4, 5), Tanh(), sm.WeightedSum(5))
    state = torch.get_rng_state()
    for power in (1, 1.5, 3):
        loss = sm.score_matching_loss(energy, x, curvature="full", domain=sm.domains.Simplex(power=power))
        assert torch.isfinite(loss)
        with torch.inference_mode():
            again = sm.score_matching_loss(energy, x, curvature="full", domain=sm.domains.Simplex(power=power))
        torch.testing.assert_close(loss.detach(), again)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.isfinite(sm.score_matching_loss(energy, x, curvature="hutchinson", domain=sm.domains.Simplex(power=1)))


def test_inputs_that_belong_together_have_one_weight() -> None:
    x = torch.from_numpy(np.random.default_rng(0).dirichlet((2, 3, 4), 5))
    energy = sm.Sequential(sm.Linear(3, 5), Tanh(), sm.WeightedSum(5)).double()
    for name, data in (("simplex", x), ("sphere", x / x.norm(dim=1, keepdim=True))):
        weight = torch.rand(5, dtype=F64)
        each = sm.score_matching_loss(energy, data, domain=name, reduction="none")
        found = sm.score_matching_loss(energy, data, weight=weight, domain=name, reduction="sum")
        torch.testing.assert_close(found, weight @ each)
        with pytest.raises(ValueError, match=r"belong together: pass one weight per sample, \(5,\), got \(3,\)"):
            sm.score_matching_loss(energy, data, weight=torch.tensor([1.0, 0, 0]), domain=name)
    with pytest.raises(ValueError, match=r"samples of a simplex have the shape \(D,\)"):
        sm.score_matching_loss(energy, x[:, :, None], domain="simplex")
    high = sm.Sequential(sm.layers.Add(1e4), sm.Sum()).double()
    with pytest.raises(ValueError, match=r"the energy changes by .* turned by 2 pi"):
        sm.score_matching_loss(high, x[:, :1], domain="circle")
