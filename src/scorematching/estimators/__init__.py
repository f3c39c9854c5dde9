"""Estimators: models of vectors by the conventions of scikit-learn, and sparse graphical models.

Begin with :class:`EnergyModel`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
