from .compiling import compiled
from .precision import bfloat16_products

__all__ = ["bfloat16_products", "compiled"]
