"""Ready-made energies: products and fields of experts, deep fields, NICE; and whitening."""

from scorematching.energies.bases import dct_filters
from scorematching.energies.deep_field import DeepField
from scorematching.energies.field_of_experts import FieldsOfExperts
from scorematching.energies.nice import NICE
from scorematching.energies.product_of_student_t import PoT
from scorematching.energies.whitening import Whitening

__all__ = ["NICE", "DeepField", "FieldsOfExperts", "PoT", "Whitening", "dct_filters"]
