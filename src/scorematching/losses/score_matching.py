"""Regularized score matching loss, with any curvature method."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scorematching.curvature import Choice, method_named
from scorematching.curvature.objective import Objective, Weights, sm_value
from scorematching.domains import DomainChoice, domain_named
from scorematching.graph import Graph
from scorematching.losses.blocks import SummedLoss
from scorematching.losses.bounds import warn_of_bounds
from scorematching.losses.kinks import warn_of_kinks
from scorematching.losses.reduction import Reduction, check_reduction, reduced
from scorematching.losses.repeats import warn_of_repeats
from scorematching.runtime.arguments import check_positive
from scorematching.runtime.functional import batched, parameters_of, transformed
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.validation import check_data, check_weight, full_precision, warn_if_infinite


def score_matching_loss(
    energy: nn.Module,
    x: Tensor,
    *,
    lam: float = 0.0,
    curvature: Choice = "auto",
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    check_finite: bool = True,
    domain: DomainChoice = None,
) -> Tensor:
    """Return the regularized score matching loss of Kingma & LeCun (2010), ready for ``backward()``.

    The loss is differentiable with respect to the parameters and to ``x``, any number of times. It can be scaled and
    added to other losses. Gradients can be accumulated and clipped as usual. :mod:`torch.func` works too: for gradients
    of each sample, use ``vmap`` over ``grad``.

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
        weight: Weights of the samples, shape (N,), or of the inputs, with the shape of ``x`` or of one sample. Terms of
            inputs of weight 0, such as borders, are left out. The model is then fitted to the density of the other
            inputs, given the values of these. So missing values can't be left out in this way: use
            :func:`marginal_score_matching_loss`.
        reduction: ``"mean"`` or ``"sum"`` over the batch, or ``"none"`` for the losses, shape (N,).
        check_finite: Whether to check ``x`` and ``weight`` for NaN and infinity first.
        domain: Set that the data lie in, if it is not all of space: ``"positive"``, ``"circle"`` for angles in radians,
            ``"simplex"``, ``"sphere"``, or an object of
            :mod:`scorematching.domains`. Without it the fit to such data is wrong.

    Warns:
        DomainWarning: The data look bounded, and ``domain`` is not given.
        KinkWarning: The energy is a module with piecewise linear operations, such as ReLU.
        RepeatedValuesWarning: Values of an input repeat, as in 8-bit data, and ``lam`` is 0.

    Returns:
        The loss: a scalar, or shape (N,) for ``reduction="none"``.

    Raises:
        TypeError: The method needs a graph and ``energy`` is not one, or a tensor is not of floating point.
        ValueError: A shape does not fit, ``lam`` is negative, ``x`` is not finite or outside of the domain, or on its
            boundary where the energy has no finite derivatives; an option is unknown, or no exact method is affordable
            for ``curvature="auto"``.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(4, 8), sm.StudentT(), sm.WeightedSum(8))
        >>> loss = score_matching_loss(energy, torch.randn(16, 4), lam=1e-3)
        >>> loss.backward()
        >>> energy.layers[0].weight.grad.shape
        torch.Size([8, 4])
    """
    check_reduction(reduction)
    check_arguments(score_matching_loss, locals())
    check_finite = check_finite and not batched(x)
    check_data(energy, x, check_finite)
    inside = None
    if (bounded := domain_named(domain)) is not None:
        if not batched(x):
            bounded.check(energy, x)
        if weight is not None:
            bounded.check_weight(weight, x)
        energy, x, bounded = bounded.coordinates(energy, x)
        inside = bounded.weights(x)
    if weight is not None:
        weight = check_weight(weight, x, check_finite)
    if domain is None and check_finite:
        warn_of_bounds(energy, x, weight)
    if lam == 0 and check_finite:
        warn_of_repeats(energy, x, weight)
    objective = Objective.of(check_positive("lam", lam, zero=True), weight, inside)
    by_weights = inside is not None and inside.h.requires_grad
    with full_precision(x):
        method = method_named(curvature, energy, x)
        if bounded is not None:
            if not method.bounded:
                raise ValueError(f"{type(method).__name__} is for data in all of space: leave out domain or curvature")
            method = bounded.along(method)
        if isinstance(energy, Graph) and reduction != "none" and not by_weights and not transformed():
            named, differentiable = parameters_of(energy), torch.is_grad_enabled()
            value = SummedLoss.apply(method, energy, objective, differentiable, tuple(named), x, *named.values())
            value = value / len(x) if reduction == "mean" else value
        else:
            d, d2, square = method.derivatives(energy, x, objective.squared)
            if not isinstance(energy, Graph):
                warn_of_kinks(energy, x, d, d2)
            value = reduced(sm_value(d, d2, objective, square), reduction)
    if inside is not None and check_finite:
        _check_inside(inside, value)
    return warn_if_infinite(value) if check_finite else value


def _check_inside(inside: Weights, value: Tensor) -> None:
    """Raise ``ValueError`` if the loss is not finite because of samples on the boundary of the domain."""
    if not bool(torch.isfinite(value).all()) and bool((inside.h == 0).any()):
        count = int((inside.h == 0).flatten(1).any(1).sum())
        raise ValueError(
            f"{count} samples are on the boundary of the domain, where the derivatives of this energy are not finite: "
            "move them inside, such as by x.clamp(min=1e-6)"
        )


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
        domain: Set that the data lie in.

    Example:
        >>> import torch, scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(4, 8), sm.StudentT(), sm.WeightedSum(8))
        >>> sm.ScoreMatchingLoss(energy, lam=1e-3)(torch.randn(16, 4)).shape
        torch.Size([])
    """

    def __init__(
        self,
        energy: nn.Module,
        *,
        lam: float = 0.0,
        curvature: Choice = "auto",
        reduction: Reduction = "mean",
        check_finite: bool = True,
        domain: DomainChoice = None,
    ) -> None:
        check_arguments(ScoreMatchingLoss.__init__, locals())
        super().__init__()
        self.energy, self.domain = energy, domain_named(domain)
        self.lam, self.curvature, self.reduction, self.check_finite = lam, curvature, reduction, check_finite

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return the loss of a batch. The arguments are those of :func:`score_matching_loss`."""
        return score_matching_loss(
            self.energy,
            x,
            lam=self.lam,
            curvature=self.curvature,
            weight=weight,
            reduction=self.reduction,
            check_finite=self.check_finite,
            domain=self.domain,
        )

    def extra_repr(self) -> str:
        """Return the settings, for ``print``."""
        return f"lam={self.lam:g}, curvature={self.curvature!r}, reduction={self.reduction!r}"
