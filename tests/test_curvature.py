"""Every method of curvature: exact ones against brute force, random ones by their mean, chunks, modules, errors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import scorematching as sm
from scorematching.cases import NETWORKS, make_network
from scorematching.curvature import measured_field
from scorematching.curvature.base import Derivatives
from scorematching.curvature.full import HessianState, hessian_sweep2, hessian_sweep3, hessian_sweep4, partner
from scorematching.sweeps import sweep1, sweep2

EXACT = {
    "auto": "auto",
    "full": "full",
    "jacobian": "jacobian",
    "coloring": "coloring",
    "full, in chunks": sm.Full(memory=1),
    "jacobian, in chunks": sm.Jacobian(memory=1),
    "coloring, in chunks": sm.Coloring(memory=1),
}
DEEP = ["three hidden layers", "two convolutions", "residual", "shared layer", "parallel edges", "NICE"]


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize("name", NETWORKS)
def test_exact_methods_agree_with_brute_force(name: str, method: str, lam: float) -> None:
    """The loss, and its gradient by every parameter and by the data."""
    energy, x, _ = make_network(name)
    errors = sm.check_gradients(energy, x, lam, curvature=EXACT[method], tolerance=1e-9)
    assert {"loss", "x", *(n for n, _ in energy.named_parameters())} < set(errors)


@pytest.mark.parametrize("method", ["full", "coloring", "full, in chunks"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_penalty_of_the_whole_hessian(name: str, method: str) -> None:
    energy, x, _ = make_network(name)
    sm.check_gradients(energy, x, 0.3, torch.rand_like(x), 1e-9, EXACT[method], "hessian")


@pytest.mark.parametrize("name", DEEP)
def test_the_sweeps_of_the_hessian_one_by_one(name: str) -> None:
    """Sweep 2 is the Hessian of every node; sweep 3 its adjoint; sweep 4 the gradient through both."""
    energy, x, _ = make_network(name)
    x.requires_grad_()

    def sweeps12() -> HessianState:
        state = HessianState(**vars(sweep1(energy, x)))
        sweep2(energy, state, curvature=False)
        hessian_sweep2(energy, state)
        return state

    state, pair = sweeps12(), (energy.input,) * 2
    true = sm.brute_force(energy, x)[1]
    torch.testing.assert_close(state.h[pair].flatten(2), true, rtol=1e-10, atol=1e-12)
    a, g = torch.randn_like(x), torch.randn_like(true)
    g = (g + g.transpose(1, 2)).view_as(state.h[pair])
    value = (a * state.d["x"]).sum() + (g * state.h[pair]).sum()
    leaves = dict(energy.named_parameters())
    by_d = _gradients(value, {n: d for n, d in state.d.items() if n != "x"})
    by_h = _gradients(value, {p: h for p, h in state.h.items() if p != pair})
    oracle = torch.autograd.grad(value, [*leaves.values(), x])
    hessian_sweep3(energy, state, a, g)
    found = hessian_sweep4(energy, state)
    for node, expected in by_d.items():
        torch.testing.assert_close(state.a[node], expected, rtol=1e-10, atol=1e-12)
    for (u, v), expected in by_h.items():
        # Sweep 2 writes half of what is symmetric: a block beside the diagonal stands for its transpose too.
        flat, found_flat = (t.reshape(*t.shape[:2], -1) for t in (expected, partner(energy, state, u, v)))
        whole = 0.5 * (flat + flat.transpose(1, 2)) if u == v else 0.5 * flat
        torch.testing.assert_close(found_flat, whole, rtol=1e-10, atol=1e-12)
    for name_, expected in zip([*leaves, "x"], oracle, strict=True):
        parts = [found[k] for k in found if _same(energy, k, name_)] if name_ != "x" else [state.c["x"]]
        torch.testing.assert_close(sum(parts[1:], parts[0]), expected, rtol=1e-10, atol=1e-12)


def _gradients(value: Tensor, at: dict) -> dict:
    """Gradients by those of the tensors that the value depends on."""
    asked = {key: tensor for key, tensor in at.items() if tensor.requires_grad}
    found = torch.autograd.grad(value, list(asked.values()), retain_graph=True, allow_unused=True)
    return {key: gradient for key, gradient in zip(asked, found, strict=True) if gradient is not None}


def _same(energy: sm.Graph, one: str, other: str) -> bool:
    return energy.get_parameter(one) is energy.get_parameter(other)


class _WrongPull(sm.Tanh):
    def pull_columns(self, local: tuple, h: Tensor) -> Tensor:
        return super().pull_columns(local, h) * 1.001


class _WrongPush(sm.Tanh):
    def push_columns(self, local: tuple, g: Tensor) -> Tensor:
        return super().push_columns(local, g) * 1.001


class _WrongPairing(sm.Tanh):
    def pull_pairing(self, local: tuple, h: Tensor, g: Tensor) -> Tensor | None:
        return None


class _WrongOuter(sm.Linear):
    def pairing_gradients(self, local: tuple, h: Tensor, g: Tensor) -> dict[str, Tensor]:
        return {}


@pytest.mark.parametrize("wrong", [_WrongPull, _WrongPush, _WrongPairing, lambda: _WrongOuter(5, 5)])
def test_a_planted_wrong_rule_of_columns_is_found(wrong: Callable[[], sm.Layer]) -> None:
    layer = wrong()
    with pytest.raises(sm.CheckError, match="columns"):
        sm.check_layer(layer, torch.randn(3, 5))
    ends = [sm.Linear(5, 5), sm.Softplus(), sm.Sum()]
    hidden = [layer, sm.Tanh()] if isinstance(layer, sm.Linear) else [layer]
    with pytest.raises(sm.CheckError):
        sm.check_gradients(sm.Sequential(sm.Linear(4, 5), *hidden, *ends), torch.randn(3, 4), curvature="full")


RANDOM: dict[str, Callable[[int], sm.Curvature]] = {
    "Rademacher": lambda seed: sm.Hutchinson(4, "rademacher", torch.Generator().manual_seed(seed)),
    "Gaussian": lambda seed: sm.Hutchinson(4, "gaussian", torch.Generator().manual_seed(seed)),
    "curvature propagation": lambda seed: sm.CurvaturePropagation(4, torch.Generator().manual_seed(seed)),
}


def within_standard_errors(draws: Tensor, truth: Tensor, allowed: float = 4.5) -> None:
    """The mean of draws, shape (R, ...), lies within its standard error of the truth (or is it, without variance)."""
    error = draws.std(0) / len(draws) ** 0.5
    assert bool(((draws.mean(0) - truth).abs() <= allowed * error + 1e-9 * truth.abs().max()).all())


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("method", RANDOM)
@pytest.mark.parametrize(
    "name", ["PoE, mixtures", "three hidden layers", "two convolutions", "skip connection", "NICE"]
)
def test_random_methods_are_unbiased(name: str, method: str, lam: float) -> None:
    """The mean over many probes of the loss and of its gradient is the exact one, the squares of lam included."""
    energy, x, _ = make_network(name)
    repeats = 400
    many = x[:2].repeat_interleave(repeats, 0)
    losses = sm.score_matching_loss(energy, many, lam, RANDOM[method](0), reduction="none")
    truth = sm.score_matching_loss(energy, x[:2], lam, "full", reduction="none")
    within_standard_errors(losses.detach().view(2, repeats).T, truth.detach())
    weight = next(energy.parameters())
    (exact,) = torch.autograd.grad(truth.sum(), weight)
    parts = losses.view(2, 40, -1).sum(0).mean(1)
    draws = torch.stack([torch.autograd.grad(part, weight, retain_graph=True)[0] for part in parts])
    within_standard_errors(draws, exact)


def test_the_square_of_one_estimate_would_be_biased() -> None:
    """E (v_i (Hv)_i)^2 is H_ii^2 and the squares beside it: what a single probe would penalise."""
    energy, x, _ = make_network("three hidden layers")
    many = x[:1].expand(4000, -1)
    each = sm.Hutchinson(1, generator=torch.Generator().manual_seed(0)).derivatives(energy, many).d2.detach()
    h = sm.brute_force(energy, x[:1])[1].detach()[0]
    within_standard_errors(each.square(), h.square().sum(1))
    assert float(h.square().sum() / h.diagonal().square().sum()) > 1.1
    rows = sm.Hutchinson(1, generator=torch.Generator().manual_seed(0)).derivatives(energy, many, "hessian").square
    assert rows is not None
    within_standard_errors(rows.detach(), h.square().sum(1))


@pytest.mark.parametrize("lam", [0.0, 0.3])
@pytest.mark.parametrize("distribution", ["rademacher", "gaussian"])
def test_sliced_score_matching_is_unbiased(distribution: str, lam: float) -> None:
    energy, x, _ = make_network("skip connection")
    many = x[:2].repeat_interleave(4000, 0)
    losses = sm.sliced_score_matching_loss(
        energy, many, lam, None, distribution, torch.Generator().manual_seed(0), "none"
    )
    truth = sm.score_matching_loss(energy, x[:2], lam, "full", reduction="none").detach()
    within_standard_errors(losses.detach().view(2, -1).T, truth)


def test_rademacher_varies_less_than_gaussian_and_propagation_differs() -> None:
    energy, x, _ = make_network("PoE, mixtures")
    many = x[:1].expand(2000, -1)
    spread = {name: make(0).derivatives(energy, many).d2.sum(1).std().item() for name, make in RANDOM.items()}
    assert spread["Rademacher"] < spread["Gaussian"]


def test_denoising_score_matching_learns_the_noisy_density() -> None:
    """A Gaussian of variance 1 with noise of variance 1/2: precision 2/3; and the constant between the two losses."""
    x = torch.randn(20_000, 1, dtype=torch.float64)
    energy = sm.Sequential(sm.Scale(1), sm.Square(), sm.Sum(0.5)).double()
    optimizer = torch.optim.LBFGS(energy.parameters(), line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        generator = torch.Generator().manual_seed(1)
        loss = sm.denoising_score_matching_loss(energy, x, 0.5**0.5, generator)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert energy.layers[0].weight.item() ** 2 == pytest.approx(2 / 3, rel=0.03)


def deep_module() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.SiLU(), nn.Conv2d(3, 2, 3, padding=1), nn.Softplus(), nn.Flatten(), Total()
    ).double()


class Total(nn.Module):
    """The sum of a sample, shape (N, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) to (N, 1)."""
        return x.sum(1, keepdim=True)


@pytest.mark.parametrize("method", ["auto", "coloring", "coloring, in chunks"])
def test_any_module(method: str) -> None:
    """A module whose layers are not seen: its field is measured, and there are as many products as the field has."""
    energy, x = deep_module(), torch.randn(2, 1, 9, 8, dtype=torch.float64)
    assert measured_field(energy, x[:1]) == (5, 5)
    sm.check_gradients(energy, x, 0.1, curvature=EXACT[method])
    sm.check_gradients(energy, x, 0.1, curvature=sm.Coloring(field=(5, 6)))
    wrong = sm.hessian_diagonal(energy, x, sm.Coloring(field=(3, 3)))
    assert (wrong - sm.hessian_diagonal(energy, x)).abs().max() > 1e-6
    loss = sm.score_matching_loss(energy, x, 0.1, "hutchinson") + sm.score_matching_loss(energy, x, 0.1, "propagation")
    loss = loss + sm.sliced_score_matching_loss(energy, x)
    (loss + sm.denoising_score_matching_loss(energy, x, 0.1)).backward()
    assert all(bool(p.grad.isfinite().all()) for p in energy.parameters() if p.grad is not None)


class _Growing(nn.Module):
    """A module whose depth, and so its field, is a setting."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3)])
        self.depth = 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) to (N,)."""
        for part in self.parts[: self.depth]:
            x = nn.functional.softplus(part(x))
        return x.flatten(1).sum(1)


def test_a_field_that_has_grown_since_it_was_measured_is_noticed() -> None:
    network, x = _Growing().double(), torch.randn(1, 1, 12, 12, dtype=torch.float64)
    sm.score_matching_loss(network, x)
    network.depth = 3
    with pytest.raises(ValueError, match=r"inputs at a distance of \(3, 3\) are coupled.* has _Growing changed"):
        sm.score_matching_loss(network, x)


class Hiding(nn.Module):
    """A module that stops NaN, at three positions from where it came in."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N,)."""
        return (x[..., 3:].nan_to_num() * x[..., :-3].nan_to_num()).sum((1, 2, 3))


