"""Ready-made energies, and whitening.

For vectors: :class:`Gaussian`, :class:`PairwiseModel`, :class:`ExponentialFamily`, :class:`ICA`,
:class:`ProductOfStudentT`, :class:`MLP` and :class:`NICE`. For images of any size: :class:`FieldOfExperts`, a sum of
learned functions of filter responses, and :class:`DeepField`, a deep convolutional network. :class:`ZCAWhitening`
prepares patches for a product of experts. Begin with :class:`ProductOfStudentT`, the smallest model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
