from .bases import dct_filters
from .deep_field import DeepField
from .exponential_family import ExponentialFamily
from .field_of_experts import FieldOfExperts
from .metric import with_metric
from .networks import ICA, MLP
from .nice import NICE
from .pairwise import Gaussian, PairwiseModel
from .product_of_student_t import ProductOfStudentT
from .whitening import ZCAWhitening

__all__ = [
    "ICA",
    "MLP",
    "NICE",
    "DeepField",
    "ExponentialFamily",
    "FieldOfExperts",
    "Gaussian",
    "PairwiseModel",
    "ProductOfStudentT",
    "ZCAWhitening",
    "dct_filters",
    "with_metric",
]
