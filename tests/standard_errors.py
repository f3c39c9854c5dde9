"""Estimates against the truth, by their standard errors."""

from __future__ import annotations

import torch
from torch import Tensor

import scorematching as sm
from scorematching.checks.cases import make_network
from scorematching.curvature import Curvature

#: Networks on which random estimates are tested.
NETWORKS = ["PoE, mixtures", "three hidden layers", "two convolutions", "skip connection", "NICE"]


def check_mean(draws: Tensor, truth: Tensor, allowed: float = 4.5) -> None:
    """Assert that the mean of draws, shape (R, ...), is within its standard errors of the truth (equal if constant)."""
    error = draws.std(0) / len(draws) ** 0.5
    assert bool(((draws.mean(0) - truth).abs() <= allowed * error + 1e-9 * truth.abs().max()).all())


def check_unbiased(name: str, method: Curvature, lam: float) -> None:
    """The mean over many probes of the loss and of its gradient is the exact one, the squares of lam included."""
    energy, x, _ = make_network(name)
    repeats = 400
    many = x[:2].repeat_interleave(repeats, 0)
    losses = sm.score_matching_loss(energy, many, lam=lam, curvature=method, reduction="none")
    truth = sm.score_matching_loss(energy, x[:2], lam=lam, curvature="full", reduction="none")
    check_mean(losses.detach().view(2, repeats).T, truth.detach())
    weight = next(energy.parameters())
    (exact,) = torch.autograd.grad(truth.sum(), weight)
    parts = losses.view(2, 40, -1).sum(0).mean(1)
    draws = torch.stack([torch.autograd.grad(part, weight, retain_graph=True)[0] for part in parts])
    check_mean(draws, exact)
