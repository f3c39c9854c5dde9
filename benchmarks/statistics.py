"""Comparison with other packages for statisticians: what they have, their figures, and their fits."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor, nn

import scorematching as sm
from benchmarks.published import FIGURES, TABLE_4, Figure, microbiome
from scorematching.cli.console import console

OTHERS = ("genscore 1.0.2", "scorematchingad 0.1.6", "ebmkit 0.16.0", "torchebm 0.8.9")
#: Whether this library and the others have a feature, by their sources: genscore and scorematchingad are in R.
FEATURES = (
    ("exact loss of any differentiable energy", "yes", "own models", "own models", "yes", "yes"),
    ("loss and gradient by sweeps (no Hessian, any D)", "yes", "-", "-", "-", "-"),
    ("regularizer λ on the curvature", "yes", "-", "-", "-", "-"),
    ("positive data, intervals, polyhedra, own boundaries", "yes", "yes", "partly", "-", "-"),
    ("simplex, sphere, circle", "yes", "simplex", "yes", "-", "-"),
    ("closed form for any energy linear in its parameters", "yes", "own models", "own models", "-", "-"),
    ("standard errors (Godambe's sandwich)", "any model", "one dimension", "own models", "-", "-"),
    ("bootstrap", "yes", "-", "-", "-", "-"),
    ("l1 path with eBIC and refit", "yes", "yes", "-", "-", "-"),
    ("robust (Windham) weights", "-", "-", "yes", "-", "-"),
    ("missing values", "yes", "-", "-", "-", "-"),
    ("goodness-of-fit test (kernel Stein)", "yes", "-", "-", "statistic only", "-"),
    ("Fisher divergence", "yes", "-", "-", "yes", "-"),
    ("comparison of models by held-out J, with an error", "yes", "-", "-", "-", "-"),
    ("log Z by annealed importance sampling", "yes", "-", "-", "yes", "-"),
    ("conditional models", "yes", "-", "-", "yes", "partly"),
    ("estimator for scikit-learn, λ chosen", "yes", "-", "-", "-", "-"),
    ("sliced and denoising score matching, score networks", "yes", "-", "-", "yes", "yes"),
    ("Langevin, HMC", "yes", "own models", "own models", "yes, and NUTS", "yes"),
    ("tempering", "yes", "-", "-", "yes", "-"),
    ("effective sample size, R-hat", "yes (ArviZ)", "-", "-", "yes", "-"),
    ("warnings where score matching misleads", "yes", "-", "-", "-", "-"),
)


def statistics(
    table: Annotated[
        Path | None,
        typer.Option("--microbiome", help="CSV file of the microbiome data of scorematchingad, for one more figure."),
    ] = None,
    replicas: Annotated[int, typer.Option(min=10, help="Number of replicas for the coverage.")] = 1000,
) -> None:
    """Compare features, printed figures and simple fits with genscore, scorematchingad, ebmkit and torchebm.

    The R packages are compared by the figures that they print; the others are run, if they are installed.
    """
    _print_table(("feature", "scorematching", *OTHERS), FEATURES)
    figures: tuple[Figure, ...] = FIGURES
    if table is not None:
        source, name = "Scealy & Wood 2023, Table 4", "microbiome: 14 estimates, 14 standard errors"
        figures += (Figure(name, source, TABLE_4, 8, lambda: microbiome(table)),)
    rows = []
    for figure in figures:
        found, printed = np.array(figure.compute()), np.array(figure.printed)
        numbers = f"{printed[0]:.9g}, ...", f"{found[0]:.9g}, ..."
        rows.append((figure.name, figure.source, *numbers, f"{np.abs(found / printed - 1).max():.0e}"))
    _print_table(("figure", "source", "printed", "this library", "largest relative difference"), rows)
    mean, variance = _coverage(replicas)
    covered = [("mean", "0.9514", f"{mean:.4f}"), ("variance", "0.9472", f"{variance:.4f}")]
    _print_table(("coverage of 95 % intervals, truncated normal", "genscore, vignette", "this library"), covered)
    _print_table(("fit", "truth", *FITTED), [_fits(*case) for case in CASES])


def _coverage(replicas: int) -> tuple[float, float]:
    """Return the coverage for mean and variance of a normal distribution, of which only positive samples are seen.

    As in genscore's vignette, each is fitted alone, with the other known, from 1,000 samples.
    """
    rng, hits = np.random.default_rng(0), []
    domain = sm.domains.Interval(0, shape=lambda d: torch.log1p(d).clamp(max=2))
    for _ in range(replicas):
        x = torch.from_numpy(np.abs(rng.normal(size=(1000, 1))))
        gaussian = sm.energies.Gaussian(1).double()
        inside = []
        for name, truth in (("linear", 0.0), ("interaction", 1.0)):
            low, high = sm.fit_closed_form(gaussian, x, parameters=[name], domain=domain).interval()[0].tolist()
            inside.append(low < truth < high)
            with torch.no_grad():
                gaussian.linear.zero_()
                gaussian.interaction.fill_(1.0)
        hits.append(inside)
    mean, variance = np.mean(hits, 0)
    return float(mean), float(variance)


class _Scaled(nn.Module):
    """Energy with one factor, whose best value is looked for."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.factor = function, nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the energies."""
        return self.factor * self.function(x)


