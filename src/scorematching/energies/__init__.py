"""Ready-made energies, each a graph, and whitening.

For vectors: :class:`ProductOfStudentT` and :class:`NICE`. For images of any size: :class:`FieldOfExperts`, a sum of
learned functions of filter responses, and :class:`DeepField`, a deep convolutional network. :class:`ZCAWhitening`
prepares patches for a product of experts. Begin with :class:`ProductOfStudentT`, the smallest model.
"""

from scorematching.energies.bases import dct_filters
from scorematching.energies.deep_field import DeepField
from scorematching.energies.field_of_experts import FieldOfExperts
from scorematching.energies.nice import NICE
from scorematching.energies.product_of_student_t import ProductOfStudentT
from scorematching.energies.whitening import ZCAWhitening

__all__ = ["NICE", "DeepField", "FieldOfExperts", "ProductOfStudentT", "ZCAWhitening", "dct_filters"]
