"""Regularized score matching loss, with any curvature method."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scorematching.curvature import Choice, method_named
from scorematching.curvature.objective import Objective, sm_value
from scorematching.graph import Graph
from scorematching.losses.blocks import SummedLoss
from scorematching.losses.reduction import Reduction, check_reduction, reduced
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.functional import parameters_of
from scorematching.runtime.validation import check_data, check_weight, full_precision


def score_matching_loss(
    energy: nn.Module,
    x: Tensor,
    lam: float = 0.0,
    curvature: Choice = "auto",
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    check_finite: bool = True,
) -> Tensor:
    """Return the regularized score matching loss of Kingma & LeCun (2010), ready for ``backward()``.

    The loss is differentiable once, with respect to the parameters and to ``x``. It can be scaled and added to other
    losses. Gradients can be accumulated and clipped as usual.

    Args:
        energy: The model: a :class:`scorematching.Graph`, such as a :class:`scorematching.Sequential`. Methods that do
            not need the layers accept any module that returns energies, shape (N,) or (N, 1). A module around a graph
            hides the layers of the graph: wrap :class:`ScoreMatchingLoss` instead.
        x: Data, shape (N, ...), float32 or float64.
        lam: Weight of the regularizer, which is the squared curvature; 0 or more. The regularizer acts like a small
            Gaussian blur of the data, which few or quantized samples need. Unit: the square of the unit of ``x``.
        curvature: Method for the diagonal of the Hessian. ``"auto"`` takes the cheapest method that is exact for this
            energy. The other methods are ``"diagonal"`` (the recursion of the paper; it warns if it is an
            approximation), ``"full"``, ``"jacobian"``, ``"coloring"`` (exact), ``"hutchinson"`` and ``"propagation"``
            (random and unbiased). Methods with settings are passed as objects of :mod:`scorematching.curvature`.
        weight: Weights of the inputs in the loss, with the shape of ``x`` or of one sample. Inputs of weight 0, such as
            borders or missing data, are left out. The model is then fitted to the density of the other inputs, given
            these.
        reduction: ``"mean"`` or ``"sum"`` over the batch, or ``"none"`` for the losses, shape (N,).
        check_finite: Whether to check ``x`` and ``weight`` for NaN and infinity first.

    Returns:
        The loss: a scalar, or shape (N,) for ``reduction="none"``.

    Raises:
        TypeError: The method needs a graph and ``energy`` is not one, or a tensor is not of floating point.
        ValueError: A shape does not fit, ``lam`` is negative, ``x`` is not finite, an option is unknown, or no exact
            method is affordable for ``curvature="auto"``.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(4, 8), sm.StudentT(), sm.WeightedSum(8))
        >>> loss = score_matching_loss(energy, torch.randn(16, 4), lam=1e-3)
        >>> loss.backward()
        >>> energy.layers[0].weight.grad.shape
        torch.Size([8, 4])
    """
    check_reduction(reduction)
    check_data(energy, x, check_finite)
    if weight is not None:
        weight = check_weight(weight, x, check_finite)
    objective = Objective(check_positive("lam", lam, zero=True), weight)
    with full_precision(x):
        method = method_named(curvature, energy, x)
        if isinstance(energy, Graph) and reduction != "none":
            named, differentiable = parameters_of(energy), torch.is_grad_enabled()
            value = SummedLoss.apply(method, energy, objective, differentiable, tuple(named), x, *named.values())
            return value / len(x) if reduction == "mean" else value
        d, d2, square = method.derivatives(energy, x, objective.squared)
        return reduced(sm_value(d, d2, *objective, square), reduction)


class ScoreMatchingLoss(nn.Module):
    """:func:`score_matching_loss` as a module that holds the energy, so that it can be wrapped (DDP, compile).

    ``DistributedDataParallel`` needs ``find_unused_parameters=True`` for a plain module with a parameter that does not
    change the score, such as the bias of the last layer.

    Args:
        energy: The model.
        lam: Weight of the regularizer.
        curvature: Method for the diagonal of the Hessian.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        check_finite: Whether to check the data for NaN and infinity.

    Example:
        >>> import torch, scorematching as sm
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
    ) -> None:
        super().__init__()
        self.energy = energy
        self.lam, self.curvature, self.reduction, self.check_finite = lam, curvature, reduction, check_finite

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of a batch. The arguments are those of :func:`score_matching_loss`."""
        return score_matching_loss(self.energy, x, self.lam, self.curvature, weight, self.reduction, self.check_finite)

    def extra_repr(self) -> str:
        """Return the settings, for ``print``."""
        return f"lam={self.lam:g}, curvature={self.curvature!r}, reduction={self.reduction!r}"
