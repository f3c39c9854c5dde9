"""``curvature="auto"``: the cheapest method that is exact; and the warning where a chosen one is not."""

from __future__ import annotations

import math
import warnings
from typing import Literal
from weakref import WeakSet

from torch import Tensor, nn

from scorematching.curvature.analysis.costs import Cost, method_costs
from scorematching.curvature.analysis.exactness import path_meetings
from scorematching.curvature.base import Curvature
from scorematching.curvature.coloring import Coloring
from scorematching.curvature.diagonal import DiagonalRecursion
from scorematching.curvature.full import FullHessian
from scorematching.curvature.hutchinson import Hutchinson
from scorematching.curvature.jacobian import ForwardJacobian
from scorematching.curvature.objective import Penalty
from scorematching.curvature.propagation import CurvaturePropagation
from scorematching.graph import Graph, check_graph
from scorematching.runtime.arguments import check_choice
from scorematching.runtime.cache import remembered

Name = Literal["auto", "diagonal", "full", "jacobian", "coloring", "hutchinson", "propagation"]
#: A method of curvature, by its name or with its settings.
Choice = Name | Curvature

METHODS: dict[str, type[Curvature]] = {
    "diagonal": DiagonalRecursion,
    "full": FullHessian,
    "jacobian": ForwardJacobian,
    "coloring": Coloring,
    "hutchinson": Hutchinson,
    "propagation": CurvaturePropagation,
}
#: ``auto`` takes no method that would need more seconds than this for a batch, by the cost model.
SECONDS = 60.0
#: Nor one that would need more bytes than this for a single sample.
BYTES = 8e9
#: Of a module whose layers can't be seen, ``auto`` takes no more Hessian-vector products than this.
PRODUCTS = 4096

_warned: WeakSet[nn.Module] = WeakSet()


class ApproximationWarning(UserWarning):
    """The diagonal recursion was asked for where it is an approximation."""


def method_named(choice: Choice, energy: nn.Module, x: Tensor, penalty: Penalty = "none") -> Curvature:
    """The method that a user chose, for this energy and these data.

    Raises:
        TypeError: ``"diagonal"`` for an energy that is no graph.
        ValueError: The name is unknown, or no exact method is affordable.
    """
    if choice == "auto":
        key = ("auto", x.shape, x.dtype, penalty)
        return remembered(energy, key, lambda: cheapest_exact(energy, x, penalty))
    if not isinstance(choice, Curvature):
        check_choice("curvature", choice, ("auto", *METHODS))
        choice = METHODS[choice]()
    if isinstance(choice, DiagonalRecursion):
        warn_where_approximate(check_graph(energy, "curvature='diagonal'"), x)
    return choice


def cheapest_exact(energy: nn.Module, x: Tensor, penalty: Penalty = "none") -> Curvature:
    """The method that is exact for this energy and, by the cost model, takes the least time.

    Raises:
        ValueError: None is affordable; the message names what could be done.
    """
    if not isinstance(energy, Graph):
        return _colored(energy, x, penalty)
    exact: dict[str, Curvature] = {"full": FullHessian(), "coloring": Coloring()}
    if penalty != "hessian":
        if not path_meetings(energy, x):
            return DiagonalRecursion()
        exact["jacobian"] = ForwardJacobian()
    costs = {cost.method: cost for cost in method_costs(energy, x, len(x), penalty)}
    fitting = [name for name in exact if name == "coloring" or costs[name].memory <= BYTES * len(x)]
    best = min(fitting, key=lambda name: costs[name].seconds)
    if costs[best].seconds > SECONDS:
        raise _unaffordable(f"the cheapest, {best!r}, would take {_said(costs[best])} a batch of {len(x)}", penalty)
    return exact[best]


def _colored(energy: nn.Module, x: Tensor, penalty: Penalty) -> Curvature:
    """Coloring, for a module whose layers can't be seen."""
    field = tuple(x.shape[2:]) if penalty == "hessian" else Coloring().distance(energy, x)
    products = x.shape[1] * math.prod(field)
    if products > PRODUCTS:
        raise _unaffordable(f"{type(energy).__name__} takes {products} Hessian-vector products a batch", penalty)
    return Coloring()


def _said(cost: Cost) -> str:
    return f"some {cost.seconds:.0f} s and {cost.multiplications:.1e} multiplications"


def _unaffordable(why: str, penalty: Penalty) -> ValueError:
    cheap, exact = "'hutchinson' (random, unbiased)", "'full' or 'coloring'"
    if penalty != "hessian":
        cheap, exact = f"{cheap}, 'diagonal' (the recursion, an approximation here)", "'full', 'jacobian' or 'coloring'"
    return ValueError(
        f"no exact curvature is affordable: {why}. Choose curvature={cheap}, or an exact one all the same: {exact}"
    )


def warn_where_approximate(energy: Graph, x: Tensor) -> None:
    """Warn, once an energy, where the diagonal recursion is not exact, and say where that begins."""
    if energy in _warned:
        return
    if meetings := path_meetings(energy, x):
        _warned.add(energy)
        warnings.warn(
            f"curvature='diagonal' is an approximation for this energy: {meetings[0]}. The loss and its gradient are "
            "those of the approximation; curvature='auto' is exact, and curvature_report measures the difference",
            ApproximationWarning,
            stacklevel=4,
        )
