"""Curvature: the ways to compute the diagonal of the Hessian, which of them are exact for a network, and their cost."""

from scorematching.curvature.auto import ApproximationWarning, Choice, differentiable_gradient, method_named
from scorematching.curvature.base import Curvature, Derivatives
from scorematching.curvature.coloring import Coloring, measured_field
from scorematching.curvature.diagonal import Diagonal
from scorematching.curvature.exactness import Exactness, exactness
from scorematching.curvature.full import Full
from scorematching.curvature.jacobian import Jacobian
from scorematching.curvature.stein import Stein
from scorematching.curvature.stochastic import CurvaturePropagation, Hutchinson
from scorematching.objective import Penalty

__all__ = [
    "ApproximationWarning",
    "Choice",
    "Coloring",
    "Curvature",
    "CurvaturePropagation",
    "Derivatives",
    "Diagonal",
    "Exactness",
    "Full",
    "Hutchinson",
    "Jacobian",
    "Penalty",
    "Stein",
    "differentiable_gradient",
    "exactness",
    "measured_field",
    "method_named",
]
