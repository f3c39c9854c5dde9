"""Public checks: derivative rules, gradients of networks, and the error of the diagonal recursion."""

from scorematching.checks.curvature_error import CurvatureReport, curvature_report
from scorematching.checks.gradients import CheckError, brute_force, check_gradients, check_layer

__all__ = ["CheckError", "CurvatureReport", "brute_force", "check_gradients", "check_layer", "curvature_report"]
