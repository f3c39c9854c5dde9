"""The losses: score matching with any method of curvature and a regulariser, sliced, and denoising score matching."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from scorematching.curvature import Choice, differentiable_gradient, method_named
from scorematching.curvature.products import Products
from scorematching.curvature.stochastic import Distribution, check_probes, draw, probes_for, unbiased_square
from scorematching.graph import Graph
from scorematching.objective import LossOfEach, Objective, Penalty
from scorematching.step import summed_loss
from scorematching.validation import check_choice, check_data, check_positive, check_weight, full_precision

Reduction = Literal["mean", "sum", "none"]


def score_matching_loss(
    energy: nn.Module,
    x: Tensor,
    lam: float = 0.0,
    curvature: Choice = "auto",
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    check_finite: bool = True,
    penalty: Literal["diagonal", "hessian"] = "diagonal",
) -> Tensor:
    """The regularised score matching loss of Kingma & LeCun (2010), ready for ``backward()``.

    The gradient by the parameters, and by ``x`` if it asks for one, is that of the value, by hand-written sweeps
    where there are some. The loss can be scaled, added to other losses, accumulated and clipped as any other.

    Args:
        energy: The model: a :class:`scorematching.Graph` such as a :class:`scorematching.Sequential`, or, for the
            methods that do without the layers, any module that returns energies, shape (N,) or (N, 1). A module around
            a graph hides its layers: wrap :class:`ScoreMatchingLoss` instead.
        x: Data, shape (N, ...), float32 or float64.
        lam: The regulariser, 0 or more: the weight of the squared curvature. It stands in for a small smoothing of
            the data, which finite and quantised data need. Unit: that of ``x`` squared.
        curvature: How the diagonal of the Hessian is computed: ``"auto"`` is the cheapest method that is exact for
            this energy. Others by name or, with settings, as objects: ``"diagonal"`` (the recursion of the paper; it
            warns where it approximates), ``"full"``, ``"jacobian"``, ``"coloring"`` (exact), ``"hutchinson"``,
            ``"propagation"`` (random and unbiased).
        weight: Weights of the inputs in the loss, of the shape of ``x`` or of one sample. Zeros leave inputs out
            (borders, missing data): the model is then fitted to the rest, given those.
        reduction: ``"mean"`` or ``"sum"`` over the batch, or ``"none"`` for the losses, shape (N,).
        check_finite: Whether to look for NaN and infinity in ``x`` first.
        penalty: What the regulariser squares: the ``"diagonal"``, as the paper has it, or the whole ``"hessian"``.

    Returns:
        The loss: a scalar, or shape (N,) for ``reduction="none"``.

    Raises:
        TypeError: The method needs a graph and ``energy`` is none, or a tensor is not of floating point.
        ValueError: A shape does not fit, ``lam`` is negative, ``x`` is not finite, an option is unknown, or no exact
            method is affordable for ``curvature="auto"``.

    Example:
        >>> import scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(4, 8), sm.StudentT(), sm.WeightedSum(8))
        >>> loss = score_matching_loss(energy, torch.randn(16, 4), lam=1e-3)
        >>> loss.backward()
        >>> energy.layers[0].weight.grad.shape
        torch.Size([8, 4])
    """
    check_choice("reduction", reduction, ("mean", "sum", "none"))
    check_choice("penalty", penalty, ("diagonal", "hessian"))
    lam = check_positive("lam", lam, zero=True)
    check_data(energy, x, check_finite)
    if weight is not None:
        weight = check_weight(weight, x, check_finite)
    wanted: Penalty = penalty if lam else "none"
    with full_precision(x):
        method = method_named(curvature, energy, x, wanted)
        if isinstance(energy, Graph) and reduction != "none":
            value = summed_loss(method, energy, x, Objective(lam, wanted, weight))
            return value / len(x) if reduction == "mean" else value
        d, d2, square = method.derivatives(energy, x, wanted)
        losses: Tensor = LossOfEach.apply(lam, weight, d, d2, square)
    return _reduced(losses, reduction)


def sliced_score_matching_loss(
    energy: nn.Module,
    x: Tensor,
    lam: float = 0.0,
    probes: int | None = None,
    distribution: Distribution = "rademacher",
    generator: torch.Generator | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Sliced score matching (Song et al., 2019), for any module that returns energies.

    With random directions ``v`` the loss is the mean of ``1/2 (v·d)^2 - v·(H v)``; in the mean over the directions
    that is the loss of :func:`score_matching_loss`. Its variance-reduced form, which has ``d`` as it is and is to be
    preferred, is ``curvature="hutchinson"`` there.

    Args:
        energy: The model.
        x: Data, shape (N, ...).
        lam: The regulariser, as in :func:`score_matching_loss`; unbiased by products of independent directions.
        probes: Directions a sample; by default 1, or 2 for ``lam`` above 0.
        distribution: ``"rademacher"`` or ``"gaussian"``.
        generator: What the directions are drawn with; torch's own if not given.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        TypeError: ``energy`` is no module, or ``x`` is not of floating point.
        ValueError: A shape does not fit, ``x`` is not finite, or an option is unknown.

    Example:
        >>> energy = nn.Sequential(nn.Linear(4, 8), nn.Softplus(), nn.Linear(8, 1))
        >>> sliced_score_matching_loss(energy, torch.randn(16, 4)).shape
        torch.Size([])
    """
    check_choice("reduction", reduction, ("mean", "sum", "none"))
    lam = check_positive("lam", lam, zero=True)
    check_probes(probes)
    check_data(energy, x, finite=True)
    with full_precision(x):
        products = Products(energy, x)
        slopes, curved = [], []
        for _ in range(probes_for(probes, "diagonal" if lam else "none")):
            v = draw(x, distribution, generator)
            slopes.append((v * products.d).flatten(1).sum(1))
            curved.append((v * products.hessian_times(v)).flatten(1))
        each = torch.stack(curved)
        losses = 0.5 * torch.stack(slopes).square().mean(0) - each.mean(0).sum(1)
        if lam:
            losses = losses + lam * unbiased_square(each).sum(1)
    return _reduced(losses, reduction)