def _best_factor(loss: Callable[[nn.Module, Tensor], Tensor], energy: _Scaled, x: Tensor) -> float:
    """Return the factor with the smallest loss, which is a quadratic function of it."""
    values = []
    for factor in (0.0, 1.0, 2.0):
        with torch.no_grad():
            energy.factor.fill_(factor)
        values.append(float(loss(energy, x).detach()))
    curvature = values[2] - 2 * values[1] + values[0]
    return 0.0 if curvature == 0 else -(4 * values[1] - values[2] - 3 * values[0]) / (2 * curvature)


def _ours(energy: nn.Module, x: Tensor) -> Tensor:
    return sm.score_matching_loss(energy, x)


def _ours_positive(energy: nn.Module, x: Tensor) -> Tensor:
    return sm.score_matching_loss(energy, x, domain="positive")


def _ebmkit(energy: nn.Module, x: Tensor) -> Tensor:
    found: Tensor = importlib.import_module("ebm.losses").ExactScoreMatching()(energy, x).loss
    return found


def _torchebm(energy: nn.Module, x: Tensor) -> Tensor:
    found: Tensor = importlib.import_module("torchebm.losses").ScoreMatching(model=energy, hessian_method="exact")(x)
    return found


def _torchebm_approximate(energy: nn.Module, x: Tensor) -> Tensor:
    found: Tensor = importlib.import_module("torchebm.losses").ScoreMatching(model=energy, hessian_method="approx")(x)
    return found


FITTED: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "scorematching": _ours,
    'with domain="positive"': _ours_positive,
    "ebmkit, exact": _ebmkit,
    "torchebm, exact": _torchebm,
    'torchebm, "approx"': _torchebm_approximate,
}
Case = tuple[str, float, Callable[[Tensor], Tensor], Callable[[torch.Generator], Tensor]]
CASES: tuple[Case, ...] = (
    (
        "precision of a normal vector, D = 10",
        1.0,
        lambda x: 0.5 * x.square().sum(1),
        lambda generator: torch.randn(5000, 10, generator=generator),
    ),
    (
        "rate of exponential waiting times",
        3.0,
        lambda x: (x + 0 * x.square()).sum(1),  # ebmkit needs second derivatives
        lambda generator: -torch.rand(5000, 1, generator=generator).log() / 3,
    ),
)


def _fits(
    name: str, truth: float, function: Callable[[Tensor], Tensor], draw: Callable[[torch.Generator], Tensor]
) -> tuple[str, ...]:
    """Return a row of fits of one factor."""
    x, row = draw(torch.Generator().manual_seed(0)), [name, f"{truth:g}"]
    for who, loss in FITTED.items():
        if "positive" in who and bool((x < 0).any()):
            row.append("-")
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                row.append(f"{round(_best_factor(loss, _Scaled(function), x), 3) + 0.0:.3f}")
        except ImportError:
            row.append("not installed")
    return tuple(row)


def _print_table(header: tuple[str, ...], rows: object) -> None:
    """Print a table in Markdown."""
    lines = [header, ("---",) * len(header), *rows]  # type: ignore[misc]
    console.print("\n".join("| " + " | ".join(line) + " |" for line in lines), markup=False, soft_wrap=True)
    console.print()
