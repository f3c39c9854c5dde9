"""Inference: exact fits of energies that are linear in their parameters, with standard errors."""

from scorematching.statistics.closed_form import ClosedForm, fit_closed_form

__all__ = ["ClosedForm", "fit_closed_form"]
