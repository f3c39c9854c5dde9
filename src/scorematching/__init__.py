"""Regularized score matching by extended double backpropagation, and image priors fitted with it.

Names are loaded when they are first used. ``__init__.pyi`` lists them and their modules.
"""

import lazy_loader

from scorematching._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
