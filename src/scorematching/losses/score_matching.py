"""The regularized score matching loss, by any curvature method."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from scorematching.curvature import Choice, method_named
from scorematching.curvature.objective import LossOfEach, Objective, Penalty
from scorematching.graph import Graph
from scorematching.losses.blocks import summed_loss
from scorematching.losses.reduction import Reduction, reduced
from scorematching.runtime.arguments import check_choice, check_positive
from scorematching.runtime.validation import check_data, check_weight, full_precision


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
    """The regularized score matching loss of Kingma & LeCun (2010), ready for ``backward()``.

    The gradient by the parameters, and by ``x`` if it asks for one, is that of the value, by hand-written sweeps
    where there are some. The loss can be scaled, added to other losses, accumulated and clipped as any other.

    Args:
        energy: The model: a :class:`scorematching.Graph` such as a :class:`scorematching.Sequential`, or, for the
            methods that do without the layers, any module that returns energies, shape (N,) or (N, 1). A module around
            a graph hides its layers: wrap :class:`ScoreMatchingLoss` instead.
        x: Data, shape (N, ...), float32 or float64.
        lam: The regularizer, 0 or more: the weight of the squared curvature. It stands in for a small smoothing of
            the data, which finite and quantized data need. Unit: that of ``x`` squared.
        curvature: How the diagonal of the Hessian is computed: ``"auto"`` is the cheapest method that is exact for
            this energy. Others by name or, with settings, as objects: ``"diagonal"`` (the recursion of the paper; it
            warns where it approximates), ``"full"``, ``"jacobian"``, ``"coloring"`` (exact), ``"hutchinson"``,
            ``"propagation"`` (random and unbiased).
        weight: Weights of the inputs in the loss, of the shape of ``x`` or of one sample. Zeros leave inputs out
            (borders, missing data): the model is then fitted to the rest, given those.
        reduction: ``"mean"`` or ``"sum"`` over the batch, or ``"none"`` for the losses, shape (N,).
        check_finite: Whether to look for NaN and infinity in ``x`` first.
        penalty: What the regularizer squares: the ``"diagonal"``, as the paper has it, or the whole ``"hessian"``.

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
    return reduced(losses, reduction)


class ScoreMatchingLoss(nn.Module):
    """:func:`score_matching_loss` as a module that holds the energy, so that it can be wrapped (DDP, compile).

    Args:
        energy: The model.
        lam: The regularizer.
        curvature: How the diagonal of the Hessian is computed.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        check_finite: Whether to look for NaN and infinity in the data.
        penalty: What the regularizer squares.

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
