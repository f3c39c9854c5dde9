"""The metric of correlated noise: values and gradients against two oracles, and recovery of a known field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from standard_errors import check_mean
from torch import Tensor

import scorematching as sm
from scorematching.checks import CheckError, brute_force, check_layer
from scorematching.checks.cases import AUTOCOVARIANCE, make_layer
from scorematching.curvature import Hutchinson
from scorematching.energies import DeepField, FieldOfExperts, with_metric
from scorematching.layers import MetricConv2d, Square

pytestmark = pytest.mark.recorded

ROWS = torch.tensor([0.2, 0.6, 1.0, 0.6, 0.2], dtype=torch.float64)
#: Autocovariance of one channel, which differs between the two diagonals.
KERNEL = ROWS[:, None] * ROWS + 0.1 * torch.eye(5, dtype=torch.float64)


def field(octaves: int = 1, **options: Any) -> FieldOfExperts:
    energy = FieldOfExperts(5, 3, octaves=octaves, **options).double()
    with torch.no_grad():
        for parameter in energy.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return energy


#: Name -> (function that builds the energy, shape of one sample, autocovariance).
CASES: dict[str, tuple[Callable[[], sm.Graph], tuple[int, ...], Tensor]] = {
    "mixtures": (field, (1, 9, 8), KERNEL),
    "splines": (lambda: field(expert="spline"), (1, 8, 9), KERNEL),
    "two octaves": (lambda: field(2), (1, 11, 10), KERNEL),
    "three octaves": (lambda: field(3), (1, 16, 15), KERNEL),
    "color, strided, with bias": (
        lambda: sm.Sequential(sm.Conv2d(2, 4, 3, stride=2), sm.StudentT(), sm.WeightedSum(4)).double(),
        (2, 7, 8),
        AUTOCOVARIANCE.double(),
    ),
}


def toeplitz(kernel: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The covariance matrix of an image, entry by entry from the definition."""
    kernel = kernel.view(-1, shape[0], *kernel.shape[-2:]) if kernel.ndim == 2 else kernel
    r, (channels, height, width) = kernel.shape[-1] // 2, shape
    matrix = torch.zeros(shape + shape, dtype=torch.float64)
    for i in range(height):
        for j in range(width):
            for k in range(max(0, i - r), min(height, i + r + 1)):
                for m in range(max(0, j - r), min(width, j + r + 1)):
                    matrix[:, i, j, :, k, m] = kernel[:, :, k - i + r, m - j + r]
    return matrix.view(channels * height * width, -1)


def gradients(loss: Tensor, energy: sm.Graph) -> dict[str, Tensor]:
    """The gradient of each parameter of the energy, by its own name."""
    named = {name: p for name, p in energy.named_parameters() if p.requires_grad}
    return dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))


def assert_same(found: tuple[Tensor, dict[str, Tensor]], truth: tuple[Tensor, dict[str, Tensor]]) -> None:
    torch.testing.assert_close(found[0], truth[0], rtol=1e-10, atol=0)
    for name, expected in truth[1].items():
        error = (found[1][name] - expected).norm() / expected.norm()
        assert float(error) < 1e-10, name


