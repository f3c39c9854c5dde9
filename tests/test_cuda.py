"""A GPU computes the same numbers as the CPU. Skipped without a CUDA device."""

from __future__ import annotations

import pytest
import torch
from small_models import DEEP, FIELD, short, with_noise

import scorematching as sm
from scorematching.checks.cases import NETWORKS, make_network
from scorematching.priors.architecture import ModelConfig
from scorematching.priors.info import TrainedNoise
from scorematching.priors.kinds import build_prior

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
METHODS = ["diagonal", "full", "jacobian", "coloring", "auto"]


@pytest.fixture(autouse=True)
def _full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


@pytest.mark.filterwarnings("ignore::scorematching.curvature.ApproximationWarning")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NETWORKS)
def test_loss_and_gradient_agree_with_the_cpu(name: str, method: str, dtype: torch.dtype, tolerance: float) -> None:
    energy, x, _ = make_network(name)
    results = []
    for device in ("cpu", "cuda"):
        energy.to(device, dtype).zero_grad()
        data = x.detach().to(device, dtype).requires_grad_()
        loss = sm.score_matching_loss(energy, data, lam=0.1, curvature=method)
        loss.backward()
        results.append([loss, data.grad, *(p.grad for p in energy.parameters() if p.grad is not None)])
    for one, other in zip(*results, strict=True):
        scale = float(one.detach().abs().max()) + 1e-12
        torch.testing.assert_close(other.cpu(), one.cpu(), rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("model", [FIELD, DEEP], ids=["field", "deep"])
def test_priors_run_and_train_on_the_gpu(model: ModelConfig) -> None:
    prior = build_prior(model, TrainedNoise(0.1))
    planes = torch.rand(1, 1, 60, 70)
    on_cpu = prior.score(planes)
    on_gpu = prior.to("cuda").score(planes.cuda()).cpu()
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-3, atol=1e-3)
    noisy = with_noise(planes[0, 0].numpy(), 0.1)
    result = sm.fit([noisy], noise=0.1, model=model, training=short(3, crop=24), device="cuda")
    assert next(result.prior.parameters()).is_cuda


def test_statistics_and_sampling_agree_with_the_cpu() -> None:
    x = torch.randn(400, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[:, 1] += x[:, 0]
    results = []
    for device in ("cpu", "cuda"):
        data, gaussian = x.to(device), sm.energies.Gaussian(3).to(device, torch.float64)
        fit = sm.fit_closed_form(gaussian, data)
        again = sm.statistics.standard_errors(gaussian, data)
        test = sm.statistics.stein_test(gaussian, data, generator=torch.Generator().manual_seed(0))
        missing = data.clone()
        missing[::3, 1] = torch.nan
        marginal = sm.marginal_score_matching_loss(gaussian, missing)
        weights = [parameter for parameter in gaussian.parameters() if parameter.requires_grad]
        first = torch.autograd.grad(sm.score_matching_loss(gaussian, data.exp(), domain="positive"), weights)
        found = [fit.estimate, fit.covariance, again.covariance, marginal.detach(), *first]
        results.append([*(tensor.cpu() for tensor in found), torch.tensor(test.statistic)])
        draws = sm.hmc(gaussian, data[:200], steps=20, step_size=0.3, warmup=20).x
        assert draws.device.type == device
        assert bool(torch.isfinite(draws).all())
    torch.testing.assert_close(results[0], results[1], rtol=1e-8, atol=1e-10)


def test_the_estimator_fits_on_the_gpu() -> None:
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0)).numpy()
    model = sm.EnergyModel("mlp", lam=0.01, max_iter=3, device="cuda").fit(x)
    assert next(model.energy_.parameters()).is_cuda
    assert model.score_samples(x).shape == (300,)
    assert model.sample(5, steps=5).shape == (5, 2)
