"""Ready-made energies: products and fields of experts, deep fields, NICE; and whitening."""

from scorematching.energies.bases import dct_filters
from scorematching.energies.deep_field import DeepField
from scorematching.energies.field_of_experts import FieldOfExperts
from scorematching.energies.nice import NICE
from scorematching.energies.product_of_student_t import ProductOfStudentT
from scorematching.energies.whitening import ZCAWhitening

__all__ = ["NICE", "DeepField", "FieldOfExperts", "ProductOfStudentT", "ZCAWhitening", "dct_filters"]
