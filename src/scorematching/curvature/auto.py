"""Choice of the curvature method: the cheapest exact one, or the method that the user names."""

from __future__ import annotations

import math
import warnings
from typing import Literal
from weakref import WeakSet

from torch import Tensor, nn

from scorematching.curvature.analysis.costs import method_costs
from scorematching.curvature.analysis.exactness import path_meetings
from scorematching.curvature.analytic import Analytic, AnalyticEnergy
from scorematching.curvature.base import Curvature
from scorematching.curvature.coloring import Coloring
from scorematching.curvature.diagonal import DiagonalRecursion
from scorematching.curvature.full import FullHessian
from scorematching.curvature.hutchinson import Hutchinson
from scorematching.curvature.jacobian import ForwardJacobian
from scorematching.curvature.propagation import CurvaturePropagation
from scorematching.graph import Graph, check_graph
from scorematching.runtime.arguments import check_choice
from scorematching.runtime.cache import remembered
from scorematching.runtime.functional import unbatched
from scorematching.runtime.kinds import check_arguments
from scorematching.runtime.validation import check_batch, check_uncompiled

Name = Literal["auto", "diagonal", "full", "jacobian", "coloring", "hutchinson", "propagation"]
#: A curvature method, by its name or as an object with settings.
Choice = Name | Curvature

METHODS: dict[str, type[Curvature]] = {
    "diagonal": DiagonalRecursion,
    "full": FullHessian,
    "jacobian": ForwardJacobian,
    "coloring": Coloring,
    "hutchinson": Hutchinson,
    "propagation": CurvaturePropagation,
}
#: Maximum time per batch, in seconds by the cost model, of a method that ``auto`` may choose.
SECONDS = 60.0
#: Maximum memory per sample, in bytes, of a method that ``auto`` may choose.
BYTES = 8e9
#: Maximum number of Hessian-vector products per batch that ``auto`` accepts for a module whose layers are unknown.
PRODUCTS = 4096

_warned: WeakSet[nn.Module] = WeakSet()


class ApproximationWarning(UserWarning):
    """Warning that the diagonal recursion is only an approximation for an energy."""


def method_named(choice: Choice, energy: nn.Module, x: Tensor) -> Curvature:
    """Return the curvature method for a choice, an energy and data of the shape of ``x``.

    A warning is given if the choice is ``"diagonal"`` and the recursion is not exact for this energy.

    Raises:
        TypeError: ``"diagonal"`` is chosen for an energy that is not a graph, or ``torch.compile`` made the energy.
        ValueError: ``x`` is no batch, the name is unknown, or no exact method is affordable.
    """
    check_arguments(method_named, locals())
    check_uncompiled(energy)
    x = check_batch(unbatched(x))
    if isinstance(choice, str) and choice == "auto":
        return remembered(energy, ("auto", x.shape, x.dtype), lambda: cheapest_exact(energy, x))
    if not isinstance(choice, Curvature):
        check_choice("curvature", choice, ("auto", *METHODS))
        choice = METHODS[choice]()
    if isinstance(choice, DiagonalRecursion):
        warn_where_approximate(check_graph(energy, "curvature='diagonal'"), x)
    return choice


def cheapest_exact(energy: nn.Module, x: Tensor) -> Curvature:
    """Return the exact method that takes the least time for this energy, by the cost model.

    Raises:
        ValueError: No exact method is affordable; the message names the alternatives.
    """
    if isinstance(energy, AnalyticEnergy):
        return Analytic()
    if not isinstance(energy, Graph):
        return _affordable_coloring(energy, x)
    if not path_meetings(energy, x):
        return DiagonalRecursion()
    exact: dict[str, Curvature] = {"full": FullHessian(), "coloring": Coloring(), "jacobian": ForwardJacobian()}
    costs = {cost.method: cost for cost in method_costs(energy, x, len(x))}
    fitting = [name for name in exact if name == "coloring" or costs[name].memory <= BYTES * len(x)]
    best = min(fitting, key=lambda name: costs[name].seconds)
    if (seconds := costs[best].seconds) > SECONDS:
        count = costs[best].multiplications
        took = f"about {seconds:.0f} s and {count:.1e} multiplications for a batch of {len(x)}"
        raise _unaffordable(f"the cheapest, {best!r}, would take {took}")
    return exact[best]


def _affordable_coloring(energy: nn.Module, x: Tensor) -> Coloring:
    """Return the coloring method for a module whose layers are unknown; raise if it needs too many products."""
    method = Coloring()
    products = x.shape[1] * math.prod(method.distance(energy, x))
    if products > PRODUCTS:
        raise _unaffordable(f"{type(energy).__name__} takes {products} Hessian-vector products per batch")
    return method


def _unaffordable(why: str) -> ValueError:
    return ValueError(
        f"no exact curvature is affordable: {why}. Choose curvature='hutchinson' (random, unbiased), 'diagonal' (the "
        "recursion, an approximation here), or an exact method in spite of its cost: 'full', 'jacobian' or 'coloring'"
    )


def warn_where_approximate(energy: Graph, x: Tensor) -> None:
    """Warn once per energy if the diagonal recursion is not exact, and name the first place."""
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