def denoising_score_matching_loss(
    energy: nn.Module,
    x: Tensor,
    sigma: float,
    generator: torch.Generator | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Denoising score matching (Vincent, 2011), for any module that returns energies; no second derivative is taken.

    ``1/2 |d(x + sigma n) - n / sigma|^2`` with standard normal noise ``n``: up to a constant, and in the mean over
    the noise, the score matching loss on data with that noise. So the energy becomes that of the *noisy* density.

    Args:
        energy: The model.
        x: Clean data, shape (N, ...).
        sigma: The noise's standard deviation, in the units of ``x``.
        generator: What the noise is drawn with; torch's own if not given.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        TypeError: ``energy`` is no module, or ``x`` is not of floating point.
        ValueError: A shape does not fit, ``sigma`` is not above 0, ``x`` is not finite, or an option is unknown.

    Example:
        >>> energy = nn.Sequential(nn.Linear(4, 8), nn.Softplus(), nn.Linear(8, 1))
        >>> denoising_score_matching_loss(energy, torch.randn(16, 4), sigma=0.1).shape
        torch.Size([])
    """
    check_choice("reduction", reduction, ("mean", "sum", "none"))
    sigma = check_positive("sigma", sigma)
    check_data(energy, x, finite=True)
    with full_precision(x):
        n = draw(x, "gaussian", generator)
        d = differentiable_gradient(energy, x + sigma * n)
        losses = 0.5 * (d - n / sigma).square().flatten(1).sum(1)
    return _reduced(losses, reduction)


def _reduced(losses: Tensor, reduction: Reduction) -> Tensor:
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


class ScoreMatchingLoss(nn.Module):
    """:func:`score_matching_loss` as a module that holds the energy, so that it can be wrapped (DDP, compile).

    Args:
        energy: The model.
        lam: The regulariser.
        curvature: How the diagonal of the Hessian is computed.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        check_finite: Whether to look for NaN and infinity in the data.
        penalty: What the regulariser squares.

    Example:
        >>> import scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(4, 8), sm.StudentT(), sm.WeightedSum(8))
        >>> sm.ScoreMatchingLoss(energy, lam=1e-3)(torch.randn(16, 4)).shape
        torch.Size([])
    """

    def __init__(
        self,
        energy: nn.Module,
        lam: float = 0.0,
        curvature: Choice = "auto",
        reduction: Reduction = "mean",
        check_finite: bool = True,
        penalty: Literal["diagonal", "hessian"] = "diagonal",
    ) -> None:
        super().__init__()
        self.energy = energy
        self.lam, self.curvature, self.reduction = lam, curvature, reduction
        self.check_finite, self.penalty = check_finite, penalty

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss of a batch; arguments as in :func:`score_matching_loss`."""
        return score_matching_loss(
            self.energy, x, self.lam, self.curvature, weight, self.reduction, self.check_finite, self.penalty
        )

    def extra_repr(self) -> str:
        """Settings, for ``print``."""
        return f"lam={self.lam:g}, curvature={self.curvature!r}, reduction={self.reduction!r}"