def test_the_field_of_a_module_that_hides_nan_is_found() -> None:
    assert measured_field(Hiding(), torch.zeros(1, 1, 4, 9)) == (1, 4)


@pytest.mark.parametrize("name", ["FoE", "two convolutions", "convolution and transpose", "disjoint pooling"])
def test_the_field_measured_is_the_field_known(name: str) -> None:
    energy, x, _ = make_network(name)
    known = sm.Coloring().distance(energy, x)
    measured = measured_field(energy, x[:1])
    assert all(m <= k for m, k in zip(measured, known, strict=True))
    assert max(measured) > 1


def test_chunks_hold_no_more_than_their_budget() -> None:
    """The chunked loss is that of the whole, whichever budget; parameters replaced by functional_call are seen."""
    energy, x, _ = make_network("three hidden layers")
    loss = sm.ScoreMatchingLoss(energy, 0.1, sm.Jacobian(memory=3000))
    leaves = {n: p.detach().clone().mul(1.1).requires_grad_() for n, p in loss.named_parameters()}
    found = torch.autograd.grad(torch.func.functional_call(loss, leaves, x), list(leaves.values()))
    with torch.no_grad():
        for parameter in energy.parameters():
            parameter.mul_(1.1)
    sm.score_matching_loss(energy, x, 0.1, "jacobian").backward()
    for one, parameter in zip(found, energy.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.grad)


