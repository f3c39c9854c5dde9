"""Layers, energies, domains, losses, curvature, sampling, statistics, estimators, tracing and checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from contract import samples
from contract.case import Case

import scorematching as sm


def losses(folder: Path) -> dict[str, Case]:
    """Return the cases of losses, of the score and of curvature."""
    graph = {"energy": samples.energy(), "x": samples.x()}
    c, masked = sm.curvature, samples.x()
    masked[0, 0] = torch.nan
    double = {"energy": sm.Sequential(sm.Linear(3, 4), sm.StudentT(), sm.WeightedSum(4)).double()}
    named: dict[str, Any] = {"curvature": "auto", "reduction": "mean"}
    return {
        "score": Case(sm.score, graph),
        "hessian_diagonal": Case(sm.hessian_diagonal, {**graph, "curvature": "auto"}),
        "score_matching_loss": Case(sm.score_matching_loss, graph | named | {"weight": torch.ones(8), "domain": None}),
        "score_matching_loss of a module": Case(sm.score_matching_loss, {"energy": samples.module(), "x": samples.x()}),
        "ScoreMatchingLoss": Case(sm.ScoreMatchingLoss, {"energy": samples.energy(), **named}),
        "denoising_score_matching_loss": Case(
            sm.denoising_score_matching_loss, {**graph, "sigma": 0.3, "reduction": "mean", "output": "energy"}
        ),
        "sliced_score_matching_loss": Case(sm.sliced_score_matching_loss, {**graph, "reduction": "mean"}),
        "marginal_score_matching_loss": Case(
            sm.marginal_score_matching_loss, {"energy": samples.energy(), "x": masked, **named, "samples": 5}
        ),
        "losses.StudentTProposal": Case(
            sm.losses.StudentTProposal, {"mean": torch.zeros(3), "covariance": torch.eye(3)}
        ),
        "losses.StudentTProposal.fitted": Case(sm.losses.StudentTProposal.fitted, {"x": samples.x()}),
        "losses.repeated": Case(sm.losses.repeated, {"x": samples.x()}),
        "check_gradients": Case(sm.check_gradients, {**double, "x": samples.x().double(), "curvature": "diagonal"}),
        "curvature_report": Case(sm.curvature_report, graph, quiet=True),
        "exactness_report": Case(sm.exactness_report, {"energy": samples.energy(), "shape": (3,)}),
        "checks.brute_force": Case(sm.checks.brute_force, graph),
        "checks.check_layer": Case(sm.checks.check_layer, {"layer": sm.Linear(3, 2), "x": samples.x()}),
        "curvature.Analytic": Case(c.Analytic, {}),
        "curvature.Coloring": Case(c.Coloring, {}),
        "curvature.CurvaturePropagation": Case(c.CurvaturePropagation, {}),
        "curvature.DiagonalRecursion": Case(c.DiagonalRecursion, {}),
        "curvature.ForwardJacobian": Case(c.ForwardJacobian, {}),
        "curvature.FullHessian": Case(c.FullHessian, {}),
        "curvature.Hutchinson": Case(c.Hutchinson, {"distribution": "rademacher"}),
        "curvature.Stein": Case(c.Stein, {"noise": samples.x(), "sigma": 0.1}, quiet=True),  # the loss looks at it
        "curvature.differentiable_gradient": Case(c.differentiable_gradient, graph, local=True),
        "curvature.measured_field": Case(c.measured_field, graph),
        "curvature.method_named": Case(c.method_named, {"choice": "auto", **graph}),
        "from_torch": Case(sm.from_torch, {"module": samples.module(), "x": samples.x()}),
    }


def data(folder: Path) -> dict[str, Case]:
    """Return the cases of sampling, statistics and estimators."""
    s, t, x = sm.sampling, sm.statistics, samples.x()
    chain = {"target": samples.energy(), "start": x, "steps": 4, "step_size": 0.1}
    draws = torch.randn(40, 4, 2, generator=torch.Generator().manual_seed(3))
    many = torch.randn(60, 3, generator=torch.Generator().manual_seed(4)).double()
    pairwise = sm.energies.PairwiseModel(3).double()
    gaussian = samples.gaussian()
    bootstrap = t.bootstrap(lambda x: x.mean(0), many, replicas=10)
    closed = sm.fit_closed_form(sm.energies.Gaussian(3).double(), many)
    two = {"first": gaussian, "second": samples.energy(), "x": x}
    model = sm.EnergyModel(max_iter=2).fit(many.numpy())
    return {
        "langevin": Case(sm.langevin, chain),
        "hmc": Case(sm.hmc, chain | {"leapfrog_steps": 2}),
        "sampling.effective_sample_size": Case(s.effective_sample_size, {"draws": draws}),
        "sampling.r_hat": Case(s.r_hat, {"draws": draws}),
        "sampling.summarize": Case(s.summarize, {"draws": draws}),
        "sampling.without_mean": Case(s.without_mean, {"x": x}, local=True),
        "sampling.log_normalizer": Case(
            s.log_normalizer,
            {"energy": gaussian, "mean": torch.zeros(3), "std": torch.ones(3), "chains": 4, "steps": 2},
        ),
        "statistics.bootstrap": Case(t.bootstrap, {"estimate": _mean, "x": x, "replicas": 3}),
        "statistics.Bootstrap.interval": Case(bootstrap.interval, {}),
        "statistics.Estimate.interval": Case(closed.interval, {}),
        "statistics.compare": Case(t.compare, {**two, "curvature": "auto"}),
        "statistics.fisher_divergence": Case(t.fisher_divergence, {"energy": gaussian, "x": x, "reference": gaussian}),
        "statistics.standard_errors": Case(t.standard_errors, {"energy": sm.energies.Gaussian(3).double(), "x": many}),
        "statistics.stein_test": Case(t.stein_test, {"model": gaussian, "x": x, "replicas": 3}),
        "fit_closed_form": Case(sm.fit_closed_form, {"energy": sm.energies.Gaussian(3).double(), "x": many}),
        "EnergyModel": Case(sm.EnergyModel, {}),
        "EnergyModel.fit": Case(_fitted, {"x": many.numpy()}, slow=True),
        "EnergyModel.score_samples": Case(model.score_samples, {"X": many.numpy()}, local=True),
        "EnergyModel.score": Case(model.score, {"X": many.numpy()}, left=("y",)),
        "EnergyModel.sample": Case(model.sample, {"steps": 2}, slow=True),
        "estimators.fit_l1_path": Case(
            sm.estimators.fit_l1_path, {"model": pairwise, "x": many, "penalties": 3}, slow=True
        ),
    }


def _mean(x: torch.Tensor) -> torch.Tensor:
    return x.double().reshape(len(x), -1).mean(0)


def _fitted(x: Any, **options: Any) -> sm.EnergyModel:
    return sm.EnergyModel("gaussian", **options).fit(x)


def energies(folder: Path) -> dict[str, Case]:
    """Return the cases of energies and domains."""
    e, d = sm.energies, sm.domains
    whitening = e.ZCAWhitening(2)
    return {
        "Graph": Case(sm.Graph, {"edges": [("x", sm.Sum(), "energy")]}),
        "Sequential": Case(sm.Sequential, {"0": sm.Linear(3, 2), "1": sm.Sum()}),
        "energies.DeepField": Case(e.DeepField, {"channels": 4, "depth": 2}),
        "energies.ExponentialFamily": Case(e.ExponentialFamily, {"statistics": [torch.square]}),
        "energies.FieldOfExperts": Case(e.FieldOfExperts, {"filters": 4, "size": 3}),
        "energies.Gaussian": Case(e.Gaussian, {"dim": 3}),
        "energies.Gaussian.fit_moments": Case(
            e.Gaussian(3).fit_moments, {"mean": torch.zeros(3), "covariance": torch.eye(3)}
        ),
        "energies.ICA": Case(e.ICA, {"dim": 3}),
        "energies.MLP": Case(e.MLP, {"dim": 3, "hidden": (4, 4)}),
        "energies.NICE": Case(e.NICE, {"dim": 4, "hidden": 4}),
        "energies.PairwiseModel": Case(e.PairwiseModel, {"dim": 3}),
        "energies.ProductOfStudentT": Case(e.ProductOfStudentT, {"dim": 3, "experts": 4}),
        "energies.ZCAWhitening": Case(e.ZCAWhitening, {"size": 2}),
        "energies.ZCAWhitening.fit": Case(whitening.fit, {"patches": torch.randn(50, 2, 2)}),
        "energies.dct_filters": Case(e.dct_filters, {"size": 3}),
        "energies.with_metric": Case(
            e.with_metric,
            {"energy": sm.priors.FieldPrior(sm.FieldConfig(filters=4, size=3)).energy, "covariance": torch.eye(3)},
        ),
        "domains.Circle": Case(d.Circle, {}),
        "domains.Distance": Case(d.Distance, {"function": _distance}),
        "domains.Interval": Case(d.Interval, {"low": 0.0, "high": 1.0}, quiet=True),
        "domains.Polyhedron": Case(d.Polyhedron, {"a": torch.ones(1, 3), "b": torch.ones(1)}),
        "domains.Simplex": Case(d.Simplex, {}),
        "domains.Sphere": Case(d.Sphere, {}),
        "domains.domain_named": Case(d.domain_named, {"choice": "positive"}, quiet=True),
        "compiled": Case(sm.compiled, {"backend": "inductor"}),
        "runtime.bfloat16_products": Case(sm.runtime.bfloat16_products, {}),
    }


def _distance(x: torch.Tensor) -> torch.Tensor:
    return x.abs().sum(1)


def layers(folder: Path) -> dict[str, Case]:
    """Return the cases of the constructors of layers."""
    n = sm.layers
    plain = ("Exp", "Flatten", "GELU", "Identity", "SiLU", "Sigmoid", "Sin", "Square", "Tanh")
    sizes = {"inputs": 2, "outputs": 4, "kernel": 3}
    scaled = {"scale": 1.0, "channels": 3}
    return {
        "Conv2d": Case(sm.Conv2d, sizes),
        "Linear": Case(sm.Linear, {"inputs": 3, "outputs": 2}),
        "StudentT": Case(sm.StudentT, scaled),
        "Sum": Case(sm.Sum, {}),
        "WeightedSum": Case(sm.WeightedSum, {"channels": 3}),
        "layers.Add": Case(n.Add, {"values": 1.0}),
        "layers.AvgPool2d": Case(n.AvgPool2d, {"size": 2}),
        "layers.Charbonnier": Case(n.Charbonnier, scaled),
        "layers.Conv1d": Case(n.Conv1d, sizes),
        "layers.ConvTranspose2d": Case(n.ConvTranspose2d, sizes),
        "layers.Crop": Case(n.Crop, {"border": 2}),
        "layers.Expand": Case(n.Expand, {"shape": (2, 3)}),
        "layers.Gather": Case(n.Gather, {"indices": (1, 0)}),
        "layers.LogCosh": Case(n.LogCosh, scaled),
        "layers.Metric": Case(n.Metric, {"covariance": torch.eye(3)}),
        "layers.MetricConv2d": Case(
            n.MetricConv2d,
            {"metric": n.Metric(torch.eye(3)), "convolution": sm.Conv2d(1, 4, 3), "before": (n.Crop(1),)},
        ),
        "layers.Multiply": Case(n.Multiply, {"weight": 1.0}),
        "layers.PixelUnshuffle": Case(n.PixelUnshuffle, {"side": 2}),
        "layers.PointwiseFunction": Case(n.PointwiseFunction, {"0": torch.sin, "1": torch.cos}),
        "layers.Power": Case(n.Power, {"exponent": 2.0}),
        "layers.Reshape": Case(n.Reshape, {"shape": (2, 3)}),
        "layers.Scale": Case(n.Scale, {"channels": 3}),
        "layers.Scatter": Case(n.Scatter, {"indices": (1, 0), "size": 4}),
        "layers.Softplus": Case(n.Softplus, {}),
        "layers.Spline": Case(n.Spline, {"channels": 3}),
        "layers.StudentTMixture": Case(n.StudentTMixture, {"channels": 3, "scales": (1.0, 2.0)}),
        "layers.SumOver": Case(n.SumOver, {"dims": (1,)}),
        "layers.SumPool2d": Case(n.SumPool2d, {"size": 2}),
        **{f"layers.{name}": Case(getattr(n, name), {}) for name in plain},
    }
