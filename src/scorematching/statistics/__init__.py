"""Exact fits, standard errors of the parameters of any fitted energy, tests and comparisons of models.

Begin with :func:`fit_closed_form` for energies that are linear in their parameters, and with :func:`standard_errors`
for others. Both return an :class:`Estimate`. Judge the fit on held-out samples by :func:`stein_test` and
:func:`compare`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