def test_a_generator_makes_it_reproducible() -> None:
    energy, x, _ = make_network("NICE")
    one, two, three = (sm.score_matching_loss(energy, x, 0.1, RANDOM["Gaussian"](seed)).item() for seed in (0, 0, 1))
    assert one == two != three


def test_a_method_of_ones_own() -> None:
    class Twice(sm.Curvature):
        def derivatives(self, energy: nn.Module, x: Tensor, penalty: str = "none") -> Derivatives:
            d, d2, square = sm.Full().derivatives(energy, x, penalty)
            return Derivatives(d, 2 * d2, square)

    energy, x, _ = make_network("NICE")
    torch.testing.assert_close(sm.hessian_diagonal(energy, x, Twice()), 2 * sm.hessian_diagonal(energy, x))


def _loss(**options: object) -> Callable[[sm.Graph, Tensor], Tensor]:
    return lambda e, x: sm.score_matching_loss(e, x, 0.1, **options)


def test_inference_mode_gives_the_same() -> None:
    network = deep_module()
    x = torch.randn(2, 1, 9, 8, dtype=torch.float64)
    outside = sm.score(network, x), sm.hessian_diagonal(network, x)
    with torch.inference_mode():
        torch.testing.assert_close((sm.score(network, x), sm.hessian_diagonal(network, x)), outside)
        made = x * 1
        torch.testing.assert_close((sm.score(network, made), sm.hessian_diagonal(network, made)), outside)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(7, 4, 3), (16, 16, 8), (5, 1, 2)])
