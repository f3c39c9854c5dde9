"""Checks of derivatives, for the layers and networks of this library and of its users.

:func:`check_layer` checks all rules of a layer; :func:`check_gradients` checks the score and the gradients of a whole
network. :func:`curvature_report` measures the error of the diagonal recursion on data. Begin with
:func:`check_gradients`.
"""

from scorematching.checks.curvature_error import CurvatureReport, curvature_report
from scorematching.checks.gradients import CheckError, brute_force, check_gradients, check_layer

__all__ = ["CheckError", "CurvatureReport", "brute_force", "check_gradients", "check_layer", "curvature_report"]
