"""The regularised score matching loss, its gradient, and the derivatives of an energy that it is made of.

Per sample, with ``delta = dE/dx`` and ``delta'`` the diagonal of the Hessian of ``E``::

    J = sum_i  1/2 delta_i^2  +  sum_i ( -delta'_i + lam delta'_i^2 )
        ----------K---------     ---------------L------------------

Value and partial derivatives stand side by side in :func:`sm_value` and :func:`sm_partials`.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.utils._pytree import tree_flatten, tree_unflatten

from scorematching.graph import Graph
from scorematching.sweeps import State, sweep1, sweep2, sweep3, sweep4

Curvature = Literal["diagonal"]
Reduction = Literal["mean", "sum", "none"]


def sm_value(d: Tensor, d2: Tensor, lam: float, weight: Tensor | None = None) -> Tensor:
    """The loss of each sample, shape (N,), from ``d`` and ``d2`` at the input, shape (N, ...)."""
    terms = 0.5 * d * d - d2
    if lam:
        terms = terms + lam * d2 * d2
    if weight is not None:
        terms = terms * weight
    return terms.flatten(1).sum(1)


def sm_partials(d: Tensor, d2: Tensor, lam: float, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Derivatives of the loss by ``d``, (3), and by ``d2``, (7).

    The supplement prints ``dL/d delta' = -1`` in (7), which is the case ``lam = 0``; the loss has -1 + 2 lam delta'.
    """
    a, a2 = d, 2 * lam * d2 - 1
    return (a, a2) if weight is None else (a * weight, a2 * weight)


def score_matching_loss(
    energy: Graph,
    x: Tensor,
    lam: float = 0.0,
    curvature: Curvature = "diagonal",
    weight: Tensor | None = None,
    reduction: Reduction = "mean",
    check_finite: bool = True,
) -> Tensor:
    """The regularised score matching loss of Kingma & LeCun (2010), ready for ``backward()``.

    Sweeps 1 and 2 give the value; ``backward()`` runs sweeps 3 and 4 and adds to the ``grad`` of the parameters, and
    of ``x`` if it asks for one. It can be scaled, added to other losses, accumulated and clipped as any other.

    Args:
        energy: The model, a :class:`scorematching.Graph` such as a :class:`scorematching.Sequential`.
        x: Data, shape (N, ...), float32 or float64.
        lam: The regulariser, 0 or more: the weight of the squared curvature. It stands in for a small smoothing of
            the data, which finite and quantised data need. Unit: that of ``x`` squared.
        curvature: How the diagonal of the Hessian is computed. ``"diagonal"`` is the recursion of the paper: exact for
            one layer of experts, an approximation where linear layers follow on non-linear ones.
        weight: Weights of the inputs in the loss, of the shape of ``x`` or of one sample. Zeros leave inputs out
            (borders, missing data): the model is then fitted to the rest, given those.
        reduction: ``"mean"`` or ``"sum"`` over the batch, or ``"none"`` for the losses, shape (N,).
        check_finite: Whether to look for NaN and infinity in ``x`` first.

    Returns:
        The loss: a scalar, or shape (N,) for ``reduction="none"``.

    Raises:
        TypeError: ``energy`` is not a graph, or a tensor is not of floating point.
        ValueError: A shape does not fit, ``lam`` is negative, ``x`` is not finite, or an option is unknown.

    Example:
        >>> import scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(4, 8), sm.StudentT(), sm.WeightedSum(8))
        >>> loss = score_matching_loss(energy, torch.randn(16, 4), lam=1e-3)
        >>> loss.backward()
        >>> energy.layers[0].weight.grad.shape
        torch.Size([8, 4])
    """
    if curvature != "diagonal":
        raise ValueError(f"curvature must be 'diagonal', got {curvature!r}")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if not (isinstance(lam, int | float) and lam >= 0 and math.isfinite(lam)):
        raise ValueError(f"lam must be a number of 0 or more, got {lam!r}")
    check_data(energy, x, check_finite)
    if weight is not None:
        weight = _check_weight(weight, x, check_finite)
    parameters = dict(energy.named_parameters(remove_duplicate=False))
    losses: Tensor = _ScoreMatching.apply(energy, float(lam), weight, x, tuple(parameters), *parameters.values())
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


