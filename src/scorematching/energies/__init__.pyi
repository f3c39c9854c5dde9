from .bases import dct_filters
from .deep_field import DeepField
from .field_of_experts import FieldOfExperts
from .metric import with_metric
from .nice import NICE
from .product_of_student_t import ProductOfStudentT
from .whitening import ZCAWhitening

__all__ = ["NICE", "DeepField", "FieldOfExperts", "ProductOfStudentT", "ZCAWhitening", "dct_filters", "with_metric"]