@pytest.mark.parametrize("lam", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_loss_is_that_of_the_formula(name: str, weighted: bool, lam: float) -> None:
    """``1/2 |Sigma d|^2 - tr(Sigma H Sigma)``, by automatic differentiation of the energy and matrix products."""
    build, shape, kernel = CASES[name]
    energy, y = build(), torch.randn(2, *shape, dtype=torch.float64)
    weight = torch.rand(shape, dtype=torch.float64) if weighted else torch.ones(shape, dtype=torch.float64)
    sigma, (d, h) = toeplitz(kernel, shape), brute_force(energy, y)
    first, second = d.flatten(1) @ sigma, (sigma @ h @ sigma).diagonal(dim1=1, dim2=2)
    terms = 0.5 * first.square() - second + lam * second.square()
    truth = (weight.flatten() * terms).sum(1).mean()
    seen = with_metric(energy, kernel)
    assert sm.exactness_report(seen, shape).exact
    loss = sm.score_matching_loss(seen, y, lam=lam, weight=weight if weighted else None)
    assert_same((loss, gradients(loss, energy)), (truth, gradients(truth, energy)))


@pytest.mark.parametrize("name", CASES)
def test_the_loss_is_plain_score_matching_on_other_data(name: str) -> None:
    """The data ``z = Sigma^-1 y``, and the energy ``E(Sigma z)`` with ``Sigma`` as a layer of its own."""
    build, shape, kernel = CASES[name]
    energy, y = build(), torch.randn(2, *shape, dtype=torch.float64)
    reach, channels = kernel.shape[-1] // 2, shape[0]
    blur = sm.Conv2d(channels, channels, 2 * reach + 1, padding=reach, bias=False)
    blur.weight = torch.nn.Parameter(kernel.view_as(blur.weight), requires_grad=False)
    sigma = toeplitz(kernel, shape)
    z = torch.linalg.solve(sigma, y.flatten(1).T).T.view_as(y)
    torch.testing.assert_close(blur(z), y, rtol=1e-9, atol=1e-9)
    edges = [("z", blur, energy.input)]
    edges += [(edge.source, layer, edge.target) for edge, layer in energy.pairs()]  # type: ignore[list-item]
    plain = sm.Graph(edges, input="z", output=energy.output)
    truth = sm.score_matching_loss(plain, z, lam=0.1, curvature="full")
    loss = sm.score_matching_loss(with_metric(energy, kernel), y, lam=0.1)
    assert_same((loss, gradients(loss, energy)), (truth, gradients(truth, energy)))


def test_two_affine_layers_in_a_row_are_not_exact() -> None:
    """What the fused filters are for: the recursion through ``Sigma`` and the filters one by one is off."""
    energy, y = field(), torch.randn(2, 1, 9, 8, dtype=torch.float64)
    padded = sm.Sequential(sm.layers.Crop(0), *energy.layers)  # a crop by itself is fused; a reshape is not
    unfused = with_metric(sm.Sequential(sm.layers.Reshape((1, 9, 8)), *energy.layers), KERNEL)
    assert sm.exactness_report(with_metric(padded, KERNEL), (1, 9, 8)).exact
    assert not sm.exactness_report(unfused, (1, 9, 8)).exact
    exact = sm.hessian_diagonal(with_metric(energy, KERNEL), y)
    torch.testing.assert_close(sm.hessian_diagonal(unfused, y), exact, rtol=1e-10, atol=1e-12)
    with pytest.warns(sm.curvature.ApproximationWarning):
        wrong = sm.hessian_diagonal(unfused, y, "diagonal")
    assert (wrong - exact).norm() > 0.1 * exact.norm()


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("linear", "sweep 3: a"),
        ("adjoint", "sweep 2: d"),
        ("outer", "sweep 4: weight"),
        ("pull_d2", "sweep 2: d2"),
        ("push_a2", "sweep 3: a2"),
        ("_unfused", "sweep 4: weight"),
        ("_outer_of_fused", "sweep 4: weight"),
        ("_outer_of_value", "sweep 4: weight"),
    ],
)
def test_a_wrong_rule_is_noticed(rule: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = getattr(MetricConv2d, rule)
    monkeypatch.setattr(MetricConv2d, rule, lambda *given: (1 + 1e-6) * right(*given))
    with pytest.raises(CheckError, match=says):
        check_layer(*make_layer("MetricConv2d of means"))


@pytest.mark.filterwarnings("ignore::scorematching.losses.RepeatedValuesWarning")  # one sample, many probes
def test_a_deep_energy_is_learned_by_probes() -> None:
    """The estimate ``v·(Sigma H Sigma v)`` is unbiased."""
    energy = DeepField(channels=4, depth=2, seed=1).double().with_border()
    seen, y = with_metric(energy, KERNEL), torch.randn(1, 1, 8, 6, dtype=torch.float64)
    sigma, (d, h) = toeplitz(KERNEL, (1, 8, 6)), brute_force(energy, y)
    truth = 0.5 * (d.flatten(1) @ sigma).square().sum(1) - (sigma @ h @ sigma).diagonal(dim1=1, dim2=2).sum(1)
    torch.testing.assert_close(sm.score_matching_loss(seen, y, curvature="full"), truth[0], rtol=1e-10, atol=0)
    probes = Hutchinson(1, generator=torch.Generator().manual_seed(0))
    losses = sm.score_matching_loss(seen, y.expand(2000, -1, -1, -1), curvature=probes, reduction="none")
    check_mean(losses.detach()[:, None], truth.detach())


def test_parameters_are_shared() -> None:
    energy = field(2)
    seen = with_metric(energy, KERNEL)
    shared = {id(p) for p in energy.parameters()}
    assert {id(p) for p in seen.parameters() if p.requires_grad} == shared


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (torch.ones(3), r"shape \(k, k\) or \(C, C, k, k\), got \(3,\)"),
        (torch.ones(3, 5), r"got \(3, 5\)"),
        (torch.ones(4, 4), "must be odd, got 4"),
        (torch.full((3, 3), torch.nan), "must be finite"),
        (torch.arange(9.0).view(3, 3), "opposite distances"),
    ],
)
def test_what_is_no_autocovariance_is_refused(kernel: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_metric(field(), kernel)


#: Filter of a Gaussian field, whose density is ``exp(-1/2 sum (w * y)^2)``, and noise that such a field may contain.
FILTER = torch.tensor([[0.0, -0.2, 0.05], [-0.3, 1.2, -0.1], [0.0, -0.1, 0.0]], dtype=torch.float64)
NOISE = 0.1 * torch.tensor([[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]], dtype=torch.float64)


def gaussian_field(count: int, side: int) -> tuple[Tensor, Tensor, float]:
    """Clean and noisy fields on a torus, and the error of the best denoiser, which is Wiener's filter.

    The noisy field has the precision ``W^T W``, and the noise has the covariance NOISE.
    """

    def draw(spectrum: Tensor) -> Tensor:
        white = torch.randn(count, 1, side, side, dtype=torch.float64)
        return torch.fft.ifft2(torch.fft.fft2(white) * spectrum.sqrt()).real

    noisy = torch.fft.fft2(FILTER, (side, side)).abs().square().reciprocal()
    noise = torch.fft.fft2(torch.roll(F.pad(NOISE, [0, side - 3] * 2), (-1, -1), (0, 1))).real
    assert bool((noise > -1e-12).all())
    assert bool((noisy > noise).all())
    clean = draw(noisy - noise)
    return clean, clean + draw(noise.clamp_min(0)), float((noise - noise.square() / noisy).mean())


def autocorrelation(w: Tensor) -> Tensor:
    """The coefficients of ``W^T W``, which the density determines; the sign of the filter is free."""
    return F.conv2d(w.view(1, 1, 3, 3), w.view(1, 1, 3, 3), padding=2)[0, 0].detach()


def fit_field(noisy: Tensor) -> tuple[sm.Graph, sm.Graph]:
    """The Gaussian field of least loss, where all filters and all noise of a pixel lie inside, and with the metric."""
    energy = sm.Sequential(sm.Conv2d(1, 1, 3, bias=False), Square(), sm.Sum(0.5)).double()
    with torch.no_grad():
        energy.layers[0].weight.copy_(F.pad(torch.ones(1, 1, 1, 1), [1] * 4))
        energy.layers[0].weight[..., 0] -= 0.1  # a filter that equals its mirror image would remain so
    seen, weight = with_metric(energy, NOISE), F.pad(torch.ones_like(noisy[0, :, 3:-3, 3:-3]), [3] * 4)
    optimizer = torch.optim.LBFGS(
        energy.parameters(), max_iter=300, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = sm.score_matching_loss(seen, noisy, weight=weight)
        value.backward()
        return value

    optimizer.step(loss)
    return energy, seen


def test_a_gaussian_field_is_recovered_under_correlated_noise() -> None:
    """Within its standard errors. The error of the denoiser is that of the best one, and the curvature predicts it."""
    clean, noisy, best = gaussian_field(64, 48)
    draws = torch.stack([autocorrelation(fit_field(part)[0].layers[0].weight) for part in noisy.split(4)])
    truth = autocorrelation(FILTER)
    check_mean(draws, truth)
    assert float((draws.mean(0) - truth).norm() / truth.norm()) < 0.05
    _, seen = fit_field(noisy)
    inner = (..., slice(3, -3), slice(3, -3))
    squares = (noisy + sm.score(seen, noisy).detach() - clean)[inner].square()
    predicted = (NOISE[1, 1] - sm.hessian_diagonal(seen, noisy).detach())[inner].mean()
    check_mean(squares.mean((1, 2, 3))[:, None], predicted[None])
    assert float(predicted) == pytest.approx(best, rel=0.01)