class ScoreMatchingLoss(nn.Module):
    """:func:`score_matching_loss` as a module that holds the energy, so that it can be wrapped (DDP, compile).

    Args:
        energy: The model.
        lam: The regulariser.
        curvature: How the diagonal of the Hessian is computed.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        check_finite: Whether to look for NaN and infinity in the data.

    Example:
        >>> import scorematching as sm
        >>> energy = sm.Sequential(sm.Linear(4, 8), sm.StudentT(), sm.WeightedSum(8))
        >>> sm.ScoreMatchingLoss(energy, lam=1e-3)(torch.randn(16, 4)).shape
        torch.Size([])
    """

    def __init__(
        self,
        energy: Graph,
        lam: float = 0.0,
        curvature: Curvature = "diagonal",
        reduction: Reduction = "mean",
        check_finite: bool = True,
    ) -> None:
        super().__init__()
        self.energy = energy
        self.lam, self.curvature, self.reduction = lam, curvature, reduction
        self.check_finite = check_finite

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss of a batch; arguments as in :func:`score_matching_loss`."""
        return score_matching_loss(self.energy, x, self.lam, self.curvature, weight, self.reduction, self.check_finite)

    def extra_repr(self) -> str:
        """Settings, for ``print``."""
        return f"lam={self.lam:g}, curvature={self.curvature!r}, reduction={self.reduction!r}"


@torch.no_grad()
def score(energy: Graph, x: Tensor, check_finite: bool = True) -> Tensor:
    """The score ``grad_x log p(x) = -delta``, shape of ``x``, by sweeps 1 and 2; no graph is kept.

    Raises:
        TypeError: ``energy`` is not a graph, or ``x`` is not of floating point.
        ValueError: A shape does not fit, or ``x`` is not finite.

    Example:
        >>> import scorematching as sm
        >>> gaussian = sm.Sequential(sm.Square(), sm.Sum())
        >>> score(gaussian, torch.ones(1, 3)).tolist()
        [[-2.0, -2.0, -2.0]]
    """
    check_data(energy, x, check_finite)
    with _full_precision(x):
        state = sweep1(energy, x, curvature=False)
        sweep2(energy, state, curvature=False)
    return -state.d[energy.input]


@torch.no_grad()
def hessian_diagonal(energy: Graph, x: Tensor, curvature: Curvature = "diagonal", check_finite: bool = True) -> Tensor:
    """The diagonal of the Hessian of the energy by the data, ``delta'``, shape of ``x``, by the paper's recursion.

    It is exact for one layer of experts, and an approximation where linear layers mix what non-linear ones made.

    Args:
        energy: The model.
        x: Data, shape (N, ...).
        curvature: As in :func:`score_matching_loss`.
        check_finite: Whether to look for NaN and infinity in ``x`` first.

    Raises:
        TypeError: ``energy`` is not a graph, or ``x`` is not of floating point.
        ValueError: A shape does not fit, ``x`` is not finite, or ``curvature`` is unknown.

    Example:
        >>> import scorematching as sm
        >>> gaussian = sm.Sequential(sm.Square(), sm.Sum())
        >>> hessian_diagonal(gaussian, torch.ones(1, 3)).tolist()
        [[2.0, 2.0, 2.0]]
    """
    if curvature != "diagonal":
        raise ValueError(f"curvature must be 'diagonal', got {curvature!r}")
    check_data(energy, x, check_finite)
    with _full_precision(x):
        return _curvature(energy, _derivatives(energy, x))


def check_data(energy: Graph, x: Tensor, finite: bool) -> None:
    """Raise ``TypeError`` or ``ValueError`` where ``energy`` and ``x`` are no graph and no data."""
    if not isinstance(energy, Graph):
        raise TypeError(f"energy must be a scorematching Graph or Sequential, got {type(energy).__name__}")
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch tensor, got {type(x).__name__}")
    if x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"x must be float32 or float64, got {x.dtype}: convert it with x.float()")
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x must be a batch of one sample or more, shape (N, ...), got {tuple(x.shape)}")
    for name, parameter in energy.named_parameters():
        if parameter.dtype != x.dtype or parameter.device != x.device:
            raise TypeError(
                f"x is {x.dtype} on {x.device} and {name} is {parameter.dtype} on {parameter.device}: convert one"
            )
    if any(is_parametrized(layer) for layer in energy.modules()):
        raise TypeError("the sweeps can't see through torch.nn.utils.parametrize: remove the parametrization")
    if finite and not bool(torch.isfinite(x).all()):
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(
            f"x has {bad} entries that are NaN or infinite, of {x.numel()}; check_finite=False lets them pass"
        )


def _full_precision(x: Tensor) -> torch.autocast:
    """No autocast: second derivatives in half precision are not to be trusted."""
    return torch.autocast(x.device.type, enabled=False)


def _check_weight(weight: Tensor, x: Tensor, finite: bool) -> Tensor:
    """The weight with the type and place of ``x``; raise where it does not fit."""
    if not isinstance(weight, Tensor) or not weight.is_floating_point():
        kind = weight.dtype if isinstance(weight, Tensor) else type(weight).__name__
        raise TypeError(f"weight must be a tensor of floating point, got {kind}")
    if weight.shape not in (x.shape, x.shape[1:]):
        raise ValueError(
            f"weight must have the shape of x, {tuple(x.shape)}, or of one sample, {tuple(x.shape[1:])}, "
            f"got {tuple(weight.shape)}"
        )
    if weight.requires_grad:
        raise ValueError("weight asks for a gradient, which the loss does not give: pass weight.detach()")
    if finite and not bool(torch.isfinite(weight).all()):
        raise ValueError("weight has entries that are NaN or infinite")
    return weight.to(x)


def _derivatives(energy: Graph, x: Tensor) -> State:
    """Sweeps 1 and 2."""
    state = sweep1(energy, x)
    sweep2(energy, state)
    return state


def _curvature(energy: Graph, state: State) -> Tensor:
    """``d2`` at the input, after sweep 2; all zeros for an energy without curvature."""
    d = state.d[energy.input]
    return state.d2.get(energy.input, torch.zeros_like(d))


class _ScoreMatching(torch.autograd.Function):
    """The loss of each sample: forward runs sweeps 1 and 2, backward sweeps 3 and 4.

    The parameters are arguments, by all their names, so that autograd knows of them and adds up what a layer on
    several edges receives; the sweeps take them from the layers.
    """

    @staticmethod
    def forward(
        ctx: Any,
        energy: Graph,
        lam: float,
        weight: Tensor | None,
        x: Tensor,
        names: tuple[str, ...],
        *parameters: Tensor,
    ) -> Tensor:
        with _full_precision(x):
            state = _derivatives(energy, x.detach())
            value = sm_value(state.d[energy.input], _curvature(energy, state), lam, weight)
        leaves, ctx.spec = tree_flatten(vars(state))
        ctx.energy, ctx.lam, ctx.names = energy, lam, names
        ctx.others = [(True, None) if isinstance(leaf, Tensor) else (False, leaf) for leaf in leaves]
        # As saved tensors they are freed after backward, and a change in place until then is noticed.
        ctx.save_for_backward(weight, x, *parameters, *(leaf for leaf in leaves if isinstance(leaf, Tensor)))
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError("the score matching loss can be differentiated once: create_graph=True is not possible")
        weight, x, *saved = ctx.saved_tensors
        tensors = iter(saved[len(ctx.names) :])
        leaves = [next(tensors) if is_tensor else other for is_tensor, other in ctx.others]
        energy, state = ctx.energy, State(**tree_unflatten(leaves, ctx.spec))
        with _full_precision(x):
            a, a2 = sm_partials(state.d[energy.input], _curvature(energy, state), ctx.lam, weight)
            each = upstream.view(-1, *[1] * (x.ndim - 1))
            sweep3(energy, state, a * each, a2 * each)
            found = sweep4(energy, state, by_data=ctx.needs_input_grad[3])
        by_x = state.c.get(energy.input, torch.zeros_like(x)) if ctx.needs_input_grad[3] else None
        return None, None, None, by_x, None, *(found.get(name) for name in ctx.names)