def test_the_field_of_strided_modules_is_measured(kernel: int, stride: int, padding: int) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, kernel, stride, padding), nn.Softplus(), sm.Sum()).double()
    assert measured_field(network, torch.zeros(1, 1, 48, 50, dtype=torch.float64)) == (kernel, kernel)


def test_a_chunk_without_gradients_and_one_that_is_asked_twice() -> None:
    x = torch.randn(4, 3, requires_grad=True)
    fixed = sm.Sequential(sm.Linear(3, 2), sm.Sum()).requires_grad_(False)
    sm.score_matching_loss(fixed, x, curvature=sm.Coloring(memory=1)).backward()
    assert x.grad is None or float(x.grad.abs().max()) == 0
    network = nn.Sequential(nn.Linear(3, 5), nn.Softplus(), nn.Linear(5, 1))
    with pytest.raises(RuntimeError, match="can be differentiated once"):
        torch.autograd.grad(sm.score_matching_loss(network, x, curvature=sm.Coloring(memory=1)), x, create_graph=True)


BAD = {
    "memory": (lambda e, x: sm.Full(memory=-1), "memory must be a number above 0, got -1"),
    "memory not given in bytes": (lambda e, x: sm.Coloring(memory="1GB"), "memory must be a number above 0, got '1GB'"),
    "small field": (
        lambda e, x: sm.hessian_diagonal(make_network("FoE")[0], make_network("FoE")[1], sm.Coloring(field=(1, 3))),
        r"field must be \(3, 3\) or more for this energy, got \(1, 3\)",
    ),
    "dropout": (
        lambda e, x: sm.score(nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.Linear(3, 1)), x),
        "1 draws random numbers",
    ),
    "shape": (lambda e, x: sm.exactness(e, 4), r"shape must be that of one sample.*got 4"),
    "batch": (lambda e, x: sm.exactness(e, batch=0), "batch must be a whole number of 1 or more, got 0"),
    "one probe": (_loss(curvature=sm.Hutchinson(probes=1)), "lam > 0 needs probes of 2 or more, got 1"),
    "probes": (lambda e, x: sm.Hutchinson(probes=0), "probes must be a whole number of 1 or more, got 0"),
    "distribution": (lambda e, x: sm.Hutchinson(distribution="uniform"), "'rademacher' or 'gaussian', got 'uniform'"),
    "penalty": (_loss(penalty="all"), "penalty must be 'diagonal' or 'hessian', got 'all'"),
    "no rows": (_loss(curvature="jacobian", penalty="hessian"), "give no whole Hessian.*'full'"),
    "no rows either": (_loss(curvature="propagation", penalty="hessian"), "no rows of the Hessian"),
    "no Hessian": (_loss(curvature=sm.Diagonal(), penalty="hessian"), "no Hessian to penalise: take curvature='full'"),
    "field": (_loss(curvature=sm.Coloring(field=(3, 3))), r"field must be 0 whole numbers.*got \(3, 3\)"),
    "sigma": (lambda e, x: sm.denoising_score_matching_loss(e, x, 0.0), "sigma must be a number above 0, got 0.0"),
    "energies": (lambda e, x: sm.score(nn.Linear(4, 2), x), r"one energy a sample, shape \(2,\), got \(2, 2\)"),
    "batch norm": (
        lambda e, x: sm.score(nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 1)), x),
        r"0 normalises over the batch, .* call energy.eval\(\)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        call(sm.Sequential(sm.Linear(4, 6), sm.StudentT(), sm.WeightedSum(6)), torch.randn(2, 4))
