"""Curvature: methods for the diagonal of the Hessian, their exactness on a network, and their cost."""

from scorematching.curvature.analysis.exactness import ExactnessReport, exactness_report
from scorematching.curvature.analytic import Analytic, AnalyticEnergy
from scorematching.curvature.auto import ApproximationWarning, Choice, method_named
from scorematching.curvature.base import Curvature, Derivatives
from scorematching.curvature.coloring import Coloring, measured_field
from scorematching.curvature.diagonal import DiagonalRecursion
from scorematching.curvature.full import FullHessian
from scorematching.curvature.gradient import differentiable_gradient
from scorematching.curvature.hutchinson import Hutchinson
from scorematching.curvature.jacobian import ForwardJacobian
from scorematching.curvature.propagation import CurvaturePropagation
from scorematching.curvature.stein import Stein

__all__ = [
    "Analytic",
    "AnalyticEnergy",
    "ApproximationWarning",
    "Choice",
    "Coloring",
    "Curvature",
    "CurvaturePropagation",
    "Derivatives",
    "DiagonalRecursion",
    "ExactnessReport",
    "ForwardJacobian",
    "FullHessian",
    "Hutchinson",
    "Stein",
    "differentiable_gradient",
    "exactness_report",
    "measured_field",
    "method_named",
]
