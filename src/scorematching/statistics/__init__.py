"""Exact fits, and standard errors of the parameters of any fitted energy.

Begin with :func:`fit_closed_form` for energies that are linear in their parameters, and with :func:`standard_errors`
for others. Both return an :class:`Estimate`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
