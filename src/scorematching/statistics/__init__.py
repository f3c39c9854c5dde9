"""Exact fits with standard errors, for energies that are linear in their parameters.

Begin with :func:`fit_closed_form`, which returns a :class:`ClosedForm`.
"""

from scorematching.statistics.closed_form import ClosedForm, fit_closed_form

__all__ = ["ClosedForm", "fit_closed_form"]
