from .compiling import compiled
from .precision import bfloat16_products
from .progress import Progress, ProgressCallback

__all__ = ["Progress", "ProgressCallback", "bfloat16_products", "compiled"]
